//! Everything that happened to the objects of a kind, in the order in which it did.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::task::AbortHandle;

/// A change of one object.
#[derive(Debug, Clone)]
pub enum Change<K> {
    Added(K),
    Modified(K),
    Deleted(K),
}

/// The changes of the objects of a kind since the history began.
pub struct History<K> {
    /// What there was when it began, by namespace and name.
    start: State<K>,
    changes: Arc<Mutex<Vec<Change<K>>>>,
    recorder: AbortHandle,
}

/// All objects of a kind at one moment, by namespace and name.
pub type State<K> = BTreeMap<(String, String), K>;

impl<K> Change<K> {
    pub fn object(&self) -> &K {
        match self {
            Self::Added(object) | Self::Modified(object) | Self::Deleted(object) => object,
        }
    }
}

impl<K: Resource + Clone + DeserializeOwned + Debug + Send + 'static> History<K> {
    /// Lists what there is and notes every change after that.
    pub async fn begin(api: Api<K>) -> Self {
        let list = api.list(&ListParams::default()).await.expect("list what there is");
        let revision = list.metadata.resource_version.clone().expect("a list has a revision");
        let start = list.items.into_iter().map(|object| (key(&object), object)).collect();
        let changes = Arc::new(Mutex::new(Vec::new()));
        let recorder = tokio::spawn(record(api, revision, Arc::clone(&changes))).abort_handle();
        Self { start, changes, recorder }
    }

    /// All changes so far.
    pub async fn changes(&self) -> Vec<Change<K>> {
        // What has been written by now is on its way: it arrives before the clock can move.
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The state after each change, the one before the first included.
    pub async fn states(&self) -> Vec<State<K>> {
        let mut state = self.start.clone();
        let mut states = vec![state.clone()];
        for change in self.changes().await {
            match change {
                Change::Added(object) | Change::Modified(object) => state.insert(key(&object), object),
                Change::Deleted(object) => state.remove(&key(&object)),
            };
            states.push(state.clone());
        }
        states
    }
}

impl<K> Drop for History<K> {
    fn drop(&mut self) {
        self.recorder.abort();
    }
}

fn key<K: Resource>(object: &K) -> (String, String) {
    (object.meta().namespace.clone().unwrap_or_default(), object.meta().name.clone().unwrap_or_default())
}

async fn record<K>(api: Api<K>, mut revision: String, changes: Arc<Mutex<Vec<Change<K>>>>)
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    // A watch ends now and then, and goes on where it was.
    loop {
        let events = api.watch(&WatchParams::default(), &revision).await.expect("watch the kind");
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.next().await {
            let change = match event.expect("a watch is not cut") {
                WatchEvent::Added(object) => Change::Added(object),
                WatchEvent::Modified(object) => Change::Modified(object),
                WatchEvent::Deleted(object) => Change::Deleted(object),
                WatchEvent::Bookmark(bookmark) => {
                    revision = bookmark.metadata.resource_version;
                    continue;
                }
                WatchEvent::Error(status) => panic!("the history has a hole: {status:?}"),
            };
            revision = change.object().resource_version().expect("an object has a revision");
            changes.lock().unwrap_or_else(PoisonError::into_inner).push(change);
        }
    }
}
