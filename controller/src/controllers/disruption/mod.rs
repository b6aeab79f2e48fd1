//! Tells of each PodDisruptionBudget how many of its pods may go.

mod plan;
mod scales;
mod stale;

use std::collections::BTreeMap;
use std::sync::Arc;

use api::names::NamespacedName;
use futures::FutureExt;
use lifecycle::clock::Clock;
use serde::de::IgnoredAny;
use serde_json::json;

use crate::caches::cache::{Cache, Change};
use crate::cluster::{Cluster, Patch};
use crate::context::Context;
use crate::controllers::disruption::plan::Measure;
use crate::controllers::disruption::scales::{Scales, Untold};
use crate::events::recorder::Recorder;
use crate::kinds::deployment::Deployment;
use crate::kinds::kind::{IndexKey, Kind};
use crate::kinds::pod::Pod;
use crate::kinds::pod_disruption_budget::{PodDisruptionBudget, Status};
use crate::kinds::replica_set::ReplicaSet;
use crate::queue::{Patience, Queue};
use crate::worker::{Next, Synced};

const WORKERS: usize = 2;

struct Disruption {
    cluster: Cluster,
    clock: Clock,
    recorder: Recorder,
    budgets: Cache<PodDisruptionBudget>,
    pods: Cache<Pod>,
    scales: Scales,
    queue: Queue<NamespacedName>,
}

pub fn start(context: &Context) {
    let (sets, deployments) = (context.caches.of::<ReplicaSet>(), context.caches.of::<Deployment>());
    let this = Arc::new(Disruption {
        cluster: context.cluster.clone(),
        clock: context.clock.clone(),
        recorder: context.recorder.of("controllermanager"),
        budgets: context.caches.of(),
        pods: context.caches.of(),
        scales: Scales::new(context.cluster.clone(), sets.clone(), deployments.clone()),
        queue: context.queue("disruption", Patience::default()),
    });
    let queue = this.queue.clone();
    this.budgets.on_change(move |change| queue.add(change.key()));
    let it = this.clone();
    this.pods.on_change(move |change| it.pod_changed(change));
    let it = this.clone();
    sets.on_change(move |change| {
        if change.old.map(|set| wanted_by_set(set)) != change.new.map(|set| wanted_by_set(set)) {
            it.scaled(&change.object().meta.namespace);
        }
    });
    let it = this.clone();
    deployments.on_change(move |change| {
        if change.old.map(|old| old.spec.replicas) != change.new.map(|new| new.spec.replicas) {
            it.scaled(&change.object().meta.namespace);
        }
    });
    let ready = vec![this.budgets.clone().ready(), this.pods.clone().ready(), sets.ready(), deployments.ready()];
    let it = this.clone();
    context.work("disruption", WORKERS, &this.queue, ready, move |key| {
        let it = it.clone();
        async move { it.sync(key).await }.boxed()
    });
    stale::start(context);
}

/// Whose a set is, and how many pods it wants by itself: the size of one that a Deployment manages does not count.
fn wanted_by_set(set: &ReplicaSet) -> (Option<&str>, i32) {
    match set.meta.controller() {
        Some(owner) if scales::is_of::<Deployment>(owner) => (Some(&owner.uid), 0),
        _ => (None, set.spec.replicas),
    }
}

/// Whether a budget counts a pod as it did before.
fn counts_alike(old: &Pod, new: &Pod) -> bool {
    old.status.is_ready == new.status.is_ready
        && old.meta.is_deleting() == new.meta.is_deleting()
        && old.meta.labels == new.meta.labels
        && old.meta.controller() == new.meta.controller()
}

impl Disruption {
    fn pod_changed(&self, change: &Change<'_, Pod>) {
        if let (Some(old), Some(new)) = (change.old, change.new)
            && counts_alike(old, new)
        {
            return;
        }
        let mut covering = Vec::new();
        for budget in self.budgets.list(Some(&change.object().meta.namespace)) {
            let selects = |pod: &Arc<Pod>| budget.spec.selector.matches(&pod.meta);
            let (before, now) = (change.old.is_some_and(selects), change.new.is_some_and(selects));
            if before || now {
                self.queue.add(budget.meta.key());
            }
            if now {
                covering.push(budget);
            }
        }
        // Each of them counts the pod, but its eviction is refused.
        if let (Some(pod), [first, _, ..]) = (change.new, covering.as_slice()) {
            let message = format!(
                "Pod \"{}\"/\"{}\" matches multiple PodDisruptionBudgets.  Chose \"{}\" arbitrarily.",
                pod.meta.namespace, pod.meta.name, first.meta.name
            );
            self.recorder.warning(&**pod, "MultiplePodDisruptionBudgets", message);
        }
    }

