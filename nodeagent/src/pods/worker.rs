//! The worker of one pod: it observes, asks the plan, carries the steps out, and rests.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use lifecycle::backoff::Backoff;
use tracing::warn;

use crate::measures::PodShare;
use crate::pods::context::{Context, identity};
use crate::pods::directory::Resident;
use crate::pods::folders::PodFolder;
use crate::pods::mailbox::{Mailbox, Outcome, Verdict};
use crate::pods::mirror::Mirror;
use crate::pods::plan::{self, Step};
use crate::pods::probes::Prober;
use crate::pods::resume;
use crate::pods::state::{Cause, Ending, Phase, PodState, Readiness, Role, Roster, Stage, Unwanted};
use crate::pods::status::full_name;
use crate::pods::stored::Stored;
use crate::references::Reference;

/// Steps lead to steps; more rounds than this in one turn would be a circle.
const ROUNDS: usize = 16;

pub struct Worker {
    pub(super) context: Arc<Context>,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) object: Stored,
    pub(super) state: Box<PodState>,
    pub(super) is_gone: bool,
    pub(super) deletion_sent: bool,
    pub(super) is_static: bool,
    pub(super) mirror: Mirror,
    /// What a container that cannot start refers to.
    pub(super) missing: BTreeSet<Reference>,
    pub(super) followed: BTreeSet<Reference>,
    pub(super) share: PodShare,
    pub(super) probers: Vec<Prober>,
    /// When to look again though nothing happened.
    pub(super) wake: Option<Timestamp>,
    /// Waits after writes that failed.
    pub(super) backoff: Option<Box<Backoff>>,
}

/// What a worker does after a turn.
enum Next {
    Rest,
    End,
}

impl Worker {
    /// Runs until nothing is left of the pod, or the agent stops.
    pub async fn run(context: Arc<Context>, resident: Resident, object: Stored) {
        let Resident { identity, mailbox, is_static } = resident;
        let uid = identity.uid;
        let mirror = if context.is_listed.load(Ordering::SeqCst) { Mirror::Absent } else { Mirror::Unknown };
        let share = PodShare::new(context.measures.clone());
        let mut worker = Self {
            context,
            mailbox,
            object,
            state: Box::default(),
            is_gone: false,
            deletion_sent: false,
            is_static,
            mirror,
            missing: BTreeSet::new(),
            followed: BTreeSet::new(),
            share,
            probers: Vec::new(),
            wake: None,
            backoff: None,
        };
        // Boxed, so that a worker at rest holds no room for what it does when awake.
        Box::pin(worker.begin()).await;
        while let Next::Rest = Box::pin(worker.turn()).await {
            worker.rest().await;
        }
        worker.context.directory.remove(&uid);
    }

    /// Finds out what an earlier agent left of the pod.
    async fn begin(&mut self) {
        let pod = self.object.decode();
        let statuses: Vec<_> = resume::statuses(&pod).cloned().collect();
        let found = self.context.runtime.adopt(&identity(&pod), &statuses, self.mailbox.exit_sink()).await;
        *self.state = resume::resume(&pod, &found, self.context.clock.now_seconds());
    }

    /// Waits until something happens.
    async fn rest(&self) {
        let sleep = async {
            match self.wake {
                Some(at) => Box::pin(tokio::time::sleep(self.context.clock.until(at))).await,
                None => std::future::pending().await,
            }
        };
        let is_stop_known = self.state.ending.is_some_and(|ending| ending.cause == Cause::Shutdown);
        tokio::select! {
            () = self.mailbox.arrived() => {}
            () = sleep => {}
            () = self.context.tasks.token().cancelled(), if !is_stop_known => {}
        }
    }

