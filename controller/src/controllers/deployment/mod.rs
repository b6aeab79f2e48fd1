//! Rolls Deployments out through ReplicaSets.

mod numbers;
mod plan;
mod revision;
mod status;

use std::sync::Arc;

use api::names::NamespacedName;
use futures::FutureExt;
use lifecycle::clock::Clock;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::caches::cache::{Cache, Change};
use crate::cluster::{Cluster, ErrorExt, Patch};
use crate::context::Context;
use crate::controllers::deployment::plan::{Observed, Step};
use crate::events::recorder::Recorder;
use crate::kinds::deployment::{Deployment, Status, StrategyKind};
use crate::kinds::kind::{IndexKey, Kind};
use crate::kinds::meta::Meta;
use crate::kinds::pod::Pod;
use crate::kinds::replica_set::ReplicaSet;
use crate::ownership;
use crate::queue::{Patience, Queue};
use crate::worker::{Next, SyncError, Synced};

const WORKERS: usize = 5;

struct Deployments {
    cluster: Cluster,
    clock: Clock,
    recorder: Recorder,
    deployments: Cache<Deployment>,
    sets: Cache<ReplicaSet>,
    pods: Cache<Pod>,
    queue: Queue<NamespacedName>,
}

pub fn start(context: &Context) {
    let this = Arc::new(Deployments {
        cluster: context.cluster.clone(),
        clock: context.clock.clone(),
        recorder: context.recorder.of("deployment-controller"),
        deployments: context.caches.of(),
        sets: context.caches.of(),
        pods: context.caches.of(),
        queue: context.queue("deployment", Patience::default()),
    });
    let queue = this.queue.clone();
    this.deployments.on_change(move |change| queue.add(change.key()));
    let it = this.clone();
    this.sets.on_change(move |change| it.set_changed(change));
    let it = this.clone();
    this.pods.on_change(move |change| it.pod_changed(change));
    let ready = vec![this.deployments.clone().ready(), this.sets.clone().ready(), this.pods.clone().ready()];
    let it = this.clone();
    context.work("deployment", WORKERS, &this.queue, ready, move |key| {
        let it = it.clone();
        async move { it.sync(key).await }.boxed()
    });
}

impl Deployments {
    fn set_changed(&self, change: &Change<'_, ReplicaSet>) {
        for set in [change.old, change.new].into_iter().flatten() {
            if let Some(owner) = self.owner_of(&set.meta) {
                self.queue.add(owner.meta.key());
            }
        }
        let Some(set) = change.new.filter(|set| set.meta.controller().is_none()) else { return };
        for deployment in self.deployments.list(Some(&set.meta.namespace)) {
            if deployment.spec.selector.matches(&set.meta) {
                self.queue.add(deployment.meta.key());
            }
        }
    }

    /// A Deployment that recreates its pods waits until the old ones have ended.
    fn pod_changed(&self, change: &Change<'_, Pod>) {
        if change.new.is_some_and(|pod| !pod.status.phase.is_over()) {
            return;
        }
        let pod = change.object();
        let Some(set) = pod.meta.controller().and_then(|owner| self.sets.find(&pod.meta.namespace, &owner.name)) else {
            return;
        };
        if let Some(deployment) = self.owner_of(&set.meta)
            && deployment.spec.strategy.kind == StrategyKind::Recreate
        {
            self.queue.add(deployment.meta.key());
        }
    }

    fn owner_of(&self, set: &Meta) -> Option<Arc<Deployment>> {
        let owner = set.controller().filter(|owner| *owner.kind == *Deployment::RESOURCE.kind)?;
        self.deployments.find(&set.namespace, &owner.name).filter(|deployment| deployment.meta.uid == owner.uid)
    }

