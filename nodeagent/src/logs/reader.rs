//! Reads a log file from a place near its end, on through the files that take its place. All of it blocks.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::runtime::process::log_writer::older;

const PIECE: usize = 64 * 1024;

pub struct LogReader {
    path: PathBuf,
    /// Files to read, the oldest first. Once they are read, a new one at the path is the next.
    files: Vec<File>,
    /// A line of which the end is not written yet.
    rest: Vec<u8>,
}

impl LogReader {
    /// From the beginning, or with this many lines before the end. A file that is not there yet is empty.
    pub fn open(path: &Path, tail: Option<u64>) -> io::Result<Self> {
        let mut files = Vec::new();
        for path in [older(path), path.to_owned()] {
            match File::open(path) {
                Ok(file) => files.push(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        if let Some(tail) = tail {
            let mut wanted = tail;
            let mut first = files.len();
            while first > 0 && (wanted > 0 || first == files.len()) {
                first -= 1;
                wanted -= seek_lines_from_end(&mut files[first], wanted)?;
            }
            files.drain(..first);
        }
        Ok(Self { path: path.to_owned(), files, rest: Vec::new() })
    }

    /// The next whole lines; nothing if there are none now.
    pub fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut piece = vec![0; PIECE];
        loop {
            let Some(file) = self.files.first_mut() else {
                if !self.open_next(None)? {
                    return Ok(Vec::new());
                }
                continue;
            };
            let length = file.read(&mut piece)?;
            if length > 0 {
                self.rest.extend_from_slice(&piece[..length]);
                let end = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                if end > 0 {
                    let rest = self.rest.split_off(end);
                    return Ok(std::mem::replace(&mut self.rest, rest));
                }
                continue;
            }
            if self.files.len() > 1 {
                self.files.remove(0);
                self.rest.clear();
                continue;
            }
            let known = self.files[0].metadata()?.ino();
            if !self.open_next(Some(known))? {
                return Ok(Vec::new());
            }
        }
    }

    /// Opens the file at the path if it is another one than that which was read.
    fn open_next(&mut self, known: Option<u64>) -> io::Result<bool> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        if known == Some(file.metadata()?.ino()) {
            return Ok(false);
        }
        // What was written to the old file between the last read and its end comes first.
        self.files.push(file);
        Ok(true)
    }
}

/// Goes to where the last lines begin; answers how many there are, up to those wanted.
fn seek_lines_from_end(file: &mut File, wanted: u64) -> io::Result<u64> {
    let mut end = file.seek(SeekFrom::End(0))?;
    if wanted == 0 {
        return Ok(0);
    }
    let mut found = 0;
    let mut piece = vec![0; PIECE];
    let length = end;
    while end > 0 {
        let start = end.saturating_sub(PIECE as u64);
        let size = usize::try_from(end - start).expect("no larger than a piece");
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut piece[..size])?;
        for (at, _) in piece[..size].iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            let line_start = start + at as u64 + 1;
            if line_start == length {
                continue;
            }
            found += 1;
            if found == wanted {
                file.seek(SeekFrom::Start(line_start))?;
                return Ok(found);
            }
        }
        end = start;
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(if length == 0 { 0 } else { found + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn all(reader: &mut LogReader) -> String {
        let mut text = Vec::new();
        loop {
            let piece = reader.read().unwrap();
            if piece.is_empty() {
                return String::from_utf8(text).unwrap();
            }
            text.extend_from_slice(&piece);
        }
    }

    #[test]
    fn the_tail_reaches_into_the_older_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0.log");
        fs::write(older(&path), "a\nb\n").unwrap();
        fs::write(&path, "c\nd\n").unwrap();
        for (tail, expected) in
            [(None, "a\nb\nc\nd\n"), (Some(9), "a\nb\nc\nd\n"), (Some(3), "b\nc\nd\n"), (Some(1), "d\n"), (Some(0), "")]
        {
            assert_eq!(all(&mut LogReader::open(&path, tail).unwrap()), expected, "{tail:?}");
        }
    }

    #[test]
    fn a_file_that_takes_the_place_of_another_is_read_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0.log");
        let mut reader = LogReader::open(&path, None).unwrap();
        assert_eq!(all(&mut reader), "");
        fs::write(&path, "a\nhal").unwrap();
        assert_eq!(all(&mut reader), "a\n");
        fs::write(&path, "a\nhalf\n").unwrap();
        assert_eq!(all(&mut reader), "half\n");
        fs::rename(&path, older(&path)).unwrap();
        fs::write(&path, "b\n").unwrap();
        assert_eq!(all(&mut reader), "b\n");
    }

    #[test]
    fn long_logs_are_read_from_their_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0.log");
        let lines: Vec<String> = (0..20_000).map(|number| format!("line {number}\n")).collect();
        fs::write(&path, lines.concat()).unwrap();
        assert_eq!(all(&mut LogReader::open(&path, Some(15_000)).unwrap()), lines[5_000..].concat());
    }
}
