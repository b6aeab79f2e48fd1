//! How many pods the controller of a pod wants, whatever its kind.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::caches::cache::Cache;
use crate::cluster::{Cluster, ErrorExt};
use crate::discovery;
use crate::kinds::deployment::Deployment;
use crate::kinds::kind::Kind;
use crate::kinds::meta::{Meta, OwnerReference};
use crate::kinds::replica_set::ReplicaSet;
use crate::kinds::resource::Resource;
use crate::kinds::scale::Scale;

/// Who wants pods, and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub uid: Box<str>,
    pub replicas: i32,
}

/// Why that cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum Untold {
    /// The server did not answer as it should; it may do so later.
    #[error("{}", .0.sentence())]
    Api(#[from] kube::Error),
    /// It stays so until something changes.
    #[error("{0}")]
    Unknown(String),
}

/// ReplicaSets and Deployments are in the caches. All others (StatefulSets, ReplicationControllers, kinds that the
/// cluster was taught) are asked for their Scale: too few pods are theirs to keep caches for them.
pub struct Scales {
    cluster: Cluster,
    sets: Cache<ReplicaSet>,
    deployments: Cache<Deployment>,
    /// What can be asked for a Scale, as owner references name it.
    known: Mutex<BTreeMap<VersionAndKind, Resource>>,
}

type VersionAndKind = (Box<str>, Box<str>);

impl Scales {
    pub fn new(cluster: Cluster, sets: Cache<ReplicaSet>, deployments: Cache<Deployment>) -> Self {
        Self { cluster, sets, deployments, known: Mutex::default() }
    }

    /// Nothing, if there is no such owner any more.
    pub async fn of(&self, namespace: &str, owner: &OwnerReference) -> Result<Option<Wanted>, Untold> {
        if is_of::<ReplicaSet>(owner)
            && let Some(set) = self.sets.find(namespace, &owner.name).filter(|set| set.meta.uid == owner.uid)
        {
            return Ok(Some(self.of_set(&set)));
        }
        let resource = self.resource(owner).await?;
        match self.cluster.get::<Scale>(&resource.object(namespace, &owner.name, "scale")).await {
            Ok(scale) if scale.meta.uid == owner.uid => {
                Ok(Some(Wanted { uid: scale.meta.uid, replicas: scale.spec.replicas }))
            }
            Ok(_) => Ok(None),
            Err(error) if error.is_not_found() => {
                // Perhaps the kind itself is served no longer.
                self.known().remove(&key(owner));
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The sets of a Deployment count as one, at the size of the whole.
    fn of_set(&self, set: &ReplicaSet) -> Wanted {
        match self.deployment_of(&set.meta) {
            Some((uid, replicas)) => Wanted { uid, replicas },
            None => Wanted { uid: set.meta.uid.clone(), replicas: set.spec.replicas },
        }
    }

    fn deployment_of(&self, set: &Meta) -> Option<(Box<str>, i32)> {
        let owner = set.controller().filter(|owner| is_of::<Deployment>(owner))?;
        let deployment = self.deployments.find(&set.namespace, &owner.name)?;
        (deployment.meta.uid == owner.uid).then(|| (deployment.meta.uid.clone(), deployment.spec.replicas))
    }

    async fn resource(&self, owner: &OwnerReference) -> Result<Resource, Untold> {
        if let Some(known) = self.known().get(&key(owner)) {
            return Ok(known.clone());
        }
        let OwnerReference { api_version, kind, .. } = owner;
        let Some(found) = discovery::find(&self.cluster, api_version, kind).await? else {
            return Err(Untold::Unknown(format!("no matches for kind \"{kind}\" in version \"{api_version}\"")));
        };
        if !found.has_scale {
            return Err(Untold::Unknown(format!("{} does not implement the scale subresource", found.resource)));
        }
        self.known().insert(key(owner), found.resource.clone());
        Ok(found.resource)
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<VersionAndKind, Resource>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(owner: &OwnerReference) -> VersionAndKind {
    (owner.api_version.clone(), owner.kind.clone())
}

/// Whether a reference is to this kind, in whatever version.
pub fn is_of<K: Kind>(owner: &OwnerReference) -> bool {
    let (group, _) = api::names::split_api_version(&owner.api_version);
    *owner.kind == *K::RESOURCE.kind && *group == *K::RESOURCE.group
}
