//! A store in one file: for the night, for before an upgrade, for moving. Made from memory, checked in every byte.
//!
//! A line of text, then records: a length, a checksum, so many bytes. The first says how many follow.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use bytes::{Buf, BufMut, Bytes};

use crate::storage::object::{Object, Revision};
use crate::storage::sled;
use crate::storage::sled::Record;
use crate::storage::snapshot::Snapshot;
use crate::storage::whole_file;

const TITLE: &[u8] = b"skiff export 1\n";
/// Above any object: a larger length is damage, and must not be believed.
const LONGEST: u32 = 256 * 1024 * 1024;
/// A restored store goes on so far above: the store that was exported may have given out more after the export.
const GAP: u64 = 1_000_000_000;

/// What was exported or restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    pub objects: u64,
    /// The revision that the store was at.
    pub revision: Revision,
}

/// Writes everything durable of a snapshot into a file, which is there as a whole or not at all. Blocks.
pub fn write(snapshot: &Snapshot, path: &Path) -> Result<Summary, anyhow::Error> {
    let objects = snapshot.all().filter(|object| object.durable).count() as u64;
    let summary = Summary { objects, revision: snapshot.revision() };
    let mut name = path.file_name().context("an export needs a file name")?.to_owned();
    name.push(".new");
    whole_file::write(path, &path.with_file_name(name), |file| {
        let mut out = BufWriter::new(file);
        out.write_all(TITLE)?;
        let mut head = Vec::new();
        head.put_u64(summary.revision.0);
        head.put_u64(summary.objects);
        write_record(&mut out, &[&head])?;
        for object in snapshot.all().filter(|object| object.durable) {
            write_object(&mut out, object)?;
        }
        out.flush()
    })?;
    Ok(summary)
}

fn write_object(out: &mut dyn Write, object: &Object) -> std::io::Result<()> {
    let path = sled::path(&object.key);
    let mut head = Vec::with_capacity(10 + path.len());
    head.put_u64(object.revision.0);
    head.put_u16(u16::try_from(path.len()).map_err(std::io::Error::other)?);
    head.put_slice(path.as_bytes());
    let (before, after) = object.content();
    write_record(out, &[&head, before, after])
}

fn write_record(out: &mut dyn Write, parts: &[&[u8]]) -> std::io::Result<()> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut checksum = crc32fast::Hasher::new();
    parts.iter().for_each(|part| checksum.update(part));
    out.write_all(&u32::try_from(length).map_err(std::io::Error::other)?.to_be_bytes())?;
    out.write_all(&checksum.finalize().to_be_bytes())?;
    parts.iter().try_for_each(|part| out.write_all(part))
}

/// Makes a store of the embedded engine in an empty directory, with what an export holds. The export is checked as a
/// whole before anything is written. Blocks.
pub fn restore(path: &Path, directory: &Path) -> Result<Summary, anyhow::Error> {
    let mut check = Export::open(path)?;
    check.by_ref().try_for_each(|record| record.map(drop))?;
    let mut export = Export::open(path)?;
    let summary = export.summary;
    sled::restore(directory, summary.revision.0 + GAP, &mut export)?;
    Ok(summary)
}

/// Reads an export.
struct Export {
    file: BufReader<File>,
    summary: Summary,
    left: u64,
    is_over: bool,
}

impl Export {
    fn open(path: &Path) -> Result<Self, anyhow::Error> {
        let shown = path.display();
        let mut file = BufReader::new(File::open(path).with_context(|| format!("open {shown}"))?);
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
            let nothing = self.file.read(&mut [0]).context("read the export's end")? == 0;
            ensure!(nothing, "the export is damaged: something follows its end");
            return Ok(None);
        }
        self.left -= 1;
        let mut record = read_record(&mut self.file)?;
        ensure!(record.len() >= 10, "the export is damaged: a record is too short");
        let revision = record.get_u64();
        let length = usize::from(record.get_u16());
        ensure!(record.len() >= length, "the export is damaged: a record is too short");
        let path = record.split_to(length);
        let path = String::from_utf8(path.to_vec()).context("the export is damaged: a name is not text")?;
        Ok(Some(Record { path, revision, bytes: record }))
    }
}

