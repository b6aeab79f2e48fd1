//! Probes: how they are counted, and the task that carries one out while its container runs.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Pod, Probe};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::events::Kind;
use crate::pods::context::Context;
use crate::pods::handlers::{Handler, Target};
use crate::pods::mailbox::{Mailbox, Outcome, Verdict};
use crate::pods::state::{PodState, Role, Roster};
use crate::pods::stored::Stored;
use crate::pods::worker::Worker;

/// Tries in the first moments of a container, which do not count: most servers listen within these.
const FIRST_TRIES: [Duration; 6] = [
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(300),
    Duration::from_millis(330),
];
/// Failures that are each told; of more in a row only one now and then is.
const TOLD_FAILURES: u32 = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    Startup,
    Readiness,
    Liveness,
}

impl Sort {
    fn name(self) -> &'static str {
        match self {
            Self::Startup => "Startup",
            Self::Readiness => "Readiness",
            Self::Liveness => "Liveness",
        }
    }

    fn probe(self, container: &Container) -> Option<&Probe> {
        match self {
            Self::Startup => container.startup_probe.as_ref(),
            Self::Readiness => container.readiness_probe.as_ref(),
            Self::Liveness => container.liveness_probe.as_ref(),
        }
    }
}

/// Results in a row, and what they come to.
#[derive(Debug)]
pub struct Counter {
    sort: Sort,
    success_threshold: u32,
    failure_threshold: u32,
    grace_seconds: Option<i64>,
    /// What was reported last.
    is_good: Option<bool>,
    run: u32,
    last: Option<bool>,
}

impl Counter {
    pub fn new(sort: Sort, probe: &Probe, is_good: Option<bool>) -> Self {
        let threshold = |value: Option<i32>, usual| u32::try_from(value.unwrap_or(usual)).unwrap_or(1).max(1);
        Self {
            sort,
            success_threshold: threshold(probe.success_threshold, 1),
            failure_threshold: threshold(probe.failure_threshold, 3),
            grace_seconds: probe.termination_grace_period_seconds,
            is_good,
            run: 0,
            last: None,
        }
    }

    /// Counts a result; answers what it changes.
    pub fn count(&mut self, is_success: bool, container: &str) -> Option<Verdict> {
        self.run = if self.last == Some(is_success) { self.run.saturating_add(1) } else { 1 };
        self.last = Some(is_success);
        let threshold = if is_success { self.success_threshold } else { self.failure_threshold };
        if self.run < threshold || self.is_good == Some(is_success) {
            return None;
        }
        self.is_good = Some(is_success);
        match (self.sort, is_success) {
            (Sort::Startup, true) => Some(Verdict::Started),
            (Sort::Readiness, true) => Some(Verdict::Ready),
            (Sort::Readiness, false) => Some(Verdict::Unready),
            (Sort::Liveness, true) => None,
            (Sort::Startup | Sort::Liveness, false) => {
                let sort = self.sort.name().to_ascii_lowercase();
                let message = format!("Container {container} failed {sort} probe, will be restarted");
                Some(Verdict::Dead { message, grace_seconds: self.grace_seconds })
            }
        }
    }

    /// Whether a failure is news, by how many there were before it.
    fn is_told(&self) -> bool {
        self.run <= TOLD_FAILURES || self.run.is_multiple_of(30)
    }
}

/// A probe that is being carried out; it ends when this is dropped.
pub struct Prober {
    id: String,
    sort: Sort,
    _end: DropGuard,
}

/// Which probes should run now, by the index of the container.
fn wanted(pod: &Pod, state: &PodState) -> Vec<(usize, Sort)> {
    let mut wanted = Vec::new();
    for (index, role, container) in Roster::of(pod).iter() {
        let Some(running) = state.containers.get(index).and_then(|own| own.running()) else { continue };
        if role == Role::Init || running.in_post_start {
            continue;
        }
        let stops = running.stopping.is_some() || running.unwanted.is_some();
        let sorts: &[Sort] = match (running.is_started, stops) {
            (false, false) => &[Sort::Startup],
            (false, true) => &[],
            (true, false) => &[Sort::Readiness, Sort::Liveness],
            // Whether it still serves is worth knowing to the end.
            (true, true) => &[Sort::Readiness],
        };
        wanted.extend(sorts.iter().filter(|sort| sort.probe(container).is_some()).map(|sort| (index, *sort)));
    }
    wanted
}

impl Worker {
    /// Starts the probes that should run, and ends all others.
    pub(super) fn run_probes(&mut self, pod: &Pod) {
        if !self.context.runtime.is_real() {
            return;
        }
        let wanted = wanted(pod, &self.state);
        if wanted.is_empty() && self.probers.is_empty() {
            return;
        }
        let id_of =
            |index: usize| self.state.containers[index].running().map(|running| running.id.clone()).unwrap_or_default();
        let ids: Vec<(usize, Sort, String)> =
            wanted.iter().map(|(index, sort)| (*index, *sort, id_of(*index))).collect();
        self.probers.retain(|prober| ids.iter().any(|(_, sort, id)| *sort == prober.sort && *id == prober.id));
        for (index, sort, id) in ids {
            if !self.probers.iter().any(|prober| prober.sort == sort && prober.id == id) {
                self.probers.extend(self.start_prober(pod, index, sort, id));
            }
        }
    }

