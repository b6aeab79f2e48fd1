//! Port forwarding over a plain WebSocket: the ports stand in the query, and each has two channels, one for its bytes and one for
//! what goes wrong. The first message of each is the port, little-endian.
//!
//! As upstream's `kubelet/pkg/cri/streaming/portforward/websocket.go`.

use axum::extract::ws::{Message, WebSocket};
use bytes::{BufMut, Bytes, BytesMut};
use futures::stream::{FuturesUnordered, SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::http::query::Query;
use crate::http::streaming::ports::Forward;

pub const PROTOCOL: &str = "v4.channel.k8s.io";

/// How many messages of a port are under way in each direction.
const MESSAGES: usize = 16;
const MOST_BYTES: usize = 32 * 1024;
/// A channel has one byte, and a port two channels.
const MOST_PORTS: usize = 127;

/// The ports that the query names; none if one is no port, or there are too many.
pub fn named(query: &Query<'_>) -> Option<Vec<u16>> {
    let texts = query.all("ports");
    let ports = texts.iter().flat_map(|text| text.split(','));
    let ports = ports.map(|port| port.trim().parse().ok().filter(|port| *port != 0));
    let ports: Vec<u16> = ports.collect::<Option<_>>()?;
    (1..=MOST_PORTS).contains(&ports.len()).then_some(ports)
}

pub async fn serve(socket: WebSocket, ports: Vec<u16>, forward: Forward) {
    let (sink, frames) = socket.split();
    let (out, outgoing) = mpsc::channel(MESSAGES);
    let (senders, connections): (Vec<_>, FuturesUnordered<_>) = ports
        .into_iter()
        .zip((0..).step_by(2))
        .map(|(port, channel)| {
            let (sender, incoming) = mpsc::channel(MESSAGES);
            (sender, connection(&forward, port, channel, incoming, out.clone()))
        })
        .unzip();
    drop(out);
    // All connections have ended when the last message is written.
    tokio::select! {
        () = async { tokio::join!(write(sink, outgoing), connections.collect::<Vec<()>>()); } => {}
        () = read(frames, senders) => {}
    }
}

/// One port: its bytes in both directions.
async fn connection(
    forward: &Forward,
    port: u16,
    channel: u8,
    mut incoming: mpsc::Receiver<Bytes>,
    out: mpsc::Sender<Bytes>,
) {
    for channel in [channel, channel + 1] {
        drop(out.send(message(channel, &port.to_le_bytes())).await);
    }
    let stream = match forward.dial(port).await {
        Ok(stream) => stream,
        Err(why) => {
            let text = format!("error forwarding port {port} to pod {}: {why}", forward.pod);
            return drop(out.send(message(channel + 1, text.as_bytes())).await);
        }
    };
    let (mut reader, mut writer) = tokio::io::split(stream);
    let upwards = async {
        let mut bytes = BytesMut::with_capacity(MOST_BYTES);
        while let Ok(1..) = reader.read_buf(&mut bytes).await {
            if out.send(message(channel, &bytes.split())).await.is_err() {
                return;
            }
        }
    };
    let downwards = async {
        while let Some(bytes) = incoming.recv().await {
            if writer.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = upwards => {}
        // What has been asked may still be answered.
        () = async { downwards.await; std::future::pending().await } => {}
    }
}

fn message(channel: u8, bytes: &[u8]) -> Bytes {
    let mut message = BytesMut::with_capacity(1 + bytes.len());
    message.put_u8(channel);
    message.extend_from_slice(bytes);
    message.freeze()
}

async fn write(mut sink: SplitSink<WebSocket, Message>, mut outgoing: mpsc::Receiver<Bytes>) {
    while let Some(message) = outgoing.recv().await {
        if sink.send(Message::Binary(message)).await.is_err() {
            return;
        }
    }
    // The client may be gone by now, which is as good.
    drop(sink.send(Message::Close(None)).await);
}

/// From the client, until it goes.
async fn read(mut frames: SplitStream<WebSocket>, senders: Vec<mpsc::Sender<Bytes>>) {
    while let Some(Ok(frame)) = frames.next().await {
        let bytes = match frame {
            Message::Binary(bytes) if !bytes.is_empty() => bytes,
            Message::Close(_) => return,
            _ => continue,
        };
        // Only the first of a port's two channels is the client's to write.
        let channel = bytes[0];
        if let Some(sender) = senders.get(usize::from(channel / 2)).filter(|_| channel % 2 == 0) {
            drop(sender.send(bytes.slice(1..)).await);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_named_once_or_together() {
        assert_eq!(named(&Query::parse("ports=80&ports=81,82")), Some(vec![80, 81, 82]));
        for wrong in ["", "ports=", "ports=0", "ports=70000", "ports=http"] {
            assert_eq!(named(&Query::parse(wrong)), None, "{wrong}");
        }
    }
}
