//! PodDisruptionBudgets, as evictions take from them.

use api::failure::Failure;
use api::names::GroupResource;
use api::selector::LabelSelector;
use bytes::Bytes;
use jiff::Timestamp;
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::kinds::canonical;
use crate::registry::Registry;
use crate::registry::write::Outcome;
use crate::storage::Write;
use crate::storage::object::{Key, Object, Revision};

const BUDGETS: GroupResource = GroupResource { group: "policy", resource: "poddisruptionbudgets" };
/// Refusals name it in the singular.
const BUDGET: GroupResource = GroupResource { group: "policy", resource: "poddisruptionbudget" };
/// What a client looks for in a refusal.
const CAUSE: &str = "DisruptionBudget";
const REFUSAL: &str = "Cannot evict pod as it would violate the pod's disruption budget.";
const ALLOWED: &str = "DisruptionAllowed";
/// So many evictions may wait for the controller to see them.
const MOST_DISRUPTED: usize = 2000;
const ATTEMPTS: usize = 20;

/// A budget as it was read.
pub struct Budget {
    key: Key,
    revision: Revision,
    budget: PodDisruptionBudget,
}

/// The budgets that a pod counts in.
pub fn of_pod(registry: &Registry, pod: &Object) -> Vec<Budget> {
    let snapshot = registry.storage.snapshot();
    let budgets = snapshot.list(BUDGETS, Some(&pod.key.namespace)).filter_map(|object| read(object));
    budgets.filter(|budget| budget.selects(pod)).collect()
}

fn read(object: &Object) -> Option<Budget> {
    let mut budget: PodDisruptionBudget = api::json::read(&object.bytes()).ok()?;
    budget.metadata.resource_version = None;
    Some(Budget { key: object.key.clone(), revision: object.revision, budget })
}

impl Budget {
    /// A selector that is absent, or cannot be read, selects nothing.
    fn selects(&self, pod: &Object) -> bool {
        let selector = self.budget.spec.as_ref().and_then(|spec| spec.selector.as_ref());
        let selector = selector.and_then(|selector| LabelSelector::from_object(selector).ok());
        selector.is_some_and(|selector| selector.matches_by(|key| pod.meta.label(key)))
    }

    fn name(&self) -> &str {
        &self.key.name
    }

    fn status(&self) -> PodDisruptionBudgetStatus {
        self.budget.status.clone().unwrap_or_default()
    }

    /// Whether a pod that is not ready may go without being counted.
    pub fn spares_unready(&self) -> bool {
        let policy = self.budget.spec.as_ref().and_then(|spec| spec.unhealthy_pod_eviction_policy.as_deref());
        let status = self.status();
        let (current, desired) = (status.current_healthy.unwrap_or(0), status.desired_healthy.unwrap_or(0));
        policy == Some("AlwaysAllow") || (current >= desired && desired > 0)
    }

    /// The refusal of somebody who was too early.
    pub fn is_in_progress(&self) -> Failure {
        let why = format!("The disruption budget {} is still being processed by the server.", self.name());
        Failure::too_many_requests(REFUSAL, 10).with_cause(CAUSE, why, "")
    }

    fn forbids(&self, why: &str, cause: &str) -> Failure {
        let cause = format!("The disruption budget {} does not allow evicting pods currently: {cause}", self.name());
        Failure::forbidden(BUDGET, self.name(), why).with_cause(CAUSE, cause, "")
    }

    /// Whether one more pod may go.
    fn check(&self) -> Result<(), Failure> {
        let status = self.status();
        if status.observed_generation.unwrap_or(0) < self.budget.metadata.generation.unwrap_or(0) {
            return Err(self.is_in_progress());
        }
        match status.disruptions_allowed.unwrap_or(0) {
            ..0 => {
                let why = "pdb disruptions allowed is negative";
                Err(self.forbids(why, why))
            }
            _ if status.disrupted_pods.as_ref().is_some_and(|pods| pods.len() > MOST_DISRUPTED) => Err(self.forbids(
                "DisruptedPods map too big - too many evictions not confirmed by PDB controller",
                "too many pending evictions not confirmed by PDB controller",
            )),
            0 => Err(Failure::too_many_requests(REFUSAL, 0).with_cause(CAUSE, self.why_none(&status), "")),
            _ => Ok(()),
        }
    }

    fn why_none(&self, status: &PodDisruptionBudgetStatus) -> String {
        let start = format!("The disruption budget {}", self.name());
        let conditions = status.conditions.iter().flatten();
        let told = conditions.into_iter().find(|condition| {
            condition.type_ == ALLOWED && condition.status == "False" && !condition.message.is_empty()
        });
        // What it counts is not to be trusted once it could not be worked out.
        if let Some(failed) = told.filter(|condition| condition.reason == "SyncFailed") {
            return format!(
                "{start} does not allow evicting pods currently because it failed sync: {}",
                failed.message
            );
        }
        let (current, desired) = (status.current_healthy.unwrap_or(0), status.desired_healthy.unwrap_or(0));
        if current <= desired {
            return format!("{start} needs {desired} healthy pods and has {current} currently");
        }
        match told {
            Some(Condition { reason, message, .. }) => {
                format!("{start} does not allow evicting pods currently ({reason}): {message}")
            }
            None => format!("{start} does not allow evicting pods currently"),
        }
    }

    /// Counts one pod off, and notes which: until the controller sees it go, it is counted as gone.
    fn take(&mut self, pod: &str, now: Timestamp) {
        let status = self.budget.status.get_or_insert_default();
        let left = status.disruptions_allowed.unwrap_or(0) - 1;
        status.disruptions_allowed = Some(left);
        status.disrupted_pods.get_or_insert_default().insert(pod.to_owned(), Time(now));
        if left == 0 {
            set_insufficient(status, now);
        }
    }

    fn encode(&self) -> Result<Bytes, Failure> {
        let encoded = canonical::encode(&self.budget).map(Bytes::from);
        encoded.map_err(|error| Failure::internal(format!("encode {}: {error}", self.key)))
    }
}

fn set_insufficient(status: &mut PodDisruptionBudgetStatus, now: Timestamp) {
    let observed_generation = status.observed_generation;
    let conditions = status.conditions.get_or_insert_default();
    let known = conditions.iter().position(|condition| condition.type_ == ALLOWED);
    let since = known.map(|at| conditions.remove(at)).filter(|condition| condition.status == "False");
    conditions.push(Condition {
        type_: ALLOWED.to_owned(),
        status: "False".to_owned(),
        reason: "InsufficientPods".to_owned(),
        message: String::new(),
        last_transition_time: since.map_or(Time(now), |condition| condition.last_transition_time),
        observed_generation,
    });
}

/// Takes one disruption from a budget, or says why there is none.
pub async fn take_one(registry: &Registry, mut budget: Budget, pod: &str, dry_run: bool) -> Result<(), Failure> {
    for _ in 0..ATTEMPTS {
        budget.check()?;
        if dry_run {
            return Ok(());
        }
        budget.take(pod, registry.clock.now_seconds());
        let write = Write::update(budget.key.clone(), budget.revision, budget.encode()?);
        match registry.commit(write).await? {
            Outcome::Done(_) => return Ok(()),
            Outcome::Raced(now) => {
                let gone = || Failure::not_found(BUDGETS, budget.name());
                let now = now.ok_or_else(gone)?;
                budget = read(&now).ok_or_else(|| Failure::internal(format!("read {}", now.key)))?;
            }
        }
    }
    let why = format!("couldn't update PodDisruptionBudget {:?} due to conflicts", budget.name());
    Err(Failure::timeout(why).retry_after(10))
}
