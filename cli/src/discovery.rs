//! What the server serves: read from it, and found again by all the names that users have for a resource.

use futures::future::try_join_all;
use http::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::error::CliError;
use crate::request::{Call, encode};
use crate::session::Session;

/// Asks for everything of a path in one answer. An older server answers with the plain list.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
    application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

/// A resource in one version of its group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resource {
    pub group: String,
    pub version: String,
    pub kind: String,
    pub plural: String,
    pub singular: String,
    pub short_names: Vec<String>,
    pub categories: Vec<String>,
    pub verbs: Vec<String>,
    pub namespaced: bool,
    pub subresources: Vec<String>,
}

impl Resource {
    /// `v1`, `apps/v1`.
    pub fn api_version(&self) -> String {
        api::names::api_version(&self.group, &self.version)
    }

    /// `pods`, `deployments.apps`.
    pub fn full_name(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// `pod`, `deployment.apps`.
    pub fn spoken_kind(&self) -> String {
        let kind = self.kind.to_lowercase();
        if self.group.is_empty() { kind } else { format!("{kind}.{}", self.group) }
    }

    pub fn has_verb(&self, verb: &str) -> bool {
        self.verbs.iter().any(|one| one == verb)
    }

    /// The path of all its objects, in one namespace or in all.
    pub fn collection(&self, namespace: Option<&str>) -> String {
        let root = if self.group.is_empty() { "/api" } else { "/apis" };
        let namespace = namespace.filter(|_| self.namespaced).map(|name| format!("/namespaces/{}", encode(name)));
        format!("{root}/{}{}/{}", self.api_version(), namespace.unwrap_or_default(), self.plural)
    }

    /// The path of one object.
    pub fn path(&self, namespace: Option<&str>, name: &str) -> String {
        format!("{}/{}", self.collection(namespace), encode(name))
    }
}

/// All resources, in the order in which the server prefers them.
#[derive(Debug, Clone, Default)]
pub struct Discovery {
    pub resources: Vec<Resource>,
}

impl Discovery {
    pub async fn read(session: &Session) -> Result<Self, CliError> {
        let ask = |path: &'static str| session.value(Call::get(path).accept(AGGREGATED));
        let (core, groups) = futures::try_join!(ask("/api"), ask("/apis"))?;
        let is_aggregated = |answer: &Value| answer["kind"] == "APIGroupDiscoveryList";
        if is_aggregated(&core) && is_aggregated(&groups) {
            let mut resources = aggregated(core)?;
            resources.extend(aggregated(groups)?);
            return Ok(Self { resources });
        }
        Self::read_plain(session).await
    }

    /// One request for each version of each group, as servers before 1.26 need it.
    async fn read_plain(session: &Session) -> Result<Self, CliError> {
        let ask = |path: &'static str| session.value(Call::get(path));
        let (core, groups) = futures::try_join!(ask("/api"), ask("/apis"))?;
        let core: Versions = decode(core)?;
        let groups: GroupList = decode(groups)?;
        let mut paths: Vec<(String, String)> = Vec::new();
        paths.extend(core.versions.into_iter().map(|version| (format!("/api/{version}"), version)));
        for group in groups.groups {
            let preferred = group.preferred_version.group_version;
            let mut versions: Vec<String> = group.versions.into_iter().map(|version| version.group_version).collect();
            versions.sort_by_key(|version| *version != preferred);
            paths.extend(versions.into_iter().map(|version| (format!("/apis/{version}"), version)));
        }
        let lists = try_join_all(paths.iter().map(|(path, _)| plain_list(session, path))).await?;
        let mut resources = Vec::new();
        for ((_, api_version), list) in paths.iter().zip(lists) {
            resources.extend(plain(api_version, list));
        }
        Ok(Self { resources })
    }

    /// The resource that a manifest's `apiVersion` and `kind` mean.
    pub fn of_kind(&self, api_version: &str, kind: &str) -> Option<&Resource> {
        let (group, version) = api::names::split_api_version(api_version);
        self.resources.iter().find(|one| one.group == group && one.version == version && one.kind == kind)
    }

    /// The resource that a word of the command line means: `po`, `pods`, `Pod`, `deployments.apps`, `deploy.v1.apps`.
    pub fn find(&self, word: &str) -> Option<&Resource> {
        let lower = word.to_lowercase();
        let mut parts = lower.splitn(3, '.');
        let (name, second, third) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
        let matches = |resource: &&Resource, by: By| match (second, third) {
            (None, _) => by.is(resource, name),
            (Some(version), Some(group)) if resource.version == version && resource.group == group => {
                by.is(resource, name)
            }
            (Some(group), None) => resource.group == group && by.is(resource, name),
            (Some(start), Some(end)) => resource.group == format!("{start}.{end}") && by.is(resource, name),
        };
        let by = |by: By| self.resources.iter().find(|resource| matches(resource, by));
        by(By::Name).or_else(|| by(By::ShortName))
    }

