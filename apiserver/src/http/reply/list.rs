//! Lists: stored bytes, one after the other, in frames of a good size.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::vec::IntoIter;

use api::failure::Failure;
use axum::body::Body as AnyBody;
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use jiff::Timestamp;

use crate::http::content::accept::{Accepted, Encoding, Form, MetaVersion};
use crate::http::content::gzip::{self, Gzip};
use crate::http::reply::object::{self, Look, set_content_headers};
use crate::http::reply::table::{self, RowObject};
use crate::http::reply::{failure, metadata, protobuf};
use crate::kinds::erased::KindRef;
use crate::registry::options::Page;
use crate::storage::object::{Object, Revision};

/// A frame of HTTP/2 is so long at most, and so is a record of TLS, into which the nine bytes before a frame go too.
/// A longer frame would take two records.
const FRAME: usize = 16 * 1024 - 9;
/// So much is written at once. More costs memory, less costs time.
const AHEAD: usize = 4 * FRAME;

/// The `metadata` of a list.
pub struct ListMeta<'a> {
    pub revision: Revision,
    pub continue_token: &'a str,
    pub remaining: Option<u64>,
}

pub fn write_list_meta(meta: &ListMeta<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"resourceVersion":""#);
    out.extend_from_slice(meta.revision.to_string().as_bytes());
    out.push(b'"');
    if !meta.continue_token.is_empty() {
        out.extend_from_slice(br#","continue":"#);
        serde_json::to_writer(&mut *out, meta.continue_token).expect("a Vec takes any bytes");
    }
    if let Some(remaining) = meta.remaining {
        out.extend_from_slice(br#","remainingItemCount":"#);
        out.extend_from_slice(remaining.to_string().as_bytes());
    }
    out.push(b'}');
}

/// A page of a list, in the form that was asked for.
pub async fn list(accepted: Accepted, kind: KindRef, page: Page, look: &Look) -> Response {
    let stored: usize = page.objects.iter().map(|object| object.size()).sum();
    if accepted.encoding == Encoding::Protobuf {
        return in_protobuf(accepted.form, kind, page, stored, look.gzip).await;
    }
    let frames = Frames::new(accepted.form, kind, page, look.rows, look.now);
    if accepted.encoding == Encoding::Yaml || accepted.pretty {
        return object::written(StatusCode::OK, accepted, frames.gather().into(), look.gzip);
    }
    let compress = look.gzip && stored > gzip::WORTHWHILE;
    let body = if compress { AnyBody::new(Gzip::new(frames)) } else { AnyBody::new(frames) };
    let mut response = Response::new(body);
    set_content_headers(response.headers_mut(), accepted.encoding.media_type(), compress);
    response
}

async fn in_protobuf(form: Form, kind: KindRef, page: Page, stored: usize, gzip: bool) -> Response {
    let write = move || match protobuf::of_list(form, kind, &page) {
        Ok(bytes) => object::whole(StatusCode::OK, Encoding::Protobuf, bytes.into(), gzip),
        Err(refusal) => failure::failure(&refusal),
    };
    // A short list is written sooner than another thread is woken.
    if stored <= AHEAD {
        return write();
    }
    let written = tokio::task::spawn_blocking(write).await;
    written.unwrap_or_else(|_| failure::failure(&Failure::internal("the list could not be written")))
}

/// What each object of a list becomes.
enum Item {
    /// Its stored bytes without `apiVersion` and `kind`: the list says them for all.
    Stored,
    Metadata(MetaVersion),
    Row {
        version: MetaVersion,
        kind: KindRef,
        rows: RowObject,
        now: Timestamp,
    },
}

impl Item {
    fn write(&self, object: &Object, out: &mut Vec<u8>) {
        match self {
            Self::Stored => {
                out.push(b'{');
                object.write_from_metadata(out);
            }
            Self::Metadata(version) => metadata::write(*version, &object.bytes(), out),
            Self::Row { version, kind, rows, now } => table::write_row(*version, *kind, object, *rows, *now, out),
        }
    }

    /// How long the object will be, where that is known without writing it.
    fn length(&self, object: &Object) -> Option<usize> {
        matches!(self, Self::Stored).then(|| object.size_from_metadata() + 1)
    }
}

/// A list that is written while it is sent.
struct Frames {
    /// Written and not yet sent.
    written: Bytes,
    objects: IntoIter<Arc<Object>>,
    item: Item,
    is_first: bool,
    /// Whether all of it is written.
    is_whole: bool,
    /// Bytes not yet sent, where that is known.
    left: Option<u64>,
}

impl Frames {
    fn new(form: Form, kind: KindRef, page: Page, rows: RowObject, now: Timestamp) -> Self {
        let meta =
            ListMeta { revision: page.revision, continue_token: &page.continue_token, remaining: page.remaining };
        let facts = kind.facts();
        let mut head = Vec::new();
        let item = match form {
            Form::Table(version) => {
                table::write_head(version, kind, &meta, &mut head);
                Item::Row { version, kind, rows, now }
            }
            Form::Metadata(version) => {
                write_head("PartialObjectMetadataList", version.api_version(), &meta, &mut head);
                Item::Metadata(version)
            }
            Form::Object | Form::AggregatedDiscovery => {
                write_head(&facts.list_kind(), &facts.api_version(), &meta, &mut head);
                Item::Stored
            }
        };
        let lengths: Option<usize> = page.objects.iter().map(|object| item.length(object)).sum();
        let commas = page.objects.len().saturating_sub(1);
        let left = lengths.map(|lengths| (head.len() + lengths + commas + table::TAIL.len()) as u64);
        Self { written: head.into(), objects: page.objects.into_iter(), item, is_first: true, is_whole: false, left }
    }

    fn frame(&mut self) -> Option<Bytes> {
        if self.written.len() < FRAME && !self.is_whole {
            self.write_ahead();
        }
        let frame = self.written.split_to(self.written.len().min(FRAME));
        self.left = self.left.map(|left| left.saturating_sub(frame.len() as u64));
        Some(frame).filter(|frame| !frame.is_empty())
    }

    fn write_ahead(&mut self) {
        let guessed = (self.written.len() + 512 + self.objects.len() * 1024) as u64;
        let expected = usize::try_from(self.left.unwrap_or(guessed)).unwrap_or(usize::MAX);
        let mut out = Vec::with_capacity(expected.min(AHEAD + AHEAD / 8));
        out.extend_from_slice(&self.written);
        while out.len() < AHEAD {
            let Some(object) = self.objects.next() else {
                out.extend_from_slice(table::TAIL);
                self.is_whole = true;
                break;
            };
            if !std::mem::take(&mut self.is_first) {
                out.push(b',');
            }
            self.item.write(&object, &mut out);
        }
        self.written = out.into();
    }

    fn gather(mut self) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(frame) = self.frame() {
            all.extend_from_slice(&frame);
        }
        all
    }
}

fn write_head(kind: &str, api_version: &str, meta: &ListMeta<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(format!(r#"{{"kind":"{kind}","apiVersion":"{api_version}","metadata":"#).as_bytes());
    write_list_meta(meta, out);
    out.extend_from_slice(br#","items":["#);
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.frame().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_whole && self.written.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
