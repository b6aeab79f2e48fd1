//! The embedded engine: the contract, restarts, and what is refused.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lifecycle::clock::Clock;
use lifecycle::tasks::Tasks;
use tempfile::TempDir;

use super::*;
use crate::storage::archive::Record;
use crate::storage::contract::{self, Store};
use crate::storage::fixtures::{LEASES, PODS, TestLayout, lease_key, lease_write, pod_bytes, pod_key, pod_of_size};
use crate::storage::limits::Limits;
use crate::storage::{Storage, Write};

#[test]
fn revisions_are_reserved_before_they_are_used() {
    let mut revisions = Revisions { last: 1, reserved: 1 + BLOCK };
    assert_eq!(revisions.take(3, false), (2, None));
    assert_eq!(revisions.take(BLOCK / 2, false), (5, None), "volatile changes write nothing");
    let (first, reserve) = revisions.take(1, true);
    assert_eq!((first, reserve), (5 + BLOCK / 2, Some(first + BLOCK)), "a durable change takes it along");
    let (first, reserve) = revisions.take(BLOCK + 1, false);
    assert_eq!(reserve, Some(first + BLOCK + BLOCK), "none is used that is not reserved");
}

#[tokio::test]
async fn the_contract_holds() {
    let scratch = tempfile::tempdir().unwrap();
    let stores = std::sync::atomic::AtomicU32::new(0);
    contract::holds(|| {
        let number = stores.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Arc::new(Sled::new(scratch.path().join(number.to_string())))
    })
    .await;
}

async fn open(directory: &TempDir) -> Store {
    Store::open(Arc::new(Sled::new(directory.path())), Limits::default()).await
}

async fn commit(storage: &Storage, write: Write) -> Revision {
    storage.commit(write).await.unwrap().revision
}

async fn refusal(directory: &TempDir) -> String {
    let tasks = Tasks::new();
    let engine = Arc::new(Sled::new(directory.path()));
    let opened = Storage::open(engine, Arc::new(TestLayout), Clock::system(), &tasks, Limits::default()).await;
    format!("{:#}", opened.unwrap_err())
}

#[tokio::test]
async fn a_restart_keeps_objects_and_revisions_go_on_growing() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    let storage = store.storage.clone();
    let mut expected = Vec::new();
    for (number, size) in [0, 100, 30_000, 1_500_000, 24 * 1024 - 16].into_iter().enumerate() {
        let name = format!("pod-{number}");
        let bytes = pod_of_size("default", &name, size);
        let revision = commit(&storage, Write::create(pod_key("default", &name), bytes.clone())).await;
        expected.push((name, revision, bytes));
    }
    // Grown, shrunk, and gone.
    for (at, size) in [(0, 200_000), (3, 10)] {
        let (name, revision, bytes) = &mut expected[at];
        *bytes = pod_of_size("default", name, size);
        *revision = commit(&storage, Write::update(pod_key("default", name), *revision, bytes.clone())).await;
    }
    let (name, revision, _) = expected.remove(2);
    let last = commit(&storage, Write::delete(pod_key("default", &name), revision)).await;
    store.stop().await;
    for _ in 0..2 {
        let store = open(&directory).await;
        let snapshot = store.storage.snapshot();
        assert!(snapshot.revision() > last);
        assert_eq!(snapshot.count(PODS, None), expected.len());
        for (name, revision, bytes) in &expected {
            let object = snapshot.find(PODS, "default", name).unwrap();
            assert_eq!(object.revision, *revision);
            assert!(object.has_content(bytes));
        }
        assert!(store.storage.watch(PODS, last).is_err(), "what happened before is not known");
        store.storage.watch(PODS, snapshot.revision()).unwrap();
        store.stop().await;
    }
}

#[tokio::test]
async fn volatile_changes_end_with_the_process_but_never_bring_a_deleted_object_back() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    let storage = store.storage.clone();
    commit(&storage, lease_write("gone", None, 1)).await;
    let steady = commit(&storage, lease_write("steady", None, 1).volatile(false)).await;
    commit(&storage, lease_write("steady", Some(steady), 2)).await;
    let deleted = commit(&storage, lease_write("deleted", None, 1).volatile(false)).await;
    let deleted = commit(&storage, lease_write("deleted", Some(deleted), 2)).await;
    commit(&storage, Write::delete(lease_key("deleted"), deleted).volatile(true)).await;
    let late = commit(&storage, lease_write("late", None, 1)).await;
    let last = commit(&storage, lease_write("late", Some(late), 2).volatile(false)).await;
    store.stop().await;
    let store = open(&directory).await;
    let snapshot = store.storage.snapshot();
    assert!(snapshot.revision() > last);
    let left: Vec<_> = snapshot.list(LEASES, None).map(|lease| (&*lease.key.name, lease.revision)).collect();
    assert_eq!(left, [("late", last), ("steady", steady)]);
    store.stop().await;
}

