//! Ports of a pod, over a connection of SPDY: each connection to a port is a pair of streams, for its data and for errors.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::{Bytes, BytesMut};
use futures::stream::FuturesUnordered;
use futures::{StreamExt, future};
use lifecycle::duplex::Duplex;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::Instant;
use tracing::debug;

use super::connection::{Connection, Streams};
use super::frame::Reset;
use super::headers::Headers;
use super::stream::{Input, Output, Stream};

/// How long the second stream of a pair may come behind the first.
const PAIRING: Duration = Duration::from_secs(30);

/// How long a port may take to be reached.
const DIALING: Duration = Duration::from_secs(30);

/// How many bytes are read from a pod at once.
const PIECE: usize = 32 * 1024;

/// Forwards connections until the client goes away. `dial` reaches a port, or says why it cannot be.
pub async fn serve<D, F>(io: Box<dyn Duplex>, dial: D)
where
    D: Fn(u16) -> F,
    F: Future<Output = Result<Box<dyn Duplex>, String>>,
{
    let (connection, streams) = Connection::new(io);
    if let Err(error) = connection.run_with(forward_all(streams, dial)).await {
        debug!(error = format!("{error:#}"), "a connection of forwarded ports broke");
    }
}

async fn forward_all<D, F>(mut streams: Streams, dial: D)
where
    D: Fn(u16) -> F,
    F: Future<Output = Result<Box<dyn Duplex>, String>>,
{
    let mut pairs = Pairs::default();
    let mut running = FuturesUnordered::new();
    loop {
        let overdue = pairs.earliest();
        tokio::select! {
            stream = streams.next() => {
                let Some(stream) = stream else { return };
                match pairs.put(stream) {
                    Ok(Some(pair)) => {
                        let dialed = dial(pair.port);
                        running.push(forward(pair, dialed));
                    }
                    Ok(None) => {}
                    Err((stream, error)) => {
                        debug!(%error, "a stream that is no part of a forwarded port");
                        stream.reset(Reset::ProtocolError).await;
                    }
                }
            }
            Some(()) = running.next() => {}
            () = sleep_until(overdue) => {
                for stream in pairs.overdue(Instant::now()) {
                    debug!(headers = ?stream.headers, "a stream whose other one does not come");
                    stream.reset(Reset::Cancel).await;
                }
            }
        }
    }
}

async fn sleep_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Error,
    Data,
}

/// What a stream's headers say.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    request: String,
    kind: Kind,
    port: u16,
}

/// Both streams of a connection to a port.
struct Pair {
    port: u16,
    error: Stream,
    data: Stream,
}

/// Streams that wait for the other one of their pair, by the request that both name.
#[derive(Default)]
struct Pairs(HashMap<String, Single>);

struct Single {
    place: Place,
    stream: Stream,
    until: Instant,
}

impl Pairs {
    /// Gives a pair if this stream completes one, and the stream back if it belongs nowhere.
    fn put(&mut self, stream: Stream) -> Result<Option<Pair>, (Box<Stream>, anyhow::Error)> {
        let place = match place_of(stream.id, &stream.headers) {
            Ok(place) => place,
            Err(error) => return Err((Box::new(stream), error)),
        };
        let Some(first) = self.0.remove(&place.request) else {
            let single = Single { stream, until: Instant::now() + PAIRING, place };
            self.0.insert(single.place.request.clone(), single);
            return Ok(None);
        };
        match (first.place.kind, place.kind) {
            // The port is told twice; that of the data counts, as it does upstream.
            (Kind::Error, Kind::Data) => Ok(Some(Pair { port: place.port, error: first.stream, data: stream })),
            (Kind::Data, Kind::Error) => Ok(Some(Pair { port: first.place.port, error: stream, data: first.stream })),
            _ => {
                self.0.insert(place.request, first);
                Err((Box::new(stream), anyhow::anyhow!("the request has such a stream already")))
            }
        }
    }

    fn earliest(&self) -> Option<Instant> {
        self.0.values().map(|single| single.until).min()
    }

    /// Takes out those that have waited long enough.
    fn overdue(&mut self, now: Instant) -> Vec<Stream> {
        self.0.extract_if(|_, single| single.until <= now).map(|(_, single)| single.stream).collect()
    }
}

