//! The messages in which the streams of a process cross the way back: bytes, each with the number of their stream.

use api::channels::{self, CLOSE, ERROR, RESIZE, STDIN};
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use serde::Deserialize;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_util::codec::{FramedRead, LengthDelimitedCodec};
use tokio_util::io::StreamReader;

use crate::runtime::interface::{Input, Output, Resize, Size};

/// How many messages wait for a slow client; then its process waits, too.
const WAITING: usize = 4;
const PIECE: usize = 16 * 1024;
/// What a terminal takes for the end of what is typed.
const END_OF_TYPING: u8 = 4;

/// What a client sends.
pub struct Incoming(BoxStream<'static, io::Result<BytesMut>>);

impl Incoming {
    pub fn new(body: Body) -> Self {
        let bytes = StreamReader::new(body.into_data_stream().map_err(io::Error::other));
        Self(FramedRead::new(bytes, LengthDelimitedCodec::new()).boxed())
    }

    /// Carries what comes to where it belongs. The end of what comes is the end of the input; this resolves when the
    /// client breaks off.
    pub async fn feed(mut self, mut input: Option<Input>, resize: Option<Resize>) {
        loop {
            let (channel, bytes) = match self.0.next().await {
                Some(Ok(message)) => {
                    let Some((channel, bytes)) = message.split_first() else { continue };
                    (*channel, bytes.to_vec())
                }
                Some(Err(_)) => return,
                None => break,
            };
            match channel {
                STDIN => write(&mut input, &bytes).await,
                CLOSE if bytes == [STDIN] => close(&mut input, resize.is_some()).await,
                RESIZE => {
                    if let (Some(resize), Ok(size)) = (&resize, serde_json::from_slice::<TerminalSize>(&bytes)) {
                        resize(Size { width: size.width, height: size.height });
                    }
                }
                _ => {}
            }
        }
        close(&mut input, resize.is_some()).await;
        std::future::pending().await
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TerminalSize {
    width: u16,
    height: u16,
}

/// A process that reads no more is told no more.
async fn write(input: &mut Option<Input>, bytes: &[u8]) {
    if let Some(writer) = input
        && writer.write_all(bytes).await.is_err()
    {
        *input = None;
    }
}

async fn close(input: &mut Option<Input>, has_terminal: bool) {
    if has_terminal {
        write(input, &[END_OF_TYPING]).await;
    }
    *input = None;
}

/// The way to a client.
pub struct Outgoing(mpsc::Sender<Bytes>);

/// The client has broken off.
#[derive(Debug)]
pub struct HungUp;

/// The way to a client, and the body that is answered for it.
pub fn outgoing() -> (Outgoing, Body) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let messages = futures::stream::unfold(receiver, |mut receiver| async move {
        let message = receiver.recv().await?;
        Some((io::Result::Ok(message), receiver))
    });
    (Outgoing(sender), Body::from_stream(messages))
}

impl Outgoing {
    pub async fn send(&self, channel: u8, bytes: &[u8]) -> Result<(), HungUp> {
        let message = [&channels::head(channel, bytes)[..], bytes].concat();
        self.0.send(message.into()).await.map_err(|_| HungUp)
    }

    /// Carries all that a process writes to a stream.
    pub async fn carry(&self, channel: u8, output: Option<Output>) -> Result<(), HungUp> {
        let Some(mut output) = output else { return Ok(()) };
        let mut piece = vec![0; PIECE];
        while let Ok(length @ 1..) = output.read(&mut piece).await {
            self.send(channel, &piece[..length]).await?;
        }
        Ok(())
    }

    /// Tells how the process ended.
    pub async fn finish(self, status: &[u8]) {
        // A client that has broken off does not ask.
        let _ = self.send(ERROR, status).await;
    }

    /// Resolves when the client has broken off.
    pub async fn hung_up(&self) {
        self.0.closed().await;
    }
}

/// Reads what nobody wants, so that its writer goes on.
pub async fn discard(output: Option<Output>) {
    if let Some(mut output) = output {
        let _ = tokio::io::copy(&mut output, &mut tokio::io::sink()).await;
    }
}
