//! The pods that have a worker, by their uid: for those who ask from outside.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::pods::mailbox::Mailbox;
use crate::runtime::interface::PodIdentity;

/// One pod of the node.
#[derive(Debug, Clone)]
pub struct Resident {
    pub identity: PodIdentity,
    pub mailbox: Arc<Mailbox>,
    pub is_static: bool,
}

#[derive(Debug, Default)]
pub struct Directory {
    residents: Mutex<HashMap<Box<str>, Resident>>,
    removed: Notify,
}

impl Directory {
    pub fn get(&self, uid: &str) -> Option<Resident> {
        self.with(|residents| residents.get(uid).cloned())
    }

    /// Adds the pod if it is new; answers whether it is.
    pub fn add(&self, resident: &Resident) -> bool {
        self.with(|residents| {
            let uid = &resident.identity.uid;
            let is_new = !residents.contains_key(uid);
            if is_new {
                residents.insert(uid.clone(), resident.clone());
            }
            is_new
        })
    }

    pub fn remove(&self, uid: &str) {
        self.with(|residents| residents.remove(uid));
        self.removed.notify_one();
    }

    /// Resolves when a pod has been removed since the last time. For one listener.
    pub async fn removed(&self) {
        self.removed.notified().await;
    }

    pub fn all(&self) -> Vec<Resident> {
        self.with(|residents| residents.values().cloned().collect())
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<Box<str>, Resident>) -> T) -> T {
        work(&mut self.residents.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
