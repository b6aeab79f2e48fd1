//! The changes of a resource, kept once for all its watchers.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use api::names::GroupResource;
use tokio::sync::Notify;

use crate::storage::event::{Event, EventKind};
use crate::storage::limits::{Limits, LogLimits};
use crate::storage::object::{Object, Revision};

/// Which changes of a resource are watched. Each scope in use has a log of its own, so that a watcher of one node's
/// pods neither wakes nor falls behind for the pods of all others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    All,
    Namespace(Arc<str>),
    Object {
        namespace: Arc<str>,
        name: Arc<str>,
    },
    /// The objects whose selectable field, by its place in `Object::fields`, has this value, or had it before.
    Field(usize, Box<str>),
}

/// A bounded run of changes that many read, each with a cursor of its own.
#[derive(Debug)]
pub(super) struct Log {
    ring: Mutex<Ring>,
    pub changed: Notify,
    limits: LogLimits,
}

#[derive(Debug)]
struct Ring {
    entries: VecDeque<Entry>,
    /// The number of the first entry; they are numbered from 0 as they come.
    first: u64,
    /// All changes after this revision are here, or still to come.
    floor: Revision,
    bytes: usize,
    /// Whether there is something that watchers have not been woken for.
    is_fresh: bool,
}

#[derive(Debug, Clone)]
struct Entry {
    seconds: i64,
    event: Arc<Event>,
}

/// The revision is before all that the log still has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FallenOut {
    pub oldest: Revision,
}

/// What reading on from a cursor brought.
pub(super) struct Read {
    pub events: Vec<Arc<Event>>,
    /// Where to go on.
    pub cursor: u64,
    /// Whether nothing is left.
    pub is_end: bool,
}

/// Roughly what an event weighs besides its bytes.
const EVENT_WEIGHT: usize = 512;
/// The most that is read at once.
const READ: usize = 512;

impl Log {
    fn new(floor: Revision, limits: LogLimits) -> Self {
        let ring = Ring { entries: VecDeque::new(), first: 0, floor, bytes: 0, is_fresh: false };
        Self { ring: Mutex::new(ring), changed: Notify::new(), limits }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an event; true if the watchers are to be woken and nobody said so yet.
    fn push(&self, entry: Entry) -> bool {
        let mut ring = self.ring();
        ring.push(entry, &self.limits);
        !std::mem::replace(&mut ring.is_fresh, true)
    }

    fn wake(&self) {
        self.ring().is_fresh = false;
        self.changed.notify_waiters();
    }

    /// The cursor from which every event after `revision` is read.
    pub fn cursor_after(&self, revision: Revision) -> Result<u64, FallenOut> {
        let ring = self.ring();
        if revision < ring.floor {
            return Err(FallenOut { oldest: ring.floor });
        }
        let skipped = ring.entries.partition_point(|entry| entry.event.revision <= revision);
        Ok(ring.first + skipped as u64)
    }

    /// Whether nothing has come since a cursor.
    pub fn is_at_end(&self, cursor: u64) -> bool {
        self.ring().end() == cursor
    }

    /// The events from a cursor on. Never cuts between events of one revision.
    pub fn read(&self, cursor: u64) -> Result<Read, FallenOut> {
        let ring = self.ring();
        let Some(skipped) = cursor.checked_sub(ring.first) else { return Err(FallenOut { oldest: ring.floor }) };
        let mut events: Vec<Arc<Event>> = Vec::new();
        for entry in ring.entries.iter().skip(skipped as usize) {
            if events.len() >= READ && events.last().is_some_and(|last| last.revision != entry.event.revision) {
                break;
            }
            events.push(entry.event.clone());
        }
        let cursor = cursor + events.len() as u64;
        Ok(Read { cursor, is_end: cursor == ring.end(), events })
    }
}

impl Ring {
    /// The number of the next entry.
    fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    fn push(&mut self, entry: Entry, limits: &LogLimits) {
        self.bytes += weight(&entry.event);
        let oldest = entry.seconds.saturating_sub_unsigned(limits.age.as_secs());
        self.entries.push_back(entry);
        while let Some(first) = self.entries.front() {
            let too_much = self.entries.len() > limits.events || self.bytes > limits.bytes;
            if !too_much && first.seconds >= oldest {
                break;
            }
            self.floor = first.event.revision;
            self.bytes -= weight(&first.event);
            self.first += 1;
            self.entries.pop_front();
        }
    }
}

fn weight(event: &Event) -> usize {
    // The last state of a deleted object is there twice, with two revisions.
    let copies = if event.kind == EventKind::Deleted { 2 } else { 1 };
    event.object.size() * copies + EVENT_WEIGHT
}

/// The logs of one resource.
#[derive(Debug)]
struct ResourceLogs {
    all: Arc<Log>,
    /// Held while events are added, so that a new scope's log misses none.
    scopes: Mutex<Scopes>,
}

/// Logs live as long as somebody watches.
#[derive(Debug, Default)]
struct Scopes {
    logs: HashMap<Scope, Weak<Log>>,
    /// The number of logs at which the abandoned ones are swept out.
    sweep_at: usize,
}

impl Scopes {
    fn find(&self, scope: &Scope) -> Option<Arc<Log>> {
        self.logs.get(scope)?.upgrade()
    }

