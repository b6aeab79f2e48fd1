//! What was written as protobuf just now: all watchers of a kind are sent the same object, at about the same time.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use api::protobuf::{Error, Writer};
use bytes::Bytes;

use crate::http::content::accept::Form;
use crate::http::reply::protobuf;
use crate::storage::object::Object;

/// As many objects as are on their way to watchers at once, and some more.
const PLACES: usize = 64;

/// A few objects with their bytes. Each has one place that it may take.
pub struct Recent([Mutex<Option<Entry>>; PLACES]);

struct Entry {
    /// Holds the address of the object, so that no other can have it, but not its content.
    object: Weak<Object>,
    form: Form,
    bytes: Bytes,
}

impl Default for Recent {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }
}

impl Recent {
    /// The object in this form, written now or before.
    pub fn written(&self, form: Form, object: &Arc<Object>, writer: &mut Writer) -> Result<Bytes, Error> {
        let address = Arc::as_ptr(object);
        let place = &self.0[address.addr() / size_of::<Object>() % PLACES];
        let known =
            place.lock().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(|entry| {
                (entry.object.as_ptr() == address && entry.form == form).then(|| entry.bytes.clone())
            });
        if let Some(bytes) = known {
            return Ok(bytes);
        }
        let mut out = Vec::with_capacity(object.size());
        protobuf::write_object(form, object, writer, &mut out)?;
        let bytes = Bytes::from(out);
        let entry = Entry { object: Arc::downgrade(object), form, bytes: bytes.clone() };
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(entry);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::content::accept::MetaVersion;
    use crate::storage::object::{Key, Revision};
    use api::names::GroupResource;

    fn object(name: &str) -> Arc<Object> {
        let key = Key::new(GroupResource { group: "", resource: "configmaps" }, "d", name);
        let json =
            format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}"}},"data":{{"k":"v"}}}}"#);
        Arc::new(Object::unstored(key, Revision(1), json.into()).unwrap())
    }

    #[test]
    fn an_object_is_written_once_in_each_form() {
        let (recent, mut writer) = (Recent::default(), Writer::default());
        let one = object("a");
        let mut write = |form, object: &Arc<Object>| recent.written(form, object, &mut writer).unwrap();
        let first = write(Form::Object, &one);
        assert_eq!(first.as_ptr(), write(Form::Object, &one).as_ptr());
        let metadata = write(Form::Metadata(MetaVersion::V1), &one);
        assert_ne!(metadata, first);
        assert_eq!(write(Form::Object, &one), first);
        for number in 0..200 {
            let other = object(&format!("b{number}"));
            let bytes = write(Form::Object, &other);
            assert_eq!(bytes, protobuf::of_object(Form::Object, &other).unwrap());
        }
    }
}
