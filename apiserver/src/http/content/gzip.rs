//! Compression of long answers.

use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body::{Body, Frame};

/// Shorter answers are sent as they are.
pub const WORTHWHILE: usize = 128 * 1024;

/// The cheapest level: what matters is the length of the line, not the last percent.
const LEVEL: Compression = Compression::new(1);

/// A whole document.
pub fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), LEVEL);
    write(&mut encoder, bytes);
    encoder.finish().expect("a Vec takes any bytes")
}

fn write(encoder: &mut GzEncoder<Vec<u8>>, bytes: &[u8]) {
    encoder.write_all(bytes).expect("a Vec takes any bytes");
}

/// A body that is compressed frame by frame while it is sent.
pub struct Gzip<B> {
    body: B,
    /// Gone once the end has been written.
    encoder: Option<GzEncoder<Vec<u8>>>,
}

impl<B> Gzip<B> {
    pub fn new(body: B) -> Self {
        Self { body, encoder: Some(GzEncoder::new(Vec::new(), LEVEL)) }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Gzip<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        loop {
            let Some(mut encoder) = self.encoder.take() else { return Poll::Ready(None) };
            let polled = Pin::new(&mut self.body).poll_frame(context);
            if polled.is_pending() {
                self.encoder = Some(encoder);
                return Poll::Pending;
            }
            match ready!(polled) {
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        write(&mut encoder, &bytes);
                    }
                    let written = std::mem::take(encoder.get_mut());
                    self.encoder = Some(encoder);
                    if !written.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(written.into()))));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    let rest = encoder.finish().expect("a Vec takes any bytes");
                    return Poll::Ready(Some(Ok(Frame::data(rest.into()))));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt, StreamBody};
    use std::convert::Infallible;
    use std::io::Read;

    fn plain(compressed: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(compressed).read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[tokio::test]
    async fn a_compressed_answer_says_the_same() {
        let text = "a line of some length\n".repeat(20_000);
        assert_eq!(plain(&compress(text.as_bytes())), text.as_bytes());
        let frames: Vec<Result<Frame<Bytes>, Infallible>> =
            text.as_bytes().chunks(60_000).map(|chunk| Ok(Frame::data(Bytes::copy_from_slice(chunk)))).collect();
        let body = Gzip::new(StreamBody::new(futures::stream::iter(frames)));
        let compressed = body.collect().await.unwrap().to_bytes();
        assert!(compressed.len() < text.len() / 10);
        assert_eq!(plain(&compressed), text.as_bytes());
    }
}