    fn add(&mut self, scope: Scope, log: &Arc<Log>) {
        if self.logs.len() >= self.sweep_at {
            self.logs.retain(|_, log| log.strong_count() > 0);
            self.sweep_at = (self.logs.len() * 2).max(64);
        }
        self.logs.insert(scope, Arc::downgrade(log));
    }
}

impl ResourceLogs {
    fn new(floor: Revision, limits: &Limits) -> Self {
        Self { all: Arc::new(Log::new(floor, limits.log.clone())), scopes: Mutex::default() }
    }

    fn scopes(&self) -> MutexGuard<'_, Scopes> {
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, entry: &Entry, fresh: &mut Vec<Arc<Log>>) {
        let scopes = self.scopes();
        if self.all.push(entry.clone()) {
            fresh.push(self.all.clone());
        }
        if scopes.logs.is_empty() {
            return;
        }
        for scope in scopes_of(&entry.event) {
            let Some(log) = scopes.find(&scope) else { continue };
            if log.push(entry.clone()) {
                fresh.push(log);
            }
        }
    }

    fn of_scope(&self, scope: Scope, limits: &Limits) -> Arc<Log> {
        let mut scopes = self.scopes();
        if let Some(log) = scopes.find(&scope) {
            return log;
        }
        let all = self.all.ring();
        let log = Log::new(all.floor, limits.scope_log.clone());
        for entry in &all.entries {
            if scopes_of(&entry.event).contains(&scope) {
                log.ring().push(entry.clone(), &log.limits);
            }
        }
        let log = Arc::new(log);
        scopes.add(scope, &log);
        log
    }
}

/// The scopes whose watchers an event concerns.
fn scopes_of(event: &Event) -> Vec<Scope> {
    let key = &event.object.key;
    let mut scopes = Vec::with_capacity(2 + event.object.fields.len());
    scopes.push(Scope::Object { namespace: key.namespace.clone(), name: key.name.clone() });
    scopes.push(Scope::Namespace(key.namespace.clone()));
    scopes.extend(fields_of(&event.object));
    if let Some(previous) = &event.previous {
        let moved = fields_of(previous).filter(|scope| !scopes.contains(scope)).collect::<Vec<_>>();
        scopes.extend(moved);
    }
    scopes
}

fn fields_of(object: &Object) -> impl Iterator<Item = Scope> + '_ {
    object.fields.iter().enumerate().map(|(index, value)| Scope::Field(index, value.clone()))
}

/// The logs of all resources.
#[derive(Debug, Default)]
pub(super) struct Logs {
    resources: RwLock<HashMap<GroupResource, Arc<ResourceLogs>>>,
}

impl Logs {
    /// A resource without a log had no change since `floor`, the revision that the store was opened at.
    fn of_resource(&self, resource: GroupResource, floor: Revision, limits: &Limits) -> Arc<ResourceLogs> {
        if let Some(logs) = self.resources.read().unwrap_or_else(PoisonError::into_inner).get(&resource) {
            return logs.clone();
        }
        let mut resources = self.resources.write().unwrap_or_else(PoisonError::into_inner);
        resources.entry(resource).or_insert_with(|| Arc::new(ResourceLogs::new(floor, limits))).clone()
    }

    pub fn log(&self, resource: GroupResource, scope: Scope, floor: Revision, limits: &Limits) -> Arc<Log> {
        let logs = self.of_resource(resource, floor, limits);
        match scope {
            Scope::All => logs.all.clone(),
            scope => logs.of_scope(scope, limits),
        }
    }

    /// Adds events, and says whom to wake with `wake`.
    pub fn push(&self, events: &[Arc<Event>], seconds: i64, floor: Revision, limits: &Limits) -> Vec<Arc<Log>> {
        let mut fresh = Vec::new();
        for event in events {
            let logs = self.of_resource(event.object.key.resource, floor, limits);
            logs.push(&Entry { seconds, event: event.clone() }, &mut fresh);
        }
        fresh
    }

    /// Wakes the watchers of these logs, once each.
    pub fn wake(fresh: &[Arc<Log>]) {
        for log in fresh {
            log.wake();
        }
    }

    /// Wakes every watcher there is.
    pub fn wake_all(&self) {
        for logs in self.resources.read().unwrap_or_else(PoisonError::into_inner).values() {
            logs.all.wake();
            for log in logs.scopes().logs.values().filter_map(Weak::upgrade) {
                log.wake();
            }
        }
    }
}
