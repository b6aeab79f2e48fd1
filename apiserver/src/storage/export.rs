//! A store in one file: for the night, for before an upgrade, for moving. Made from memory, checked in every byte.

use std::borrow::Cow;
use std::path::Path;

use anyhow::Context;

use crate::storage::archive::{self, Archive, Entry, Summary};
use crate::storage::object::Object;
use crate::storage::sled;
use crate::storage::snapshot::Snapshot;

/// A restored store goes on so far above: the store that was exported may have given out more after the export.
const GAP: u64 = 1_000_000_000;

/// Writes everything durable of a snapshot into a file, which is there as a whole or not at all. Blocks.
pub fn write(snapshot: &Snapshot, path: &Path) -> Result<Summary, anyhow::Error> {
    let objects = snapshot.all().filter(|object| object.durable).count() as u64;
    let summary = Summary { objects, revision: snapshot.revision() };
    let mut name = path.file_name().context("an export needs a file name")?.to_owned();
    name.push(".new");
    let durable = snapshot.all().filter(|object| object.durable);
    archive::write(path, &path.with_file_name(name), summary, durable.map(|object| entry(object)))?;
    Ok(summary)
}

fn entry(object: &Object) -> Entry<'_> {
    let (before, after) = object.content();
    Entry { path: Cow::Owned(sled::path(&object.key)), revision: object.revision.0, bytes: [before, after] }
}

/// Makes a store of the embedded engine in an empty directory, with what an export holds. The export is checked as a
/// whole before anything is written. Blocks.
pub fn restore(path: &Path, directory: &Path) -> Result<Summary, anyhow::Error> {
    archive::check(path)?;
    let mut export = Archive::open(path)?;
    let summary = export.summary;
    sled::restore(directory, summary.revision.0 + GAP, &mut export)?;
    Ok(summary)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use bytes::Bytes;

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
        snapshot.list(PODS, None).map(|pod| (pod.key.to_string(), pod.bytes())).collect()
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
