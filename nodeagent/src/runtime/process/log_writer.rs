//! Writes what a container says as lines in the format of container runtimes: time, stream, whole or part, text.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use lifecycle::clock::Clock;

/// A longer line is written in parts.
const LONGEST_LINE: usize = 16 * 1024;
/// A file is set aside when it has grown to this.
const LARGEST_FILE: u64 = 10 * 1024 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

pub struct LogWriter {
    path: PathBuf,
    file: File,
    size: u64,
    largest: u64,
    clock: Clock,
    /// The beginnings of lines that have no end yet, one for each stream.
    open: [Vec<u8>; 2],
}

impl LogWriter {
    pub fn open(path: &Path, clock: Clock) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = create(path)?;
        let size = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, size, largest: LARGEST_FILE, clock, open: Default::default() })
    }

    /// Takes what a stream brought, at any cut.
    pub fn write(&mut self, stream: Stream, bytes: &[u8]) {
        let time = self.clock.now();
        let mut text = Vec::with_capacity(bytes.len() + 64);
        let open = &mut self.open[stream as usize];
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            open.extend_from_slice(piece);
            while open.len() > LONGEST_LINE {
                let rest = open.split_off(LONGEST_LINE);
                add_line(&mut text, time, stream, 'P', open);
                *open = rest;
            }
            if open.last() == Some(&b'\n') {
                open.pop();
                add_line(&mut text, time, stream, 'F', open);
                open.clear();
            }
        }
        self.append(&text);
    }

    /// Writes the lines that have no end yet as parts.
    pub fn finish(&mut self) {
        let time = self.clock.now();
        let mut text = Vec::new();
        for stream in [Stream::Stdout, Stream::Stderr] {
            let open = std::mem::take(&mut self.open[stream as usize]);
            if !open.is_empty() {
                add_line(&mut text, time, stream, 'P', &open);
            }
        }
        self.append(&text);
    }

    /// What cannot be written is lost: a full disk must not stop a container.
    fn append(&mut self, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        if self.size > 0 && self.size + text.len() as u64 > self.largest {
            self.rotate();
        }
        if self.file.write_all(text).is_ok() {
            self.size += text.len() as u64;
        }
    }

    fn rotate(&mut self) {
        if fs::rename(&self.path, older(&self.path)).is_err() {
            return;
        }
        if let Ok(file) = create(&self.path) {
            self.file = file;
            self.size = 0;
        }
    }
}

/// Where the log before the present one is kept.
pub fn older(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    PathBuf::from(name)
}

fn create(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}

fn add_line(text: &mut Vec<u8>, time: jiff::Timestamp, stream: Stream, tag: char, line: &[u8]) {
    // Writing to memory cannot fail.
    let _ = write!(text, "{time} {} {tag} ", stream.name());
    text.extend_from_slice(line);
    text.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(folder: &Path) -> LogWriter {
        let clock = Clock::from_fn(|| "2026-01-02T03:04:05.678Z".parse().unwrap());
        LogWriter::open(&folder.join("web/0.log"), clock).unwrap()
    }

    #[test]
    fn lines_are_whole_however_they_come_in() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = writer(folder.path());
        log.write(Stream::Stdout, b"one\ntw");
        log.write(Stream::Stderr, b"oh\n");
        log.write(Stream::Stdout, b"o\n\nrest");
        log.finish();
        let text = fs::read_to_string(folder.path().join("web/0.log")).unwrap();
        let lines: Vec<&str> = text.lines().map(|line| line.split_once(' ').unwrap().1).collect();
        assert_eq!(lines, ["stdout F one", "stderr F oh", "stdout F two", "stdout F ", "stdout P rest"]);
        assert!(text.starts_with("2026-01-02T03:04:05.678Z stdout"));
    }

    #[test]
    fn a_long_line_is_written_in_parts() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = writer(folder.path());
        log.write(Stream::Stdout, &[b'x'; LONGEST_LINE + 5]);
        log.write(Stream::Stdout, b"\n");
        let text = fs::read_to_string(folder.path().join("web/0.log")).unwrap();
        let tags: Vec<(&str, usize)> = text
            .lines()
            .map(|line| line.rsplit_once(' ').unwrap())
            .map(|(head, x)| (&head[head.len() - 1..], x.len()))
            .collect();
        assert_eq!(tags, [("P", LONGEST_LINE), ("F", 5)]);
    }

    #[test]
    fn a_full_file_is_set_aside_and_only_one_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = writer(folder.path());
        log.largest = 100;
        for line in ["first", "second", "third", "fourth", "fifth"] {
            log.write(Stream::Stdout, format!("{line}\n").as_bytes());
        }
        let path = folder.path().join("web/0.log");
        let read = |path: &Path| fs::read_to_string(path).unwrap().lines().count();
        assert_eq!((read(&path), read(&older(&path))), (1, 2));
    }
}
