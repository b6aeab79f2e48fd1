//! The store against a model that is too simple to be wrong: any steps, alone or at once, restarts between them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use proptest::prelude::*;

use crate::storage::contract::Store;
use crate::storage::engine::Engine;
use crate::storage::event::{Event, EventKind};
use crate::storage::fixtures::{PODS, pod_key, pod_of_size};
use crate::storage::limits::Limits;
use crate::storage::memory::Memory;
use crate::storage::object::{Key, Revision};
use crate::storage::sled::Sled;
use crate::storage::snapshot::Snapshot;
use crate::storage::watch::{Scope, Watch};
use crate::storage::{CommitError, Write};

#[derive(Debug, Clone)]
enum Step {
    /// One write after the other, or all at once.
    Writes(Vec<Intent>, bool),
    Restart,
}

/// What is tried on one of a few keys. Right or wrong is decided against the model.
#[derive(Debug, Clone)]
struct Intent {
    key: usize,
    deletes: bool,
    expects_wrongly: bool,
    volatile: bool,
    size: usize,
}

const NAMES: [(&str, &str); 5] = [("a", "x"), ("a", "y"), ("b", "x"), ("b", "z"), ("c", "x")];

fn intent() -> impl Strategy<Value = Intent> {
    let size = prop_oneof![8 => 0..500_usize, 1 => 20_000..120_000_usize];
    let parts = (0..NAMES.len(), prop::bool::weighted(0.3), prop::bool::weighted(0.15), any::<bool>(), size);
    parts.prop_map(|(key, deletes, expects_wrongly, volatile, size)| Intent {
        key,
        deletes,
        expects_wrongly,
        volatile,
        size,
    })
}

fn steps(restart: u32) -> impl Strategy<Value = Vec<Step>> {
    let writes = (prop::collection::vec(intent(), 1..6), any::<bool>());
    let step = prop_oneof![10 => writes.prop_map(|(writes, at_once)| Step::Writes(writes, at_once)),
        restart => Just(Step::Restart)];
    prop::collection::vec(step, 1..25)
}

/// An object as the model knows it.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    revision: Revision,
    bytes: Bytes,
}

type State = BTreeMap<(String, String), Known>;

#[derive(Default)]
struct Model {
    now: State,
    /// What the disk has: the state without what is volatile.
    durable: State,
    last: Revision,
    /// Every state since the last restart, by its revision.
    past: Vec<(Revision, State)>,
}

fn name_of(key: &Key) -> (String, String) {
    (key.namespace.to_string(), key.name.to_string())
}

impl Model {
    fn write(&self, intent: &Intent) -> Write {
        let (namespace, name) = NAMES[intent.key];
        let key = pod_key(namespace, name);
        let current = self.now.get(&name_of(&key)).map(|known| known.revision);
        let expected = match current {
            Some(revision) if intent.expects_wrongly => Some(Revision(revision.0 + 1)),
            None if intent.expects_wrongly || intent.deletes => Some(Revision(1)),
            current => current,
        };
        let value = (!intent.deletes).then(|| pod_of_size(namespace, name, intent.size));
        let value = if expected.is_none() { value.or_else(|| Some(pod_of_size(namespace, name, 1))) } else { value };
        Write { key, expected, value, fields: None, volatile: intent.volatile }
    }

    /// Takes in a write that was answered. Answers are taken in the order of their revisions.
    fn done(&mut self, write: &Sent, event: &Event) {
        let name = name_of(&write.key);
        let before = self.now.get(&name).map(|known| known.revision);
        assert_eq!(before, write.expected, "a write was done that expected something else");
        assert!(event.revision > self.last, "revisions grow");
        assert_eq!(event.previous.as_ref().map(|previous| previous.revision), before);
        self.last = event.revision;
        match &write.value {
            None => {
                assert_eq!(event.kind, EventKind::Deleted);
                self.now.remove(&name);
                self.durable.remove(&name);
            }
            Some(bytes) => {
                assert_eq!(event.kind == EventKind::Added, before.is_none());
                assert!(event.object.has_content(bytes));
                let known = Known { revision: event.revision, bytes: bytes.clone() };
                self.now.insert(name.clone(), known.clone());
                if !write.volatile {
                    self.durable.insert(name, known);
                }
            }
        }
        self.past.push((event.revision, self.now.clone()));
    }

    fn restart(&mut self, revision: Revision) {
        assert!(revision > self.last, "no revision is given out twice");
        self.now = self.durable.clone();
        self.last = revision;
        self.past = vec![(revision, self.now.clone())];
    }
}

/// What is remembered of a write that was sent off.
struct Sent {
    key: Key,
    expected: Option<Revision>,
    value: Option<Bytes>,
    volatile: bool,
}

fn shown(snapshot: &Snapshot) -> State {
    let objects = snapshot.list(PODS, None).map(|object| {
        let (head, tail) = object.content();
        (name_of(&object.key), Known { revision: object.revision, bytes: [head, tail].concat().into() })
    });
    objects.collect()
}

