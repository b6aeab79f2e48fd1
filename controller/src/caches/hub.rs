//! The caches of a process: each kind is watched once, however many controllers read it.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::Client;
use lifecycle::tasks::Tasks;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::caches::cache::{Cache, MetaCache, MetaHandler};
use crate::caches::watch as keep;
use crate::kinds::bare::Bare;
use crate::kinds::kind::Kind;
use crate::kinds::resource::Resource;

/// Clones share the same caches.
#[derive(Clone)]
pub struct Caches(Arc<Shared>);

struct Shared {
    client: Client,
    tasks: Tasks,
    held: Mutex<Held>,
    started: watch::Sender<bool>,
}

#[derive(Default)]
struct Held {
    caches: BTreeMap<Resource, Kept>,
    /// Watches that begin with the next `start`, so that no handler misses anything.
    waiting: Vec<Box<dyn FnOnce() + Send>>,
    observers: Vec<MetaHandler>,
}

struct Kept {
    typed: Arc<dyn Any + Send + Sync>,
    meta: Arc<dyn MetaCache>,
    observed: bool,
    /// Held for its metadata only, by nobody in particular.
    on_demand: bool,
    stop: CancellationToken,
}

impl Caches {
    pub fn new(client: Client, tasks: Tasks) -> Self {
        Self(Arc::new(Shared { client, tasks, held: Mutex::default(), started: watch::Sender::new(false) }))
    }

    /// The cache of a kind. One that is new is filled after the next `start`.
    pub fn of<K: Kind>(&self) -> Cache<K> {
        self.hold(K::RESOURCE, false)
    }

    /// Makes sure that the metadata of a resource is watched, by the cache that is there or by one of its own.
    pub fn metadata_of(&self, resource: &Resource) -> Arc<dyn MetaCache> {
        if let Some(kept) = self.held().caches.get(resource) {
            return kept.meta.clone();
        }
        Arc::new(self.hold::<Bare>(resource.clone(), true))
    }

    /// Calls `observer` for every change in every cache that is started after this call.
    pub fn observe(&self, observer: MetaHandler) {
        self.held().observers.push(observer);
    }

    /// Begins the watches of the caches that were asked for since the last call.
    pub fn start(&self) {
        let waiting = {
            let mut held = self.held();
            let observers = held.observers.clone();
            for kept in held.caches.values_mut().filter(|kept| !kept.observed) {
                kept.observed = true;
                observers.iter().for_each(|observer| kept.meta.on_meta_change(observer.clone()));
            }
            std::mem::take(&mut held.waiting)
        };
        waiting.into_iter().for_each(|begin| begin());
        self.0.started.send_replace(true);
    }

    /// Resolves with the first `start`: by then every controller has asked for the caches that it reads, and what is
    /// missing may be held for its metadata alone.
    pub async fn started(&self) {
        // The sender lives as long as the hub.
        let _ = self.0.started.subscribe().wait_for(|started| *started).await;
    }

    /// Ends the watch of a resource that is served no longer, unless a controller reads it.
    pub fn forget(&self, resource: &Resource) {
        let mut held = self.held();
        if held.caches.get(resource).is_some_and(|kept| kept.on_demand)
            && let Some(kept) = held.caches.remove(resource)
        {
            kept.stop.cancel();
        }
    }

    /// Resolves when every cache that there is now has been filled.
    pub async fn synced(&self) {
        let caches: Vec<Arc<dyn MetaCache>> = self.held().caches.values().map(|kept| kept.meta.clone()).collect();
        for cache in caches {
            cache.synced().await;
        }
    }

    fn hold<K: Kind>(&self, resource: Resource, on_demand: bool) -> Cache<K> {
        let mut held = self.held();
        if let Some(kept) = held.caches.get(&resource) {
            let cache = kept.typed.clone().downcast::<Cache<K>>();
            return cache.expect("a resource is read through one slim type").as_ref().clone();
        }
        let cache = Cache::<K>::new(resource.clone());
        let stop = self.0.tasks.token().child_token();
        let kept = Kept {
            typed: Arc::new(cache.clone()),
            meta: Arc::new(cache.clone()),
            observed: false,
            on_demand,
            stop: stop.clone(),
        };
        held.caches.insert(resource.clone(), kept);
        let (client, tasks, filled) = (self.0.client.clone(), self.0.tasks.clone(), cache.clone());
        held.waiting.push(Box::new(move || {
            tasks.spawn(format!("watch {resource}"), async move {
                stop.run_until_cancelled(keep::run(client, filled)).await;
            });
        }));
        cache
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
