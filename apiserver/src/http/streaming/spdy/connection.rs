//! A connection: one loop that reads frames and gives them to their streams, and one that writes what the streams send.
//!
//! SPDY/3.1 has windows, but `kubectl` keeps none. So a stream whose bytes nobody takes holds up the whole connection:
//! nothing more is read until it has room again. What goes outwards is not held up by this.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufWriter, ReadHalf, WriteHalf};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::frame::{self, Frame, Reset};
use super::headers::{Decoder, Encoder, Headers};
use super::stream::{Ends, Input, Output, Piece, Stream};

/// How many pieces of data a stream holds before the connection stops reading.
const HELD: usize = 16;

/// How many bytes all streams of a connection hold together before it stops reading.
const ROOM: usize = 8 * 1024 * 1024;

/// How many streams may wait to be taken.
const WAITING: usize = 4;

/// How many frames may wait to be written, of all streams together.
const OUTGOING: usize = 16;

/// How many streams may be open at once. More are refused.
const MOST_STREAMS: usize = 1024;

/// How long a client is waited for that should take the last frames.
const LAST_FRAMES: Duration = Duration::from_secs(30);

/// Holds the connection open, and gives out the streams that the client opens.
pub struct Streams {
    opened: mpsc::Receiver<Stream>,
    _open: DropGuard,
}

impl Streams {
    /// The next stream, already replied to; none when the client went away.
    pub async fn next(&mut self) -> Option<Stream> {
        self.opened.recv().await
    }
}

/// Both loops, before they run.
pub struct Connection<S> {
    reading: Reading<S>,
    writing: Writing<S>,
}

struct Reading<S> {
    frames: frame::Reader<ReadHalf<S>>,
    decoder: Decoder,
    encoder: Encoder,
    streams: HashMap<u32, Incoming>,
    /// The highest stream that the client opened.
    last: Arc<AtomicU32>,
    /// The client said that it goes away, and opens no more.
    going: bool,
    opened: mpsc::Sender<Stream>,
    outgoing: mpsc::Sender<Frame>,
    room: Arc<Semaphore>,
    ended: CancellationToken,
}

/// A stream as the reader knows it.
struct Incoming {
    /// Where its bytes go; none behind the client's FIN.
    pieces: Option<mpsc::Sender<Piece>>,
    ends: Arc<Ends>,
}

struct Writing<S> {
    io: BufWriter<WriteHalf<S>>,
    outgoing: mpsc::Receiver<Frame>,
    last: Arc<AtomicU32>,
    closing: CancellationToken,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub fn new(io: S) -> (Self, Streams) {
        let (reader, writer) = tokio::io::split(io);
        let (opened, accepted) = mpsc::channel(WAITING);
        let (sender, outgoing) = mpsc::channel(OUTGOING);
        let (closing, last) = (CancellationToken::new(), Arc::<AtomicU32>::default());
        let reading = Reading {
            frames: frame::Reader::new(reader),
            decoder: Decoder::default(),
            encoder: Encoder::default(),
            streams: HashMap::new(),
            last: last.clone(),
            going: false,
            opened,
            outgoing: sender,
            room: Arc::new(Semaphore::new(ROOM)),
            ended: CancellationToken::new(),
        };
        let io = BufWriter::with_capacity(frame::PIECE, writer);
        let writing = Writing { io, outgoing, last, closing: closing.clone() };
        (Self { reading, writing }, Streams { opened: accepted, _open: closing.drop_guard() })
    }

    /// Runs until the client goes away, or until the `Streams` are dropped: then what still waits is written, with a GOAWAY.
    pub async fn run(self) -> anyhow::Result<()> {
        let _ended = self.reading.ended.clone().drop_guard();
        tokio::select! {
            result = self.reading.run() => result,
            result = self.writing.run() => result,
        }
    }

    /// Runs with `work`, which owns the `Streams`. The work ends with the connection, and the connection soon after the work.
    pub async fn run_with(self, work: impl Future<Output = ()>) -> anyhow::Result<()> {
        let mut run = pin!(self.run());
        {
            let work = pin!(work);
            tokio::select! {
                result = &mut run => return result,
                () = work => {}
            }
        }
        run.await
    }
}

