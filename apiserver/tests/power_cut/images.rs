//! What a power cut leaves, and whether a store that starts on it keeps its promises.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use apiserver::storage::Storage;
use apiserver::storage::limits::Limits;
use apiserver::storage::object::Revision;
use apiserver::storage::sled::Sled;
use apiserver::storage::snapshot::Snapshot;
use lifecycle::clock::Clock;
use lifecycle::tasks::Tasks;

use crate::disk::Call;
use crate::recording::{Chance, OnlyPods, Recording, State};

/// How much of what was never synced the disk has kept.
#[derive(Debug, Clone, Copy)]
enum Kept {
    /// Each sector by chance.
    Sectors(usize),
    /// A few of the last writes, none of those before.
    Last,
    Nothing,
    Everything,
}

/// Cuts the power at so many moments of a recording, one after the other. Answers with what went wrong.
pub fn cut(recording: &Recording, times: usize, seed: u64, scratch: &Path) -> Vec<String> {
    let calls = &recording.calls;
    let mut chance = Chance::new(seed);
    let start = first_promise(recording);
    let mut moments: Vec<usize> = (0..times).map(|_| start + chance.below(calls.len() - start + 1)).collect();
    moments.sort_unstable();
    let mut lasting = Lasting::default();
    let mut wrong = Vec::new();
    for moment in moments {
        lasting.advance(calls, moment);
        let kept = match chance.below(6) {
            0 => Kept::Nothing,
            1 => Kept::Last,
            2 => Kept::Everything,
            3 => Kept::Sectors(512),
            _ => Kept::Sectors(4096),
        };
        let image = lasting.image(&calls[..moment], kept, &mut chance);
        lay_out(recording, &image, chance.below(4) == 0, scratch);
        if let Err(what) = check(recording, moment, scratch) {
            wrong.push(format!("{what} (cut at {moment} of {}, kept {kept:?})", calls.len()));
        }
    }
    wrong
}

/// The moment from which the database counts: all before the first batch was synced as a whole.
fn first_promise(recording: &Recording) -> usize {
    recording.calls.iter().position(|call| matches!(call, Call::Begun(_))).expect("there was work")
}

/// What has reached the disk for good, built up moment by moment.
#[derive(Default)]
struct Lasting {
    bytes: Vec<u8>,
    /// How many calls are in it.
    applied: usize,
    looked_at: usize,
}

impl Lasting {
    fn advance(&mut self, calls: &[Call], moment: usize) {
        let mut barrier = self.applied;
        for call in &calls[self.looked_at..moment] {
            if let Call::Synced { since, .. } = call {
                barrier = barrier.max(*since);
            }
        }
        self.looked_at = moment;
        for call in &calls[self.applied..barrier] {
            apply(&mut self.bytes, call);
        }
        self.applied = barrier;
    }

    fn image(&self, calls: &[Call], kept: Kept, chance: &mut Chance) -> Vec<u8> {
        let mut image = self.bytes.clone();
        let tail: Vec<&Call> =
            calls[self.applied..].iter().filter(|call| matches!(call, Call::Write { .. } | Call::Cut { .. })).collect();
        for (number, call) in tail.iter().enumerate() {
            match (kept, call) {
                (Kept::Nothing, _) => {}
                (Kept::Everything, call) => apply(&mut image, call),
                (Kept::Last, call) => {
                    if number + 4 >= tail.len() && chance.below(2) == 0 {
                        apply(&mut image, call);
                    }
                }
                (Kept::Sectors(size), Call::Write { at, data, .. }) => {
                    for (at, part) in sectors(*at as usize, data, size) {
                        if chance.below(2) == 0 {
                            put(&mut image, at, part);
                        }
                    }
                }
                (Kept::Sectors(_), call) => {
                    if chance.below(2) == 0 {
                        apply(&mut image, call);
                    }
                }
            }
        }
        image
    }
}

/// A write, cut where the disk's sectors end.
fn sectors(at: usize, data: &[u8], size: usize) -> impl Iterator<Item = (usize, &[u8])> {
    let mut rest = data;
    let mut at = at;
    std::iter::from_fn(move || {
        let (part, behind) = rest.split_at(rest.len().min(size - at % size));
        let here = at;
        rest = behind;
        at += part.len();
        (!part.is_empty()).then_some((here, part))
    })
}

