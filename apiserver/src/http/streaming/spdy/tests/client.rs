//! The client's side of a connection, as much of it as the tests need.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};

use crate::http::streaming::spdy::frame::{self, Frame};
use crate::http::streaming::spdy::headers::{DICTIONARY_ID, Decoder, Encoder, Headers};

/// What the server has sent so far.
#[derive(Default)]
pub struct Client {
    io: Option<(frame::Reader<ReadHalf<DuplexStream>>, WriteHalf<DuplexStream>)>,
    encoder: Encoder,
    decoder: Decoder,
    last: u32,
    pub streams: BTreeMap<u32, Received>,
    pub pings: Vec<u32>,
    pub gone_away: bool,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Received {
    pub is_replied: bool,
    pub bytes: Vec<u8>,
    pub is_finished: bool,
    pub reset: Option<u32>,
}

impl Client {
    /// The client, and the server's end of the wire.
    pub fn new() -> (Self, DuplexStream) {
        let (near, far) = tokio::io::duplex(1024);
        let (reader, writer) = tokio::io::split(near);
        (Self { io: Some((frame::Reader::new(reader), writer)), ..Self::default() }, far)
    }

    fn io(&mut self) -> &mut (frame::Reader<ReadHalf<DuplexStream>>, WriteHalf<DuplexStream>) {
        self.io.as_mut().expect("the client is there")
    }

    pub async fn write(&mut self, frame: Frame) {
        frame.write(&mut self.io().1).await.unwrap();
    }

    pub async fn write_bytes(&mut self, bytes: &[u8]) {
        self.io().1.write_all(bytes).await.unwrap();
    }

    /// Opens the next stream, with a block that names the dictionary as Go's client does.
    pub async fn open(&mut self, headers: &[(&str, &str)]) -> u32 {
        let headers: Headers = headers.iter().copied().collect();
        let block = self.encoder.encode(&headers);
        let block = match self.last {
            0 => {
                let mut named = BytesMut::from(&[0x78, 0xf9][..]);
                named.put_u32(DICTIONARY_ID);
                named.put_slice(&block[2..]);
                named.freeze()
            }
            _ => block,
        };
        self.open_with(block).await
    }

    pub async fn open_with(&mut self, block: Bytes) -> u32 {
        let stream = if self.last == 0 { 1 } else { self.last + 2 };
        self.last = stream;
        self.write(Frame::SynStream { stream, fin: false, block }).await;
        stream
    }

    pub async fn send(&mut self, stream: u32, bytes: &'static [u8]) {
        self.write(Frame::Data { stream, fin: false, bytes: Bytes::from_static(bytes) }).await;
    }

    pub async fn finish(&mut self, stream: u32) {
        self.write(Frame::Data { stream, fin: true, bytes: Bytes::new() }).await;
    }

    pub async fn reset(&mut self, stream: u32) {
        self.write(Frame::RstStream { stream, status: 5 }).await;
    }

    /// Takes one frame; false at the end of the connection.
    pub async fn take(&mut self) -> bool {
        let Some(frame) = self.io().0.next().await.unwrap() else { return false };
        match frame {
            Frame::SynReply { stream, fin: false, block } => {
                assert_eq!(self.decoder.decode(&block).unwrap(), Headers::default());
                let received = self.streams.entry(stream).or_default();
                assert_eq!(*received, Received::default(), "the reply is the first frame of stream {stream}");
                received.is_replied = true;
            }
            Frame::Data { stream, fin, bytes } => {
                let received = self.streams.get_mut(&stream).unwrap();
                assert!(received.is_replied && !received.is_finished && received.reset.is_none(), "{received:?}");
                received.bytes.extend_from_slice(&bytes);
                received.is_finished = fin;
            }
            Frame::RstStream { stream, status } => self.streams.entry(stream).or_default().reset = Some(status),
            Frame::Ping { id } => self.pings.push(id),
            Frame::GoAway { .. } => self.gone_away = true,
            other => panic!("a server does not send {other:?}"),
        }
        true
    }

    /// What has come on a stream.
    pub fn of(&self, stream: u32) -> Received {
        self.streams.get(&stream).cloned().unwrap_or_default()
    }

    /// Reads until it holds for what has come on a stream.
    pub async fn until(&mut self, stream: u32, holds: impl Fn(&Received) -> bool) -> Received {
        while !holds(&self.of(stream)) {
            assert!(self.take().await, "the connection ended with {:?}", self.streams);
        }
        self.of(stream)
    }

    /// Everything that comes on a stream, up to its FIN.
    pub async fn all_of(&mut self, stream: u32) -> String {
        String::from_utf8(self.until(stream, |received| received.is_finished).await.bytes).unwrap()
    }

    pub async fn until_reset(&mut self, stream: u32) -> u32 {
        self.until(stream, |received| received.reset.is_some()).await.reset.unwrap()
    }

    /// Reads to the end of the connection.
    pub async fn until_end(&mut self) {
        while self.take().await {}
    }

    pub fn hang_up(&mut self) {
        self.io = None;
    }
}
