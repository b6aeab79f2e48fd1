//! The hooks of a container: after its start, and before its stop.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, LifecycleHandler, Pod};

use crate::events::Kind;
use crate::pods::handlers::{Handler, Target};
use crate::pods::mailbox::Outcome;
use crate::pods::state::{Role, Roster};
use crate::pods::worker::Worker;

/// A hook after the start may take as long as its container runs.
const WITHOUT_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

pub fn post_start(container: &Container) -> Option<&LifecycleHandler> {
    container.lifecycle.as_ref()?.post_start.as_ref()
}

fn pre_stop(container: &Container) -> Option<&LifecycleHandler> {
    container.lifecycle.as_ref()?.pre_stop.as_ref()
}

impl Worker {
    /// Begins the hook after the start. Its failure ends the container.
    pub(super) fn begin_post_start(&self, pod: &Pod, index: usize) {
        let Some((role, container)) = Roster::of(pod).get(index) else { return };
        let Some(hook) = post_start(container) else { return };
        let name = container.name.clone();
        self.begin_hook(pod, (role, container), index, hook, WITHOUT_LIMIT, |id, problem| {
            let problem = problem.is_some().then(|| "FailedPostStartHook".to_owned());
            Outcome::PostStartDone { container: name, id, problem }
        });
    }

    /// Begins the hook before the stop, if there is one; answers whether there is. The stop goes on when it is done,
    /// or when the time is up.
    pub(super) fn begin_pre_stop(&self, pod: &Pod, index: usize, kill_at: Timestamp) -> bool {
        let Some((role, container)) = Roster::of(pod).get(index) else { return false };
        // To wait is all that a simulated container can do.
        let can_run = |hook: &&LifecycleHandler| self.context.runtime.is_real() || hook.sleep.is_some();
        let Some(hook) = pre_stop(container).filter(can_run) else { return false };
        let limit = self.context.clock.until(kill_at);
        let name = container.name.clone();
        self.begin_hook(pod, (role, container), index, hook, limit, |id, _| Outcome::PreStopDone {
            container: name,
            id,
        });
        true
    }

    fn begin_hook(
        &self,
        pod: &Pod,
        part: (Role, &Container),
        index: usize,
        hook: &LifecycleHandler,
        limit: Duration,
        outcome: impl FnOnce(String, Option<String>) -> Outcome + Send + 'static,
    ) {
        let running = self.state.containers[index].running();
        let (Some(running), Some(address)) = (running, self.state.address) else { return };
        let target = Target {
            runtime: Arc::clone(&self.context.runtime),
            id: running.id.clone(),
            address,
            container: Arc::new(part.1.clone()),
        };
        let handler = Handler::of_hook(hook);
        let is_start = post_start(part.1).is_some_and(|start| std::ptr::eq(start, hook));
        let (context, mailbox, pod, role) = (Arc::clone(&self.context), Arc::clone(&self.mailbox), pod.clone(), part.0);
        // It is not cut off by the agent's stop: pods that end with the agent have their hooks run.
        self.context.tasks.spawn(format!("hook of {}", part.1.name), async move {
            let problem = target.apply(&handler, limit).await.err();
            if let Some(problem) = &problem {
                let (reason, sort) = if is_start {
                    ("FailedPostStartHook", "PostStartHook")
                } else {
                    ("FailedPreStopHook", "PreStopHook")
                };
                let part = Some((role, target.container.as_ref()));
                context.tell(&pod, part, Kind::Warning, reason, format!("{sort} failed: {problem}"));
            }
            mailbox.post_outcome(outcome(target.id.clone(), problem));
        });
    }
}