fn compare(snapshot: &Snapshot, expected: &State) {
    assert_eq!(&shown(snapshot), expected);
    assert_eq!(snapshot.count(PODS, None), expected.len());
    for namespace in ["a", "b", "c", "d"] {
        let inside = expected.keys().filter(|(within, _)| within == namespace).count();
        assert_eq!(snapshot.count(PODS, Some(namespace)), inside);
        assert_eq!(snapshot.list(PODS, Some(namespace)).count(), inside);
    }
    // Page by page, two at a time.
    let mut paged = Vec::new();
    let mut after: Option<(String, String)> = None;
    loop {
        let from = after.as_ref().map(|(namespace, name)| (&**namespace, &**name));
        let page: Vec<_> = snapshot.list_after(PODS, None, from).take(2).map(|object| name_of(&object.key)).collect();
        let Some(last) = page.last() else { break };
        after = Some(last.clone());
        paged.extend(page);
    }
    assert!(paged.iter().eq(expected.keys()));
}

/// Somebody who listed once and has watched since.
struct Follower {
    watch: Watch,
    state: State,
    wants: fn(&(String, String)) -> bool,
}

impl Follower {
    fn new(store: &Store, scope: Scope, wants: fn(&(String, String)) -> bool) -> Self {
        let snapshot = store.storage.snapshot();
        let state = shown(&snapshot).into_iter().filter(|(name, _)| wants(name)).collect();
        Self { watch: store.storage.watch_scope(PODS, scope, snapshot.revision()).unwrap(), state, wants }
    }

    fn compare(&mut self, model: &Model) {
        for event in self.watch.try_next().unwrap() {
            let name = name_of(&event.object.key);
            assert!((self.wants)(&name));
            let (head, tail) = event.object.content();
            let known = Known { revision: event.revision, bytes: [head, tail].concat().into() };
            let before = match event.kind {
                EventKind::Deleted => self.state.remove(&name),
                _ => self.state.insert(name, known),
            };
            assert_eq!(before.map(|known| known.revision), event.previous.as_ref().map(|previous| previous.revision));
        }
        assert!(self.state.iter().eq(model.now.iter().filter(|(name, _)| (self.wants)(name))));
        assert_eq!(self.watch.position(), model.last);
    }
}

fn followers(store: &Store) -> [Follower; 3] {
    let object = Scope::Object { namespace: "b".into(), name: "z".into() };
    [
        Follower::new(store, Scope::All, |_| true),
        Follower::new(store, Scope::Namespace("a".into()), |(namespace, _)| namespace == "a"),
        Follower::new(store, object, |(namespace, name)| namespace == "b" && name == "z"),
    ]
}

async fn write(store: &Store, model: &mut Model, intents: &[Intent]) {
    let writes: Vec<Write> = intents.iter().map(|intent| model.write(intent)).collect();
    let sent = writes.iter().map(|write| Sent {
        key: write.key.clone(),
        expected: write.expected,
        value: write.value.clone(),
        volatile: write.volatile,
    });
    let sent: Vec<Sent> = sent.collect();
    let answers = join_all(writes.into_iter().map(|write| store.storage.commit(write))).await;
    let mut done: Vec<(&Sent, Arc<Event>)> = Vec::new();
    for (sent, answer) in sent.iter().zip(answers) {
        match answer {
            Ok(event) => done.push((sent, event)),
            Err(CommitError::Conflict { current }) => {
                assert_ne!(current.map(|current| current.revision), sent.expected, "a write was refused for nothing");
            }
            Err(error) => panic!("{error}"),
        }
    }
    done.sort_by_key(|(_, event)| event.revision);
    done.iter().for_each(|(sent, event)| model.done(sent, event));
}

async fn run(steps: Vec<Step>, engine: impl Fn() -> Arc<dyn Engine>) {
    let mut store = Store::open(engine(), Limits::default()).await;
    let mut model = Model::default();
    model.restart(store.storage.revision());
    let mut followers_now = followers(&store);
    for step in steps {
        match step {
            Step::Writes(intents, true) => write(&store, &mut model, &intents).await,
            Step::Writes(intents, false) => {
                for intent in &intents {
                    write(&store, &mut model, std::slice::from_ref(intent)).await;
                }
            }
            Step::Restart => {
                store.stop().await;
                store = Store::open(engine(), Limits::default()).await;
                model.restart(store.storage.revision());
                followers_now = followers(&store);
            }
        }
        compare(&store.storage.snapshot(), &model.now);
        followers_now.iter_mut().for_each(|follower| follower.compare(&model));
    }
    for (revision, state) in &model.past {
        assert_eq!(&shown(&store.storage.snapshot_at(*revision).unwrap()), state);
    }
    store.stop().await;
}

fn block_on(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_in_memory_does_what_the_model_does(steps in steps(0)) {
        block_on(run(steps, || Arc::new(Memory::default())));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_embedded_store_does_what_the_model_does_also_over_restarts(steps in steps(2)) {
        let scratch = tempfile::tempdir().unwrap();
        let directory: PathBuf = scratch.path().join("store");
        block_on(run(steps, || Arc::new(Sled::new(&directory))));
    }
}
