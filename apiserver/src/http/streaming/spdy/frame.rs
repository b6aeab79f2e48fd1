//! The frames of SPDY/3.1, read from a connection and written to one.

use std::io;

use anyhow::{Context, ensure};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

/// The version in control frames: 3.1 calls itself 3.
const VERSION: u16 = 3;

/// A control frame holds a few numbers, or the headers of one stream. A longer one is refused.
pub const LARGEST_CONTROL: usize = 64 * 1024;

/// The most bytes that one data frame carries outwards. A longer one that comes in is given on in pieces of this size.
pub const PIECE: usize = 64 * 1024;

/// What the 24 bits of a frame's length can say.
const LARGEST_LENGTH: usize = (1 << 24) - 1;

const FIN: u8 = 1;

/// Why a stream is reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reset {
    ProtocolError = 1,
    RefusedStream = 3,
    Cancel = 5,
}

/// One frame. A `block` is headers as `spdy::headers` reads and writes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    SynStream {
        stream: u32,
        fin: bool,
        block: Bytes,
    },
    SynReply {
        stream: u32,
        fin: bool,
        block: Bytes,
    },
    RstStream {
        stream: u32,
        status: u32,
    },
    /// Its values are left out, for both sides have nothing to set.
    Settings,
    Ping {
        id: u32,
    },
    GoAway {
        last: u32,
        status: u32,
    },
    Headers {
        stream: u32,
        fin: bool,
        block: Bytes,
    },
    WindowUpdate {
        stream: u32,
        delta: u32,
    },
    Data {
        stream: u32,
        fin: bool,
        bytes: Bytes,
    },
}

mod kind {
    pub const SYN_STREAM: u16 = 1;
    pub const SYN_REPLY: u16 = 2;
    pub const RST_STREAM: u16 = 3;
    pub const SETTINGS: u16 = 4;
    pub const PING: u16 = 6;
    pub const GO_AWAY: u16 = 7;
    pub const HEADERS: u16 = 8;
    pub const WINDOW_UPDATE: u16 = 9;
}

/// Reads frames one after the other.
pub struct Reader<R> {
    io: BufReader<R>,
    /// What is still to come of a data frame.
    rest: Option<Rest>,
}

#[derive(Clone, Copy)]
struct Rest {
    stream: u32,
    fin: bool,
    left: usize,
}

/// The first eight bytes of a frame.
enum Head {
    Control { kind: u16, flags: u8, length: usize },
    Data(Rest),
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub fn new(io: R) -> Self {
        Self { io: BufReader::with_capacity(PIECE, io), rest: None }
    }

    /// The next frame; none when the stream ends between two frames. It must run to its end each time.
    pub async fn next(&mut self) -> anyhow::Result<Option<Frame>> {
        loop {
            if let Some(rest) = self.rest.take() {
                return self.piece(rest).await.map(Some);
            }
            if self.io.fill_buf().await.context("read frame")?.is_empty() {
                return Ok(None);
            }
            let mut bytes = [0; 8];
            self.io.read_exact(&mut bytes).await.context("read head of frame")?;
            match head(bytes)? {
                Head::Data(rest) => self.rest = Some(rest),
                Head::Control { kind, flags, length } => {
                    if let Some(frame) = control(kind, flags, self.bytes(length).await?)? {
                        return Ok(Some(frame));
                    }
                }
            }
        }
    }

    /// A data frame's next bytes, as a frame of their own. The last one has its FIN.
    async fn piece(&mut self, rest: Rest) -> anyhow::Result<Frame> {
        let bytes = self.bytes(rest.left.min(PIECE)).await?;
        let left = rest.left - bytes.len();
        if left > 0 {
            self.rest = Some(Rest { left, ..rest });
        }
        Ok(Frame::Data { stream: rest.stream, fin: rest.fin && left == 0, bytes })
    }

    async fn bytes(&mut self, length: usize) -> anyhow::Result<Bytes> {
        let mut bytes = BytesMut::zeroed(length);
        self.io.read_exact(&mut bytes).await.context("read body of frame")?;
        Ok(bytes.freeze())
    }
}

fn head(bytes: [u8; 8]) -> anyhow::Result<Head> {
    let [a, b, c, d, flags, x, y, z] = bytes;
    let word = u32::from_be_bytes([a, b, c, d]);
    let length = u32::from_be_bytes([0, x, y, z]) as usize;
    if word >> 31 == 0 {
        ensure!(word != 0, "a data frame belongs to a stream");
        return Ok(Head::Data(Rest { stream: word, fin: flags & FIN != 0, left: length }));
    }
    let (version, kind) = (u16::from_be_bytes([a & 0x7f, b]), u16::from_be_bytes([c, d]));
    ensure!(version == VERSION, "version {version} of SPDY is not spoken here");
    ensure!(length <= LARGEST_CONTROL, "a control frame of {length} bytes is too long");
    Ok(Head::Control { kind, flags, length })
}