fn apply(bytes: &mut Vec<u8>, call: &Call) {
    match call {
        Call::Write { at, data, .. } => put(bytes, *at as usize, data),
        Call::Cut { length, .. } => bytes.resize(*length as usize, 0),
        Call::Synced { .. } | Call::Begun(_) | Call::Done(_) => {}
    }
}

fn put(bytes: &mut Vec<u8>, at: usize, part: &[u8]) {
    if bytes.len() < at + part.len() {
        bytes.resize(at + part.len(), 0);
    }
    bytes[at..at + part.len()].copy_from_slice(part);
}

/// Makes the directory that the next process finds, perhaps with what an interrupted start left in it.
fn lay_out(recording: &Recording, image: &[u8], was_starting: bool, scratch: &Path) {
    fs::remove_dir_all(scratch).ok();
    let generation = recording.generation;
    let database = scratch.join(format!("sled-{generation}"));
    fs::create_dir_all(database.join("blobs")).unwrap();
    fs::write(database.join("db"), image).unwrap();
    fs::write(database.join("conf"), &recording.settings).unwrap();
    fs::write(scratch.join("format"), format!("skiff-storage 1 {generation}\n")).unwrap();
    if was_starting {
        for left in [format!("sled-{}", generation + 1), "recovery".to_owned()] {
            fs::create_dir_all(scratch.join(&left).join("blobs")).unwrap();
            fs::write(scratch.join(&left).join("db"), &image[..image.len() / 2]).unwrap();
        }
        fs::write(scratch.join("format.new"), "skiff-sto").unwrap();
    }
}

/// Starts a store on an image, and compares it with what was promised up to the moment.
fn check(recording: &Recording, moment: usize, scratch: &Path) -> Result<(), String> {
    let (promised, under_way, last) = promises(recording, moment);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let tasks = Tasks::new();
        let engine = Arc::new(Sled::new(scratch));
        let opened = Storage::open(engine, Arc::new(OnlyPods), Clock::system(), &tasks, Limits::default()).await;
        let storage = opened.map_err(|error| format!("it does not start: {error:#}"))?;
        let compared = compare(&storage.snapshot(), &promised, &under_way, last);
        tasks.stop(Duration::from_secs(60)).await;
        compared
    })
}

/// What was acknowledged before the moment, the same with the batch that was under way, and the last revision given out.
fn promises(recording: &Recording, moment: usize) -> (State, State, Revision) {
    let mut state = recording.before.clone();
    let mut last = Revision::default();
    let mut begun = None;
    for call in &recording.calls[..moment] {
        match call {
            Call::Begun(number) => begun = Some(&recording.batches[*number]),
            Call::Done(number) => {
                let batch = &recording.batches[*number];
                batch.apply(&mut state);
                last = batch.last_revision();
                begun = None;
            }
            _ => {}
        }
    }
    let mut under_way = state.clone();
    if let Some(batch) = begun {
        batch.apply(&mut under_way);
    }
    (state, under_way, last)
}

fn compare(found: &Snapshot, promised: &State, under_way: &State, last: Revision) -> Result<(), String> {
    if found.revision() <= last {
        return Err(format!("revision {last} is given out again, from {} on", found.revision()));
    }
    let found = state_of(found);
    if found == *promised || found == *under_way {
        return Ok(());
    }
    let lost = promised.iter().filter(|(name, state)| {
        found.get(*name).is_none_or(|found| found.0 < state.0) && under_way.get(*name) == Some(state)
    });
    let lost = lost.count();
    if lost > 0 || found.len() < promised.len().min(under_way.len()) {
        return Err(format!("{lost} of {} acknowledged objects are lost", promised.len()));
    }
    Err("the batch under way is torn".to_owned())
}

/// What a store holds, without the revisions that it put in.
pub fn state_of(snapshot: &Snapshot) -> State {
    let states = snapshot.all().map(|object| {
        let (head, tail) = object.content();
        (object.key.name.to_string(), (object.revision, [head, tail].concat().into()))
    });
    states.collect()
}