impl<S: AsyncRead> Reading<S> {
    async fn run(mut self) -> anyhow::Result<()> {
        while let Some(frame) = self.frames.next().await? {
            match frame {
                Frame::SynStream { stream, fin, block } => {
                    // Each block is decoded, since those behind it build on it.
                    let headers = self.decoder.decode(&block)?;
                    self.open(stream, fin, headers).await;
                }
                Frame::Headers { stream, fin, block } => {
                    self.decoder.decode(&block)?;
                    self.take(stream, fin, Bytes::new()).await?;
                }
                Frame::SynReply { block, .. } => {
                    self.decoder.decode(&block)?;
                }
                Frame::Data { stream, fin, bytes } => self.take(stream, fin, bytes).await?,
                Frame::RstStream { stream, .. } => {
                    if let Some(incoming) = self.streams.remove(&stream) {
                        incoming.ends.gone.cancel();
                    }
                }
                // A client's own pings are odd.
                Frame::Ping { id } if !id.is_multiple_of(2) => self.send(Frame::Ping { id }).await,
                Frame::GoAway { .. } => self.going = true,
                Frame::Ping { .. } | Frame::Settings | Frame::WindowUpdate { .. } => {}
            }
        }
        Ok(())
    }

    async fn open(&mut self, id: u32, fin: bool, headers: Headers) {
        if self.going {
            return;
        }
        if id.is_multiple_of(2) || id <= self.last.load(Ordering::Relaxed) {
            return self.send(Frame::RstStream { stream: id, status: Reset::ProtocolError as u32 }).await;
        }
        self.last.store(id, Ordering::Relaxed);
        self.streams.retain(|_, incoming| !incoming.is_over());
        if self.streams.len() >= MOST_STREAMS {
            return self.send(Frame::RstStream { stream: id, status: Reset::RefusedStream as u32 }).await;
        }
        let block = self.encoder.encode(&Headers::default());
        self.send(Frame::SynReply { stream: id, fin: false, block }).await;
        let (sender, pieces) = mpsc::channel(HELD);
        let ends = Arc::new(Ends { gone: self.ended.child_token(), ..Ends::default() });
        self.streams.insert(id, Incoming { pieces: (!fin).then_some(sender), ends: ends.clone() });
        let output = Output { stream: id, frames: self.outgoing.clone(), ends };
        let stream = Stream { id, headers, input: Input { pieces }, output };
        // Without an owner for it the connection is about to close.
        let _ = self.opened.send(stream).await;
    }

    /// Gives bytes to their stream, and waits until it has room for them.
    async fn take(&mut self, stream: u32, fin: bool, bytes: Bytes) -> anyhow::Result<()> {
        ensure!(
            !stream.is_multiple_of(2) && stream <= self.last.load(Ordering::Relaxed),
            "stream {stream} was never opened"
        );
        let Some(incoming) = self.streams.get_mut(&stream) else { return Ok(()) };
        if let Some(sender) = incoming.pieces.as_ref().filter(|_| !bytes.is_empty()) {
            let give = async {
                let room = self.room.clone().acquire_many_owned(u32::try_from(bytes.len())?).await?;
                // It fails if nobody wants what comes on this stream.
                let _ = sender.send(Piece { bytes, _room: room }).await;
                anyhow::Ok(())
            };
            tokio::select! {
                biased;
                () = incoming.ends.gone.cancelled() => {}
                given = give => given.context("find room for data")?,
            }
        }
        if fin {
            incoming.pieces = None;
        }
        Ok(())
    }

    async fn send(&mut self, frame: Frame) {
        // It fails when the connection is about to close, which the writer sees to.
        let _ = self.outgoing.send(frame).await;
    }
}

impl Incoming {
    /// Neither side sends on it any more.
    fn is_over(&self) -> bool {
        self.ends.gone.is_cancelled() || (self.pieces.is_none() && self.ends.finished.load(Ordering::Relaxed))
    }
}

impl<S: AsyncWrite> Writing<S> {
    async fn run(mut self) -> anyhow::Result<()> {
        let closing = self.closing.clone();
        let overdue = async {
            closing.cancelled().await;
            tokio::time::sleep(LAST_FRAMES).await;
        };
        tokio::select! {
            result = self.write() => result.context("write frames"),
            () = overdue => bail!("the client does not take the last frames"),
        }
    }

    async fn write(&mut self) -> io::Result<()> {
        while let Some(frame) = self.next().await? {
            frame.write(&mut self.io).await?;
        }
        self.outgoing.close();
        while let Some(frame) = self.outgoing.recv().await {
            frame.write(&mut self.io).await?;
        }
        let last = self.last.load(Ordering::Relaxed);
        Frame::GoAway { last, status: 0 }.write(&mut self.io).await?;
        self.io.shutdown().await
    }

    /// The next frame; none when the connection is to close. What is written goes out whenever there is nothing to add.
    async fn next(&mut self) -> io::Result<Option<Frame>> {
        if let Ok(frame) = self.outgoing.try_recv() {
            return Ok(Some(frame));
        }
        self.io.flush().await?;
        tokio::select! {
            frame = self.outgoing.recv() => Ok(frame),
            () = self.closing.cancelled() => Ok(None),
        }
    }
}