/// A control frame from its body; none if its kind is not known.
fn control(kind: u16, flags: u8, mut body: Bytes) -> anyhow::Result<Option<Frame>> {
    let fin = flags & FIN != 0;
    let mut number = || body.try_get_u32().context("a control frame is too short");
    Ok(Some(match kind {
        kind::SYN_STREAM => {
            let stream = stream(number()?)?;
            // The stream that it belongs to, its priority and its slot tell a server of one client nothing.
            number()?;
            body.try_get_u16().context("a control frame is too short")?;
            Frame::SynStream { stream, fin, block: body }
        }
        kind::SYN_REPLY => Frame::SynReply { stream: stream(number()?)?, fin, block: body },
        kind::HEADERS => Frame::Headers { stream: stream(number()?)?, fin, block: body },
        kind::RST_STREAM => Frame::RstStream { stream: stream(number()?)?, status: number()? },
        kind::SETTINGS => Frame::Settings,
        kind::PING => Frame::Ping { id: number()? },
        kind::GO_AWAY => Frame::GoAway { last: number()? & 0x7fff_ffff, status: number()? },
        kind::WINDOW_UPDATE => Frame::WindowUpdate { stream: number()? & 0x7fff_ffff, delta: number()? },
        _ => return Ok(None),
    }))
}

/// The 31 bits of a stream's number, which is not zero.
fn stream(word: u32) -> anyhow::Result<u32> {
    let stream = word & 0x7fff_ffff;
    ensure!(stream != 0, "no stream has the number 0");
    Ok(stream)
}

impl Frame {
    pub async fn write<W: AsyncWrite + Unpin>(&self, io: &mut W) -> io::Result<()> {
        let (head, body) = self.parts()?;
        io.write_all(&head).await?;
        io.write_all(body).await
    }

    /// The numbers at the beginning, and the bytes behind them.
    fn parts(&self) -> io::Result<(BytesMut, &[u8])> {
        let (kind, fin, numbers, body): (_, _, &[u32], &[u8]) = match self {
            Self::Data { stream, fin, bytes } => return Ok((start(*stream, *fin, bytes.len())?, bytes)),
            // Priority and slot, which are two bytes together, come behind the numbers.
            Self::SynStream { stream, fin, block } => (kind::SYN_STREAM, *fin, &[*stream, 0], block),
            Self::SynReply { stream, fin, block } => (kind::SYN_REPLY, *fin, &[*stream], block),
            Self::Headers { stream, fin, block } => (kind::HEADERS, *fin, &[*stream], block),
            Self::RstStream { stream, status } => (kind::RST_STREAM, false, &[*stream, *status], &[]),
            Self::Settings => (kind::SETTINGS, false, &[0], &[]),
            Self::Ping { id } => (kind::PING, false, &[*id], &[]),
            Self::GoAway { last, status } => (kind::GO_AWAY, false, &[*last, *status], &[]),
            Self::WindowUpdate { stream, delta } => (kind::WINDOW_UPDATE, false, &[*stream, *delta], &[]),
        };
        let slot: &[u8] = if kind == kind::SYN_STREAM { &[0, 0] } else { &[] };
        let word = 0x8000_0000 | u32::from(VERSION) << 16 | u32::from(kind);
        let mut head = start(word, fin, numbers.len() * 4 + slot.len() + body.len())?;
        for number in numbers {
            head.put_u32(*number);
        }
        head.put_slice(slot);
        Ok((head, body))
    }
}

