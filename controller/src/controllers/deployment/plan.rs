//! The next step of a Deployment: sets to create, resize, annotate or delete, and the status.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::controllers::deployment::{numbers, revision, status};
use crate::kinds::condition;
use crate::kinds::deployment::{Deployment, Status};
use crate::kinds::replica_set::ReplicaSet;

#[derive(Debug)]
pub enum Step {
    /// A set for the Deployment's template.
    Create {
        replicas: i32,
    },
    /// A new size, with the annotations that tell the Deployment's.
    Resize {
        set: Arc<ReplicaSet>,
        replicas: i32,
    },
    Annotate {
        set: Arc<ReplicaSet>,
        annotations: BTreeMap<String, String>,
    },
    Delete {
        set: Arc<ReplicaSet>,
    },
}

#[derive(Debug)]
pub struct Plan {
    pub steps: Vec<Step>,
    /// What the Deployment's own annotation must say, if it does not.
    pub revision: Option<String>,
    pub status: Status,
    pub next_look: Option<Duration>,
}

/// What is known of a Deployment.
pub struct Observed<'a> {
    pub deployment: &'a Deployment,
    pub new: Option<Arc<ReplicaSet>>,
    pub old: Vec<Arc<ReplicaSet>>,
    /// Whether any pod of an old set may still run: a Deployment that recreates must wait for its end.
    pub old_pods_run: bool,
    pub now: Timestamp,
}

impl Observed<'_> {
    fn all(&self) -> Vec<&ReplicaSet> {
        self.old.iter().chain(&self.new).map(Arc::as_ref).collect()
    }

    fn active(&self) -> Vec<&Arc<ReplicaSet>> {
        self.old.iter().chain(&self.new).filter(|set| set.spec.replicas > 0).collect()
    }

    /// Whether the Deployment was scaled since its sets were.
    fn is_scaling(&self) -> bool {
        let stale = |set: &&Arc<ReplicaSet>| {
            revision::desired_replicas(&set.meta).is_some_and(|desired| desired != self.deployment.spec.replicas)
        };
        self.active().iter().any(stale)
    }

    fn counts(&self) -> Status {
        status::counts(self.deployment, &self.all(), self.new.as_deref(), self.now)
    }

    fn rollout(&self) -> Status {
        status::rollout(self.deployment, &self.all(), self.new.as_deref(), self.now)
    }
}

pub fn plan(observed: &Observed<'_>) -> Plan {
    let deployment = observed.deployment;
    if deployment.meta.is_deleting() {
        return only_status(observed.counts());
    }
    if let Some(status) = status::paused_condition(deployment, observed.now) {
        return only_status(status);
    }
    if let Some(new) = &observed.new {
        let annotations = revision::missing_annotations(deployment, new, &observed.old);
        if !annotations.is_empty() || new.spec.min_ready_seconds != deployment.spec.min_ready_seconds {
            let steps = vec![Step::Annotate { set: new.clone(), annotations }];
            return Plan { steps, ..only_status(deployment.status.clone()) };
        }
    }
    let is_scaling = deployment.spec.paused || observed.is_scaling();
    let steps = if is_scaling {
        scale(observed)
    } else if numbers::is_rolling(deployment) {
        roll(observed)
    } else {
        recreate(observed)
    };
    let mut status = if is_scaling { observed.counts() } else { observed.rollout() };
    note_new_set(observed, &steps, &mut status);
    let next_look = status::next_look(deployment, &status, observed.now).filter(|_| !deployment.spec.paused);
    Plan { steps, revision: own_revision(observed), status, next_look }
}

fn only_status(status: Status) -> Plan {
    Plan { steps: Vec::new(), revision: None, status, next_look: None }
}

fn own_revision(observed: &Observed<'_>) -> Option<String> {
    let revision = revision::revision(&observed.new.as_ref()?.meta);
    (revision > 0 && revision != revision::revision(&observed.deployment.meta)).then(|| revision.to_string())
}