    async fn sync(&self, key: NamespacedName) -> Synced {
        let Some(deployment) = self.deployments.get(&key) else { return Ok(Next::Wait) };
        if deployment.spec.selector.is_empty() {
            return self.refuse(&deployment).await;
        }
        let mut candidates = self.sets.indexed(IndexKey::controller(&deployment.meta.uid));
        candidates.extend(self.sets.indexed(IndexKey::orphans(&deployment.meta.namespace)));
        let claims = ownership::claims(&deployment.meta, |meta| deployment.spec.selector.matches(meta), candidates);
        let sets = ownership::claim::<Deployment, ReplicaSet>(&self.cluster, &deployment.meta, claims).await?;
        let (new, old) = revision::split(&deployment, &sets);
        let old_pods_run = old.iter().any(|set| self.has_running_pods(set));
        let observed = Observed { deployment: &deployment, new, old, old_pods_run, now: self.clock.now() };
        let plan = plan::plan(&observed);
        for step in plan.steps {
            self.take(&deployment, &observed.old, step).await?;
        }
        let mut meta = deployment.meta.clone();
        if let Some(revision) = plan.revision {
            meta = self.set_revision(&meta, &revision).await?;
        }
        if plan.status != deployment.status {
            self.cluster.merge_status(&Deployment::RESOURCE, &meta, &plan.status).await?;
        }
        Ok(plan.next_look.map_or(Next::Wait, Next::After))
    }

    async fn refuse(&self, deployment: &Deployment) -> Synced {
        let message = "This deployment is selecting all pods. A non-empty selector is required.";
        self.recorder.warning(deployment, "SelectingAll", message);
        if deployment.status.observed_generation < deployment.meta.generation {
            let status = Status { observed_generation: deployment.meta.generation, ..deployment.status.clone() };
            self.cluster.merge_status(&Deployment::RESOURCE, &deployment.meta, &status).await?;
        }
        Ok(Next::Wait)
    }

    fn has_running_pods(&self, set: &ReplicaSet) -> bool {
        let pods = self.pods.indexed(IndexKey::controller(&set.meta.uid));
        pods.iter().any(|pod| !pod.status.phase.is_over())
    }

    async fn set_revision(&self, meta: &Meta, revision: &str) -> kube::Result<Meta> {
        #[derive(serde::Deserialize)]
        struct Written {
            metadata: Meta,
        }
        let path = Deployment::RESOURCE.object(&meta.namespace, &meta.name, "");
        let annotations = json!({api::well_known::annotation::DEPLOYMENT_REVISION: revision});
        // Of the state that was looked at: the status that is written next is one of that, too.
        let change = json!({"metadata":
            {"uid": meta.uid, "resourceVersion": meta.resource_version, "annotations": annotations}});
        let written: Written = self.cluster.patch(&path, Patch::Merge, &change).await?;
        Ok(written.metadata)
    }

    async fn take(&self, deployment: &Deployment, old: &[Arc<ReplicaSet>], step: Step) -> Result<(), SyncError> {
        match step {
            Step::Create { replicas } => self.create(deployment, old, replicas).await,
            Step::Resize { set, replicas } => {
                let annotations: Value = revision::size_annotations(deployment)
                    .into_iter()
                    .map(|(key, value)| (key, json!(value)))
                    .collect();
                let change = json!({"metadata": {"annotations": annotations}, "spec": {"replicas": replicas}});
                self.change(&set, change).await?;
                self.tell_scaled(deployment, &set.meta.name, set.spec.replicas, replicas);
                Ok(())
            }
            Step::Annotate { set, annotations } => {
                let spec = json!({"minReadySeconds": deployment.spec.min_ready_seconds});
                Ok(self.change(&set, json!({"metadata": {"annotations": annotations}, "spec": spec})).await?)
            }
            Step::Delete { set } => match self.cluster.delete(&ReplicaSet::RESOURCE, &set.meta, None, None).await {
                Err(error) if error.is_not_found() => Ok(()),
                result => Ok(result?),
            },
        }
    }

    async fn change(&self, set: &ReplicaSet, mut change: Value) -> kube::Result<()> {
        change["metadata"]["uid"] = json!(set.meta.uid);
        change["metadata"]["resourceVersion"] = json!(set.meta.resource_version);
        let path = ReplicaSet::RESOURCE.object(&set.meta.namespace, &set.meta.name, "");
        self.cluster.patch::<IgnoredAny>(&path, Patch::Merge, &change).await.map(drop)
    }

    fn tell_scaled(&self, deployment: &Deployment, set: &str, from: i32, to: i32) {
        if from != to {
            let direction = if to > from { "up" } else { "down" };
            let message = format!("Scaled {direction} replica set {set} from {from} to {to}");
            self.recorder.normal(deployment, "ScalingReplicaSet", message);
        }
    }

