//! What every engine must do, told as tests of a store over it. An engine's own tests call `holds`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use lifecycle::clock::Clock;
use lifecycle::tasks::Tasks;

use crate::storage::engine::Engine;
use crate::storage::event::EventKind;
use crate::storage::fixtures::{LEASES, PODS, TestLayout, lease_key, lease_write, pod_bytes, pod_key};
use crate::storage::limits::{Limits, LogLimits};
use crate::storage::object::Revision;
use crate::storage::watch::{Scope, WatchEnd};
use crate::storage::{CommitError, Storage, Write};

/// A store over a fresh engine, and the tasks that stop it.
pub struct Store {
    pub storage: Storage,
    pub tasks: Tasks,
}

impl Store {
    pub async fn open(engine: Arc<dyn Engine>, limits: Limits) -> Self {
        let tasks = Tasks::new();
        let storage = Storage::open(engine, Arc::new(TestLayout), Clock::system(), &tasks, limits).await.unwrap();
        Self { storage, tasks }
    }

    /// Stops it, and lets the engine go.
    pub async fn stop(self) {
        self.tasks.stop(Duration::from_secs(20)).await;
    }
}

/// The whole contract, each part over a fresh engine.
pub async fn holds(fresh: impl Fn() -> Arc<dyn Engine>) {
    type Part = for<'a> fn(&'a Storage) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
    let parts: [Part; 7] = [
        |storage| Box::pin(a_write_needs_the_revision_it_replaces(storage)),
        |storage| Box::pin(revisions_grow_and_are_in_the_bytes(storage)),
        |storage| Box::pin(of_many_creates_one_wins(storage)),
        |storage| Box::pin(watchers_see_every_change_in_one_order(storage)),
        |storage| Box::pin(a_scope_sees_its_own_changes(storage)),
        |storage| Box::pin(volatile_writes_are_served_like_all_others(storage)),
        |storage| Box::pin(the_past_can_be_read(storage)),
    ];
    for part in parts {
        let store = Store::open(fresh(), Limits::default()).await;
        part(&store.storage).await;
        store.stop().await;
    }
    a_slow_watcher_is_told_so(fresh()).await;
    a_stop_ends_watches_and_writes(fresh()).await;
}

async fn create(storage: &Storage, namespace: &str, name: &str, node: &str) -> Revision {
    let write = Write::create(pod_key(namespace, name), pod_bytes(namespace, name, node));
    storage.commit(write).await.unwrap().revision
}

async fn update(storage: &Storage, name: &str, expected: Revision, node: &str) -> Result<Revision, CommitError> {
    let write = Write::update(pod_key("default", name), expected, pod_bytes("default", name, node));
    storage.commit(write).await.map(|event| event.revision)
}

async fn a_write_needs_the_revision_it_replaces(storage: &Storage) {
    let key = pod_key("default", "a");
    let first = create(storage, "default", "a", "n1").await;
    let again = storage.commit(Write::create(key.clone(), pod_bytes("default", "a", "n2"))).await;
    assert!(matches!(again, Err(CommitError::Conflict { current: Some(current) }) if current.revision == first));
    let second = update(storage, "a", first, "n2").await.unwrap();
    assert!(second > first);
    let stale = update(storage, "a", first, "n3").await;
    assert!(matches!(stale, Err(CommitError::Conflict { current: Some(current) }) if current.revision == second));
    let stale = storage.commit(Write::delete(key.clone(), first)).await;
    assert!(matches!(stale, Err(CommitError::Conflict { .. })));
    let deleted = storage.commit(Write::delete(key.clone(), second)).await.unwrap();
    assert_eq!(deleted.kind, EventKind::Deleted);
    assert_eq!(deleted.previous.as_ref().unwrap().revision, second);
    let gone = update(storage, "a", second, "n3").await;
    assert!(matches!(gone, Err(CommitError::Conflict { current: None })));
    assert!(storage.snapshot().get(&key).is_none());
    assert!(create(storage, "default", "a", "n1").await > deleted.revision);
}