    /// All resources that a word means: one, or a category such as `all`.
    pub fn find_all(&self, word: &str) -> Result<Vec<Resource>, CliError> {
        if let Some(found) = self.find(word) {
            return Ok(vec![found.clone()]);
        }
        let category = word.to_lowercase();
        let mut found: Vec<Resource> = Vec::new();
        for resource in &self.resources {
            let is_new = !found.iter().any(|one| one.group == resource.group && one.plural == resource.plural);
            if is_new && resource.categories.contains(&category) && resource.has_verb("list") {
                found.push(resource.clone());
            }
        }
        if found.is_empty() { Err(unknown(word)) } else { Ok(found) }
    }
}

#[derive(Clone, Copy)]
enum By {
    Name,
    ShortName,
}

impl By {
    fn is(self, resource: &Resource, word: &str) -> bool {
        match self {
            Self::Name => resource.plural == word || resource.singular == word || resource.kind.to_lowercase() == word,
            Self::ShortName => resource.short_names.iter().any(|name| name == word),
        }
    }
}

fn unknown(word: &str) -> CliError {
    let name = word.split('.').next().unwrap_or_default();
    CliError::local(format!("the server doesn't have a resource type {name:?}"))
}

fn decode<T: for<'a> Deserialize<'a>>(value: Value) -> Result<T, CliError> {
    serde_json::from_value(value)
        .map_err(|error| CliError::local(format!("the server's discovery cannot be read: {error}")))
}

#[derive(Deserialize)]
struct Versions {
    versions: Vec<String>,
}

#[derive(Deserialize)]
struct GroupList {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    versions: Vec<GroupVersion>,
    preferred_version: GroupVersion,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GroupVersion {
    group_version: String,
}

#[derive(Deserialize)]
struct AggregatedList {
    items: Vec<AggregatedGroup>,
}

#[derive(Deserialize)]
struct AggregatedGroup {
    #[serde(default)]
    metadata: AggregatedName,
    #[serde(default)]
    versions: Vec<AggregatedVersion>,
}

#[derive(Deserialize, Default)]
struct AggregatedName {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct AggregatedVersion {
    version: String,
    #[serde(default)]
    resources: Vec<AggregatedResource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AggregatedResource {
    resource: String,
    response_kind: Option<ResponseKind>,
    scope: String,
    #[serde(default)]
    singular_resource: String,
    #[serde(default)]
    verbs: Vec<String>,
    #[serde(default)]
    short_names: Vec<String>,
    #[serde(default)]
    categories: Vec<String>,
    #[serde(default)]
    subresources: Vec<AggregatedSubresource>,
}

#[derive(Deserialize)]
struct ResponseKind {
    kind: String,
}

#[derive(Deserialize)]
struct AggregatedSubresource {
    subresource: String,
}

fn aggregated(answer: Value) -> Result<Vec<Resource>, CliError> {
    let list: AggregatedList = decode(answer)?;
    let mut resources = Vec::new();
    for group in list.items {
        for version in group.versions {
            // Without a kind it is only the parent of its subresources.
            for resource in version.resources.into_iter().filter(|resource| resource.response_kind.is_some()) {
                resources.push(Resource {
                    group: group.metadata.name.clone(),
                    version: version.version.clone(),
                    kind: resource.response_kind.map(|kind| kind.kind).unwrap_or_default(),
                    plural: resource.resource,
                    singular: resource.singular_resource,
                    short_names: resource.short_names,
                    categories: resource.categories,
                    verbs: resource.verbs,
                    namespaced: resource.scope == "Namespaced",
                    subresources: resource.subresources.into_iter().map(|one| one.subresource).collect(),
                });
            }
        }
    }
    Ok(resources)
}

#[derive(Deserialize, Default)]
struct PlainList {
    #[serde(default)]
    resources: Vec<PlainResource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PlainResource {
    name: String,
    #[serde(default)]
    singular_name: String,
    namespaced: bool,
    kind: String,
    #[serde(default)]
    verbs: Vec<String>,
    #[serde(default)]
    short_names: Vec<String>,
    #[serde(default)]
    categories: Vec<String>,
}

/// A version whose own server is down is left out rather than failing the command.
async fn plain_list(session: &Session, path: &str) -> Result<PlainList, CliError> {
    match session.value(Call::new(Method::GET, path)).await {
        Ok(list) => decode(list),
        Err(CliError::Server(_)) => Ok(PlainList::default()),
        Err(error) => Err(error),
    }
}

fn plain(api_version: &str, list: PlainList) -> Vec<Resource> {
    let (group, version) = api::names::split_api_version(api_version);
    let (nested, whole): (Vec<_>, Vec<_>) = list.resources.into_iter().partition(|one| one.name.contains('/'));
    let subresources_of = |plural: &str| {
        let parts = nested.iter().filter_map(|one| one.name.split_once('/'));
        parts.filter(|(parent, _)| *parent == plural).map(|(_, name)| name.to_owned()).collect()
    };
    let resources = whole.into_iter().map(|one| Resource {
        group: group.to_owned(),
        version: version.to_owned(),
        subresources: subresources_of(&one.name),
        // Servers of old leave the singular out.
        singular: if one.singular_name.is_empty() { one.kind.to_lowercase() } else { one.singular_name },
        kind: one.kind,
        plural: one.name,
        short_names: one.short_names,
        categories: one.categories,
        verbs: one.verbs,
        namespaced: one.namespaced,
    });
    resources.collect()
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use serde_json::json;

    /// A few resources, read as a server would send them.
    pub fn sample() -> Discovery {
        let (core, groups) = sample_answers();
        let mut resources = aggregated(core).unwrap();
        resources.extend(aggregated(groups).unwrap());
        Discovery { resources }
    }

    /// The answers to `/api` and `/apis`.
    pub fn sample_answers() -> (Value, Value) {
        let resource = |plural: &str, singular: &str, kind: &str, short: &[&str], scope: &str, categories: &[&str]| {
            json!({
                "resource": plural, "singularResource": singular, "responseKind": {"kind": kind}, "scope": scope,
                "verbs": ["get", "list", "watch", "create", "delete"], "shortNames": short, "categories": categories,
            })
        };
        let core = json!({"kind": "APIGroupDiscoveryList", "items": [{"metadata": {}, "versions": [{"version": "v1", "resources": [
            resource("pods", "pod", "Pod", &["po"], "Namespaced", &["all"]),
            resource("services", "service", "Service", &["svc"], "Namespaced", &["all"]),
            resource("nodes", "node", "Node", &["no"], "Cluster", &[]),
            resource("namespaces", "namespace", "Namespace", &["ns"], "Cluster", &[]),
            resource("events", "event", "Event", &["ev"], "Namespaced", &[]),
        ]}]}]});
        let groups = json!({"kind": "APIGroupDiscoveryList", "items": [
            {"metadata": {"name": "apps"}, "versions": [{"version": "v1", "resources": [
                resource("deployments", "deployment", "Deployment", &["deploy"], "Namespaced", &["all"]),
            ]}]},
            {"metadata": {"name": "events.k8s.io"}, "versions": [{"version": "v1", "resources": [
                resource("events", "event", "Event", &["ev"], "Namespaced", &[]),
            ]}]},
        ]});
        (core, groups)
    }

    #[test]
    fn a_resource_is_found_by_all_its_names() {
        let discovery = sample();
        for word in ["deployments", "deployment", "Deployment", "deploy", "deploy.apps", "deployments.v1.apps"] {
            assert_eq!(discovery.find(word).unwrap().plural, "deployments", "{word}");
        }
        assert_eq!(discovery.find("ev").unwrap().group, "");
        assert_eq!(discovery.find("events.events.k8s.io").unwrap().group, "events.k8s.io");
        assert_eq!(discovery.find("events.v1.events.k8s.io").unwrap().group, "events.k8s.io");
        assert!(discovery.find("deploy.v2.apps").is_none());
    }

    #[test]
    fn a_category_is_several_resources() {
        let names: Vec<String> = sample().find_all("all").unwrap().iter().map(Resource::full_name).collect();
        assert_eq!(names, ["pods", "services", "deployments.apps"]);
    }

    #[test]
    fn what_is_not_served_is_named_in_the_error() {
        for word in ["foo", "foo.apps", "foo.v1.apps"] {
            let error = sample().find_all(word).unwrap_err();
            assert_eq!(error.report(), "error: the server doesn't have a resource type \"foo\"");
        }
    }

    #[test]
    fn paths_know_group_and_namespace() {
        let discovery = sample();
        let deployments = discovery.find("deploy").unwrap();
        assert_eq!(deployments.path(Some("a"), "b"), "/apis/apps/v1/namespaces/a/deployments/b");
        assert_eq!(deployments.collection(None), "/apis/apps/v1/deployments");
        assert_eq!(discovery.find("no").unwrap().path(Some("a"), "b"), "/api/v1/nodes/b");
    }

    #[test]
    fn plain_lists_hold_subresources_as_rows() {
        let list: PlainList = decode(json!({"resources": [
            {"name": "deployments", "singularName": "", "namespaced": true, "kind": "Deployment", "verbs": ["get"]},
            {"name": "deployments/scale", "singularName": "", "namespaced": true, "kind": "Scale", "verbs": ["get"]},
        ]}))
        .unwrap();
        let resources = plain("apps/v1", list);
        assert_eq!(resources.len(), 1);
        assert_eq!(
            (resources[0].singular.as_str(), resources[0].subresources.as_slice()),
            ("deployment", &["scale".to_owned()][..])
        );
    }
}
