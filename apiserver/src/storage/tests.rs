//! The store as a whole: many threads at once, and what is forgotten when.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use lifecycle::clock::Clock;
use lifecycle::metrics::Metrics;
use lifecycle::tasks::Tasks;
use tokio::time::Instant;

use crate::storage::fixtures::{LEASES, PODS, TestLayout, lease_write, pod_bytes, pod_key};
use crate::storage::limits::Limits;
use crate::storage::memory::Memory;
use crate::storage::object::Revision;
use crate::storage::watch::{Scope, Watch, WatchEnd};
use crate::storage::{Storage, Write};

/// A store in memory whose time is told by hand, in seconds.
async fn store_at(seconds: &Arc<AtomicI64>, limits: Limits) -> (Storage, Tasks) {
    let tasks = Tasks::new();
    let seconds = seconds.clone();
    let clock = Clock::from_fn(move || Timestamp::from_second(seconds.load(Ordering::SeqCst)).unwrap());
    let engine = Arc::new(Memory::default());
    (Storage::open(engine, Arc::new(TestLayout), clock, &tasks, limits).await.unwrap(), tasks)
}

async fn store(limits: Limits) -> (Storage, Tasks) {
    store_at(&Arc::new(AtomicI64::new(1000)), limits).await
}

async fn create(storage: &Storage, name: &str) -> Revision {
    let create = Write::create(pod_key("default", name), pod_bytes("default", name, "n1"));
    storage.commit(create).await.unwrap().revision
}

