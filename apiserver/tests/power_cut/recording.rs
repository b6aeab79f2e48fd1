//! A store at work on the disk that remembers, and what it was asked and what it promised.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::names::GroupResource;
use apiserver::storage::engine::{DecidedWrite, Engine, Feed, Outcome};
use apiserver::storage::layout::Layout;
use apiserver::storage::limits::Limits;
use apiserver::storage::object::{Key, Revision};
use apiserver::storage::sled::Sled;
use apiserver::storage::{Storage, Write};
use async_trait::async_trait;
use bytes::Bytes;
use futures::future::join_all;
use lifecycle::clock::Clock;
use lifecycle::tasks::Tasks;

use crate::disk::{self, Call};

const PODS: GroupResource = GroupResource { group: "", resource: "pods" };

pub struct OnlyPods;

impl Layout for OnlyPods {
    fn resource(&self, group: &str, resource: &str) -> Option<GroupResource> {
        (group == PODS.group && resource == PODS.resource).then_some(PODS)
    }

    fn fields(&self, _: GroupResource, _: &[u8]) -> Box<[Box<str>]> {
        Box::default()
    }
}

/// What a store holds: of each object its revision and the bytes that were written.
pub type State = BTreeMap<String, (Revision, Bytes)>;

/// A batch as the engine got it.
pub struct Batch {
    /// The durable changes: a name and, unless it was deleted, its new bytes.
    changes: Vec<(usize, String, Option<Bytes>)>,
    /// The revisions that it was given, in the order of all its writes; none while it was under way.
    revisions: Vec<Revision>,
}

impl Batch {
    /// Does to a state what the batch does. Only what was done has revisions to compare.
    pub fn apply(&self, state: &mut State) {
        for (place, name, bytes) in &self.changes {
            let Some(bytes) = bytes else {
                state.remove(name);
                continue;
            };
            let revision = self.revisions.get(*place).copied().unwrap_or_default();
            state.insert(name.clone(), (revision, bytes.clone()));
        }
    }

    pub fn last_revision(&self) -> Revision {
        self.revisions.last().copied().unwrap_or_default()
    }
}

/// Everything that one process did to its database.
pub struct Recording {
    /// The calls on the log of the database, and the batches between them.
    pub calls: Vec<Call>,
    pub batches: Vec<Batch>,
    /// What was there when the process started.
    pub before: State,
    pub generation: u64,
    pub settings: Vec<u8>,
}

/// How a store is put to work.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    pub seed: u64,
    pub writers: usize,
    pub rounds: usize,
    pub largest: usize,
    pub has_barrier: bool,
}

/// The embedded engine, with a look at what goes in and out.
struct Observed {
    engine: Sled,
    batches: Arc<Mutex<Vec<Batch>>>,
}

#[async_trait]
impl Engine for Observed {
    fn name(&self) -> &'static str {
        self.engine.name()
    }

    async fn open(&self, feed: Feed) -> Result<(), anyhow::Error> {
        self.engine.open(feed).await
    }

    async fn commit(&self, batch: Vec<DecidedWrite>) -> Result<Vec<Outcome>, anyhow::Error> {
        let durable = batch.iter().enumerate().filter(|(_, write)| !write.volatile);
        let changes = durable.map(|(place, write)| {
            let bytes = write.draft.as_ref().map(|draft| draft.bytes().clone());
            (place, write.key.name.to_string(), bytes)
        });
        let number = {
            let mut batches = self.batches.lock().unwrap();
            batches.push(Batch { changes: changes.collect(), revisions: Vec::new() });
            batches.len() - 1
        };
        disk::log().push(Call::Begun(number));
        let outcomes = self.engine.commit(batch).await?;
        let revisions = outcomes.iter().map(|outcome| match outcome {
            Outcome::Committed(event) => event.revision,
            Outcome::Conflict => panic!("the engine has no other writers"),
        });
        self.batches.lock().unwrap()[number].revisions = revisions.collect();
        disk::log().push(Call::Done(number));
        Ok(outcomes)
    }

    async fn close(&self) {
        self.engine.close().await;
    }
}

/// Starts a process on a directory, lets it work, and kills it.
pub fn record(directory: &Path, work: Work, before: State) -> Recording {
    disk::start();
    let batches = Arc::new(Mutex::new(Vec::new()));
    let sled = Sled::new(directory);
    let engine = if work.has_barrier { sled } else { sled.without_barrier() };
    let observed = Observed { engine, batches: batches.clone() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let tasks = Tasks::new();
        let limits = Limits::default();
        let storage = Storage::open(Arc::new(observed), Arc::new(OnlyPods), Clock::system(), &tasks, limits);
        let storage = storage.await.unwrap();
        join_all((0..work.writers).map(|number| write(&storage, work, number))).await;
        let calls = disk::stop();
        let generation = generation(directory);
        let database = directory.join(format!("sled-{generation}"));
        let file = std::fs::metadata(database.join("db")).unwrap().ino();
        let settings = std::fs::read(database.join("conf")).unwrap();
        tasks.stop(Duration::from_secs(60)).await;
        let batches = std::mem::take(&mut *batches.lock().unwrap());
        Recording { calls: of_file(calls, file), batches, before, generation, settings }
    })
}

pub fn generation(directory: &Path) -> u64 {
    let format = std::fs::read_to_string(directory.join("format")).unwrap();
    format.split_whitespace().last().unwrap().parse().unwrap()
}

/// Leaves out the calls on other files. The places in the log that syncs refer to move along.
fn of_file(calls: Vec<Call>, wanted: u64) -> Vec<Call> {
    let mut places = Vec::with_capacity(calls.len());
    let mut kept = Vec::new();
    for call in calls {
        places.push(kept.len());
        match call {
            Call::Write { file, .. } | Call::Cut { file, .. } if file != wanted => {}
            Call::Synced { file, since } if file == wanted => kept.push(Call::Synced { file, since: places[since] }),
            Call::Synced { .. } => {}
            call => kept.push(call),
        }
    }
    kept
}

/// Creates, changes and deletes its own few objects, some of them large, some changes volatile.
async fn write(storage: &Storage, work: Work, number: usize) {
    let mut chance = Chance::new(work.seed * 1000 + number as u64);
    for _ in 0..work.rounds {
        let key = Key::new(PODS, "default", format!("pod-{number}-{}", chance.below(6)));
        let current = storage.snapshot().get(&key).map(|object| object.revision);
        let size = if chance.below(8) == 0 { chance.below(work.largest) } else { chance.below(2_000) };
        let value = pod(&key.name, size, chance.next());
        let write = match current {
            None => Write::create(key, value),
            Some(revision) if chance.below(5) == 0 => Write::delete(key, revision),
            Some(revision) => Write::update(key, revision, value),
        };
        storage.commit(write.volatile(chance.below(5) == 0)).await.unwrap();
    }
}

fn pod(name: &str, size: usize, mark: u64) -> Bytes {
    let filling = format!("{mark:x}").repeat(size / 16 + 1);
    Bytes::from(format!(
        r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"{name}","namespace":"default","uid":"{filling}"}}}}"#
    ))
}

/// Chance that can be repeated.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, bound: usize) -> usize {
        ((self.next() >> 11) % bound as u64) as usize
    }
}
