//! The one writer: gathers what waits into a batch, decides it, and lets the engine make it last.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::storage::engine::{DecidedWrite, Engine, Outcome};
use crate::storage::event::Event;
use crate::storage::object::{Key, Object};
use crate::storage::published::Published;
use crate::storage::snapshot::Root;
use crate::storage::store::CommitError;

pub(super) type Answer = oneshot::Sender<Result<Arc<Event>, CommitError>>;

/// A write that waits, and where its answer goes.
#[derive(Debug)]
pub(super) struct Request {
    pub write: DecidedWrite,
    pub answer: Answer,
}

pub(super) struct Writer {
    engine: Arc<dyn Engine>,
    published: Arc<Published>,
    queue: mpsc::Receiver<Request>,
    /// Taken from the queue, and not fit for the batch before.
    held: Option<Request>,
}

/// Writes that go to the engine together. No key is in it twice, so that each can be decided against the snapshot.
#[derive(Default)]
struct Batch {
    writes: Vec<DecidedWrite>,
    answers: Vec<(Key, Answer)>,
    keys: HashSet<Key>,
    bytes: usize,
}

impl Writer {
    pub fn new(engine: Arc<dyn Engine>, published: Arc<Published>, queue: mpsc::Receiver<Request>) -> Self {
        Self { engine, published, queue, held: None }
    }

    /// Runs until it is stopped, or all who could write are gone. What waits then is still done.
    pub async fn run(mut self, stop: CancellationToken) {
        while let Some(first) = self.next(&stop).await {
            let batch = self.gather(first);
            if !batch.writes.is_empty() {
                self.commit(batch).await;
            }
        }
        self.published.close();
        self.engine.close().await;
    }

    async fn next(&mut self, stop: &CancellationToken) -> Option<Request> {
        if let Some(held) = self.held.take() {
            return Some(held);
        }
        tokio::select! {
            biased;
            request = self.queue.recv() => request,
            () = stop.cancelled() => {
                self.queue.close();
                self.queue.try_recv().ok()
            }
        }
    }

    fn gather(&mut self, first: Request) -> Batch {
        let newest = self.published.root();
        let limits = &self.published.limits;
        let mut batch = Batch::default();
        let mut next = Some(first);
        while let Some(mut request) = next {
            let full = batch.writes.len() >= limits.batch_writes
                || batch.bytes > 0 && batch.bytes + request.write.size() > limits.batch_bytes;
            if full || batch.keys.contains(&request.write.key) {
                self.held = Some(request);
                break;
            }
            if !self.engine.is_shared()
                && let Some(conflict) = decide(&mut request.write, &newest)
            {
                self.published.measures.conflicts.inc();
                request.answer.send(Err(conflict)).ok();
            } else {
                batch.add(request);
            }
            next = self.queue.try_recv().ok();
        }
        batch
    }

    async fn commit(&self, batch: Batch) {
        let Batch { writes, answers, .. } = batch;
        let start = Instant::now();
        let outcomes = match self.engine.commit(writes).await {
            Ok(outcomes) => outcomes,
            Err(error) => {
                let error = format!("{error:#}");
                error!(engine = self.engine.name(), error, "a batch of writes failed");
                for (_, answer) in answers {
                    answer.send(Err(CommitError::Failed(error.clone()))).ok();
                }
                return;
            }
        };
        debug_assert_eq!(outcomes.len(), answers.len(), "an outcome for each write");
        let measures = &self.published.measures;
        measures.batch_seconds.observe(start.elapsed().as_secs_f64());
        for (outcome, (key, answer)) in outcomes.into_iter().zip(answers) {
            let outcome = match outcome {
                Outcome::Committed(event) => Ok(event),
                Outcome::Conflict => Err(CommitError::Conflict { current: self.current(&key) }),
            };
            let counter = if outcome.is_ok() { &measures.writes } else { &measures.conflicts };
            counter.inc();
            answer.send(outcome).ok();
        }
    }

    fn current(&self, key: &Key) -> Option<Arc<Object>> {
        self.published.root().get(key.resource, &key.namespace, &key.name).cloned()
    }
}

/// Why a write can only fail, if it can.
fn decide(write: &mut DecidedWrite, newest: &Root) -> Option<CommitError> {
    let current = newest.get(write.key.resource, &write.key.namespace, &write.key.name);
    if current.map(|current| current.revision) != write.expected {
        return Some(CommitError::Conflict { current: current.cloned() });
    }
    if write.draft.is_none() {
        // What the disk does not have need not be deleted there, and what it has must be.
        write.volatile = !current.is_some_and(|current| current.durable);
    }
    None
}

impl Batch {
    fn add(&mut self, request: Request) {
        let Request { write, answer } = request;
        self.bytes += write.size();
        self.keys.insert(write.key.clone());
        self.answers.push((write.key.clone(), answer));
        self.writes.push(write);
    }
}

impl DecidedWrite {
    fn size(&self) -> usize {
        self.draft.as_ref().map_or(0, |draft| draft.bytes().len())
    }
}
