//! Writes an object and waits until every one of many watchers has it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use bytes::{Buf, Bytes, BytesMut};
use futures::future::try_join_all;
use http::Method;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::cluster::Cluster;
use crate::connection::{Connection, JSON};
use crate::figures::{Durations, Report};
use crate::objects;
use crate::room::{self, Room};
use crate::work::{WatchOptions, memory};

/// No watcher may need longer for one write.
const PATIENCE: Duration = Duration::from_secs(20);
const ROUNDS: usize = 1_000;
/// Between rounds, so that the server is not always in the middle of the one before.
const REST: Duration = Duration::from_millis(5);

pub async fn measure(
    cluster: &Cluster,
    room: &Room,
    options: &WatchOptions,
    span: Duration,
    report: &mut Report,
) -> Result<()> {
    let path = room.core("configmaps");
    let mut connection = cluster.connect().await?;
    let revision = revision_of(&connection.get(&format!("{path}?limit=1")).await?)?;
    let watchers = usize::from(options.watchers);
    let before = memory::megabytes(&options.pid)?;
    let streams = open(cluster, options, &path, &revision).await?;
    if !options.pid.is_empty() {
        tokio::time::sleep(memory::SETTLE).await;
        report.add(format!("memory for {watchers} watchers"), memory::megabytes(&options.pid)? - before, "MB");
    }
    let (seen, mut seeing) = mpsc::channel(2 * watchers);
    let mut tasks = JoinSet::new();
    for stream in streams {
        tasks.spawn(tell_rounds(stream, seen.clone()));
    }
    let mut durations = Durations::default();
    let end = Instant::now() + span;
    for round in 0..ROUNDS {
        if Instant::now() >= end && round > 3 {
            break;
        }
        let start = Instant::now();
        connection.create(&path, objects::config_map(&format!("round-{round}"), 2_048)).await?;
        let all = wait_for_all(&mut seeing, round, watchers);
        tokio::time::timeout(PATIENCE, all).await.with_context(|| format!("round {round} was not seen by all"))??;
        // The first rounds find everything cold.
        if round > 2 {
            durations.add(start.elapsed());
        }
        tokio::time::sleep(REST).await;
    }
    report.add_durations(&format!("watch, write until {watchers} have it"), &mut durations);
    tasks.shutdown().await;
    room::empty(&mut connection, &path).await
}

async fn open(cluster: &Cluster, options: &WatchOptions, path: &str, revision: &str) -> Result<Vec<Stream>> {
    let (watchers, most) = (usize::from(options.watchers), usize::from(options.streams));
    let mut connections = try_join_all((0..watchers.div_ceil(most)).map(|_| cluster.connect())).await?;
    if most > 1 {
        connections = (0..watchers).map(|number| connections[number / most].share()).collect::<Result<_>>()?;
    }
    try_join_all(connections.into_iter().map(|connection| Stream::open(connection, path, revision))).await
}

async fn wait_for_all(seeing: &mut mpsc::Receiver<usize>, round: usize, watchers: usize) -> Result<()> {
    let mut count = 0;
    while count < watchers {
        let seen = seeing.recv().await.context("watchers ended")?;
        count += usize::from(seen == round);
    }
    Ok(())
}

async fn tell_rounds(mut stream: Stream, seen: mpsc::Sender<usize>) -> Result<()> {
    loop {
        let line = stream.next().await?;
        if let Some(round) = round_in(&line) {
            seen.send(round).await.context("nobody counts")?;
        }
    }
}

/// The number in `"name":"round-7"`, without decoding the rest.
fn round_in(line: &[u8]) -> Option<usize> {
    const MARK: &[u8] = b"\"round-";
    let at = line.windows(MARK.len()).position(|window| window == MARK)? + MARK.len();
    let digits: Vec<u8> = line[at..].iter().copied().take_while(u8::is_ascii_digit).collect();
    String::from_utf8(digits).ok()?.parse().ok()
}

pub fn revision_of(list: &[u8]) -> Result<String> {
    let list: serde_json::Value = serde_json::from_slice(list).context("understand a list")?;
    list["metadata"]["resourceVersion"].as_str().map(str::to_owned).ok_or_else(|| anyhow!("a list without a revision"))
}

/// The lines of a watch.
pub struct Stream {
    body: Incoming,
    held: BytesMut,
    /// Ends the connection when it is dropped.
    _connection: Connection,
}

impl Stream {
    pub async fn open(mut connection: Connection, path: &str, revision: &str) -> Result<Self> {
        let query = format!("{path}?watch=true&resourceVersion={revision}&timeoutSeconds=900");
        let response = connection.send(Method::GET, &query, JSON, Bytes::new()).await?;
        if !response.status().is_success() {
            bail!("watch {path}: {}", response.status());
        }
        Ok(Self { body: response.into_body(), held: BytesMut::new(), _connection: connection })
    }

    pub async fn next(&mut self) -> Result<Bytes> {
        let mut looked_at = 0;
        loop {
            if let Some(end) = self.held[looked_at..].iter().position(|byte| *byte == b'\n') {
                let line = self.held.split_to(looked_at + end).freeze();
                self.held.advance(1);
                return Ok(line);
            }
            looked_at = self.held.len();
            let frame = self.body.frame().await.context("the watch ended")?.context("read the watch")?;
            if let Ok(data) = frame.into_data() {
                self.held.extend_from_slice(&data);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_round_is_found_in_an_event() {
        assert_eq!(round_in(br#"{"type":"ADDED","object":{"metadata":{"name":"round-123"}}}"#), Some(123));
        assert_eq!(round_in(br#"{"type":"BOOKMARK","object":{}}"#), None);
    }
}