    async fn turn(&mut self) -> Next {
        let is_stopping = self.context.tasks.is_stopping();
        if is_stopping && self.context.stop_pods_within.is_none() {
            return Next::End;
        }
        self.read_mail();
        let pod = self.object.decode();
        self.fit_containers(&pod);
        self.observe_ending(&pod, is_stopping);
        let is_finished = self.carry_on(&pod).await;
        self.follow(&pod);
        self.run_probes(&pod);
        self.measure(&pod);
        let is_reported = self.report(&pod).await;
        if !self.is_static {
            self.mailbox.show(self.object.clone());
        }
        if is_reported && is_finished {
            return self.finish(&pod).await;
        }
        Next::Rest
    }

    /// Carries out what the plan says until it says nothing more; answers whether nothing runs any more for good.
    async fn carry_on(&mut self, pod: &Pod) -> bool {
        for _ in 0..ROUNDS {
            let plan = plan::plan(pod, &self.state, self.context.clock.now());
            self.wake = plan.wake;
            if plan.steps.is_empty() {
                return false;
            }
            for step in plan.steps {
                if step == Step::Finish {
                    return true;
                }
                self.carry_out(pod, step).await;
            }
            // What a step brought about, as the end of a container, counts at once.
            let outcomes = {
                let mut outcomes = Vec::new();
                self.mailbox.post(|mail| outcomes = std::mem::take(&mut mail.outcomes));
                outcomes
            };
            for outcome in outcomes {
                self.note(pod, outcome);
            }
        }
        self.wake_at(plan::after(self.context.clock.now(), Duration::from_secs(1)));
        false
    }

    fn read_mail(&mut self) {
        let mail = self.mailbox.take();
        if let Some(object) = mail.object.filter(|object| !object.is_older_than(&self.object)) {
            self.object = object;
        }
        if let Some(mirror) = mail.mirror {
            self.mirror = mirror;
        }
        self.is_gone |= mail.is_gone;
        if mail.outcomes.is_empty() {
            return;
        }
        let pod = self.object.decode();
        for outcome in mail.outcomes {
            self.note(&pod, outcome);
        }
    }

    /// Takes note of what happened to a container.
    fn note(&mut self, pod: &Pod, outcome: Outcome) {
        let roster = Roster::of(pod);
        match outcome {
            Outcome::Exited(exit) => {
                let Some(index) = roster.position(&exit.container) else { return };
                let Some(own) = self.state.containers.get_mut(index) else { return };
                if own.end(&exit.id, exit.ended) {
                    self.tell_back_off(pod, index);
                }
            }
            Outcome::Probed { container, id, verdict } => {
                let Some((index, (_, container))) = roster.named(&container) else { return };
                let Some(own) = self.state.containers.get_mut(index) else { return };
                let Some(running) = own.running_mut().filter(|running| running.id == id) else { return };
                match verdict {
                    Verdict::Started => running.is_up(container),
                    Verdict::Ready => running.is_ready = true,
                    Verdict::Unready => running.is_ready = false,
                    Verdict::Dead { message, grace_seconds } => {
                        running.unwanted = Some(Unwanted { message, grace_seconds });
                    }
                }
            }
            Outcome::PostStartDone { .. } | Outcome::PreStopDone { .. } => self.note_hook(&roster, outcome),
            Outcome::ReferencesChanged => self.note_references(),
        }
    }

    /// What was missing may be there now, and what is shown may be old.
    fn note_references(&mut self) {
        match self.state.preparation {
            Readiness::Ready => self.state.is_stale = true,
            Readiness::Waiting { .. } => self.state.preparation = Readiness::Wanted,
            Readiness::Wanted => {}
        }
        let now = self.context.clock.now();
        for own in &mut self.state.containers {
            if let Phase::Blocked(blocked) = &mut own.phase
                && blocked.retry_at.is_some()
                && !self.missing.is_empty()
            {
                blocked.retry_at = Some(now);
            }
        }
    }

