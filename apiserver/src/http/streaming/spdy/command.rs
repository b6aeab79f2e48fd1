//! A command in a pod, over a connection of SPDY: each of its streams is a stream there.

use std::time::Duration;

use anyhow::{Context, bail};
use api::channels::{CLOSE, ERROR, RESIZE, STDERR, STDIN, STDOUT};
use api::failure::Failure;
use bytes::Bytes;
use lifecycle::duplex::Duplex;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tracing::debug;

use super::connection::{Connection, Streams};
use super::frame::Reset;
use super::stream::{Input, Output, Stream};
use crate::http::streaming::session::{Message, Session, Wanted};

/// How long a client may take to open all streams.
const OPENING: Duration = Duration::from_secs(30);

/// How long a client may take to read what is left when the command has ended. It closes the connection itself, when it
/// has everything: to close it earlier could cost a slow reader the end of the output. The number is upstream's.
const READING: Duration = Duration::from_secs(15 * 60);

/// The size of a terminal is a few dozen bytes; more than this without one is something else.
const LARGEST_SIZE: usize = 1024;

/// What client and server agreed on, by `X-Stream-Protocol-Version`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    V1,
    /// As the first one; it mended how upstream's own ends closed their streams.
    V2,
    /// Adds the sizes of the terminal.
    V3,
    /// Says how the command ended as a Status.
    V4,
}

impl Version {
    /// All versions, in the order of the server's preference.
    pub const ALL: [Self; 4] = [Self::V4, Self::V3, Self::V2, Self::V1];

    pub fn name(self) -> &'static str {
        match self {
            Self::V1 => "channel.k8s.io",
            Self::V2 => "v2.channel.k8s.io",
            Self::V3 => "v3.channel.k8s.io",
            Self::V4 => "v4.channel.k8s.io",
        }
    }
}

/// The version to speak, from the values of the request's headers; none if nothing that was offered is known.
/// Clients from before the header offer nothing, and mean the first version.
pub fn choose(offered: &[String]) -> Option<Version> {
    if offered.is_empty() {
        return Some(Version::V1);
    }
    Version::ALL.into_iter().find(|version| offered.iter().any(|name| name == version.name()))
}

/// Speaks with the client until the command has ended and the client knows it, or until either side hangs up.
pub async fn serve(io: Box<dyn Duplex>, version: Version, wanted: Wanted, session: Session) {
    let (connection, streams) = Connection::new(io);
    let work = async {
        if let Err(error) = converse(streams, version, wanted, session).await {
            debug!(error = format!("{error:#}"), "a command's streams failed");
        }
    };
    if let Err(error) = connection.run_with(work).await {
        debug!(error = format!("{error:#}"), "a command's connection broke");
    }
}

/// The streams of a command, as far as they are wanted.
struct Command {
    error: Output,
    stdin: Option<Stream>,
    stdout: Option<Output>,
    stderr: Option<Output>,
    resize: Option<Stream>,
}

async fn converse(mut streams: Streams, version: Version, wanted: Wanted, session: Session) -> anyhow::Result<()> {
    let opening = tokio::time::timeout(OPENING, open(&mut streams, version, wanted));
    let mut command = opening.await.context("wait for all streams to be opened")??;
    let Session { to_pod, mut from_pod } = session;
    let (stdin, stdin_end) = command.stdin.map(halves).unzip();
    let (resize, resize_end) = command.resize.map(halves).unzip();
    let inputs = async {
        tokio::join!(bring_stdin(stdin, &to_pod), bring_sizes(resize, &to_pod));
        std::future::pending().await
    };
    let status = tokio::select! {
        status = bring_output(&mut from_pod, &mut command.stdout, &mut command.stderr) => status,
        () = inputs => None,
    };
    // The pod's side is done, however long the client takes.
    drop((to_pod, from_pod));
    for end in [stdin_end, resize_end].into_iter().flatten() {
        end.reset(Reset::Cancel).await;
    }
    let text = last_words(version, status);
    // A client that has closed its end of a stream does not mind what is not sent there.
    let _ = command.error.send(text).await;
    for mut output in [command.stdout, command.stderr, Some(command.error)].into_iter().flatten() {
        output.finish().await;
    }
    let gone = async { while streams.next().await.is_some() {} };
    tokio::time::timeout(READING, gone).await.context("wait for the client to close the connection")
}