async fn revisions_grow_and_are_in_the_bytes(storage: &Storage) {
    assert!(storage.revision() > Revision(0), "0 means any revision to clients");
    let mut last = storage.revision();
    for name in ["a", "b", "c"] {
        let revision = create(storage, "default", name, "n1").await;
        assert!(revision > last);
        let snapshot = storage.snapshot();
        assert!(snapshot.revision() >= revision);
        let object = snapshot.find(PODS, "default", name).unwrap();
        assert_eq!(object.revision, revision);
        let text = String::from_utf8(object.bytes().into()).unwrap();
        assert!(text.contains(&format!(r#""metadata":{{"resourceVersion":"{revision}","#)), "{text}");
        last = revision;
    }
    assert!(storage.wait_for(last, Duration::ZERO).await);
}

async fn of_many_creates_one_wins(storage: &Storage) {
    let creates = (0..20).map(|node| {
        let write = Write::create(pod_key("default", "one"), pod_bytes("default", "one", &format!("n{node}")));
        storage.commit(write)
    });
    let outcomes = join_all(creates).await;
    let winner = outcomes.iter().find_map(|outcome| outcome.as_ref().ok()).unwrap();
    let losers = outcomes.iter().filter(|outcome| {
        matches!(outcome, Err(CommitError::Conflict { current: Some(current) }) if current.revision == winner.revision)
    });
    assert_eq!(losers.count(), 19);
}

async fn watchers_see_every_change_in_one_order(storage: &Storage) {
    let start = storage.revision();
    let mut watches: Vec<_> = (0..3).map(|_| storage.watch(PODS, start).unwrap()).collect();
    let writers = (0..8).map(|writer| async move {
        let name = format!("pod-{writer}");
        for round in 0..10 {
            let created = create(storage, "default", &name, "n1").await;
            let updated = update(storage, &name, created, &format!("m{round}")).await.unwrap();
            storage.commit(Write::delete(pod_key("default", &name), updated)).await.unwrap();
        }
    });
    join_all(writers).await;
    let late = storage.watch(PODS, start).unwrap();
    watches.push(late);
    let mut seen = Vec::new();
    for mut watch in watches {
        let mut changes = Vec::new();
        while changes.len() < 240 {
            changes.extend(watch.next().await.unwrap().into_iter().map(|event| (event.revision, event.kind)));
        }
        assert!(watch.try_next().unwrap().is_empty());
        assert_eq!(watch.position(), storage.revision());
        assert!(changes.windows(2).all(|pair| pair[0].0 < pair[1].0), "revisions grow");
        seen.push(changes);
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
    let deleted = seen[0].iter().filter(|(_, kind)| *kind == EventKind::Deleted).count();
    assert_eq!(deleted, 80);
}

async fn a_scope_sees_its_own_changes(storage: &Storage) {
    let start = storage.revision();
    let early = create(storage, "default", "early", "n1").await;
    let object = Scope::Object { namespace: "default".into(), name: "a".into() };
    let scopes = [Scope::Field(0, "n1".into()), Scope::Field(0, "n2".into()), Scope::Namespace("other".into()), object];
    let mut watches = scopes.map(|scope| storage.watch_scope(PODS, scope, start).unwrap());
    let created = create(storage, "default", "a", "n1").await;
    let other = create(storage, "other", "a", "n3").await;
    let moved = update(storage, "a", created, "n2").await.unwrap();
    let deleted = storage.commit(Write::delete(pod_key("default", "a"), moved)).await.unwrap().revision;
    let expected = [vec![early, created, moved], vec![moved, deleted], vec![other], vec![created, moved, deleted]];
    for (watch, expected) in watches.iter_mut().zip(expected) {
        let seen: Vec<Revision> = watch.try_next().unwrap().iter().map(|event| event.revision).collect();
        assert_eq!(seen, expected);
        assert_eq!(watch.position(), deleted);
    }
    create(storage, "default", "b", "n9").await;
    for watch in &mut watches {
        assert_eq!(watch.position(), storage.revision(), "a quiet watcher learns how far the store is");
    }
}

async fn volatile_writes_are_served_like_all_others(storage: &Storage) {
    let mut watch = storage.watch(LEASES, storage.revision()).unwrap();
    let first = storage.commit(lease_write("a", None, 1)).await.unwrap();
    let second = storage.commit(lease_write("a", Some(first.revision), 2)).await.unwrap();
    let deleted = storage.commit(Write::delete(lease_key("a"), second.revision).volatile(true)).await.unwrap();
    let events = watch.next().await.unwrap();
    assert!(events.iter().map(|event| event.revision).eq([first.revision, second.revision, deleted.revision]));
    assert_eq!(storage.snapshot().count(LEASES, None), 0);
}

async fn the_past_can_be_read(storage: &Storage) {
    let start = storage.revision();
    let names: Vec<String> = (0..20).map(|number| format!("pod-{number:02}")).collect();
    join_all(names.iter().map(|name| create(storage, "default", name, "n1"))).await;
    let page = storage.snapshot();
    storage.keep(&page);
    for object in page.list(PODS, None) {
        let exact = storage.snapshot_at(object.revision).unwrap();
        assert_eq!(exact.revision(), object.revision);
        assert!(exact.get(&object.key).is_some());
        assert_eq!(exact.count(PODS, None), exact.list(PODS, None).count());
        assert!(exact.list(PODS, None).all(|shown| shown.revision <= object.revision));
    }
    assert_eq!(storage.snapshot_at(start).unwrap().count(PODS, None), 0);
    assert_eq!(storage.snapshot_at(page.revision()).unwrap().count(PODS, None), 20);
    assert!(storage.snapshot_at(Revision(page.revision().0 + 1)).is_none(), "the future is not known");
}

async fn a_slow_watcher_is_told_so(engine: Arc<dyn Engine>) {
    let few = LogLimits { events: 4, bytes: 1 << 20, age: Duration::from_secs(300) };
    let limits = Limits { log: few.clone(), scope_log: few, ..Limits::default() };
    let store = Store::open(engine, limits).await;
    let storage = &store.storage;
    let start = storage.revision();
    let mut slow = storage.watch(PODS, start).unwrap();
    let mut quiet = storage.watch_scope(PODS, Scope::Field(0, "n2".into()), start).unwrap();
    for number in 0..6 {
        create(storage, "default", &format!("pod-{number}"), "n1").await;
    }
    let Err(WatchEnd::TooOld(too_old)) = slow.next().await else { panic!("events were skipped") };
    assert!(storage.watch(PODS, start).is_err());
    assert_eq!(storage.watch(PODS, too_old.oldest).unwrap().try_next().unwrap().len(), 4);
    assert!(quiet.try_next().unwrap().is_empty(), "the changes of others push nobody out");
    assert_eq!(quiet.position(), storage.revision());
    store.stop().await;
}

async fn a_stop_ends_watches_and_writes(engine: Arc<dyn Engine>) {
    let store = Store::open(engine, Limits::default()).await;
    let storage = store.storage.clone();
    let mut watch = storage.watch(PODS, storage.revision()).unwrap();
    create(&storage, "default", "a", "n1").await;
    store.stop().await;
    assert_eq!(watch.next().await.unwrap().len(), 1, "what happened before is still seen");
    assert_eq!(watch.next().await.unwrap_err(), WatchEnd::Closed);
    let late = storage.commit(Write::create(pod_key("default", "b"), pod_bytes("default", "b", "n1"))).await;
    assert!(matches!(late, Err(CommitError::Stopped)));
    assert_eq!(storage.snapshot().count(PODS, None), 1);
}