    async fn create(&self, deployment: &Deployment, old: &[Arc<ReplicaSet>], replicas: i32) -> Result<(), SyncError> {
        let (name, set) = revision::new_set(deployment, old, replicas);
        let namespace = &deployment.meta.namespace;
        let error = match self.cluster.create::<IgnoredAny>(&ReplicaSet::RESOURCE, namespace, &set).await {
            Ok(_) => {
                self.tell_scaled(deployment, &name, 0, replicas);
                return Ok(());
            }
            Err(error) => error,
        };
        if error.is_namespace_terminating() {
            return Ok(());
        }
        if error.is_already_exists() {
            return self.collide(deployment, &name).await;
        }
        let message = format!("Failed to create new replica set \"{name}\": {}", error.sentence());
        self.recorder.warning(deployment, status::CREATE_FAILED, message.clone());
        if status::deadline(deployment).is_some() {
            let mut failed = deployment.status.clone();
            let now = self.clock.now();
            status::set_condition(&mut failed, status::PROGRESSING, "False", status::CREATE_FAILED, message, now);
            if failed != deployment.status {
                self.cluster.merge_status(&Deployment::RESOURCE, &deployment.meta, &failed).await?;
            }
        }
        Err(error.into())
    }

    /// The name is taken: by the very set that was to be created, if the cache is behind, else by a stranger, and then
    /// another hash is needed.
    async fn collide(&self, deployment: &Deployment, name: &str) -> Result<(), SyncError> {
        let path = ReplicaSet::RESOURCE.object(&deployment.meta.namespace, name, "");
        let present: ReplicaSet = self.cluster.get(&path).await?;
        if present.meta.is_controlled_by(&deployment.meta.uid)
            && revision::is_same_template(&present.spec.template, &deployment.spec.template)
        {
            return Err(SyncError::Stale("a ReplicaSet"));
        }
        let collision_count = Some(deployment.status.collision_count.unwrap_or(0) + 1);
        let status = Status { collision_count, ..deployment.status.clone() };
        self.cluster.merge_status(&Deployment::RESOURCE, &deployment.meta, &status).await?;
        Err(SyncError::Other(format!("the name {name} is taken")))
    }
}

#[cfg(test)]
mod tests {
    use crate::fake::world::{World, path_of};
    use serde_json::{Value, json};
    use std::time::Duration;

    const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
    const SETS: &str = "/apis/apps/v1/namespaces/default/replicasets";
    const PODS: &str = "/api/v1/namespaces/default/pods";