    fn note_hook(&mut self, roster: &Roster<'_>, outcome: Outcome) {
        let (Outcome::PostStartDone { container, id, .. } | Outcome::PreStopDone { container, id }) = &outcome else {
            return;
        };
        let Some((index, (_, container))) = roster.named(container) else { return };
        let Some(own) = self.state.containers.get_mut(index) else { return };
        let Some(running) = own.running_mut().filter(|running| running.id == *id) else { return };
        match outcome {
            Outcome::PostStartDone { problem: Some(problem), .. } => {
                running.unwanted = Some(Unwanted { message: problem, grace_seconds: None });
            }
            Outcome::PostStartDone { problem: None, .. } => {
                running.in_post_start = false;
                if container.startup_probe.is_none() {
                    running.is_up(container);
                }
            }
            _ => {
                if let Some(stopping) = running.stopping.as_mut().filter(|stopping| stopping.stage == Stage::Hook) {
                    stopping.stage = Stage::Hooked;
                }
            }
        }
    }

    /// As many container states as the pod has containers.
    fn fit_containers(&mut self, pod: &Pod) {
        self.state.containers.resize_with(Roster::of(pod).len(), Default::default);
    }

    /// Notes that the pod is to end, and by when.
    fn observe_ending(&mut self, pod: &Pod, is_stopping: bool) {
        let now = self.context.clock.now();
        let held = self.state.ending;
        let deleted_at = pod.metadata.deletion_timestamp.as_ref().map(|time| time.0);
        let (cause, kill_at) = if self.is_gone {
            (Cause::Gone, plan::after(now, plan::grace(pod)))
        } else if let Some(deleted_at) = deleted_at {
            // Time that passed while no agent looked counts.
            (Cause::Deleted, plan::after(now, plan::grace(pod)).min(deleted_at.max(now)))
        } else if let Some(limit) = self.context.stop_pods_within.filter(|_| is_stopping) {
            (Cause::Shutdown, plan::after(now, plan::grace(pod).min(limit)))
        } else {
            return;
        };
        let kill_at = held.map_or(kill_at, |held| held.kill_at.min(kill_at));
        self.state.ending = Some(Ending { kill_at, cause });
    }

    /// The end of a pod of which nothing runs any more.
    async fn finish(&mut self, pod: &Pod) -> Next {
        let uid = identity(pod).uid;
        self.context.ledger().release(&uid);
        match self.state.ending.map(|ending| ending.cause) {
            Some(Cause::Gone) => {
                self.remove_mirror().await;
                self.context.runtime.remove_pod(&identity(pod)).await;
                self.remove_folder(pod).await;
                self.context.pool().release(&uid);
                Next::End
            }
            Some(Cause::Deleted) => {
                self.delete_object(pod).await;
                Next::Rest
            }
            Some(Cause::Shutdown) => Next::End,
            Some(Cause::Failed) | None => Next::Rest,
        }
    }

    fn measure(&mut self, pod: &Pod) {
        let main = Roster::of(pod).iter().filter(|(_, role, _)| *role == Role::Main).count();
        let running = self.state.containers.iter().filter(|own| own.running().is_some()).count();
        if self.share.set(running, main)
            && let Some(created) = &pod.metadata.creation_timestamp
        {
            self.context.measures.pod_start.observe(self.context.clock.since(created.0).as_secs_f64());
        }
    }

    async fn remove_folder(&self, pod: &Pod) {
        let Some(folder) = self.folder(pod).filter(|_| self.context.runtime.is_real()) else { return };
        let removed = tokio::task::spawn_blocking(move || folder.remove()).await;
        if let Ok(Err(error)) = removed {
            warn!(pod = full_name(pod), %error, "folder of a pod not removed");
        }
    }

    pub(super) fn folder(&self, pod: &Pod) -> Option<PodFolder> {
        PodFolder::new(&self.context.data_dir, &identity(pod).uid)
    }

    pub(super) fn wake_at(&mut self, at: Timestamp) {
        self.wake = Some(self.wake.map_or(at, |earlier| earlier.min(at)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_at_rest_is_small() {
        // Never run: only the room that it takes counts.
        fn size<F: Future>(_: impl FnOnce(Arc<Context>, Resident, Stored) -> F) -> usize {
            size_of::<F>()
        }
        let size = size(Worker::run);
        assert!(size <= 1024, "{size} bytes");
    }
}
