//! Watches: events as lines of JSON or as messages with their length, sent the moment they happen.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

use api::failure::Failure;
use api::protobuf::Writer;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use prometheus_client::metrics::gauge::Gauge;
use tokio::time::Sleep;
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::http::app::App;
use crate::http::content::accept::{Encoding, Form};
use crate::http::reply::object::set_content_headers;
use crate::http::reply::table::{self, RowObject};
use crate::http::reply::{list::ListMeta, metadata, protobuf};
use crate::kinds::erased::KindRef;
use crate::registry::options::{EventType, WatchEvent, WatchItem};
use crate::registry::watch::WatchStream;

/// Events that wait are sent together, up to about this much.
const FRAME: usize = 64 * 1024;

/// One watcher, from its first event to its last.
pub struct Watching {
    pub app: Arc<App>,
    pub kind: KindRef,
    pub events: WatchStream,
    pub encoding: Encoding,
    pub form: Form,
    pub rows: RowObject,
    /// When the client gets its last bookmark and the end.
    pub timeout: Pin<Box<Sleep>>,
    pub stop: Pin<Box<WaitForCancellationFutureOwned>>,
    pub counted: Counted,
    pub columns_are_known: bool,
    pub is_over: bool,
}

/// A watcher in the count of those that are open.
pub struct Counted(Gauge);

impl Counted {
    pub fn new(gauge: Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The answer to a watch: its head is sent at once, before any event.
pub fn watch(watching: Watching) -> Response {
    let encoding = watching.encoding;
    let frames = stream::unfold(watching, |mut watching| async move {
        let frame = watching.next_frame().await?;
        Some((Ok::<Bytes, Infallible>(frame), watching))
    });
    streamed(Body::from_stream(frames), encoding)
}

/// A watch that ends before its first event, and says why.
pub fn ended(failure: &Failure, encoding: Encoding) -> Response {
    let mut frame = Vec::with_capacity(512);
    write_error(failure, encoding, &mut frame);
    streamed(Body::from(frame), encoding)
}

fn streamed(body: Body, encoding: Encoding) -> Response {
    let mut response = Response::new(body);
    set_content_headers(response.headers_mut(), encoding.stream_type(), false);
    response
}

impl Watching {
    /// All events that are ready, at least one; `None` at the end.
    /// Cancelling loses nothing.
    pub async fn next_frame(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        let first = tokio::select! {
            biased;
            // Before the store, which ends at the same time and would call that a failure.
            () = &mut self.stop => return None,
            item = self.events.next() => item?,
            () = &mut self.timeout => return self.farewell(),
        };
        let mut frame = Vec::with_capacity(4096);
        let mut writer = Writer::default();
        self.write(first, &mut writer, &mut frame);
        while frame.len() < FRAME
            && !self.is_over
            && let Some(event) = self.events.try_next()
        {
            self.write(Ok(event), &mut writer, &mut frame);
        }
        Some(frame.into())
    }

    /// A last bookmark saves the client from listing again.
    fn farewell(&mut self) -> Option<Bytes> {
        self.is_over = true;
        let bookmark = self.events.last_bookmark()?;
        let mut frame = Vec::with_capacity(512);
        self.write(Ok(bookmark), &mut Writer::default(), &mut frame);
        Some(frame.into())
    }

    fn write(&mut self, item: WatchItem, writer: &mut Writer, frame: &mut Vec<u8>) {
        let written = item.and_then(|event| {
            self.app.measures.watch_events.inc();
            if self.encoding == Encoding::Protobuf {
                return protobuf::write_event(self.form, &event, &self.app.recent, writer, frame);
            }
            open_event(event.event_type.name(), frame);
            self.write_object(&event, frame);
            close_event(frame);
            Ok(())
        });
        if let Err(failure) = written {
            self.is_over = true;
            write_error(&failure, self.encoding, frame);
        }
    }

    fn write_object(&mut self, event: &WatchEvent, frame: &mut Vec<u8>) {
        let object = &event.object;
        match self.form {
            Form::Object | Form::AggregatedDiscovery => object.write(frame),
            Form::Metadata(version) => metadata::write(version, &object.bytes(), frame),
            Form::Table(version) if event.event_type == EventType::Bookmark => {
                let meta = ListMeta { revision: object.revision, continue_token: "", remaining: None };
                table::write_empty(version, &meta, frame);
            }
            Form::Table(version) => {
                let now = self.app.clock.now();
                let knows_columns = std::mem::replace(&mut self.columns_are_known, true);
                table::write_event(version, self.kind, object, self.rows, now, knows_columns, frame);
            }
        }
    }
}

fn open_event(event_type: &str, frame: &mut Vec<u8>) {
    frame.extend_from_slice(br#"{"type":""#);
    frame.extend_from_slice(event_type.as_bytes());
    frame.extend_from_slice(br#"","object":"#);
}

fn close_event(frame: &mut Vec<u8>) {
    frame.extend_from_slice(b"}\n");
}

fn write_error(failure: &Failure, encoding: Encoding, frame: &mut Vec<u8>) {
    if encoding == Encoding::Protobuf {
        return protobuf::write_error(failure, frame);
    }
    open_event("ERROR", frame);
    serde_json::to_writer(&mut *frame, &failure.status()).expect("a Status is JSON");
    close_event(frame);
}