    /// Something wants another number of pods: that concerns the budgets that ask how many.
    fn scaled(&self, namespace: &str) {
        for budget in self.budgets.list(Some(namespace)) {
            if plan::measure(&budget.spec) == Measure::Controllers {
                self.queue.add(budget.meta.key());
            }
        }
    }

    async fn sync(&self, key: NamespacedName) -> Synced {
        let Some(budget) = self.budgets.get(&key) else { return Ok(Next::Wait) };
        let pods = self.selected(&budget);
        if pods.is_empty() {
            self.recorder.normal(&*budget, "NoPods", "No matching pods found");
        }
        let numbers = match self.numbers(&budget, &pods).await {
            Ok(numbers) => numbers,
            Err(untold) => return self.fail(&budget, untold).await,
        };
        let now = self.clock.now();
        let disrupted = plan::disrupted(&budget, &pods, now);
        for pod in &disrupted.overdue {
            let message = format!("Pod was expected by PDB {key} to be deleted but it wasn't");
            self.recorder.warning(&**pod, "NotDeleted", message);
        }
        self.write(&budget, &plan::status(&budget, &pods, disrupted.leaving, numbers, now)).await?;
        Ok(disrupted.next.map_or(Next::Wait, |next| Next::After(self.clock.until(next))))
    }

    fn selected(&self, budget: &PodDisruptionBudget) -> Vec<Arc<Pod>> {
        let (namespace, selector) = (&budget.meta.namespace, &budget.spec.selector);
        let mut pods = match selector.written.match_labels.iter().flatten().next() {
            Some((key, value)) => self.pods.indexed(IndexKey::label(namespace, key, value)),
            None => self.pods.list(Some(namespace)),
        };
        pods.retain(|pod| pod.meta.namespace == *namespace && selector.matches(&pod.meta));
        pods
    }

    /// How many pods ought to be there, and how many of them must be healthy.
    async fn numbers(&self, budget: &PodDisruptionBudget, pods: &[Arc<Pod>]) -> Result<(i32, i32), Untold> {
        let expected = match plan::measure(&budget.spec) {
            Measure::Nothing => 0,
            Measure::Pods => plan::count(pods.len()),
            Measure::Controllers => self.wanted(budget, pods).await?,
        };
        let desired = plan::desired(&budget.spec, expected).map_err(Untold::Unknown)?;
        Ok((expected, desired))
    }

    /// How many pods the controllers of these pods want, taken together.
    async fn wanted(&self, budget: &PodDisruptionBudget, pods: &[Arc<Pod>]) -> Result<i32, Untold> {
        let mut owners = BTreeMap::new();
        let mut has_unmanaged = false;
        for pod in pods {
            match pod.meta.controller() {
                Some(owner) => drop(owners.entry(&owner.uid).or_insert((owner, pod))),
                None => has_unmanaged = true,
            }
        }
        let mut replicas = BTreeMap::new();
        for (owner, pod) in owners.into_values() {
            let Some(wanted) = self.scales.of(&budget.meta.namespace, owner).await? else {
                return Err(Untold::Unknown(format!("found no controllers for pod \"{}\"", pod.meta.name)));
            };
            replicas.insert(wanted.uid, wanted.replicas);
        }
        if has_unmanaged {
            let message = format!(
                "Pods selected by this PodDisruptionBudget (selector: {}) were found to be unmanaged. As a result, the \
                 status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account \
                 for these pods please set \".spec.minAvailable\" field of the PDB to an integer value.",
                plan::shown(&budget.spec.selector.written)
            );
            self.recorder.warning(budget, "UnmanagedPods", message);
        }
        Ok(replicas.into_values().fold(0, i32::saturating_add))
    }

    /// Allows nothing, since nothing is known for sure.
    async fn fail(&self, budget: &PodDisruptionBudget, untold: Untold) -> Synced {
        let why = untold.to_string();
        let message = format!("Failed to calculate the number of expected pods: {why}");
        self.recorder.warning(budget, "CalculateExpectedPodCountFailed", message);
        self.write(budget, &plan::failed(budget, &why, self.clock.now())).await?;
        match untold {
            Untold::Api(error) => Err(error.into()),
            // A change of a pod or of its controller brings it here again.
            Untold::Unknown(_) => Ok(Next::Wait),
        }
    }

    /// Writes on the state that was looked at, and on no other: an eviction that was allowed meanwhile is noted there.
    async fn write(&self, budget: &PodDisruptionBudget, status: &Status) -> kube::Result<()> {
        let Some(status) = plan::change(&budget.status, status) else { return Ok(()) };
        let meta = &budget.meta;
        let change = json!({"metadata": {"uid": meta.uid, "resourceVersion": meta.resource_version}, "status": status});
        let path = PodDisruptionBudget::RESOURCE.object(&meta.namespace, &meta.name, "status");
        self.cluster.patch::<IgnoredAny>(&path, Patch::Strategic, &change).await.map(drop)
    }
}

#[cfg(test)]
mod tests;