    fn start_prober(&self, pod: &Pod, index: usize, sort: Sort, id: String) -> Option<Prober> {
        let (role, container) = Roster::of(pod).get(index)?;
        let running = self.state.containers[index].running()?;
        let probe = sort.probe(container)?.clone();
        let seconds =
            |value: Option<i32>, usual| Duration::from_secs(u64::try_from(value.unwrap_or(usual)).unwrap_or(0));
        let initial = seconds(probe.initial_delay_seconds, 0);
        let age = self.context.clock.since(running.started_at);
        let task = ProbeTask {
            counter: Counter::new(sort, &probe, (sort == Sort::Readiness).then_some(running.is_ready)),
            handler: Handler::of_probe(&probe),
            delay: initial.saturating_sub(age),
            // Only a container that has just started is given the first tries.
            first_tries: age < Duration::from_secs(2) && sort != Sort::Liveness,
            period: seconds(probe.period_seconds, 10).max(Duration::from_secs(1)),
            limit: seconds(probe.timeout_seconds, 1).max(Duration::from_secs(1)),
            target: Target {
                runtime: Arc::clone(&self.context.runtime),
                id: id.clone(),
                address: self.state.address?,
                container: Arc::new(container.clone()),
            },
            role,
            object: self.object.clone(),
            mailbox: Arc::clone(&self.mailbox),
            context: Arc::clone(&self.context),
        };
        let end = CancellationToken::new();
        let ended = end.clone();
        self.context.tasks.spawn_until_stop(format!("{} probe of {}", sort.name(), container.name), async move {
            ended.run_until_cancelled(task.run()).await;
        });
        Some(Prober { id, sort, _end: end.drop_guard() })
    }
}

struct ProbeTask {
    counter: Counter,
    handler: Handler,
    delay: Duration,
    first_tries: bool,
    period: Duration,
    limit: Duration,
    target: Target,
    role: Role,
    object: Stored,
    mailbox: Arc<Mailbox>,
    context: Arc<Context>,
}

impl ProbeTask {
    async fn run(mut self) {
        tokio::time::sleep(self.delay).await;
        if self.first_tries && self.try_first().await {
            tokio::time::sleep(self.period).await;
        }
        loop {
            let result = self.target.apply(&self.handler, self.limit).await;
            self.note(result);
            tokio::time::sleep(self.period).await;
        }
    }

    /// Whether one of the first tries was a success; failures among them are no news.
    async fn try_first(&mut self) -> bool {
        for wait in FIRST_TRIES {
            tokio::time::sleep(wait).await;
            if self.target.apply(&self.handler, self.limit).await.is_ok() {
                self.note(Ok(()));
                return true;
            }
        }
        false
    }

    fn note(&mut self, result: Result<(), String>) {
        let name = &self.target.container.name;
        let verdict = self.counter.count(result.is_ok(), name);
        if let Err(problem) = result
            && self.counter.is_told()
        {
            let pod = self.object.decode();
            let part = Some((self.role, self.target.container.as_ref()));
            let message = format!("{} probe failed: {problem}", self.counter.sort.name());
            self.context.tell(&pod, part, Kind::Warning, "Unhealthy", message);
        }
        if let Some(verdict) = verdict {
            let (container, id) = (name.clone(), self.target.id.clone());
            self.mailbox.post_outcome(Outcome::Probed { container, id, verdict });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter(sort: Sort, successes: i32, failures: i32, is_good: Option<bool>) -> Counter {
        let probe = Probe { success_threshold: Some(successes), failure_threshold: Some(failures), ..Probe::default() };
        Counter::new(sort, &probe, is_good)
    }

    fn verdicts(mut counter: Counter, results: &[bool]) -> Vec<Option<Verdict>> {
        results.iter().map(|result| counter.count(*result, "c")).collect()
    }

    #[test]
    fn readiness_changes_after_enough_results_in_a_row_and_is_reported_once() {
        let seen = verdicts(counter(Sort::Readiness, 2, 3, Some(false)), &[true, false, true, true, true]);
        assert_eq!(seen, [None, None, None, Some(Verdict::Ready), None]);
        let seen = verdicts(counter(Sort::Readiness, 1, 2, Some(true)), &[false, true, false, false, false, true]);
        assert_eq!(seen, [None, None, None, Some(Verdict::Unready), None, Some(Verdict::Ready)]);
    }

    #[test]
    fn liveness_and_startup_end_a_container_after_enough_failures() {
        let seen = verdicts(counter(Sort::Liveness, 1, 2, None), &[true, false, false]);
        let Some(Verdict::Dead { message, .. }) = &seen[2] else { panic!("{seen:?}") };
        assert_eq!(message, "Container c failed liveness probe, will be restarted");
        assert_eq!((&seen[0], &seen[1]), (&None, &None));
        let seen = verdicts(counter(Sort::Startup, 1, 3, None), &[false, true]);
        assert_eq!(seen, [None, Some(Verdict::Started)]);
    }

    #[test]
    fn failures_without_end_are_told_less_and_less() {
        let mut counter = counter(Sort::Readiness, 1, 1, Some(false));
        let told = (0..100).filter(|_| {
            counter.count(false, "c");
            counter.is_told()
        });
        assert_eq!(told.count(), 13);
    }
}