/// The first eight bytes of a frame.
fn start(word: u32, fin: bool, length: usize) -> io::Result<BytesMut> {
    let length = u32::try_from(length).ok().filter(|length| *length as usize <= LARGEST_LENGTH);
    let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a frame is too long"))?;
    let mut head = BytesMut::with_capacity(20);
    head.put_u32(word);
    head.put_u32(u32::from(u8::from(fin)) << 24 | length);
    Ok(head)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    async fn read_all(bytes: &[u8]) -> anyhow::Result<Vec<Frame>> {
        let mut reader = Reader::new(bytes);
        let mut frames = Vec::new();
        while let Some(frame) = reader.next().await? {
            frames.push(frame);
        }
        Ok(frames)
    }

    async fn written(frames: &[Frame]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for frame in frames {
            frame.write(&mut bytes).await.unwrap();
        }
        bytes
    }

    #[tokio::test]
    async fn frames_come_back_as_they_were_written() {
        let block = Bytes::from_static(b"block");
        let frames = [
            Frame::SynStream { stream: 1, fin: true, block: block.clone() },
            Frame::SynReply { stream: 3, fin: false, block: block.clone() },
            Frame::RstStream { stream: 5, status: Reset::Cancel as u32 },
            Frame::Settings,
            Frame::Ping { id: 7 },
            Frame::GoAway { last: 9, status: 0 },
            Frame::Headers { stream: 11, fin: true, block },
            Frame::WindowUpdate { stream: 0, delta: 13 },
            Frame::Data { stream: 15, fin: false, bytes: Bytes::from_static(b"data") },
            Frame::Data { stream: 15, fin: true, bytes: Bytes::new() },
        ];
        assert_eq!(read_all(&written(&frames).await).await.unwrap(), frames);
    }

    #[tokio::test]
    async fn frames_have_the_bytes_of_the_specification() {
        let ping = written(&[Frame::Ping { id: 2 }]).await;
        assert_eq!(hex::encode(ping), "800300060000000400000002");
        let reset = written(&[Frame::RstStream { stream: 3, status: 5 }]).await;
        assert_eq!(hex::encode(reset), "80030003000000080000000300000005");
        let data = written(&[Frame::Data { stream: 1, fin: true, bytes: Bytes::from_static(b"hi") }]).await;
        assert_eq!(hex::encode(data), "00000001010000026869");
        let opening = written(&[Frame::SynStream { stream: 1, fin: false, block: Bytes::from_static(b"!") }]).await;
        assert_eq!(hex::encode(opening), "800300010000000b0000000100000000000021");
    }

    #[tokio::test]
    async fn a_kind_of_control_frame_that_is_not_known_is_skipped() {
        let mut bytes = hex::decode("8003000a00000003aabbcc").unwrap();
        bytes.extend(written(&[Frame::Ping { id: 1 }]).await);
        assert_eq!(read_all(&bytes).await.unwrap(), [Frame::Ping { id: 1 }]);
    }

    #[tokio::test]
    async fn a_long_data_frame_comes_in_pieces_with_its_end_on_the_last() {
        let bytes = Bytes::from(vec![7; PIECE * 2 + 1]);
        let frames = read_all(&written(&[Frame::Data { stream: 1, fin: true, bytes }]).await).await.unwrap();
        let pieces: Vec<_> = frames
            .iter()
            .map(|frame| match frame {
                Frame::Data { stream: 1, fin, bytes } => (bytes.len(), *fin),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(pieces, [(PIECE, false), (PIECE, false), (1, true)]);
    }

    #[tokio::test]
    async fn a_control_frame_that_is_too_long_is_refused_by_its_head() {
        let error = read_all(&hex::decode("8003000100010001").unwrap()).await.unwrap_err();
        assert_eq!(error.to_string(), "a control frame of 65537 bytes is too long");
        let error = read_all(&hex::decode("8003000affffffff").unwrap()).await.unwrap_err();
        assert_eq!(error.to_string(), "a control frame of 16777215 bytes is too long");
    }

    #[tokio::test]
    async fn frames_that_cannot_be_sent_are_refused() {
        let bytes = Bytes::from(vec![0; LARGEST_LENGTH + 1]);
        Frame::Data { stream: 1, fin: false, bytes }.write(&mut Vec::new()).await.unwrap_err();
    }

    #[tokio::test]
    async fn what_is_cut_short_is_an_error() {
        let whole = written(&[Frame::RstStream { stream: 3, status: 5 }]).await;
        for length in 1..whole.len() {
            read_all(&whole[..length]).await.unwrap_err();
        }
        // A ping without its number.
        read_all(&hex::decode("8003000600000000").unwrap()).await.unwrap_err();
    }

    #[tokio::test]
    async fn other_versions_and_the_stream_zero_are_refused() {
        read_all(&hex::decode("800200060000000400000002").unwrap()).await.unwrap_err();
        read_all(&hex::decode("0000000000000000").unwrap()).await.unwrap_err();
        read_all(&hex::decode("80030003000000080000000000000005").unwrap()).await.unwrap_err();
    }

    proptest! {
        #[test]
        fn any_bytes_are_frames_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = futures::executor::block_on(read_all(&bytes));
        }

        /// Control frames of all kinds with anything in them, which bytes at random seldom are.
        #[test]
        fn any_body_is_a_control_frame_or_an_error(kind in 0u16..12, flags: u8, body in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = control(kind, flags, Bytes::from(body));
        }
    }
}