#[tokio::test]
async fn volatile_changes_write_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    let log = directory.path().join("sled-1/db");
    let state = || (fs::read(&log).unwrap(), fs::metadata(&log).unwrap().modified().unwrap());
    let before = state();
    let mut revision = commit(&store.storage, lease_write("a", None, 0)).await;
    for renewal in 1..500 {
        revision = commit(&store.storage, lease_write("a", Some(revision), renewal)).await;
    }
    assert!(state() == before);
    commit(&store.storage, Write::create(pod_key("default", "a"), pod_bytes("default", "a", "n"))).await;
    assert!(state() != before);
    store.stop().await;
}

#[tokio::test]
async fn a_directory_that_cannot_be_used_is_refused_with_advice() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    assert!(refusal(&directory).await.contains("in use by another process"));
    for number in 0..100 {
        let name = format!("pod-{number}");
        commit(&store.storage, Write::create(pod_key("default", &name), pod_of_size("default", &name, 1000))).await;
    }
    store.stop().await;
    fs::remove_file(directory.path().join("sled-1/closed")).unwrap();
    let log = directory.path().join("sled-1/db");
    let good = fs::read(&log).unwrap();
    let mut flipped = good.clone();
    flipped[50_000] ^= 4;
    for damaged in [flipped, good[..good.len() - 1].to_vec(), vec![7; good.len()], Vec::new()] {
        fs::write(&log, damaged).unwrap();
        let sentence = refusal(&directory).await;
        assert!(sentence.contains("restore the newest export into a new one"), "{sentence}");
    }
    fs::remove_file(&log).unwrap();
    assert!(refusal(&directory).await.contains("restore the newest export into a new one"));
    fs::write(&log, good).unwrap();
    open(&directory).await.stop().await;
}

#[tokio::test]
async fn of_what_was_closed_and_its_log_one_may_be_damaged() {
    let directory = tempfile::tempdir().unwrap();
    let counted = async |directory: &TempDir| {
        let store = open(directory).await;
        let count = store.storage.snapshot().count(PODS, None);
        store.stop().await;
        count
    };
    let store = open(&directory).await;
    for number in 0..50 {
        let name = format!("pod-{number}");
        commit(&store.storage, Write::create(pod_key("default", &name), pod_of_size("default", &name, 1000))).await;
    }
    store.stop().await;
    fs::write(directory.path().join("sled-1/db"), b"").unwrap();
    assert_eq!(counted(&directory).await, 50);
    let closed = directory.path().join("sled-2/closed");
    let mut text = fs::read(&closed).unwrap();
    text[20_000] ^= 1;
    fs::write(&closed, text).unwrap();
    assert_eq!(counted(&directory).await, 50);
    for part in ["closed", "db"] {
        fs::write(directory.path().join("sled-3").join(part), b"").unwrap();
    }
    assert!(refusal(&directory).await.contains("restore the newest export into a new one"));
}

/// A directory as a crash may leave it: with a log like this, and without a seal.
fn crashed(like: &TempDir, log: &[u8]) -> TempDir {
    let crashed = tempfile::tempdir().unwrap();
    fs::create_dir_all(crashed.path().join("sled-1/blobs")).unwrap();
    for file in ["format", "sled-1/conf"] {
        fs::copy(like.path().join(file), crashed.path().join(file)).unwrap();
    }
    fs::write(crashed.path().join("sled-1/db"), log).unwrap();
    crashed
}

#[tokio::test]
async fn damage_after_a_crash_is_refused_or_leaves_whole_objects() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    for number in 0..40 {
        let name = format!("pod-{number}");
        let bytes = pod_of_size("default", &name, number * 50);
        commit(&store.storage, Write::create(pod_key("default", &name), bytes)).await;
    }
    store.stop().await;
    let log = fs::read(directory.path().join("sled-1/db")).unwrap();
    for lost in [vec![7; log.len()], Vec::new(), log[..100].to_vec()] {
        let sentence = refusal(&crashed(&directory, &lost)).await;
        assert!(sentence.contains("restore the newest export into a new one"), "{sentence}");
    }
    let used = log.iter().rposition(|byte| *byte != 0).unwrap();
    for step in 0..16 {
        let mut flipped = log.clone();
        flipped[used * step / 16] ^= 1 << (step % 8);
        let crashed = crashed(&directory, &flipped);
        let tasks = Tasks::new();
        let engine = Arc::new(Sled::new(crashed.path()));
        match Storage::open(engine, Arc::new(TestLayout), Clock::system(), &tasks, Limits::default()).await {
            Ok(storage) => assert!(storage.snapshot().count(PODS, None) <= 40),
            Err(error) => assert!(format!("{error:#}").contains("restore the newest export"), "{error:#}"),
        }
        tasks.stop(Duration::from_secs(10)).await;
    }
}

#[tokio::test]
async fn an_object_of_an_unknown_resource_is_not_lost_silently() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = Bytes::from_static(b"{}");
    let record = Record { path: "example.com/boats/harbour/skiff".to_owned(), revision: 7, bytes };
    restore(directory.path(), 10, &mut std::iter::once(Ok(record))).unwrap();
    let sentence = refusal(&directory).await;
    assert!(sentence.contains(r#"no resource "boats" in the group "example.com""#), "{sentence}");
}
