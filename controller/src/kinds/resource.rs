//! What a kind is called on the wire, and the paths that follow from it.

use std::borrow::Cow;

use kube::api::ApiResource;

/// A resource by group, version, kind and plural: of a slim type, or found by discovery.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Resource {
    pub group: Cow<'static, str>,
    pub version: Cow<'static, str>,
    pub kind: Cow<'static, str>,
    pub plural: Cow<'static, str>,
    pub namespaced: bool,
}

impl Resource {
    pub const fn namespaced(
        group: &'static str,
        version: &'static str,
        kind: &'static str,
        plural: &'static str,
    ) -> Self {
        Self::fixed(group, version, kind, plural, true)
    }

    pub const fn cluster(group: &'static str, version: &'static str, kind: &'static str, plural: &'static str) -> Self {
        Self::fixed(group, version, kind, plural, false)
    }

    const fn fixed(
        group: &'static str,
        version: &'static str,
        kind: &'static str,
        plural: &'static str,
        namespaced: bool,
    ) -> Self {
        Self {
            group: Cow::Borrowed(group),
            version: Cow::Borrowed(version),
            kind: Cow::Borrowed(kind),
            plural: Cow::Borrowed(plural),
            namespaced,
        }
    }

    pub fn api_version(&self) -> String {
        api::names::api_version(&self.group, &self.version)
    }

    pub fn api_resource(&self) -> ApiResource {
        ApiResource {
            group: self.group.to_string(),
            version: self.version.to_string(),
            api_version: self.api_version(),
            kind: self.kind.to_string(),
            plural: self.plural.to_string(),
        }
    }

    /// The path of the collection; of one namespace, unless that is empty.
    pub fn collection(&self, namespace: &str) -> String {
        let root = if self.group.is_empty() { "/api" } else { "/apis" };
        let api_version = self.api_version();
        let plural = &self.plural;
        if namespace.is_empty() {
            format!("{root}/{api_version}/{plural}")
        } else {
            format!("{root}/{api_version}/namespaces/{namespace}/{plural}")
        }
    }

    /// The path of one object, or of its subresource unless that is empty.
    pub fn object(&self, namespace: &str, name: &str, subresource: &str) -> String {
        let mut path = self.collection(namespace);
        path.push('/');
        path.push_str(name);
        if !subresource.is_empty() {
            path.push('/');
            path.push_str(subresource);
        }
        path
    }
}

/// `pods`, or `deployments.apps`.
impl std::fmt::Display for Resource {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.group.is_empty() {
            write!(out, "{}", self.plural)
        } else {
            write!(out, "{}.{}", self.plural, self.group)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_api() {
        let pods = Resource::namespaced("", "v1", "Pod", "pods");
        assert_eq!(pods.collection(""), "/api/v1/pods");
        assert_eq!(pods.object("a", "b", "binding"), "/api/v1/namespaces/a/pods/b/binding");
        let deployments = Resource::namespaced("apps", "v1", "Deployment", "deployments");
        assert_eq!(deployments.object("a", "b", ""), "/apis/apps/v1/namespaces/a/deployments/b");
        assert_eq!(Resource::cluster("", "v1", "Node", "nodes").object("", "n", "status"), "/api/v1/nodes/n/status");
    }
}
