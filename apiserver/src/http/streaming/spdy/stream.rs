//! One stream of a connection: what the client sends on it, and what is sent to the client.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;

use super::frame::{Frame, PIECE, Reset};
use super::headers::Headers;

/// A stream that the client opened. Its two directions end apart from each other.
pub struct Stream {
    pub id: u32,
    /// What it was opened with.
    pub headers: Headers,
    pub input: Input,
    pub output: Output,
}

impl Stream {
    /// Ends both directions at once, for the client too.
    pub async fn reset(self, why: Reset) {
        self.output.reset(why).await;
    }
}

/// What comes from the client. If it is dropped, what still comes is thrown away.
pub struct Input {
    pub(super) pieces: mpsc::Receiver<Piece>,
}

/// Bytes with the room that they take in their connection, which is free again when they are taken.
pub(super) struct Piece {
    pub bytes: Bytes,
    pub _room: OwnedSemaphorePermit,
}

impl Input {
    /// The next bytes; none behind the client's FIN, and once the stream is reset.
    pub async fn next(&mut self) -> Option<Bytes> {
        self.pieces.recv().await.map(|piece| piece.bytes)
    }
}

/// What goes to the client. Call `finish` or `reset` at the end: a client that hears neither waits.
pub struct Output {
    pub(super) stream: u32,
    pub(super) frames: mpsc::Sender<Frame>,
    pub(super) ends: Arc<Ends>,
}

/// The stream takes no more bytes, for it was reset or its connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stream is closed")]
pub struct Closed;

/// How a stream ended, as the connection's reader and the stream's owner tell each other.
#[derive(Default)]
pub(super) struct Ends {
    /// Reset by either side, or no longer used here.
    pub gone: CancellationToken,
    /// Nothing more goes to the client.
    pub finished: AtomicBool,
}

impl Output {
    /// Waits until all bytes have a place on the way to the client.
    pub async fn send(&mut self, mut bytes: Bytes) -> Result<(), Closed> {
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE));
            self.put(Frame::Data { stream: self.stream, fin: false, bytes: piece }).await?;
        }
        Ok(())
    }

    /// Tells the client that nothing more comes. It may go on sending.
    pub async fn finish(&mut self) {
        if !self.ends.finished.swap(true, Ordering::Relaxed) {
            // A client that is gone needs no word of it.
            let _ = self.put(Frame::Data { stream: self.stream, fin: true, bytes: Bytes::new() }).await;
        }
    }

    /// Ends both directions at once, for the client too.
    pub async fn reset(self, why: Reset) {
        let _ = self.put(Frame::RstStream { stream: self.stream, status: why as u32 }).await;
        self.ends.gone.cancel();
    }

    /// Resolves when the client has reset the stream, or the connection has ended.
    pub fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        self.ends.gone.clone().cancelled_owned()
    }

    async fn put(&self, frame: Frame) -> Result<(), Closed> {
        tokio::select! {
            biased;
            () = self.ends.gone.cancelled() => Err(Closed),
            sent = self.frames.send(frame) => sent.map_err(|_| Closed),
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.ends.finished.store(true, Ordering::Relaxed);
    }
}