/// A set that is new is progress, from which the deadline counts.
fn note_new_set(observed: &Observed<'_>, steps: &[Step], status: &mut Status) {
    if status::deadline(observed.deployment).is_none() {
        return;
    }
    let (reason, message) = match &observed.new {
        None if steps.iter().any(|step| matches!(step, Step::Create { .. })) => {
            let deployment = observed.deployment;
            let hash = revision::hash(&deployment.spec.template, deployment.status.collision_count);
            let name = revision::set_name(deployment, &hash);
            (status::NEW_SET, format!("Created new replica set \"{name}\""))
        }
        Some(new) if condition::find(&status.conditions, status::PROGRESSING).is_none() => {
            (status::FOUND_SET, format!("Found new replica set \"{}\"", new.meta.name))
        }
        _ => return,
    };
    status::set_condition(status, status::PROGRESSING, "True", reason, message, observed.now);
}

fn roll(observed: &Observed<'_>) -> Vec<Step> {
    let (deployment, all) = (observed.deployment, observed.all());
    let Some(new) = &observed.new else {
        return vec![Step::Create { replicas: numbers::new_size(deployment, &all, 0) }];
    };
    let wanted = deployment.spec.replicas;
    if new.spec.replicas != wanted {
        let size =
            if new.spec.replicas > wanted { wanted } else { numbers::new_size(deployment, &all, new.spec.replicas) };
        if size != new.spec.replicas {
            return vec![Step::Resize { set: new.clone(), replicas: size }];
        }
    }
    let old: Vec<&ReplicaSet> = observed.old.iter().map(Arc::as_ref).collect();
    let shrunk = numbers::shrink_old(deployment, &old, new);
    if !shrunk.is_empty() {
        let resize = |(index, replicas): (usize, i32)| Step::Resize { set: observed.old[index].clone(), replicas };
        return shrunk.into_iter().map(resize).collect();
    }
    clean_up_if_complete(observed)
}

fn recreate(observed: &Observed<'_>) -> Vec<Step> {
    let active = observed.old.iter().filter(|set| set.spec.replicas > 0);
    let shrink: Vec<Step> = active.map(|set| Step::Resize { set: set.clone(), replicas: 0 }).collect();
    if !shrink.is_empty() {
        return shrink;
    }
    if observed.old_pods_run || observed.old.iter().any(|set| set.status.replicas > 0) {
        return Vec::new();
    }
    let wanted = observed.deployment.spec.replicas;
    match &observed.new {
        None => vec![Step::Create { replicas: wanted }],
        Some(new) if new.spec.replicas != wanted => vec![Step::Resize { set: new.clone(), replicas: wanted }],
        Some(_) => clean_up_if_complete(observed),
    }
}

/// Brings the sets to the Deployment's new size without going on with a rollout.
fn scale(observed: &Observed<'_>) -> Vec<Step> {
    let deployment = observed.deployment;
    let active = observed.active();
    let mut steps = Vec::new();
    if let Some(only) = only_or_latest(observed, &active) {
        steps.extend(resize(deployment, only, deployment.spec.replicas));
    } else if observed.new.as_ref().is_some_and(|new| is_saturated(deployment, new)) {
        let old = observed.old.iter().filter(|set| set.spec.replicas > 0);
        steps.extend(old.filter_map(|set| resize(deployment, set, 0)));
    } else if numbers::is_rolling(deployment) {
        let sets: Vec<&ReplicaSet> = active.iter().map(|set| set.as_ref()).collect();
        for (index, size) in numbers::proportional(deployment, &sets) {
            steps.extend(resize(deployment, active[index], size));
        }
    }
    if deployment.spec.paused && steps.is_empty() {
        steps.extend(clean_up(observed));
    }
    steps
}

/// The set to scale when there is no rollout under way: the only active one, else the newest.
fn only_or_latest<'a>(observed: &'a Observed<'_>, active: &[&'a Arc<ReplicaSet>]) -> Option<&'a Arc<ReplicaSet>> {
    match active {
        [] => observed.new.as_ref().or(observed.old.last()),
        [only] => Some(only),
        _ => None,
    }
}

fn is_saturated(deployment: &Deployment, new: &ReplicaSet) -> bool {
    let wanted = deployment.spec.replicas;
    revision::desired_replicas(&new.meta) == Some(wanted)
        && new.spec.replicas == wanted
        && new.status.available_replicas == wanted
}

