//! The streams of a command over a WebSocket: the first byte of a message says whose bytes it holds.
//!
//! The protocols are those of upstream's `streaming/pkg/httpstream/wsstream` and `kubelet/pkg/cri/streaming/remotecommand`.

use std::time::Duration;

use api::channels::{CLOSE, ERROR, RESIZE, STDERR, STDIN, STDOUT};
use api::failure::Failure;
use axum::extract::ws::{CloseFrame, Message as Frame, WebSocket, close_code};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::http::streaming::session::{Message, Session, Wanted};
use crate::http::streaming::upgrade;

/// How long a client may take to read the end.
const FAREWELL: Duration = Duration::from_secs(5);

/// A way to write messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protocol {
    pub name: &'static str,
    /// Messages are texts: the number as a digit, the bytes in base64.
    is_base64: bool,
    /// The end is told as a Status; in older ones only what went wrong, as a sentence.
    has_status: bool,
}

/// The best first.
const PROTOCOLS: [Protocol; 6] = [
    Protocol { name: "v5.channel.k8s.io", is_base64: false, has_status: true },
    Protocol { name: "v4.channel.k8s.io", is_base64: false, has_status: true },
    Protocol { name: "v4.base64.channel.k8s.io", is_base64: true, has_status: true },
    Protocol { name: "channel.k8s.io", is_base64: false, has_status: false },
    Protocol { name: "base64.channel.k8s.io", is_base64: true, has_status: false },
    UNNAMED,
];
/// For clients that name none.
const UNNAMED: Protocol = Protocol { name: "", is_base64: false, has_status: false };

/// The best protocol of those that a client offers.
pub fn choose(offered: &[String]) -> Result<Protocol, Failure> {
    if offered.is_empty() {
        return Ok(UNNAMED);
    }
    let known = PROTOCOLS.into_iter().find(|protocol| offered.iter().any(|name| *name == protocol.name));
    known.ok_or_else(|| {
        let names: Vec<&str> = PROTOCOLS.iter().map(|protocol| protocol.name).filter(|name| !name.is_empty()).collect();
        upgrade::unknown(offered, &names)
    })
}

/// Carries the streams until the command ends or the client goes.
pub async fn serve(socket: WebSocket, protocol: Protocol, wanted: Wanted, session: Session) {
    let (mut sink, mut frames) = socket.split();
    let Session { to_pod, from_pod } = session;
    // One that waits must not keep the other from going on: a command may wait for its output to be read.
    let ended = tokio::select! {
        ended = protocol.write(&mut sink, wanted, from_pod) => ended,
        () = protocol.read(&mut frames, to_pod) => return,
    };
    if ended.is_ok() {
        // To hang up at once could take from the client what it has not read yet.
        drop(tokio::time::timeout(FAREWELL, async { while let Some(Ok(_)) = frames.next().await {} }).await);
    }
}

/// What a client's frame means.
enum Read {
    Message(Message),
    Nothing,
    End,
}

impl Protocol {
    /// The name that the client is answered with, if it named any.
    pub fn told(self) -> Option<&'static str> {
        (!self.name.is_empty()).then_some(self.name)
    }

    fn frame(self, channel: u8, bytes: &[u8]) -> Frame {
        if self.is_base64 {
            let digit = char::from(b'0' + channel);
            return Frame::text(format!("{digit}{}", BASE64_STANDARD.encode(bytes)));
        }
        let mut frame = Vec::with_capacity(1 + bytes.len());
        frame.push(channel);
        frame.extend_from_slice(bytes);
        Frame::binary(frame)
    }

    fn message(self, frame: Frame) -> Read {
        let bytes: Bytes = match frame {
            Frame::Binary(bytes) => bytes,
            Frame::Text(text) => Bytes::from(text),
            Frame::Close(_) => return Read::End,
            Frame::Ping(_) | Frame::Pong(_) => return Read::Nothing,
        };
        let Some((channel, rest)) = bytes.split_first() else { return Read::Nothing };
        if self.is_base64 {
            let Ok(decoded) = BASE64_STANDARD.decode(rest) else { return Read::End };
            return of_client(channel.wrapping_sub(b'0'), decoded.into());
        }
        of_client(*channel, bytes.slice(1..))
    }

    /// To the client, with the end of the command as the last.
    async fn write(
        self,
        sink: &mut SplitSink<WebSocket, Frame>,
        wanted: Wanted,
        mut from_pod: mpsc::Receiver<Message>,
    ) -> Result<(), axum::Error> {
        // So the client learns that it is connected.
        let first = match wanted {
            Wanted { stdout: true, .. } => STDOUT,
            Wanted { stderr: true, .. } => STDERR,
            _ => ERROR,
        };
        sink.send(self.frame(first, &[])).await?;
        while let Some(message) = from_pod.recv().await {
            if message.channel != ERROR {
                sink.send(self.frame(message.channel, &message.bytes)).await?;
                continue;
            }
            let told = if self.has_status { Some(message.bytes.to_vec()) } else { trouble(&message.bytes) };
            if let Some(told) = told {
                sink.send(self.frame(ERROR, &told)).await?;
            }
            break;
        }
        sink.send(Frame::Close(Some(CloseFrame { code: close_code::NORMAL, reason: "".into() }))).await
    }

    /// From the client, until it goes.
    async fn read(self, frames: &mut SplitStream<WebSocket>, to_pod: mpsc::Sender<Message>) {
        while let Some(Ok(frame)) = frames.next().await {
            match self.message(frame) {
                // A command that has ended reads no more, and will say so.
                Read::Message(message) => drop(to_pod.send(message).await),
                Read::Nothing => {}
                Read::End => return,
            }
        }
    }
}

/// Only these streams lead to a pod; the others are not the client's to write.
fn of_client(channel: u8, bytes: Bytes) -> Read {
    match channel {
        STDIN | RESIZE | CLOSE => Read::Message(Message { channel, bytes }),
        _ => Read::Nothing,
    }
}

/// What went wrong, if anything did.
fn trouble(status: &[u8]) -> Option<Vec<u8>> {
    #[derive(Deserialize)]
    struct Ended {
        #[serde(default)]
        status: String,
        #[serde(default)]
        message: String,
    }
    let ended: Ended = serde_json::from_slice(status).ok()?;
    (ended.status != "Success").then(|| ended.message.into_bytes())
}
