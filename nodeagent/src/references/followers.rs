//! Who wants to know when an object changes: one watch for each object that somebody follows, however many do.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use client::watch::Unread;
use futures::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::ResourceExt;
use kube::api::{Api, ApiResource};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::watch_object;
use lifecycle::tasks::Tasks;
use tokio::sync::Notify;
use tracing::debug;

use crate::references::{Reference, Sort};
use crate::watching::WatchBackoff;

/// Called when something that is followed has changed.
pub type Listener = Arc<dyn Fn() + Send + Sync>;

type Key = (Box<str>, Reference);

/// The whole of who follows what on a node.
pub struct Followers {
    client: kube::Client,
    tasks: Tasks,
    watched: Mutex<HashMap<Key, Watched>>,
}

#[derive(Default)]
struct Watched {
    /// By the uid of the pod.
    listeners: HashMap<Box<str>, Listener>,
    /// Ends the watch.
    ended: Arc<Notify>,
}

impl fmt::Debug for Followers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Followers")
    }
}

impl Followers {
    pub fn new(client: kube::Client, tasks: Tasks) -> Self {
        Self { client, tasks, watched: Mutex::default() }
    }

    /// From now on the pod follows exactly these objects of its namespace.
    pub fn follow(self: &Arc<Self>, uid: &str, namespace: &str, wanted: &BTreeSet<Reference>, listener: &Listener) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.retain(|(place, reference), one| {
            if &**place != namespace || !wanted.contains(reference) {
                one.listeners.remove(uid);
            }
            let is_followed = !one.listeners.is_empty();
            if !is_followed {
                one.ended.notify_one();
            }
            is_followed
        });
        for reference in wanted {
            let key = (Box::from(namespace), reference.clone());
            let one = watched.entry(key.clone()).or_insert_with(|| {
                let one = Watched::default();
                self.watch(key, Arc::clone(&one.ended));
                one
            });
            one.listeners.insert(uid.into(), Arc::clone(listener));
        }
    }

    fn watch(self: &Arc<Self>, key: Key, ended: Arc<Notify>) {
        let this = Arc::clone(self);
        self.tasks.spawn_until_stop(format!("watch of {:?} {}/{}", key.1.sort, key.0, key.1.name), async move {
            let watch = async {
                let resource = match key.1.sort {
                    Sort::ConfigMap => ApiResource::erase::<ConfigMap>(&()),
                    Sort::Secret => ApiResource::erase::<Secret>(&()),
                };
                this.listen(&key, &resource).await;
            };
            tokio::select! {
                () = watch => {}
                () = ended.notified() => {}
            }
        });
    }

    /// Only metadata is watched: the contents are asked for when they are needed.
    async fn listen(&self, key: &Key, resource: &ApiResource) {
        let api: Api<Unread<true>> = Api::namespaced_with(self.client.clone(), &key.0, resource);
        let mut changes = watch_object(api, &key.1.name).backoff(WatchBackoff::default()).boxed();
        let mut seen: Option<Option<String>> = None;
        while let Some(change) = changes.next().await {
            let version = match change {
                Ok(object) => object.and_then(|object| object.resource_version()),
                Err(error) => {
                    debug!(name = key.1.name, %error, "watch of a reference broke");
                    continue;
                }
            };
            // The first state is that which the follower has just seen, or has just missed.
            if seen.as_ref() != Some(&version) {
                seen = Some(version);
                self.tell(key);
            }
        }
    }

    fn tell(&self, key: &Key) {
        let listeners: Vec<Listener> = {
            let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
            watched.get(key).map(|one| one.listeners.values().cloned().collect()).unwrap_or_default()
        };
        for listener in listeners {
            listener();
        }
    }
}
