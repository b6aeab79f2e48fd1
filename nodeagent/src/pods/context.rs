//! What the workers of a node share.

use std::fs::File;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Node, ObjectReference, Pod};
use lifecycle::clock::Clock;
use lifecycle::tasks::Tasks;
use tokio::sync::{Semaphore, watch};

use crate::events::{Events, Kind};
use crate::measures::Measures;
use crate::pods::addresses::Pool;
use crate::pods::admission::Ledger;
use crate::pods::directory::Directory;
use crate::pods::folders::PodFolder;
use crate::pods::state::Role;
use crate::pods::status::Host;
use crate::references::Followers;
use crate::runtime::interface::{PodIdentity, Runtime};

pub struct Context {
    pub client: kube::Client,
    pub node_name: String,
    pub address: IpAddr,
    pub data_dir: PathBuf,
    pub clock: Clock,
    pub tasks: Tasks,
    pub runtime: Arc<dyn Runtime>,
    pub events: Events,
    /// The Node as the API last showed it.
    pub node: watch::Receiver<Option<Arc<Node>>>,
    /// The Node as the agent would register it: for pods that cannot wait for the API.
    pub own_node: Arc<Node>,
    pub pool: Mutex<Pool>,
    pub ledger: Mutex<Ledger>,
    pub directory: Directory,
    /// Held as long as anything of the agent is left.
    pub _lock: File,
    /// The API has told of all pods of the node at least once.
    pub is_listed: AtomicBool,
    pub followers: Arc<Followers>,
    pub measures: Measures,
    /// How many writes are under way at once; more would only wait in the API server.
    pub writes: Semaphore,
    /// The longest that pods may take to end when the agent stops; none: they go on without it.
    pub stop_pods_within: Option<Duration>,
}

impl Context {
    pub fn host(&self) -> Host<'_> {
        Host { address: self.address, runtime: self.runtime.name() }
    }

    /// Where a container's log is; none if its containers write none.
    pub fn log_file(&self, uid: &str, container: &str, attempt: u32) -> Option<PathBuf> {
        let folder = PodFolder::new(&self.data_dir, uid).filter(|_| self.runtime.is_real())?;
        Some(folder.log(container, attempt))
    }

    pub fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn node(&self) -> Arc<Node> {
        self.node.borrow().clone().unwrap_or_else(|| Arc::clone(&self.own_node))
    }

    /// Tells an event about a pod, or about one of its containers. What goes as usual with simulated pods is no news.
    pub fn tell(&self, pod: &Pod, part: Option<(Role, &Container)>, kind: Kind, reason: &'static str, message: String) {
        if kind == Kind::Normal && !self.runtime.is_real() {
            return;
        }
        self.events.record(reference(pod, part), kind, reason, message);
    }
}

/// A reference to a pod as its events carry it.
pub fn reference(pod: &Pod, part: Option<(Role, &Container)>) -> ObjectReference {
    let field_path = part.map(|(role, container)| {
        let list = if role == Role::Main { "containers" } else { "initContainers" };
        format!("spec.{list}{{{}}}", container.name)
    });
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        name: pod.metadata.name.clone(),
        namespace: pod.metadata.namespace.clone(),
        uid: pod.metadata.uid.clone(),
        resource_version: pod.metadata.resource_version.clone(),
        field_path,
    }
}

pub fn identity(pod: &Pod) -> PodIdentity {
    let text = |value: &Option<String>| value.as_deref().unwrap_or_default().into();
    let meta = &pod.metadata;
    PodIdentity { namespace: text(&meta.namespace), name: text(&meta.name), uid: text(&meta.uid) }
}