    fn deployment(replicas: u32, image: &str) -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
            "spec": {
                "replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
                "progressDeadlineSeconds": 600, "revisionHistoryLimit": 10,
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": image}]}},
            },
        })
    }

    fn status(world: &World) -> Value {
        world.get(&format!("{DEPLOYMENTS}/web")).unwrap()["status"].clone()
    }

    fn agent(world: &World) {
        for pod in world.list(PODS) {
            if pod["spec"]["nodeName"].is_null() {
                world.patch(&path_of("pods", &pod), json!({"spec": {"nodeName": "n"}}));
            }
        }
        world.run_pods(jiff::Timestamp::now());
    }

    async fn roll(world: &World, generation: u64, replicas: u64) {
        world
            .eventually("rolled out", |world| {
                agent(world);
                let status = status(world);
                let alive =
                    world.list(PODS).iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null()).count();
                assert!(alive as u64 <= replicas + replicas.div_ceil(4).max(1), "more pods than the surge allows");
                status["observedGeneration"] == generation
                    && status["availableReplicas"] == replicas
                    && status["updatedReplicas"] == replicas
                    && status["replicas"] == replicas
            })
            .await;
    }

    fn set_image(world: &World, image: &str) {
        let mut object = world.get(&format!("{DEPLOYMENTS}/web")).unwrap();
        object["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
        world.patch(&format!("{DEPLOYMENTS}/web"), json!({"spec": object["spec"]}));
    }

    fn revisions(world: &World) -> Vec<(String, u64)> {
        let told = |set: &Value| {
            let revision = &set["metadata"]["annotations"]["deployment.kubernetes.io/revision"];
            (revision.as_str().unwrap().to_owned(), set["spec"]["replicas"].as_u64().unwrap())
        };
        let mut all: Vec<(String, u64)> = world.list(SETS).iter().map(told).collect();
        all.sort();
        all
    }

    #[tokio::test(start_paused = true)]
    async fn a_deployment_rolls_out_updates_and_rolls_back() {
        let world = World::start().await;
        world.create_node("n");
        world.create(DEPLOYMENTS, deployment(4, "one"));
        roll(&world, 1, 4).await;
        set_image(&world, "two");
        roll(&world, 2, 4).await;
        assert_eq!(revisions(&world), [("1".to_owned(), 0), ("2".to_owned(), 4)]);
        set_image(&world, "one");
        roll(&world, 3, 4).await;
        assert_eq!(revisions(&world), [("2".to_owned(), 0), ("3".to_owned(), 4)]);
        let object = world.get(&format!("{DEPLOYMENTS}/web")).unwrap();
        assert_eq!(object["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "3");
        let reasons: Vec<&Value> =
            object["status"]["conditions"].as_array().unwrap().iter().map(|it| &it["reason"]).collect();
        world.settle(Duration::from_secs(1)).await;
        assert!(reasons.contains(&&json!("MinimumReplicasAvailable")), "{reasons:?}");
        world.writes();
        world.settle(Duration::from_secs(3600)).await;
        assert_eq!(world.writes(), Vec::<String>::new());
        let events = world.list("/api/v1/events");
        assert!(events.iter().any(|event| event["reason"] == "ScalingReplicaSet"
            && event["message"].as_str().unwrap().ends_with("from 0 to 4")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_condition_that_comes_while_the_revision_is_noted_stays() {
        let world = World::start().await;
        world.create_node("n");
        let path = format!("{DEPLOYMENTS}/web");
        let own = json!({"type": "Own", "status": "True", "reason": "Tested"});
        world.change_before_patch(&path, &format!("{path}/status"), json!({"status": {"conditions": [own]}}));
        world.create(DEPLOYMENTS, deployment(2, "one"));
        roll(&world, 1, 2).await;
        assert!(world.was_interrupted());
        let object = world.get(&path).unwrap();
        assert_eq!(object["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "1");
        let conditions = object["status"]["conditions"].as_array().unwrap();
        assert!(conditions.iter().any(|condition| condition["type"] == "Own"), "{conditions:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_deployment_is_scaled() {
        let world = World::start().await;
        world.create_node("n");
        world.create(DEPLOYMENTS, deployment(2, "one"));
        roll(&world, 1, 2).await;
        world.patch(&format!("{DEPLOYMENTS}/web"), json!({"spec": {"replicas": 5}}));
        roll(&world, 2, 5).await;
        world.patch(&format!("{DEPLOYMENTS}/web"), json!({"spec": {"replicas": 0}}));
        world
            .eventually("empty", |world| {
                agent(world);
                world.list(PODS).is_empty() && status(world)["replicas"].is_null()
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_deployment_that_recreates_never_runs_two_versions() {
        let world = World::start().await;
        world.create_node("n");
        let mut object = deployment(3, "one");
        object["spec"]["strategy"] = json!({"type": "Recreate"});
        world.create(DEPLOYMENTS, object);
        roll(&world, 1, 3).await;
        set_image(&world, "two");
        world
            .eventually("replaced", |world| {
                agent(world);
                let images: std::collections::BTreeSet<String> =
                    world.list(PODS).iter().map(|pod| pod["spec"]["containers"][0]["image"].to_string()).collect();
                assert!(images.len() <= 1, "{images:?}");
                status(world)["observedGeneration"] == 2 && status(world)["updatedReplicas"] == 3
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_deployment_without_progress_says_so() {
        let world = World::start().await;
        world.create_node("n");
        world.create(DEPLOYMENTS, deployment(1, "one"));
        world
            .eventually("timed out", |world| {
                let conditions = status(world)["conditions"].as_array().cloned().unwrap_or_default();
                conditions.iter().any(|condition| condition["reason"] == "ProgressDeadlineExceeded")
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_is_taken_costs_a_collision() {
        let world = World::start().await;
        let object = deployment(1, "one");
        let name = format!("web-{}", super::revision::hash(&object["spec"]["template"].clone().into(), None));
        let stranger =
            json!({"apiVersion": "x.io/v1", "kind": "Stranger", "name": "s", "uid": "s", "controller": true});
        let taken = json!({"kind": "ReplicaSet", "metadata": {"name": name, "ownerReferences": [stranger]},
            "spec": {"replicas": 0, "selector": {"matchLabels": {"x": "y"}}, "template": object["spec"]["template"]}});
        world.create(SETS, taken);
        world.create(DEPLOYMENTS, object);
        world.eventually("another set", |world| world.list(SETS).len() == 2).await;
        world.eventually("told", |world| status(world)["collisionCount"] == 1).await;
    }
}