fn resize(deployment: &Deployment, set: &Arc<ReplicaSet>, replicas: i32) -> Option<Step> {
    let annotations = revision::size_annotations(deployment);
    let is_told = annotations.iter().all(|(key, value)| set.meta.annotations.get(key) == Some(value));
    (set.spec.replicas != replicas || !is_told).then(|| Step::Resize { set: set.clone(), replicas })
}

fn clean_up_if_complete(observed: &Observed<'_>) -> Vec<Step> {
    if status::is_complete(observed.deployment, &observed.deployment.status) { clean_up(observed) } else { Vec::new() }
}

/// The oldest sets beyond the history that is to be kept.
fn clean_up(observed: &Observed<'_>) -> Vec<Step> {
    let Some(limit) = observed.deployment.spec.revision_history_limit.filter(|limit| *limit != i32::MAX) else {
        return Vec::new();
    };
    let mut old: Vec<&Arc<ReplicaSet>> = observed.old.iter().filter(|set| !set.meta.is_deleting()).collect();
    let surplus = old.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
    old.sort_by_key(|set| (revision::revision(&set.meta), set.meta.creation_timestamp));
    let is_idle = |set: &&Arc<ReplicaSet>| {
        set.status.replicas == 0 && set.spec.replicas == 0 && set.meta.generation <= set.status.observed_generation
    };
    old.into_iter().take(surplus).filter(is_idle).map(|set| Step::Delete { set: set.clone() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::deployment::{RollingUpdate, StrategyKind};
    use crate::kinds::wire::IntOrString;
    use api::well_known::annotation;

    fn deployment(replicas: i32) -> Deployment {
        let mut deployment = Deployment::default();
        deployment.meta.name = "web".into();
        deployment.spec.replicas = replicas;
        deployment.spec.revision_history_limit = Some(1);
        deployment.spec.strategy.rolling_update =
            Some(RollingUpdate { max_surge: Some(IntOrString::Int(1)), max_unavailable: Some(IntOrString::Int(0)) });
        deployment.meta.annotations = [(annotation::DEPLOYMENT_REVISION, "9")].into_iter().collect();
        deployment
    }

    fn set(name: &str, size: i32, revision: i32, desired: i32) -> Arc<ReplicaSet> {
        let mut set = ReplicaSet::default();
        set.meta.name = name.into();
        set.meta.creation_timestamp = Timestamp::from_second(i64::from(revision)).ok();
        set.meta.annotations = [
            (annotation::DEPLOYMENT_REVISION, revision.to_string()),
            (annotation::DESIRED_REPLICAS, desired.to_string()),
            (annotation::MAX_REPLICAS, (desired + 1).to_string()),
        ]
        .into_iter()
        .collect();
        set.spec.replicas = size;
        set.status.replicas = size;
        set.status.available_replicas = size;
        Arc::new(set)
    }

    fn steps(deployment: &Deployment, new: Option<Arc<ReplicaSet>>, old: &[Arc<ReplicaSet>]) -> Vec<String> {
        let now = Timestamp::from_second(1000).unwrap();
        let observed = Observed { deployment, new, old: old.to_vec(), old_pods_run: false, now };
        told(plan(&observed))
    }

    fn told(plan: Plan) -> Vec<String> {
        let tell = |step| match step {
            Step::Create { replicas } => format!("create {replicas}"),
            Step::Resize { set, replicas } => format!("{} {replicas}", set.meta.name),
            Step::Annotate { set, annotations } => format!("annotate {} {annotations:?}", set.meta.name),
            Step::Delete { set } => format!("delete {}", set.meta.name),
        };
        plan.steps.into_iter().map(tell).collect()
    }

    #[test]
    fn a_first_set_is_created_whole() {
        assert_eq!(steps(&deployment(3), None, &[]), ["create 3"]);
    }

    #[test]
    fn a_rolling_update_alternates_between_the_sets() {
        let deployment = deployment(3);
        let new = |size| Some(set("new", size, 9, 3));
        assert_eq!(steps(&deployment, None, &[set("old", 3, 8, 3)]), ["create 1"]);
        assert_eq!(steps(&deployment, new(1), &[set("old", 3, 8, 3)]), ["old 2"]);
        assert_eq!(steps(&deployment, new(1), &[set("old", 2, 8, 3)]), ["new 2"]);
        assert_eq!(steps(&deployment, new(3), &[set("old", 1, 8, 3)]), ["old 0"]);
        assert!(steps(&deployment, new(3), &[set("old", 0, 8, 3)]).is_empty());
    }

    #[test]
    fn a_deployment_that_recreates_waits_for_the_old_pods() {
        let mut deployment = deployment(3);
        deployment.spec.strategy.kind = StrategyKind::Recreate;
        let mut gone = ReplicaSet::clone(&set("old", 0, 8, 3));
        assert_eq!(steps(&deployment, None, &[set("old", 3, 8, 3)]), ["old 0"]);
        assert_eq!(steps(&deployment, None, &[Arc::new(gone.clone())]), ["create 3"]);
        gone.status.replicas = 1;
        assert!(steps(&deployment, None, &[Arc::new(gone)]).is_empty());
        let now = Timestamp::from_second(1000).unwrap();
        let old = vec![set("old", 0, 8, 3)];
        let observed = Observed { deployment: &deployment, new: None, old, old_pods_run: true, now };
        assert!(plan(&observed).steps.is_empty());
    }

    #[test]
    fn a_deployment_that_is_scaled_scales_its_only_set() {
        assert_eq!(steps(&deployment(5), Some(set("new", 3, 9, 3)), &[]), ["new 5"]);
        assert_eq!(steps(&deployment(0), Some(set("new", 3, 9, 3)), &[]), ["new 0"]);
        assert_eq!(steps(&deployment(2), Some(set("new", 0, 9, 0)), &[]), ["new 2"]);
    }

    #[test]
    fn a_deployment_that_is_scaled_amid_a_rollout_keeps_the_proportions() {
        let steps = steps(&deployment(9), Some(set("new", 2, 9, 4)), &[set("old", 3, 8, 4)]);
        assert_eq!(steps, ["old 6", "new 4"]);
    }

    #[test]
    fn a_paused_deployment_scales_but_does_not_roll() {
        let mut deployment = deployment(3);
        deployment.spec.paused = true;
        assert!(steps(&deployment, None, &[set("old", 3, 8, 3)]).is_empty());
        assert_eq!(steps(&deployment, None, &[set("old", 2, 8, 2)]), ["old 3"]);
    }

    #[test]
    fn history_beyond_its_limit_is_deleted_when_the_rollout_is_complete() {
        let mut deployment = deployment(1);
        let old = [set("c", 0, 7, 1), set("a", 0, 5, 1), set("b", 0, 6, 1)];
        assert!(steps(&deployment, Some(set("new", 1, 9, 1)), &old).is_empty());
        deployment.status.replicas = 1;
        deployment.status.updated_replicas = 1;
        deployment.status.available_replicas = 1;
        assert_eq!(steps(&deployment, Some(set("new", 1, 9, 1)), &old), ["delete a", "delete b"]);
    }

    #[test]
    fn a_set_that_is_rolled_back_to_becomes_the_newest_first() {
        let steps = steps(&deployment(1), Some(set("new", 0, 3, 1)), &[set("old", 1, 8, 1)]);
        let annotations = "{\"deployment.kubernetes.io/revision\": \"9\", \
            \"deployment.kubernetes.io/revision-history\": \"3\"}";
        assert_eq!(steps, [format!("annotate new {annotations}")]);
    }

    #[test]
    fn the_revision_of_the_new_set_is_the_deployments() {
        let deployment = deployment(1);
        let now = Timestamp::from_second(1000).unwrap();
        let mut observed = Observed {
            deployment: &deployment,
            new: Some(set("new", 1, 12, 1)),
            old: vec![],
            old_pods_run: false,
            now,
        };
        assert_eq!(plan(&observed).revision.as_deref(), Some("12"));
        observed.new = Some(set("new", 1, 9, 1));
        assert_eq!(plan(&observed).revision, None);
    }
}