fn halves(stream: Stream) -> (Input, Output) {
    (stream.input, stream.output)
}

/// Waits for the wanted streams. One that is not, or that is there already, is reset.
async fn open(streams: &mut Streams, version: Version, wanted: Wanted) -> anyhow::Result<Command> {
    let mut slots = Slots::new(version, wanted);
    while !slots.are_full() {
        let Some(stream) = streams.next().await else { bail!("the client left before it had opened all streams") };
        if let Err(stream) = slots.put(stream) {
            debug!(headers = ?stream.headers, "a stream that is not wanted");
            stream.reset(Reset::RefusedStream).await;
        }
    }
    slots.command().context("find the stream for errors")
}

/// A place for each wanted stream, by what its header `streamtype` says.
struct Slots(Vec<(&'static str, Option<Stream>)>);

impl Slots {
    fn new(version: Version, wanted: Wanted) -> Self {
        let all = [
            ("error", true),
            ("stdin", wanted.stdin),
            ("stdout", wanted.stdout),
            ("stderr", wanted.stderr && !wanted.tty),
            ("resize", wanted.tty && version >= Version::V3),
        ];
        Self(all.into_iter().filter(|(_, is_wanted)| *is_wanted).map(|(kind, _)| (kind, None)).collect())
    }

    fn are_full(&self) -> bool {
        self.0.iter().all(|(_, stream)| stream.is_some())
    }

    /// Gives a stream back that has no place.
    fn put(&mut self, stream: Stream) -> Result<(), Box<Stream>> {
        let kind = stream.headers.get("streamtype");
        match self.0.iter_mut().find(|(known, taken)| Some(*known) == kind && taken.is_none()) {
            Some((_, slot)) => *slot = Some(stream),
            None => return Err(Box::new(stream)),
        }
        Ok(())
    }

    fn command(mut self) -> Option<Command> {
        let mut take = |kind| self.0.iter_mut().find(|(known, _)| *known == kind)?.1.take();
        Some(Command {
            error: take("error")?.output,
            stdin: take("stdin"),
            stdout: take("stdout").map(|stream| stream.output),
            stderr: take("stderr").map(|stream| stream.output),
            resize: take("resize"),
        })
    }
}

async fn bring_stdin(stdin: Option<Input>, to_pod: &mpsc::Sender<Message>) {
    let Some(mut stdin) = stdin else { return };
    while let Some(bytes) = stdin.next().await {
        if to_pod.send(Message { channel: STDIN, bytes }).await.is_err() {
            return;
        }
    }
    // If the pod has hung up, it knows.
    let _ = to_pod.send(Message { channel: CLOSE, bytes: Bytes::from_static(&[STDIN]) }).await;
}

async fn bring_sizes(resize: Option<Input>, to_pod: &mpsc::Sender<Message>) {
    let Some(mut resize) = resize else { return };
    let mut sizes = Sizes::default();
    while let Some(bytes) = resize.next().await {
        let messages = match sizes.read(&bytes) {
            Ok(messages) => messages,
            Err(error) => return debug!(%error, "the size of a terminal cannot be read"),
        };
        for bytes in messages {
            if to_pod.send(Message { channel: RESIZE, bytes }).await.is_err() {
                return;
            }
        }
    }
}

/// Gives the command's output to its streams, and returns how it ended; nothing if the pod hung up before that.
async fn bring_output(
    from_pod: &mut mpsc::Receiver<Message>,
    stdout: &mut Option<Output>,
    stderr: &mut Option<Output>,
) -> Option<Bytes> {
    while let Some(Message { channel, bytes }) = from_pod.recv().await {
        match (channel, &*bytes) {
            (ERROR, _) => return Some(bytes),
            (STDOUT, _) => put(stdout, bytes).await,
            (STDERR, _) => put(stderr, bytes).await,
            (CLOSE, [STDOUT]) => finish(stdout).await,
            (CLOSE, [STDERR]) => finish(stderr).await,
            _ => {}
        }
    }
    None
}

/// Output that nobody wants, or wants any more, is thrown away: the command goes on.
async fn put(output: &mut Option<Output>, bytes: Bytes) {
    if let Some(output) = output {
        let _ = output.send(bytes).await;
    }
}

async fn finish(output: &mut Option<Output>) {
    if let Some(output) = output {
        output.finish().await;
    }
}

/// What the client reads on the stream for errors.
fn last_words(version: Version, status: Option<Bytes>) -> Bytes {
    let status = status.unwrap_or_else(|| {
        let failure = Failure::internal("the connection to the pod ended before the command did");
        Bytes::from(serde_json::to_vec(&failure.status()).expect("a status is JSON"))
    });
    if version >= Version::V4 {
        return status;
    }
    match serde_json::from_slice::<Outcome>(&status) {
        Ok(outcome) if outcome.status == "Success" => Bytes::new(),
        Ok(outcome) if !outcome.message.is_empty() => Bytes::from(outcome.message),
        _ => Bytes::from_static(b"the command failed"),
    }
}

/// As much of a Status as the older versions tell.
#[derive(Deserialize)]
struct Outcome {
    #[serde(default)]
    status: String,
    #[serde(default)]
    message: String,
}

/// Finds the sizes in a stream of JSON, which may be cut anywhere.
#[derive(Default)]
struct Sizes {
    unread: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Size {
    width: u16,
    height: u16,
}

impl Sizes {
    /// The sizes that are whole with these bytes, each as JSON of its own.
    fn read(&mut self, bytes: &[u8]) -> anyhow::Result<Vec<Bytes>> {
        self.unread.extend_from_slice(bytes);
        let mut values = serde_json::Deserializer::from_slice(&self.unread).into_iter::<Size>();
        let mut sizes = Vec::new();
        loop {
            match values.next() {
                Some(Ok(size)) => sizes.push(Bytes::from(serde_json::to_vec(&size)?)),
                Some(Err(error)) if !error.is_eof() => return Err(error.into()),
                Some(Err(_)) | None => break,
            }
        }
        let read = values.byte_offset();
        self.unread.drain(..read);
        if self.unread.len() > LARGEST_SIZE {
            bail!("more than {LARGEST_SIZE} bytes are no size");
        }
        Ok(sizes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_prefers_the_newest_version_that_is_offered() {
        let chosen = |offered: &[&str]| choose(&offered.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(chosen(&["channel.k8s.io", "v4.channel.k8s.io", "v3.channel.k8s.io"]), Some(Version::V4));
        assert_eq!(chosen(&["v5.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"]), Some(Version::V2));
        assert_eq!(chosen(&["v5.channel.k8s.io"]), None);
        assert_eq!(chosen(&[]), Some(Version::V1));
    }

    #[test]
    fn sizes_are_found_wherever_they_are_cut() {
        let text = b"{\"Width\":80,\"Height\":24}\n {\"Height\":1,\"Width\":2}{\"Width\":3,\"Height\":4}\n";
        for cut in 0..text.len() {
            let mut sizes = Sizes::default();
            let mut found = sizes.read(&text[..cut]).unwrap();
            found.extend(sizes.read(&text[cut..]).unwrap());
            assert_eq!(
                found,
                ["{\"Width\":80,\"Height\":24}", "{\"Width\":2,\"Height\":1}", "{\"Width\":3,\"Height\":4}"]
            );
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["[]", "{\"Width\":-1,\"Height\":1}", "{\"Width\":1}", "x"] {
            Sizes::default().read(text.as_bytes()).unwrap_err();
        }
        Sizes::default().read(&[b' '; 2000]).unwrap();
        Sizes::default().read(format!("{{\"{}", "x".repeat(2000)).as_bytes()).unwrap_err();
    }

    #[test]
    fn older_versions_get_the_message_alone() {
        let success = || Some(Bytes::from_static(b"{\"status\":\"Success\"}"));
        let failure = || Some(Bytes::from_static(b"{\"status\":\"Failure\",\"message\":\"exit 7\"}"));
        for version in [Version::V1, Version::V2, Version::V3] {
            assert_eq!(last_words(version, success()), "");
            assert_eq!(last_words(version, failure()), "exit 7");
            assert_eq!(last_words(version, Some(Bytes::from_static(b"?"))), "the command failed");
        }
        assert_eq!(last_words(Version::V4, success()), success().unwrap());
        let lost = last_words(Version::V4, None);
        assert!(lost.starts_with(b"{") && lost.windows(7).any(|bytes| bytes == b"Failure"), "{lost:?}");
    }
}
