//! What containers wrote, for those who ask: filtered, from the end, or as it comes.

pub mod lines;
pub mod reader;

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use jiff::Timestamp;

use crate::folder_watch::FolderWatch;
use crate::logs::lines::Filter;
use crate::logs::reader::LogReader;

/// Which log, and how much of it.
#[derive(Debug, Clone)]
pub struct Request {
    pub path: PathBuf,
    pub follow: bool,
    pub tail_lines: Option<u64>,
    pub limit_bytes: Option<u64>,
    pub since: Option<Timestamp>,
    pub with_times: bool,
    /// Of one stream only, by its name.
    pub stream: Option<&'static str>,
}

/// The text of a log in pieces. A log that is followed ends when `is_written` says that nobody writes it any more.
pub fn read(
    request: Request,
    is_written: impl Fn() -> bool + Send + Sync + 'static,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send {
    State::new(request).pieces(is_written)
}

/// As `read`, from what the log is when this resolves: for those who follow what is written from now on.
pub async fn open(
    request: Request,
    is_written: impl Fn() -> bool + Send + Sync + 'static,
) -> std::io::Result<impl Stream<Item = std::io::Result<Bytes>> + Send> {
    let mut state = State::new(request);
    state.open().await?;
    Ok(state.pieces(is_written))
}

struct State {
    request: Request,
    filter: Filter,
    reader: Option<LogReader>,
    watch: Option<FolderWatch>,
    is_over: bool,
    /// A file was closed: looks without further word that are left before that is taken for a mere rotation.
    looks: u32,
}

/// The end of a writer is seen a moment after the end of its file.
const LOOKS: u32 = 50;
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl State {
    fn new(request: Request) -> Self {
        let filter = Filter {
            since: request.since,
            with_times: request.with_times,
            stream: request.stream,
            left: request.limit_bytes,
        };
        Self { request, filter, reader: None, watch: None, is_over: false, looks: 0 }
    }

    fn pieces(
        self,
        is_written: impl Fn() -> bool + Send + Sync + 'static,
    ) -> impl Stream<Item = std::io::Result<Bytes>> + Send {
        futures::stream::try_unfold((self, is_written), |(mut state, is_written)| async move {
            let piece = state.next(&is_written).await?;
            Ok(piece.map(|piece| (piece, (state, is_written))))
        })
    }

    async fn open(&mut self) -> std::io::Result<()> {
        // The watch stands before the first look, so that nothing comes in between.
        if let (true, Some(folder)) = (self.request.follow, self.request.path.parent()) {
            self.watch = FolderWatch::new(folder, true).ok();
        }
        let (path, tail) = (self.request.path.clone(), self.request.tail_lines);
        self.reader = Some(blocking(move || LogReader::open(&path, tail)).await?);
        Ok(())
    }

    async fn next(&mut self, is_written: &(impl Fn() -> bool + Sync)) -> std::io::Result<Option<Bytes>> {
        if self.reader.is_none() {
            self.open().await?;
        }
        loop {
            if self.filter.is_full() {
                return Ok(None);
            }
            // Asked before the last look, so that the last words are seen.
            let is_last = !is_written();
            let mut reader = self.reader.take().expect("it was opened above");
            let (raw, reader) = blocking(move || Ok((reader.read()?, reader))).await?;
            self.reader = Some(reader);
            let text = self.filter.apply(&raw);
            if !text.is_empty() {
                return Ok(Some(text.into()));
            }
            if !raw.is_empty() {
                continue;
            }
            if is_last || self.is_over || self.watch.is_none() {
                return Ok(None);
            }
            self.wait().await;
        }
    }

    /// Until there may be more to read.
    async fn wait(&mut self) {
        let Some(watch) = &mut self.watch else { return };
        let changed = watch.changed();
        let changes = if self.looks > 0 {
            self.looks -= 1;
            tokio::time::timeout(LOOK_EVERY, changed).await.unwrap_or_else(|_| Ok(Default::default()))
        } else {
            changed.await
        };
        match changes {
            Ok(changes) => {
                self.is_over |= changes.is_gone;
                if changes.is_closed {
                    self.looks = LOOKS;
                }
            }
            Err(_) => self.is_over = true,
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> std::io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::process::log_writer::{LogWriter, Stream as Out};
    use futures::TryStreamExt;
    use lifecycle::clock::Clock;
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

    fn writer(path: &Path) -> LogWriter {
        let second = AtomicI64::new(0);
        let clock = Clock::from_fn(move || Timestamp::from_second(second.fetch_add(1, Ordering::SeqCst)).unwrap());
        LogWriter::open(path, clock).unwrap()
    }

    fn request(path: &Path) -> Request {
        Request {
            path: path.to_owned(),
            follow: false,
            tail_lines: None,
            limit_bytes: None,
            since: None,
            with_times: false,
            stream: None,
        }
    }

    async fn text(request: Request) -> String {
        let pieces: Vec<Bytes> = read(request, || false).try_collect().await.unwrap();
        String::from_utf8(pieces.concat()).unwrap()
    }

    #[tokio::test]
    async fn a_log_is_read_in_part_or_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0.log");
        let mut log = writer(&path);
        log.write(Out::Stdout, b"zero\n");
        log.write(Out::Stderr, b"one\n");
        log.write(Out::Stdout, b"two\n");
        log.write(Out::Stdout, b"end");
        log.finish();
        let plain = request(&path);
        assert_eq!(text(plain.clone()).await, "zero\none\ntwo\nend");
        assert_eq!(text(Request { tail_lines: Some(2), ..plain.clone() }).await, "two\nend");
        assert_eq!(text(Request { tail_lines: Some(0), ..plain.clone() }).await, "");
        assert_eq!(text(Request { limit_bytes: Some(7), ..plain.clone() }).await, "zero\non");
        assert_eq!(text(Request { stream: Some("stderr"), ..plain.clone() }).await, "one\n");
        let since = Timestamp::from_second(2).unwrap();
        assert_eq!(text(Request { since: Some(since), ..plain.clone() }).await, "two\nend");
        let timed = text(Request { with_times: true, tail_lines: Some(2), ..plain.clone() }).await;
        assert_eq!(timed, "1970-01-01T00:00:02Z two\n1970-01-01T00:00:04Z end");
        assert_eq!(text(request(&folder.path().join("none.log"))).await, "");
    }

    #[tokio::test]
    async fn a_log_is_followed_until_its_writer_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0.log");
        let mut log = writer(&path);
        log.write(Out::Stdout, b"one\n");
        let is_written = Arc::new(AtomicBool::new(true));
        let seen = Arc::clone(&is_written);
        let followed = Request { follow: true, ..request(&path) };
        let mut pieces = Box::pin(read(followed, move || seen.load(Ordering::SeqCst)));
        assert_eq!(pieces.try_next().await.unwrap().unwrap(), "one\n");
        log.write(Out::Stdout, b"two\n");
        assert_eq!(pieces.try_next().await.unwrap().unwrap(), "two\n");
        log.write(Out::Stdout, b"last\n");
        is_written.store(false, Ordering::SeqCst);
        drop(log);
        assert_eq!(pieces.try_next().await.unwrap().unwrap(), "last\n");
        assert_eq!(pieces.try_next().await.unwrap(), None);
    }
}