/// Follows until a store has stopped; answers with every revision seen.
async fn follow(mut watch: Watch) -> Result<Vec<Revision>, WatchEnd> {
    let mut seen = Vec::new();
    loop {
        match watch.next().await {
            Ok(events) => seen.extend(events.iter().map(|event| event.revision)),
            Err(WatchEnd::Closed) => return Ok(seen),
            Err(end) => return Err(end),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_writers_and_watchers_agree_on_one_order() {
    const WRITERS: usize = 8;
    const ROUNDS: usize = 200;
    let (storage, tasks) = store(Limits::default()).await;
    let start = storage.revision();
    let watchers: Vec<_> = (0..4).map(|_| tokio::spawn(follow(storage.watch(PODS, start).unwrap()))).collect();
    let scope = Scope::Field(0, "n3".into());
    let of_node = tokio::spawn(follow(storage.watch_scope(PODS, scope, start).unwrap()));
    let writers = (0..WRITERS).map(|writer| {
        let storage = storage.clone();
        tokio::spawn(async move {
            let name = format!("pod-{writer}");
            let mut expected = None;
            for round in 0..ROUNDS {
                let node = format!("n{}", round % 5);
                let key = pod_key("default", &name);
                let value = Some(pod_bytes("default", &name, &node));
                let write = Write { key, expected, value, fields: None, volatile: false };
                let event = storage.commit(write).await.unwrap();
                let snapshot = storage.snapshot();
                assert!(snapshot.revision() >= event.revision, "what is acknowledged can be read");
                assert!(storage.wait_for(event.revision, Duration::from_secs(10)).await);
                expected = Some(event.revision);
            }
        })
    });
    for writer in join_all(writers).await {
        writer.unwrap();
    }
    tasks.stop(Duration::from_secs(10)).await;
    let all: Vec<Revision> = (1..=WRITERS * ROUNDS).map(|step| Revision(start.0 + step as u64)).collect();
    for watcher in watchers {
        assert_eq!(watcher.await.unwrap().unwrap(), all);
    }
    // A pod is seen when it comes to the node, and when it leaves it.
    assert_eq!(of_node.await.unwrap().unwrap().len(), WRITERS * (ROUNDS / 5) * 2);
}

#[tokio::test(start_paused = true)]
async fn a_revision_to_come_is_waited_for_and_not_for_ever() {
    let (storage, _tasks) = store(Limits::default()).await;
    let next = Revision(storage.revision().0 + 1);
    let start = Instant::now();
    assert!(!storage.wait_for(next, Duration::from_secs(3)).await);
    assert_eq!(start.elapsed(), Duration::from_secs(3));
    let (came, _) = tokio::join!(storage.wait_for(next, Duration::from_secs(3)), create(&storage, "a"));
    assert!(came);
}

#[tokio::test(start_paused = true)]
async fn a_watch_may_start_in_the_future() {
    let (storage, _tasks) = store(Limits::default()).await;
    let later = Revision(storage.revision().0 + 2);
    let mut watch = storage.watch(PODS, later).unwrap();
    for name in ["a", "b", "c"] {
        create(&storage, name).await;
    }
    let events = watch.next().await.unwrap();
    assert!(events.iter().map(|event| event.revision).eq([Revision(later.0 + 1)]));
}

#[tokio::test(start_paused = true)]
async fn a_quiet_watcher_learns_how_far_the_store_is_and_a_busy_one_what_it_has_seen() {
    let (storage, _tasks) = store(Limits::default()).await;
    let mut quiet = storage.watch(LEASES, storage.revision()).unwrap();
    let mut busy = storage.watch(PODS, storage.revision()).unwrap();
    let start = storage.revision();
    let last = create(&storage, "a").await;
    assert_eq!((quiet.position(), busy.position()), (last, start));
    busy.next().await.unwrap();
    assert_eq!(busy.position(), last);
}

#[tokio::test(start_paused = true)]
async fn the_past_is_forgotten_by_age_and_by_number() {
    let seconds = Arc::new(AtomicI64::new(1000));
    let limits = Limits { history_batches: 10, kept_snapshots: 2, kept_changes: 25, ..Limits::default() };
    let (storage, _tasks) = store_at(&seconds, limits).await;
    let first = create(&storage, "first").await;
    storage.keep(&storage.snapshot());
    for number in 0..20 {
        create(&storage, &format!("pod-{number}")).await;
    }
    let oldest = Revision(storage.revision().0 - 10);
    assert_eq!(storage.snapshot_at(oldest).unwrap().count(PODS, None), 11);
    assert!(storage.snapshot_at(Revision(oldest.0 - 1)).is_none(), "there are too many since");
    assert_eq!(storage.snapshot_at(first).unwrap().count(PODS, None), 1, "it was kept for a list's pages");
    for _ in 0..2 {
        create(&storage, &format!("more-{}", storage.revision())).await;
        storage.keep(&storage.snapshot());
    }
    assert!(storage.snapshot_at(first).is_none(), "only so many are kept");
    let kept = storage.revision();
    create(&storage, "last").await;
    seconds.store(1000 + 299, Ordering::SeqCst);
    assert!(storage.snapshot_at(kept).is_some());
    seconds.store(1000 + 301, Ordering::SeqCst);
    assert!(storage.snapshot_at(kept).is_none(), "it is too long ago");
    storage.keep(&storage.snapshot());
    let kept = storage.revision();
    for number in 0..30 {
        assert_eq!(storage.snapshot_at(kept).is_some(), number <= 25, "{number} changes ago");
        create(&storage, &format!("late-{number}")).await;
    }
    assert!(storage.snapshot_at(storage.revision()).is_some(), "the newest state is never too old");
}

#[tokio::test(start_paused = true)]
async fn old_changes_leave_the_log_when_new_ones_come() {
    let seconds = Arc::new(AtomicI64::new(1000));
    let (storage, _tasks) = store_at(&seconds, Limits::default()).await;
    let start = storage.revision();
    let first = create(&storage, "a").await;
    seconds.store(2000, Ordering::SeqCst);
    assert!(storage.watch(PODS, start).is_ok(), "nothing is forgotten while nothing happens");
    create(&storage, "b").await;
    assert_eq!(storage.watch(PODS, start).unwrap_err().oldest, first);
    assert_eq!(storage.watch(PODS, first).unwrap().try_next().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_log_is_bounded_by_bytes_and_its_scopes_go_with_their_watchers() {
    let mut limits = Limits::default();
    limits.log.bytes = 20_000;
    let (storage, _tasks) = store(limits).await;
    let start = storage.revision();
    for round in 0..200 {
        let scope = Scope::Object { namespace: "default".into(), name: format!("pod-{round}").into() };
        let mut watch = storage.watch_scope(PODS, scope, storage.revision()).unwrap();
        create(&storage, &format!("pod-{round}")).await;
        assert_eq!(watch.next().await.unwrap().len(), 1);
    }
    let oldest = storage.watch(PODS, start).unwrap_err().oldest;
    let left = storage.revision().0 - oldest.0;
    assert!((20..40).contains(&left), "{left}");
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_goes_away_does_not_stop_its_write() {
    let (storage, _tasks) = store(Limits::default()).await;
    {
        let commit = storage.commit(lease_write("a", None, 1));
        tokio::pin!(commit);
        assert!(futures::poll!(commit.as_mut()).is_pending());
    }
    assert!(storage.wait_for(Revision(storage.revision().0 + 1), Duration::from_secs(1)).await);
    assert_eq!(storage.snapshot().count(LEASES, None), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_stored_and_written_is_measured() {
    let (storage, _tasks) = store(Limits::default()).await;
    let metrics = Metrics::new();
    storage.measure(&metrics);
    let revision = create(&storage, "a").await;
    storage.commit(lease_write("a", None, 1)).await.unwrap();
    storage.commit(Write::delete(pod_key("default", "a"), Revision(revision.0 - 1))).await.unwrap_err();
    let text = metrics.encode();
    for line in [
        "skiff_storage_writes_total 2",
        "skiff_storage_conflicts_total 1",
        "skiff_storage_batch_seconds_count 2",
        r#"apiserver_storage_objects{resource="pods"} 1"#,
        r#"apiserver_storage_objects{resource="leases.coordination.k8s.io"} 1"#,
        "skiff_storage_revision 3",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_an_object_is_refused() {
    let (storage, _tasks) = store(Limits { object_bytes: 500, ..Limits::default() }).await;
    for (name, value) in [("", "{}"), ("a/b", "{}"), ("a", "{}"), ("a", &"x".repeat(501))] {
        let create = Write::create(pod_key("default", name), value.to_owned().into());
        let refused = storage.commit(create).await.unwrap_err();
        assert!(matches!(refused, crate::storage::CommitError::Failed(_)), "{refused}");
    }
    let delete = Write { key: pod_key("default", "a"), expected: None, value: None, fields: None, volatile: false };
    assert!(storage.commit(delete).await.unwrap_err().to_string().contains("needs the revision"));
    assert_eq!(storage.snapshot().count(PODS, None), 0);
}