impl Iterator for Export {
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
    file.read_exact(&mut head).context("the export is damaged: it ends too early")?;
    let mut head = head.as_slice();
    let (length, checksum) = (head.get_u32(), head.get_u32());
    if length > LONGEST {
        bail!("the export is damaged: a record of {length} bytes");
    }
    let mut record = Vec::new();
    file.take(u64::from(length)).read_to_end(&mut record).context("read the export")?;
    ensure!(record.len() == length as usize, "the export is damaged: it ends too early");
    ensure!(crc32fast::hash(&record) == checksum, "the export is damaged: a checksum is wrong");
    Ok(Bytes::from(record))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use super::*;
    use crate::storage::contract::Store;
    use crate::storage::fixtures::{PODS, lease_write, pod_bytes, pod_key, pod_of_size};
    use crate::storage::limits::Limits;
    use crate::storage::memory::Memory;
    use crate::storage::sled::Sled;
    use crate::storage::{Storage, Write as StoreWrite};

    async fn filled() -> Store {
        let store = Store::open(Arc::new(Memory::default()), Limits::default()).await;
        for number in 0..20 {
            let name = format!("pod-{number:02}");
            let bytes = pod_of_size("default", &name, number * 10_000);
            store.storage.commit(StoreWrite::create(pod_key("default", &name), bytes)).await.unwrap();
        }
        store.storage.commit(lease_write("a", None, 1)).await.unwrap();
        store
    }

    fn shown(storage: &Storage) -> Vec<(String, Bytes)> {
        let snapshot = storage.snapshot();
        snapshot.list(PODS, None).map(|pod| (pod.key.to_string(), pod.bytes.clone())).collect()
    }

    #[tokio::test]
    async fn what_is_exported_can_be_restored_into_a_new_directory() {
        let scratch = tempfile::tempdir().unwrap();
        let (file, directory) = (scratch.path().join("store.export"), scratch.path().join("restored"));
        let store = filled().await;
        let written = write(&store.storage.snapshot(), &file).unwrap();
        assert_eq!(written, Summary { objects: 20, revision: store.storage.revision() });
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1, "nothing else is left");
        assert_eq!(restore(&file, &directory).unwrap(), written);
        let restored = Store::open(Arc::new(Sled::new(&directory)), Limits::default()).await;
        assert_eq!(shown(&restored.storage), shown(&store.storage));
        assert!(restored.storage.revision().0 > written.revision.0 + GAP);
        let again = StoreWrite::create(pod_key("default", "new"), pod_bytes("default", "new", "n"));
        restored.storage.commit(again).await.unwrap();
        restored.stop().await;
        let sentence = restore(&file, &directory).unwrap_err().to_string();
        assert!(sentence.contains("holds a store already"), "{sentence}");
    }

    #[tokio::test]
    async fn a_damaged_export_is_refused_before_anything_is_restored() {
        let scratch = tempfile::tempdir().unwrap();
        let (file, directory) = (scratch.path().join("store.export"), scratch.path().join("restored"));
        write(&filled().await.storage.snapshot(), &file).unwrap();
        let good = fs::read(&file).unwrap();
        let mut damaged = vec![Vec::new(), b"skiff export 9\n".to_vec(), [&good[..], b"x"].concat()];
        damaged.extend((0..50).map(|step| good[..good.len() * step / 50].to_vec()));
        damaged.extend((0..50).map(|step| {
            let mut flipped = good.clone();
            flipped[good.len() * step / 50] ^= 1;
            flipped
        }));
        for bytes in damaged {
            fs::write(&file, bytes).unwrap();
            restore(&file, &directory).unwrap_err();
            assert!(!directory.exists());
        }
    }
}
