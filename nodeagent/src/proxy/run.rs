//! Keeps the backend at what the cluster wants: watches, works out the table, has it applied.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use lifecycle::clock::Clock;
use lifecycle::metrics::Metrics;
use lifecycle::tasks::Tasks;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{debug, info};

use crate::proxy::backend::{ADDRESS_CONFLICT, Backend, Problem};
use crate::proxy::feed::Feed;
use crate::proxy::health::HealthServers;
use crate::proxy::measures::Measures;
use crate::proxy::objects::Objects;
use crate::proxy::table::{NodeFacts, Table};
use crate::proxy::troubles::Troubles;
use crate::proxy::wire;

/// What other proxies serve, and headless slices, are not even sent.
const SERVICE_LABELS: &str = "!service.kubernetes.io/service-proxy-name";
const SLICE_LABELS: &str = "!service.kubernetes.io/service-proxy-name,!service.kubernetes.io/headless";

/// Starts the proxy of one node. It stops with `tasks`, and follows `facts` when they change.
pub fn run(
    client: Client,
    facts: watch::Receiver<NodeFacts>,
    backend: Box<dyn Backend>,
    clock: Clock,
    tasks: &Tasks,
    metrics: &Metrics,
) {
    let name = facts.borrow().name.clone();
    let proxy = Proxy {
        services: Feed::new(client.clone(), "Service", SERVICE_LABELS),
        slices: Feed::new(client.clone(), "EndpointSlice", SLICE_LABELS),
        facts,
        backend,
        objects: Objects::default(),
        health: HealthServers::new(tasks),
        troubles: Troubles::new(client, &name, tasks),
        started: clock.now(),
        clock,
        measures: Measures::of(metrics),
        pace: Pace::default(),
    };
    tasks.spawn_until_stop("proxy", proxy.run());
}

struct Proxy {
    services: Feed<wire::Service>,
    slices: Feed<wire::EndpointSlice>,
    facts: watch::Receiver<NodeFacts>,
    backend: Box<dyn Backend>,
    objects: Objects,
    health: HealthServers,
    troubles: Troubles,
    started: Timestamp,
    clock: Clock,
    measures: Measures,
    pace: Pace,
}

impl Proxy {
    async fn run(mut self) {
        info!(backend = self.backend.name(), node = self.facts.borrow().name, "proxy starts");
        loop {
            let is_due = self.objects.are_complete() && (self.objects.have_changed() || self.pace.is_forced);
            // In this order, what has come in already is taken into the same table.
            tokio::select! {
                biased;
                () = std::future::ready(()), if is_due && self.pace.is_overdue() => self.apply().await,
                event = self.services.next() => {
                    self.objects.on_service(event);
                    self.pace.count();
                }
                event = self.slices.next() => {
                    self.objects.on_slice(event);
                    self.pace.count();
                }
                () = changed(&mut self.facts) => {
                    self.objects.on_facts();
                    self.pace.is_forced = true;
                }
                () = self.backend.retry() => self.pace.is_forced = true,
                () = self.pace.wait(), if is_due => self.apply().await,
            }
        }
    }

    async fn apply(&mut self) {
        let start = Instant::now();
        let facts = Arc::new(self.facts.borrow_and_update().clone());
        let (table, triggers) = self.objects.table(&facts);
        let mut problems = self.backend.apply(&table).await;
        self.observe(&triggers);
        problems.extend(self.health.apply(&table).await);
        problems.extend(conflicts(&table));
        self.measures.entries.set(i64::try_from(table.entries.len()).unwrap_or(i64::MAX));
        self.measures.problems.set(i64::try_from(problems.len()).unwrap_or(i64::MAX));
        self.troubles.report(problems);
        let took = start.elapsed();
        debug!(entries = table.entries.len(), ?took, "table applied");
        self.measures.applying.observe(took.as_secs_f64());
        self.pace.applied(took);
    }

    /// Changes from before the start would tell how long the agent was down.
    fn observe(&self, triggers: &[Timestamp]) {
        for trigger in triggers.iter().filter(|trigger| **trigger >= self.started) {
            self.measures.programming.observe(self.clock.since(*trigger).as_secs_f64());
        }
    }
}

/// Facts that nobody can change any more stay as they are.
async fn changed(facts: &mut watch::Receiver<NodeFacts>) {
    if facts.changed().await.is_err() {
        std::future::pending().await
    }
}

fn conflicts(table: &Table) -> Vec<Problem> {
    let told: BTreeMap<_, _> =
        table.conflicts.iter().map(|conflict| ((&conflict.loser.name, conflict.entry.address), conflict)).collect();
    let problem = |conflict: &&crate::proxy::table::Conflict| {
        let why = format!("taken by service {}, which is older", conflict.holder);
        Problem::of(&conflict.loser, &conflict.entry, ADDRESS_CONFLICT, &why)
    };
    told.values().map(problem).collect()
}

/// How soon the next table may follow: at once after a quiet while, and under a storm of changes only so often that
/// applying them takes a fifth of the time.
#[derive(Debug)]
struct Pace {
    not_before: Instant,
    changes: u32,
    is_forced: bool,
}

impl Default for Pace {
    fn default() -> Self {
        Self { not_before: Instant::now(), changes: 0, is_forced: true }
    }
}

impl Pace {
    const REST: u32 = 4;
    /// Shorter waits than timers can make are not made.
    const SHORTEST_REST: Duration = Duration::from_millis(1);
    /// So many changes are taken into one table before it is applied, even if more have come in.
    const MOST_CHANGES: u32 = 1_000;

    fn count(&mut self) {
        self.changes += 1;
    }

    fn is_overdue(&self) -> bool {
        self.changes >= Self::MOST_CHANGES && Instant::now() >= self.not_before
    }

    async fn wait(&self) {
        if Instant::now() < self.not_before {
            tokio::time::sleep_until(self.not_before).await;
        }
    }

    fn applied(&mut self, took: Duration) {
        let rest = Some(took * Self::REST).filter(|rest| *rest >= Self::SHORTEST_REST).unwrap_or_default();
        *self = Self { not_before: Instant::now() + rest, changes: 0, is_forced: false };
    }
}

#[cfg(test)]
mod tests;
