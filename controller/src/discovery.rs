//! Which resources the cluster serves: of each kind the preferred version.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIGroupList, APIResourceList};

use crate::cluster::{Cluster, ErrorExt};
use crate::kinds::resource::Resource;

/// A resource, and what can be done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    pub resource: Resource,
    pub verbs: BTreeSet<String>,
}

impl Served {
    pub fn allows(&self, verbs: &[&str]) -> bool {
        verbs.iter().all(|verb| self.verbs.contains(*verb))
    }
}

/// What was found, and which group versions did not answer.
#[derive(Debug, Default)]
pub struct Discovered {
    pub served: Vec<Served>,
    pub failures: Vec<String>,
}

/// Asks the server. The error is that it did not even tell its groups.
pub async fn discover(cluster: &Cluster) -> kube::Result<Discovered> {
    let groups: APIGroupList = cluster.get("/apis").await?;
    let mut found = Discovered::default();
    let mut kinds = BTreeSet::new();
    read(cluster, "/api/v1", "v1", &mut kinds, &mut found).await;
    for group in groups.groups {
        let preferred = group.preferred_version.map(|version| version.group_version);
        let all = group.versions.into_iter().map(|version| version.group_version);
        let mut versions: Vec<String> = preferred.into_iter().chain(all).collect();
        versions.dedup();
        for version in versions {
            read(cluster, &format!("/apis/{version}"), &version, &mut kinds, &mut found).await;
        }
    }
    Ok(found)
}

/// Adds the resources of one group version whose kinds no preferred version has told.
async fn read(
    cluster: &Cluster,
    path: &str,
    api_version: &str,
    kinds: &mut BTreeSet<(String, String)>,
    found: &mut Discovered,
) {
    let list: APIResourceList = match cluster.get(path).await {
        Ok(list) => list,
        Err(error) => {
            found.failures.push(format!("{api_version}: {}", error.sentence()));
            return;
        }
    };
    let (group, version) = api::names::split_api_version(api_version);
    for resource in list.resources {
        if resource.name.contains('/') || !kinds.insert((group.to_owned(), resource.name.clone())) {
            continue;
        }
        found.served.push(Served {
            resource: Resource {
                group: group.to_owned().into(),
                version: version.to_owned().into(),
                kind: resource.kind.into(),
                plural: resource.name.into(),
                namespaced: resource.namespaced,
            },
            verbs: resource.verbs.into_iter().collect(),
        });
    }
}

/// A kind that an owner reference names, and whether its replicas can be read as a Scale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub resource: Resource,
    pub has_scale: bool,
}

/// Asks for one kind, in the version that is named. Nothing, if it is not served.
pub async fn find(cluster: &Cluster, api_version: &str, kind: &str) -> kube::Result<Option<Named>> {
    let (group, version) = api::names::split_api_version(api_version);
    let root = if group.is_empty() { "/api" } else { "/apis" };
    let list: APIResourceList = match cluster.get(&format!("{root}/{api_version}")).await {
        Ok(list) => list,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error),
    };
    let found = list.resources.iter().find(|resource| resource.kind == kind && !resource.name.contains('/'));
    let Some(found) = found else { return Ok(None) };
    let scale = format!("{}/scale", found.name);
    let has_scale = list.resources.iter().any(|resource| resource.name == scale && resource.kind == "Scale");
    let resource = Resource {
        group: group.to_owned().into(),
        version: version.to_owned().into(),
        kind: kind.to_owned().into(),
        plural: found.name.clone().into(),
        namespaced: found.namespaced,
    };
    Ok(Some(Named { resource, has_scale }))
}

impl Discovered {
    /// The resources by group and kind, as owner references speak of them.
    pub fn by_kind(&self) -> BTreeMap<(String, String), Resource> {
        let key = |resource: &Resource| (resource.group.to_string(), resource.kind.to_string());
        self.served.iter().map(|served| (key(&served.resource), served.resource.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::service::Fake;
    use crate::kinds::kind::Kind;
    use crate::kinds::replica_set::ReplicaSet;

    #[tokio::test]
    async fn what_is_served_is_found_under_its_own_name() {
        let found = discover(&Cluster::new(Fake::new().client())).await.unwrap();
        assert!(found.failures.is_empty());
        let sets = &found.by_kind()[&("apps".to_owned(), "ReplicaSet".to_owned())];
        assert_eq!(*sets, ReplicaSet::RESOURCE);
        let nodes = found.served.iter().find(|served| served.resource.plural == "nodes").unwrap();
        assert!(nodes.allows(&["list", "watch", "delete"]) && !nodes.resource.namespaced);
    }

    #[tokio::test]
    async fn a_kind_is_found_by_its_name_and_tells_whether_it_can_be_scaled() {
        let cluster = Cluster::new(Fake::new().client());
        let found = async |api_version: &str, kind: &str| find(&cluster, api_version, kind).await.unwrap();
        let ships = found("example.com/v1", "Ship").await.unwrap();
        assert_eq!((ships.resource.plural.as_ref(), ships.has_scale), ("ships", true));
        assert!(!found("v1", "Node").await.unwrap().has_scale);
        assert_eq!(found("example.com/v1", "Boat").await, None);
        assert_eq!(found("example.com/v2", "Ship").await, None);
    }
}
