//! A whole cluster in this process, under a clock that moves only when there is nothing else to do.

use std::time::Duration;

use cluster::cluster::{Cluster, Options};
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::discovery::{Scope, pinned_kind};
use kube::{Client, Resource, ResourceExt};
use lifecycle::metrics::Metrics;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::history::History;

/// How much of the clusters' own time a state may take to come.
const PATIENCE: Duration = Duration::from_secs(60);
/// States are looked at often first, and then less and less.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The namespace of whatever is not said to be elsewhere.
const NAMESPACE: &str = "default";

/// A cluster for a test with `#[tokio::test(start_paused = true)]`: nothing on disk, no socket, no time lost.
pub struct Simulation {
    cluster: Cluster,
    _folder: TempDir,
}

impl Simulation {
    /// A cluster with one node, all of it ready.
    pub async fn start() -> Self {
        Self::with_nodes(1).await
    }

    pub async fn with_nodes(count: u8) -> Self {
        let folder = tempfile::tempdir().expect("make a folder for a cluster");
        let options = Options { nodes: count, ..Options::in_memory(folder.path()) };
        let cluster = Cluster::start(options, &Metrics::new()).await;
        let cluster = cluster.unwrap_or_else(|error| panic!("the cluster does not start: {error:#}"));
        match tokio::time::timeout(PATIENCE, cluster.ready()).await {
            Ok(ready) => ready.expect("a cluster that started becomes ready"),
            Err(_) => panic!("the cluster is not ready within {PATIENCE:?}"),
        }
        Self { cluster, _folder: folder }
    }

    pub fn cluster(&mut self) -> &mut Cluster {
        &mut self.cluster
    }

    /// A client that may do everything.
    pub fn client(&self) -> Client {
        self.cluster.client()
    }

    /// The objects of a kind in the namespace `default`.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        self.api_in(NAMESPACE)
    }

    pub fn api_in<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client(), namespace)
    }

    /// The objects of a kind that belongs to no namespace.
    pub fn whole<K>(&self) -> Api<K>
    where
        K: Resource<Scope = ClusterResourceScope, DynamicType = ()>,
    {
        Api::all(self.client())
    }

    /// The objects in `default` that carry these labels.
    pub async fn list<K>(&self, labels: &str) -> Vec<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    {
        let list = self.api::<K>().list(&ListParams::default().labels(labels)).await;
        list.unwrap_or_else(|error| panic!("list {labels}: {error}")).items
    }

    pub async fn get<K>(&self, name: &str) -> K
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    {
        self.api::<K>().get(name).await.unwrap_or_else(|error| panic!("get {name}: {error}"))
    }

    /// The object of this name in `default`, if there is one.
    pub async fn find<K>(&self, name: &str) -> Option<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    {
        self.api::<K>().get_opt(name).await.unwrap_or_else(|error| panic!("get {name}: {error}"))
    }

    /// Sets some fields of an object in `default`, as a merge patch does.
    pub async fn change<K>(&self, name: &str, fields: Value) -> K
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    {
        let changed = self.api::<K>().patch(name, &PatchParams::default(), &Patch::Merge(&fields)).await;
        changed.unwrap_or_else(|error| panic!("change {name}: {error}"))
    }

    pub async fn delete<K>(&self, name: &str)
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    {
        let deleted = self.api::<K>().delete(name, &DeleteParams::default()).await;
        deleted.unwrap_or_else(|error| panic!("delete {name}: {error}"));
    }

    /// Creates what a manifest holds, or replaces it where it is there already.
    pub async fn apply_yaml(&self, manifest: &str) {
        let documents: Vec<Value> = serde_yaml::from_multiple(manifest).expect("a manifest is YAML");
        for document in documents {
            self.apply(document).await;
        }
    }

    /// Creates an object, or replaces it where it is there already.
    pub async fn apply(&self, object: Value) -> DynamicObject {
        let object: DynamicObject = serde_json::from_value(object).expect("a manifest is an object");
        let name = object.name_any();
        let api = self.api_of(&object).await;
        match api.create(&PostParams::default(), &object).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                api.replace(&name, &PostParams::default(), &object).await
            }
            answer => answer,
        }
        .unwrap_or_else(|error| panic!("apply {name}: {error}"))
    }

    async fn api_of(&self, object: &DynamicObject) -> Api<DynamicObject> {
        let types = object.types.as_ref().expect("a manifest tells its kind");
        let kind = GroupVersionKind::try_from(types).expect("a manifest tells its group and version");
        let (resource, capabilities) = pinned_kind(&self.client(), &kind).await.expect("the kind is served");
        let namespace = object.metadata.namespace.as_deref().unwrap_or(NAMESPACE);
        match capabilities.scope {
            Scope::Namespaced => Api::namespaced_with(self.client(), namespace, &resource),
            Scope::Cluster => Api::all_with(self.client(), &resource),
        }
    }

    /// Notes from now on every change of the objects of a kind, in `default` or of the whole cluster.
    pub async fn record<K>(&self, api: Api<K>) -> History<K>
    where
        K: Resource + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
    {
        History::begin(api).await
    }

    /// Lets the cluster's clock move on, and everything happen that happens until then.
    pub async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// Looks until the state is there, and gives what was seen. The error of the last look is told when a minute of the
    /// cluster's time is up.
    #[track_caller]
    pub fn eventually<T>(&self, what: &str, look: impl AsyncFnMut() -> Result<T, String>) -> impl Future<Output = T> {
        self.within(PATIENCE, what, look)
    }

    /// The same with other patience.
    #[track_caller]
    pub fn within<T>(
        &self,
        deadline: Duration,
        what: &str,
        mut look: impl AsyncFnMut() -> Result<T, String>,
    ) -> impl Future<Output = T> {
        let caller = std::panic::Location::caller();
        async move {
            let start = Instant::now();
            let mut pause = SHORTEST_PAUSE;
            loop {
                match look().await {
                    Ok(found) => return found,
                    Err(last) if start.elapsed() > deadline => {
                        panic!("{caller}: not within {deadline:?}: {what}. At last: {last}")
                    }
                    Err(_) => tokio::time::sleep(pause).await,
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    /// Stops everything, in order.
    pub async fn stop(self) {
        self.cluster.stop().await;
    }
}
