//! What a check of admission is: it may change a write, and it may refuse it.

use api::failure::Failure;
use api::names::GroupResource;
use async_trait::async_trait;
use bytes::Bytes;

use crate::context::Context;
use crate::kinds::erased::Draft;
use crate::kinds::facts::Facts;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Create,
    Update,
    Delete,
}

/// A write that asks to be let in.
pub struct Request<'a> {
    pub operation: Operation,
    pub facts: &'static Facts,
    /// Empty for cluster-scoped objects.
    pub namespace: &'a str,
    pub name: &'a str,
    pub subresource: Option<&'a str>,
    /// The object as it is; none when it is created.
    pub old: Option<&'a dyn Draft>,
    pub context: &'a Context,
    pub cluster: &'a dyn Cluster,
}

impl Request<'_> {
    pub fn resource(&self) -> GroupResource {
        self.facts.resource()
    }

    pub fn is_about(&self, group: &str, resource: &str) -> bool {
        self.facts.group == group && self.facts.plural == resource
    }

    /// A refusal by this check: 403, `pods "x" is forbidden: <why>`.
    pub fn forbidden(&self, why: impl std::fmt::Display) -> Failure {
        Failure::forbidden(self.resource(), self.name, why)
    }
}

/// What a check may look up.
pub trait Cluster: Send + Sync {
    /// The newest state of an object, as JSON.
    fn object(&self, resource: GroupResource, namespace: &str, name: &str) -> Option<Bytes>;
    /// The newest states of all objects of a cluster-scoped kind, as JSON.
    fn objects(&self, resource: GroupResource) -> Vec<Bytes>;
    /// Whether the namespace is there, and whether it is being deleted.
    fn namespace(&self, name: &str) -> NamespaceState;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamespaceState {
    Missing,
    Active,
    Terminating,
}

/// A check. Those of one list run in its order: all changes first, then all refusals.
#[async_trait]
pub trait Check: Send + Sync {
    fn name(&self) -> &'static str;

    /// Whether it has to do with this write at all.
    fn handles(&self, request: &Request<'_>) -> bool;

    /// Changes a write, or refuses it.
    async fn mutate(&self, request: &Request<'_>, draft: &mut dyn Draft) -> Result<(), Failure> {
        let _ = (request, draft);
        Ok(())
    }

    /// Refuses a write, or lets it in. `draft` is none for a deletion.
    async fn validate(&self, request: &Request<'_>, draft: Option<&dyn Draft>) -> Result<(), Failure> {
        let _ = (request, draft);
        Ok(())
    }
}
