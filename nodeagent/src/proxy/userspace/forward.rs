//! Carries the bytes of one TCP connection both ways, until both sides have said all.

use std::cell::RefCell;
use std::io;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::proxy::userspace::pipes::{Pipe, Pipes};

/// What one thread reads into. Nothing stays in it while a connection waits, so all connections share it.
const SCRATCH: usize = 64 * 1024;
/// A piece of this size is likely to be followed by more: then bytes go through a pipe.
const BULK: usize = 32 * 1024;

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into_boxed_slice());
}

/// Lends this thread's buffer.
pub fn with_buffer<T>(act: impl FnOnce(&mut [u8]) -> T) -> T {
    BUFFER.with_borrow_mut(|buffer| act(buffer))
}

/// Which side of one direction broke.
#[derive(Debug)]
enum Broken {
    Source,
    Sink,
}

/// Returns how many bytes went either way. A side that ends is ended on the other side too, and answers may still come
/// back; a side that breaks off is broken off on the other side too.
pub async fn both_ways(client: &TcpStream, server: &TcpStream, pipes: &Pipes) -> u64 {
    let mut carried = (0, 0);
    let is_whole = {
        let up = one_way(client, server, pipes, &mut carried.0);
        let down = one_way(server, client, pipes, &mut carried.1);
        tokio::pin!(up, down);
        tokio::select! {
            result = &mut up => ends_well(result, client, down).await,
            result = &mut down => ends_well(result, server, up).await,
        }
    };
    if !is_whole {
        break_off(client);
        break_off(server);
    }
    carried.0 + carried.1
}

/// The direction from this side has ended so; what becomes of the other?
async fn ends_well(
    first: Result<(), Broken>,
    side: &TcpStream,
    other: impl Future<Output = Result<(), Broken>>,
) -> bool {
    match first {
        // It may still listen, until it says that it does not.
        Ok(()) => tokio::select! {
            biased;
            result = other => result.is_ok(),
            _ = side.ready(Interest::ERROR) => false,
        },
        // Nobody will take this side's answers any more.
        Err(Broken::Source) => false,
        // The other side is gone, perhaps with a last word on the way to this one.
        Err(Broken::Sink) => {
            drop(other.await);
            false
        }
    }
}

/// Makes closing tell the peer that the connection broke, and not that it ended.
pub fn break_off(stream: &TcpStream) {
    drop(SockRef::from(stream).set_linger(Some(Duration::ZERO)));
}

async fn one_way(from: &TcpStream, to: &TcpStream, pipes: &Pipes, carried: &mut u64) -> Result<(), Broken> {
    loop {
        from.readable().await.map_err(|_| Broken::Source)?;
        let piece = match copy_piece(from, to)? {
            Piece::None => continue,
            Piece::End => {
                // A sink that is gone already needs no end; the other direction will notice.
                drop(SockRef::from(to).shutdown(std::net::Shutdown::Write));
                return Ok(());
            }
            Piece::Whole(length) => length,
            Piece::Part(length, rest) => {
                write_all(to, &rest).await?;
                length
            }
        };
        *carried += piece as u64;
        if piece >= BULK {
            *carried += through_pipe(from, to, pipes).await?;
        }
        // Readiness that never ends would keep other connections of this thread waiting.
        tokio::task::consume_budget().await;
    }
}

enum Piece {
    None,
    End,
    Whole(usize),
    /// So long in all, with what could not be written yet.
    Part(usize, Box<[u8]>),
}

/// Reads once and writes once, without waiting.
fn copy_piece(from: &TcpStream, to: &TcpStream) -> Result<Piece, Broken> {
    with_buffer(|buffer| {
        let length = match from.try_read(buffer) {
            Ok(0) => return Ok(Piece::End),
            Ok(length) => length,
            Err(error) if is_wait(&error) => return Ok(Piece::None),
            Err(_) => return Err(Broken::Source),
        };
        let written = match to.try_write(&buffer[..length]) {
            Ok(written) => written,
            Err(error) if is_wait(&error) => 0,
            Err(_) => return Err(Broken::Sink),
        };
        if written == length {
            Ok(Piece::Whole(length))
        } else {
            Ok(Piece::Part(length, buffer[written..length].into()))
        }
    })
}

async fn write_all(to: &TcpStream, mut rest: &[u8]) -> Result<(), Broken> {
    while !rest.is_empty() {
        to.writable().await.map_err(|_| Broken::Sink)?;
        match to.try_write(rest) {
            Ok(written) => rest = &rest[written..],
            Err(error) if is_wait(&error) => {}
            Err(_) => return Err(Broken::Sink),
        }
    }
    Ok(())
}

/// Moves bytes through a pipe for as long as they come without waiting. Returns how many.
async fn through_pipe(from: &TcpStream, to: &TcpStream, pipes: &Pipes) -> Result<u64, Broken> {
    let Some(mut pipe) = pipes.take() else { return Ok(0) };
    let mut carried = 0;
    loop {
        match pipe.fill(from) {
            // The end is met again by whoever reads next.
            Ok(0) => return Ok(carried),
            Ok(length) => carried += length as u64,
            Err(error) if is_wait(&error) => return Ok(carried),
            Err(_) => return Err(Broken::Source),
        }
        empty(&mut pipe, to).await?;
        tokio::task::consume_budget().await;
    }
}

async fn empty(pipe: &mut Pipe<'_>, to: &TcpStream) -> Result<(), Broken> {
    while !pipe.is_empty() {
        match pipe.drain(to) {
            Ok(_) => {}
            Err(error) if is_wait(&error) => to.writable().await.map_err(|_| Broken::Sink)?,
            Err(_) => return Err(Broken::Sink),
        }
    }
    Ok(())
}

fn is_wait(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests;
