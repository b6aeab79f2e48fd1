//! What a verb means, for any kind.

mod actions;
#[cfg(test)]
mod admitted;
mod allocation;
mod answer;
mod apply;
#[cfg(test)]
mod behaviour;
mod bootstrap;
pub mod continuation;
mod create;
mod decode;
mod delete;
mod expiry;
#[cfg(test)]
pub mod fixtures;
pub mod layout;
#[cfg(test)]
mod list_wide;
pub mod managed_fields;
mod metadata;
pub mod options;
pub mod patch;
mod printed;
mod read;
#[cfg(test)]
mod samples;
mod scale;
mod selection;
pub mod services;
pub mod token_signer;
mod update;
pub mod watch;
mod write;

use std::sync::Arc;

use api::cidr::Cidr;
use api::failure::Failure;
use bytes::Bytes;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::DeleteOptions;
use lifecycle::clock::Clock;
use lifecycle::tasks::Tasks;

use crate::context::Context;
use crate::kinds::KINDS;
use crate::kinds::erased::KindRef;
use crate::registry::allocation::Allocator;
use crate::registry::expiry::Expiry;
use crate::registry::options::{Deleted, ListOptions, Options, Page, PatchType, Written};
use crate::registry::token_signer::TokenSigner;
use crate::registry::watch::WatchStream;
use crate::storage::Storage;
use crate::storage::object::{Object, Revision};
use crate::storage::snapshot::Snapshot;

/// All verbs over all kinds. Clones share one store.
///
/// `namespace` is `None` for cluster-scoped kinds, and for lists and watches over all namespaces.
#[derive(Clone)]
pub struct Registry {
    storage: Storage,
    clock: Clock,
    tasks: Tasks,
    service_range: Cidr,
    allocator: Arc<Allocator>,
    expiry: Expiry,
    token_signer: Option<Arc<dyn TokenSigner>>,
}

/// Where in the API a request points: a namespace, a name, perhaps a subresource.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    pub namespace: Option<&'a str>,
    pub name: &'a str,
    /// `status`, `scale`, `binding`.
    pub subresource: Option<&'a str>,
}

impl Registry {
    /// The store must have been opened with `layout::KindLayout`. To be called inside of a runtime.
    pub fn new(storage: Storage, options: Options) -> Result<Self, anyhow::Error> {
        let Options { clock, tasks, service_range, node_ports, token_signer } = options;
        let snapshot = storage.snapshot();
        let allocator = Arc::new(Allocator::new(&services::ranges(service_range, &snapshot), node_ports));
        services::take_what_is_held(&allocator, &snapshot)?;
        let expiry = Expiry::default();
        tasks.spawn_until_stop("event expiry", expiry.clone().run(storage.clone()));
        Ok(Self { storage, clock, tasks, service_range, allocator, expiry, token_signer })
    }

    /// The newest state of everything, for those who look at more than one object.
    pub fn snapshot(&self) -> Snapshot {
        self.storage.snapshot()
    }

    pub fn revision(&self) -> Revision {
        self.storage.revision()
    }

    /// The kind that is served under this path.
    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<KindRef> {
        KINDS.iter().copied().find(|kind| {
            let facts = kind.facts();
            facts.plural == plural && facts.version == version && facts.group == group
        })
    }

    /// Whether any kind of this group is served.
    pub fn has_group(&self, group: &str) -> bool {
        KINDS.iter().any(|kind| kind.facts().group == group)
    }

    /// Waits a little for a revision that a read asks for, should another server have written it just now. A read
    /// itself does not wait.
    pub async fn wait_for(&self, resource_version: &str) -> Result<(), Failure> {
        match read::revision(resource_version)? {
            Some(revision) => self.await_revision(revision).await,
            None => Ok(()),
        }
    }

    /// An object, or a view of it: its Scale. `resource_version` is that of the query, or empty.
    pub fn get(&self, kind: KindRef, target: Target<'_>, resource_version: &str) -> Result<Arc<Object>, Failure> {
        self.read_one(kind, target, resource_version)
    }

    pub fn list(&self, kind: KindRef, namespace: Option<&str>, options: &ListOptions) -> Result<Page, Failure> {
        self.read_list(kind, namespace, options)
    }

    pub fn watch(&self, kind: KindRef, namespace: Option<&str>, options: &ListOptions) -> Result<WatchStream, Failure> {
        self.start_watch(kind, namespace, options)
    }

    /// `body` is JSON. It may leave out `apiVersion`, `kind` and `metadata.namespace`.
    pub async fn create(
        &self,
        context: &Context,
        kind: KindRef,
        namespace: Option<&str>,
        body: Bytes,
    ) -> Result<Arc<Object>, Failure> {
        self.create_object(context, kind, namespace, body).await
    }

    /// Whether POST on the collection of a kind does something at once, and leaves no object.
    pub fn only_acts(&self, kind: KindRef) -> bool {
        actions::find(kind.facts().resource(), None).is_some()
    }

    /// POST that makes no object: on a subresource, as `pods/binding`, or where the kind `only_acts`. The answer's bytes
    /// are what is sent.
    pub async fn act(
        &self,
        context: &Context,
        kind: KindRef,
        target: Target<'_>,
        body: Bytes,
    ) -> Result<Bytes, Failure> {
        let action = actions::find(kind.facts().resource(), target.subresource);
        action.ok_or_else(Failure::method_not_allowed)?.act(self, context, kind, target, body).await
    }

    pub async fn update(
        &self,
        context: &Context,
        kind: KindRef,
        target: Target<'_>,
        body: Bytes,
    ) -> Result<Written, Failure> {
        match target.subresource {
            Some("scale") => self.replace_scale(context, kind, target, body).await,
            _ => self.replace(context, kind, target, body).await,
        }
    }

    pub async fn patch(
        &self,
        context: &Context,
        kind: KindRef,
        target: Target<'_>,
        patch_type: PatchType,
        patch: Bytes,
    ) -> Result<Written, Failure> {
        match target.subresource {
            Some("scale") => self.patch_scale(context, kind, target, patch_type, &patch).await,
            _ if patch_type == PatchType::Apply => self.apply_configuration(context, kind, target, &patch).await,
            _ => self.apply_patch(context, kind, target, patch_type, &patch).await,
        }
    }

    /// `options` are those of the body, completed from the query.
    pub async fn delete(
        &self,
        context: &Context,
        kind: KindRef,
        target: Target<'_>,
        options: &DeleteOptions,
    ) -> Result<Deleted, Failure> {
        self.delete_object(context, kind, target, options).await
    }

    /// Deletes what a list would show, and answers with it.
    pub async fn delete_collection(
        &self,
        context: &Context,
        kind: KindRef,
        namespace: Option<&str>,
        list: &ListOptions,
        options: &DeleteOptions,
    ) -> Result<Page, Failure> {
        self.delete_list(context, kind, namespace, list, options).await
    }
}
