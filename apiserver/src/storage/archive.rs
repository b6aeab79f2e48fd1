//! All objects of a store in one file, one after the other: an export, or what a database held when it was closed.
//!
//! A line of text, then records: a length, a checksum, so many bytes. The first says how many follow.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use bytes::{Buf, BufMut, Bytes};

use crate::storage::object::Revision;
use crate::storage::whole_file;

const TITLE: &[u8] = b"skiff export 1\n";
/// Above any object: a larger length is damage, and must not be believed.
const LONGEST: u32 = 256 * 1024 * 1024;

const BUFFER: usize = 256 * 1024;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    pub objects: u64,
    /// The revision that the store was at.
    pub revision: Revision,
}

/// An object with its names spelled out, as it lies on disk or in an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// `group/resource/namespace/name`.
    pub path: String,
    pub revision: u64,
    pub bytes: Bytes,
}

impl Record {
    /// Its group, resource, namespace and name.
    pub fn names(&self) -> Result<[&str; 4], anyhow::Error> {
        let mut parts = self.path.split('/');
        let names = std::array::from_fn(|_| parts.next().unwrap_or_default());
        ensure!(parts.next().is_none() && !names[3].is_empty(), "{:?} is not the key of an object", self.path);
        Ok(names)
    }
}

/// An object that is to be written, its bytes in two parts.
pub struct Entry<'a> {
    pub path: Cow<'a, str>,
    pub revision: u64,
    pub bytes: [Bytes; 2],
}

impl<'a> From<&'a Record> for Entry<'a> {
    fn from(record: &'a Record) -> Self {
        Self {
            path: Cow::Borrowed(&record.path),
            revision: record.revision,
            bytes: [record.bytes.clone(), Bytes::new()],
        }
    }
}

/// Writes a file, by another name first, which is there as a whole or not at all. Blocks.
pub fn write<'a>(
    path: &Path,
    new: &Path,
    summary: Summary,
    entries: impl Iterator<Item = Entry<'a>>,
) -> Result<(), anyhow::Error> {
    whole_file::write(path, new, |file| {
        let mut out = BufWriter::with_capacity(BUFFER, file);
        out.write_all(TITLE)?;
        let mut head = Vec::new();
        head.put_u64(summary.revision.0);
        head.put_u64(summary.objects);
        write_record(&mut out, &[&head])?;
        for Entry { path, revision, bytes: [before, after] } in entries {
            head.clear();
            head.put_u64(revision);
            head.put_u16(u16::try_from(path.len()).map_err(std::io::Error::other)?);
            head.put_slice(path.as_bytes());
            write_record(&mut out, &[&head, &before, &after])?;
        }
        out.flush()
    })
}

/// Reads a file to its end, and fails if a byte of it is wrong.
pub fn check(path: &Path) -> Result<(), anyhow::Error> {
    Archive::open(path)?.try_for_each(|record| record.map(drop))
}

fn write_record(out: &mut dyn Write, parts: &[&[u8]]) -> std::io::Result<()> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut checksum = crc32fast::Hasher::new();
    parts.iter().for_each(|part| checksum.update(part));
    out.write_all(&u32::try_from(length).map_err(std::io::Error::other)?.to_be_bytes())?;
    out.write_all(&checksum.finalize().to_be_bytes())?;
    parts.iter().try_for_each(|part| out.write_all(part))
}

/// Reads such a file.
pub struct Archive {
    file: BufReader<File>,
    pub summary: Summary,
    left: u64,
    is_over: bool,
}

impl Archive {
    pub fn open(path: &Path) -> Result<Self, anyhow::Error> {
        let shown = path.display();
        let mut file = BufReader::with_capacity(BUFFER, File::open(path).with_context(|| format!("open {shown}"))?);
        let mut title = [0; TITLE.len()];
        let is_export = file.read_exact(&mut title).is_ok() && title == TITLE;
        ensure!(is_export, "{shown} is not an export that this version of Skiff can read");
        let mut head = read_record(&mut file).with_context(|| format!("read {shown}"))?;
        ensure!(head.len() == 16, "{shown} is damaged: its head makes no sense");
        let summary = Summary { revision: Revision(head.get_u64()), objects: head.get_u64() };
        Ok(Self { file, summary, left: summary.objects, is_over: false })
    }

    fn read(&mut self) -> Result<Option<Record>, anyhow::Error> {
        if self.left == 0 {
            let nothing = self.file.read(&mut [0]).context("read its end")? == 0;
            ensure!(nothing, "it is damaged: something follows its end");
            return Ok(None);
        }
        self.left -= 1;
        let mut record = read_record(&mut self.file)?;
        ensure!(record.len() >= 10, "it is damaged: a record is too short");
        let revision = record.get_u64();
        let length = usize::from(record.get_u16());
        ensure!(record.len() >= length, "it is damaged: a record is too short");
        let path = record.split_to(length);
        let path = String::from_utf8(path.to_vec()).context("it is damaged: a name is not text")?;
        Ok(Some(Record { path, revision, bytes: record }))
    }
}

impl Iterator for Archive {
    type Item = Result<Record, anyhow::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let record = self.read().transpose();
        self.is_over = !matches!(record, Some(Ok(_)));
        record
    }
}

fn read_record(file: &mut dyn Read) -> Result<Bytes, anyhow::Error> {
    let mut head = [0; 8];
    file.read_exact(&mut head).context("it is damaged: it ends too early")?;
    let mut head = head.as_slice();
    let (length, checksum) = (head.get_u32(), head.get_u32());
    if length > LONGEST {
        bail!("it is damaged: a record of {length} bytes");
    }
    let mut record = Vec::new();
    file.take(u64::from(length)).read_to_end(&mut record).context("read it")?;
    ensure!(record.len() == length as usize, "it is damaged: it ends too early");
    ensure!(crc32fast::hash(&record) == checksum, "it is damaged: a checksum is wrong");
    Ok(Bytes::from(record))
}
