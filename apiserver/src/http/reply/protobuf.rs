//! Answers in protobuf, made of the JSON that is kept.

use api::failure::Failure;
use api::protobuf::{self, Error, Writer};

use crate::http::content::accept::Form;
use crate::http::reply::list::{ListMeta, write_list_meta};
use crate::http::reply::recent::Recent;
use crate::kinds::erased::KindRef;
use crate::registry::options::{Page, WatchEvent};
use crate::storage::object::Object;

/// The kind of an object of which only the metadata is sent.
const PARTIAL: &str = "PartialObjectMetadata";

/// A document that says what it is.
pub fn of_document(json: &[u8]) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(json.len());
    Writer::default().object(json, &mut out)?;
    Ok(out)
}

pub fn of_object(form: Form, object: &Object) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::with_capacity(object.size());
    write_object(form, object, &mut Writer::default(), &mut out).map_err(|error| unwritable(&error))?;
    Ok(out)
}

/// An object in its envelope.
pub fn write_object(form: Form, object: &Object, writer: &mut Writer, out: &mut Vec<u8>) -> Result<(), Error> {
    match form {
        Form::Metadata(version) => writer.object_as(version.api_version(), PARTIAL, &object.bytes(), out),
        Form::Object | Form::Table(_) | Form::AggregatedDiscovery => writer.object(&object.bytes(), out),
    }
}

/// A whole list: its length stands before it, so that it cannot be sent while it is written.
pub fn of_list(form: Form, kind: KindRef, page: &Page) -> Result<Vec<u8>, Failure> {
    let mut metadata = Vec::with_capacity(64);
    let meta = ListMeta { revision: page.revision, continue_token: &page.continue_token, remaining: page.remaining };
    write_list_meta(&meta, &mut metadata);
    let facts = kind.facts();
    let (api_version, list_kind) = match form {
        Form::Metadata(version) => (version.api_version().to_owned(), format!("{PARTIAL}List")),
        Form::Object | Form::Table(_) | Form::AggregatedDiscovery => (facts.api_version(), facts.list_kind()),
    };
    let stored: usize = page.objects.iter().map(|object| object.size()).sum();
    let mut out = Vec::with_capacity(stored);
    let items = page.objects.iter().map(|object| object.bytes());
    let written = Writer::default().list(&api_version, &list_kind, &metadata, items, &mut out);
    written.map_err(|error| unwritable(&error))?;
    Ok(out)
}

/// One event of a watch, as a frame.
pub fn write_event(
    form: Form,
    event: &WatchEvent,
    recent: &Recent,
    writer: &mut Writer,
    frame: &mut Vec<u8>,
) -> Result<(), Failure> {
    let object = recent.written(form, &event.object, writer).map_err(|error| unwritable(&error))?;
    let written = protobuf::write_event(event.event_type.name(), frame, |out| {
        out.extend_from_slice(&object);
        Ok(())
    });
    written.map_err(|error| unwritable(&error))
}

/// The event that ends a watch, and says why.
pub fn write_error(failure: &Failure, frame: &mut Vec<u8>) {
    let status = serde_json::to_vec(&failure.status()).expect("a Status is JSON");
    let object = |out: &mut Vec<u8>| Writer::default().object(&status, out);
    protobuf::write_event("ERROR", frame, object).expect("a Status has a message");
}

fn unwritable(error: &Error) -> Failure {
    Failure::internal(format!("write the object as protobuf: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_watch_is_a_frame() {
        let mut frame = Vec::new();
        write_error(&Failure::too_old(1, 5), &mut frame);
        let length = u32::from_be_bytes(*frame.first_chunk().unwrap()) as usize;
        assert_eq!(length, frame.len() - 4);
        assert_eq!(&frame[4..11], b"\x0a\x05ERROR");
        let status = frame.windows(4).position(|bytes| bytes == protobuf::MAGIC).unwrap();
        let status = protobuf::decode(&frame[status..], ("", "")).unwrap();
        let status: serde_json::Value = serde_json::from_slice(&status).unwrap();
        assert_eq!((&status["kind"], &status["code"]), (&"Status".into(), &410.into()));
    }
}
