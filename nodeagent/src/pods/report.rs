//! Telling the API what has become of a pod: only what changed, and never twice.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use lifecycle::backoff::Backoff;
use serde_json::{Map, Value, json};
use tracing::debug;

use crate::pods::plan;
use crate::pods::state::Cause;
use crate::pods::status;
use crate::pods::stored::Stored;
use crate::pods::worker::Worker;

impl Worker {
    /// Writes the status if it differs from what the API holds; false if that failed and has to be tried again.
    pub(super) async fn report(&mut self, pod: &Pod) -> bool {
        let ends_unseen = self.state.ending.is_some_and(|ending| ending.cause == Cause::Gone);
        if ends_unseen || self.state.was_over {
            return true;
        }
        let shown = self.with_mirror_status(pod);
        let pod = shown.as_deref().unwrap_or(pod);
        let wanted = status::status(pod, &self.state, self.context.host(), self.context.clock.now_seconds());
        if matches!(wanted.phase.as_deref(), Some("Succeeded" | "Failed")) {
            self.context.ledger().release(pod.metadata.uid.as_deref().unwrap_or_default());
        }
        if self.is_static {
            return self.report_mirror(pod, wanted).await;
        }
        let Some(difference) = difference(pod.status.as_ref(), &wanted) else { return true };
        let patch = json!({ "metadata": { "uid": pod.metadata.uid }, "status": difference });
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        let answer = {
            let _permit = self.context.writes.acquire().await;
            self.api(pod).patch_status(name, &PatchParams::default(), &Patch::Merge(&patch)).await
        };
        match answer {
            Ok(newer) => {
                let newer = Stored::new(newer);
                if !newer.is_older_than(&self.object) {
                    self.object = newer;
                }
                self.backoff = None;
                true
            }
            // The pod is gone, or is another one by now: the watch says so too.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => true,
            Err(error) => {
                debug!(pod = name, %error, "status not written");
                self.retry_later();
                false
            }
        }
    }

    /// Takes the object away for good, now that nothing of the pod runs.
    pub(super) async fn delete_object(&mut self, pod: &Pod) {
        if self.deletion_sent {
            return;
        }
        let preconditions = Preconditions { uid: pod.metadata.uid.clone(), resource_version: None };
        let parameters = DeleteParams {
            grace_period_seconds: Some(0),
            preconditions: Some(preconditions),
            ..DeleteParams::default()
        };
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        let answer = {
            let _permit = self.context.writes.acquire().await;
            self.api(pod).delete(name, &parameters).await
        };
        match answer {
            Ok(_) => self.deletion_sent = true,
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => self.deletion_sent = true,
            Err(error) => {
                debug!(pod = name, %error, "pod not deleted");
                self.retry_later();
            }
        }
    }

    pub(super) fn retry_later(&mut self) {
        let new = || Box::new(Backoff::new(Duration::from_millis(200), Duration::from_secs(30)));
        let wait = self.backoff.get_or_insert_with(new).next_delay();
        self.wake_at(plan::after(self.context.clock.now(), wait));
    }

    pub(super) fn api(&self, pod: &Pod) -> Api<Pod> {
        Api::namespaced(self.context.client.clone(), pod.metadata.namespace.as_deref().unwrap_or_default())
    }
}

/// A merge patch from one status to the other: the fields that differ, and null for those that go.
pub fn difference(
    held: Option<&k8s_openapi::api::core::v1::PodStatus>,
    wanted: &impl serde::Serialize,
) -> Option<Value> {
    let held = held.map(fields).unwrap_or_default();
    let wanted = fields(wanted);
    let mut changes = Map::new();
    for name in held.keys().filter(|name| !wanted.contains_key(*name)) {
        changes.insert(name.clone(), Value::Null);
    }
    changes.extend(wanted.into_iter().filter(|(name, value)| held.get(name) != Some(value)));
    (!changes.is_empty()).then_some(Value::Object(changes))
}

fn fields(status: &impl serde::Serialize) -> Map<String, Value> {
    let json = serde_json::to_vec(status).expect("a status is JSON");
    serde_json::from_slice(&json).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::PodStatus;

    #[test]
    fn only_what_differs_is_written() {
        let status = |phase: &str, reason: Option<&str>| PodStatus {
            phase: Some(phase.to_owned()),
            reason: reason.map(str::to_owned),
            host_ip: Some("127.0.0.1".to_owned()),
            ..PodStatus::default()
        };
        let held = status("Running", Some("Odd"));
        assert_eq!(difference(Some(&held), &held), None);
        let changes = difference(Some(&held), &status("Failed", None)).unwrap();
        assert_eq!(changes, json!({ "phase": "Failed", "reason": null }));
        assert_eq!(difference(None, &held).unwrap()["hostIP"], "127.0.0.1");
    }
}