fn place_of(stream: u32, headers: &Headers) -> anyhow::Result<Place> {
    let port = headers.get("port").context("find header \"port\"")?;
    let port = port.parse().ok().with_context(|| format!("read port {port:?}"))?;
    ensure!(port != 0, "no port has the number 0");
    let (kind, first) = match headers.get("streamtype") {
        Some("error") => (Kind::Error, Some(stream)),
        Some("data") => (Kind::Data, stream.checked_sub(2)),
        other => bail!("{other:?} is no type of a stream here"),
    };
    // Clients from before the header open both one after the other, the errors first.
    let request = match (headers.get("requestid").filter(|id| !id.is_empty()), first) {
        (Some(id), _) => id.to_owned(),
        (None, Some(first)) => first.to_string(),
        (None, None) => bail!("a stream for data has none for errors before it"),
    };
    Ok(Place { request, kind, port })
}

/// Reaches the port and carries bytes both ways, until both sides have ended or the client resets the data.
async fn forward(pair: Pair, dialed: impl Future<Output = Result<Box<dyn Duplex>, String>>) {
    let Pair { port, mut error, data } = pair;
    let Stream { input, mut output, .. } = data;
    let dialed = tokio::time::timeout(DIALING, dialed);
    let dialed = tokio::select! {
        dialed = dialed => dialed.unwrap_or_else(|_| Err(format!("port {port} was not reached in time"))),
        () = output.closed() => return error.output.finish().await,
    };
    let io = match dialed {
        Ok(io) => io,
        Err(text) => {
            debug!(port, error = text, "a port cannot be forwarded");
            let _ = error.output.send(Bytes::from(text)).await;
            error.output.finish().await;
            return output.reset(Reset::Cancel).await;
        }
    };
    let (reader, writer) = tokio::io::split(io);
    let closed = output.closed();
    let from_port = async {
        from_port(reader, &mut output).await;
        output.finish().await;
        // A client that has read everything waits for this before it ends its own side.
        error.output.finish().await;
    };
    tokio::select! {
        _ = future::join(to_port(input, writer), from_port) => return,
        () = closed => {}
    }
    error.output.finish().await;
}

/// Until the client ends the stream, which the port then sees as the end of its input; or until the port takes no more.
async fn to_port(mut input: Input, mut port: WriteHalf<Box<dyn Duplex>>) {
    while let Some(bytes) = input.next().await {
        if let Err(error) = write(&mut port, &bytes).await {
            return debug!(%error, "a forwarded port takes no more");
        }
    }
    if let Err(error) = port.shutdown().await {
        debug!(%error, "a forwarded port cannot be told the end");
    }
}

async fn write(port: &mut WriteHalf<Box<dyn Duplex>>, bytes: &[u8]) -> io::Result<()> {
    port.write_all(bytes).await?;
    port.flush().await
}

/// Until the port has ended, well or not: clients take a text on the stream for errors as the end of all connections.
async fn from_port(mut port: ReadHalf<Box<dyn Duplex>>, output: &mut Output) {
    loop {
        let mut bytes = BytesMut::with_capacity(PIECE);
        match port.read_buf(&mut bytes).await {
            Ok(0) => return,
            Ok(_) if output.send(bytes.freeze()).await.is_err() => return,
            Ok(_) => {}
            Err(error) => return debug!(%error, "a forwarded port broke"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(stream: u32, headers: &[(&str, &str)]) -> anyhow::Result<Place> {
        place_of(stream, &headers.iter().copied().collect())
    }

    #[test]
    fn a_pair_is_found_by_its_request() {
        let error = place(7, &[("streamtype", "error"), ("port", "80"), ("requestid", "x")]).unwrap();
        assert_eq!(error, Place { request: "x".into(), kind: Kind::Error, port: 80 });
        let data = place(5, &[("streamtype", "data"), ("port", "65535"), ("requestid", "x")]).unwrap();
        assert_eq!(data, Place { request: "x".into(), kind: Kind::Data, port: 65535 });
    }

    #[test]
    fn a_pair_without_a_request_is_found_by_its_numbers() {
        let error = place(5, &[("streamtype", "error"), ("port", "80")]).unwrap();
        let data = place(7, &[("streamtype", "data"), ("port", "80"), ("requestid", "")]).unwrap();
        assert_eq!((error.request.as_str(), data.request.as_str()), ("5", "5"));
    }

    #[test]
    fn ports_and_types_that_there_are_not_are_refused() {
        for port in ["", "0", "-1", "65536", "http", "80 "] {
            place(1, &[("streamtype", "error"), ("port", port)]).unwrap_err();
        }
        for kind in ["", "stdin"] {
            place(1, &[("streamtype", kind), ("port", "80")]).unwrap_err();
        }
        place(1, &[("streamtype", "error")]).unwrap_err();
        place(1, &[("port", "80")]).unwrap_err();
        place(1, &[("streamtype", "data"), ("port", "80")]).unwrap_err();
    }
}
