//! Which objects belong to a controller: those that name it, and orphans that its selector picks.

use std::sync::Arc;

use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tracing::debug;

use crate::cluster::{Cluster, ErrorExt, Patch};
use crate::kinds::kind::Kind;
use crate::kinds::meta::{Meta, OwnerReference};

/// What is to be done about the candidates.
#[derive(Debug)]
pub struct Claims<K> {
    pub owned: Vec<Arc<K>>,
    pub adopt: Vec<Arc<K>>,
    /// They name the owner, but its selector does not pick them any more.
    pub release: Vec<Arc<K>>,
}

/// Decides for each candidate. One that is being deleted is never adopted, and an owner that is being deleted takes
/// and releases nothing.
pub fn claims<K: Kind>(owner: &Meta, matches: impl Fn(&Meta) -> bool, candidates: Vec<Arc<K>>) -> Claims<K> {
    let mut claims = Claims { owned: Vec::new(), adopt: Vec::new(), release: Vec::new() };
    for candidate in candidates {
        let meta = candidate.meta();
        if meta.namespace != owner.namespace {
            continue;
        }
        match meta.controller() {
            Some(controller) if controller.uid != owner.uid => {}
            Some(_) if matches(meta) => claims.owned.push(candidate),
            Some(_) if owner.is_deleting() => {}
            Some(_) => claims.release.push(candidate),
            None if owner.is_deleting() || meta.is_deleting() || !matches(meta) => {}
            None => claims.adopt.push(candidate),
        }
    }
    claims
}

/// Carries claims out; the answer is all that is owned, sorted by name.
pub async fn claim<O: Kind, K: Kind>(
    cluster: &Cluster,
    owner: &Meta,
    claims: Claims<K>,
) -> Result<Vec<Arc<K>>, kube::Error> {
    let Claims { mut owned, adopt, release } = claims;
    for object in release {
        let meta = object.meta();
        debug!(owner = %owner.key(), object = %meta.key(), "released");
        let rest: Vec<&OwnerReference> = meta.owner_references.iter().filter(|it| it.uid != owner.uid).collect();
        match set_owners(cluster, &object, json!(rest)).await {
            Err(error) if error.is_not_found() => {}
            result => result?,
        }
    }
    if adopt.is_empty() {
        return Ok(owned);
    }
    // The cache may not know yet that the owner is gone, or another of the same name.
    let present = cluster.get_meta(&O::RESOURCE, &owner.namespace, &owner.name).await?;
    if !present.is_some_and(|present| present.uid == owner.uid && !present.is_deleting()) {
        return Ok(owned);
    }
    for object in adopt {
        debug!(owner = %owner.key(), object = %object.meta().key(), "adopted");
        let mut owners = object.meta().owner_references.to_vec();
        owners.push(OwnerReference::controlling(&O::RESOURCE, owner));
        match set_owners(cluster, &object, json!(owners)).await {
            Err(error) if error.is_not_found() => {}
            result => {
                result?;
                owned.push(object);
            }
        }
    }
    owned.sort_by(|one, two| one.meta().name.cmp(&two.meta().name));
    Ok(owned)
}

async fn set_owners<K: Kind>(cluster: &Cluster, object: &Arc<K>, owners: Value) -> kube::Result<()> {
    let meta = object.meta();
    let path = K::RESOURCE.object(&meta.namespace, &meta.name, "");
    let change = json!({"metadata": {
        "uid": meta.uid, "resourceVersion": meta.resource_version, "ownerReferences": owners,
    }});
    cluster.patch::<IgnoredAny>(&path, Patch::Merge, &change).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::pod::Pod;
    use jiff::Timestamp;

    fn pod(name: &str, owner: &str, label: &str) -> Arc<Pod> {
        let owners: Vec<OwnerReference> = (!owner.is_empty())
            .then(|| OwnerReference { uid: owner.into(), controller: true, ..OwnerReference::default() })
            .into_iter()
            .collect();
        let meta = Meta {
            name: name.into(),
            labels: [("app", label)].into_iter().collect(),
            owner_references: owners.into(),
            ..Meta::default()
        };
        Arc::new(Pod { meta, ..Pod::default() })
    }

    fn names(pods: &[Arc<Pod>]) -> Vec<&str> {
        pods.iter().map(|pod| &*pod.meta.name).collect()
    }

    fn candidates() -> Vec<Arc<Pod>> {
        let mut going = Pod::clone(&pod("going", "", "web"));
        going.meta.deletion_timestamp = Some(Timestamp::UNIX_EPOCH);
        vec![
            pod("mine", "me", "web"),
            pod("lost", "me", "other"),
            pod("orphan", "", "web"),
            pod("stranger", "", "other"),
            pod("theirs", "they", "web"),
            Arc::new(going),
        ]
    }

    #[test]
    fn orphans_are_adopted_and_strays_released() {
        let owner = Meta { uid: "me".into(), ..Meta::default() };
        let claims = claims(&owner, |meta| meta.labels.get("app") == Some("web"), candidates());
        assert_eq!(names(&claims.owned), ["mine"]);
        assert_eq!(names(&claims.adopt), ["orphan"]);
        assert_eq!(names(&claims.release), ["lost"]);
    }

    #[test]
    fn an_owner_that_is_being_deleted_keeps_its_own_only() {
        let owner = Meta { uid: "me".into(), deletion_timestamp: Some(Timestamp::UNIX_EPOCH), ..Meta::default() };
        let claims = claims(&owner, |meta| meta.labels.get("app") == Some("web"), candidates());
        assert_eq!(names(&claims.owned), ["mine"]);
        assert!(claims.adopt.is_empty() && claims.release.is_empty());
    }
}
