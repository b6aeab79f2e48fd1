//! A body that is lent: what its reader leaves of it comes back.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use http_body::{Body as _, Frame, SizeHint};

/// Where the rest of a body comes back to, once its reader is done with it.
#[derive(Clone, Default)]
pub struct Rest(Arc<Mutex<Option<Body>>>);

impl Rest {
    /// None if all of it was read, or somebody still reads.
    pub fn take(&self) -> Option<Body> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The body for its reader, and where the rest of it will be. A body that is empty is handed on as it is.
pub fn lend(body: Body) -> (Body, Rest) {
    let rest = Rest::default();
    if body.is_end_stream() {
        return (body, rest);
    }
    (Body::new(Lent { body, rest: rest.clone() }), rest)
}

struct Lent {
    body: Body,
    rest: Rest,
}

impl http_body::Body for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.body.is_end_stream() {
            let body = std::mem::take(&mut self.body);
            *self.rest.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn what_is_not_read_comes_back() {
        let parts = ["one", "two"].map(|part| Ok::<_, std::convert::Infallible>(Bytes::from(part)));
        let (mut lent, rest) = lend(Body::from_stream(stream::iter(parts)));
        let first = lent.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first, "one");
        assert!(rest.take().is_none());
        drop(lent);
        assert_eq!(rest.take().unwrap().collect().await.unwrap().to_bytes(), "two");
    }

    #[tokio::test]
    async fn nothing_comes_back_of_a_body_that_was_read() {
        let (lent, rest) = lend(Body::from("all"));
        assert_eq!(lent.collect().await.unwrap().to_bytes(), "all");
        assert!(rest.take().is_none());
        assert!(lend(Body::empty()).1.take().is_none());
    }
}
