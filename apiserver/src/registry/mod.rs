//! What a verb means, for any kind.

pub mod options;
mod patch;
pub mod watch;

use std::sync::Arc;

use api::failure::Failure;
use bytes::Bytes;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::DeleteOptions;

use crate::context::Context;
use crate::kinds::KINDS;
use crate::kinds::erased::KindRef;
use crate::registry::options::{Deleted, ListOptions, Page, PatchType, Written};
use crate::registry::watch::WatchStream;
use crate::storage::object::Object;

/// All verbs over all kinds. Clones share one store.
///
/// `namespace` is `None` for cluster-scoped kinds, and for lists and watches over all namespaces.
#[derive(Clone)]
pub struct Registry {}

/// Where in the API a request points: a kind, a namespace, a name, perhaps a subresource.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    pub namespace: Option<&'a str>,
    pub name: &'a str,
    /// `status`, `scale`, `finalize`, `binding`.
    pub subresource: Option<&'a str>,
}

fn not_yet<T>() -> Result<T, Failure> {
    Err(Failure::method_not_allowed())
}

impl Registry {
    /// The kind that is served under this path.
    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<KindRef> {
        KINDS.iter().copied().find(|kind| {
            let facts = kind.facts();
            facts.plural == plural && facts.version == version && facts.group == group
        })
    }

    /// An object, or a view of it: its Scale. `resource_version` is that of the query, or empty.
    pub fn get(&self, kind: KindRef, target: Target<'_>, resource_version: &str) -> Result<Arc<Object>, Failure> {
        let _ = (kind, target, resource_version);
        not_yet()
    }

    pub fn list(&self, kind: KindRef, namespace: Option<&str>, options: &ListOptions) -> Result<Page, Failure> {
        let _ = (kind, namespace, options);
        not_yet()
    }

    pub fn watch(&self, kind: KindRef, namespace: Option<&str>, options: &ListOptions) -> Result<WatchStream, Failure> {
        let _ = (kind, namespace, options);
        not_yet()
    }

    /// `body` is JSON. It may leave out `apiVersion`, `kind` and `metadata.namespace`.
    pub async fn create(
        &self,
        context: &Context,
        kind: KindRef,
        namespace: Option<&str>,
        body: Bytes,
    ) -> Result<Arc<Object>, Failure> {
        let _ = (context, kind, namespace, body);
        not_yet()
    }

    /// POST on a subresource of an object: `pods/binding`. The answer's bytes are what is sent.
    pub async fn create_at(
        &self,
        context: &Context,
        kind: KindRef,
        target: Target<'_>,
        body: Bytes,
    ) -> Result<Bytes, Failure> {
        let _ = (context, kind, target, body);
        not_yet()
    }

    pub async fn update(
        &self,
        context: &Context,
        kind: KindRef,
        target: Target<'_>,
        body: Bytes,
    ) -> Result<Written, Failure> {
        let _ = (context, kind, target, body);
        not_yet()
    }

    pub async fn patch(
        &self,
        context: &Context,
        kind: KindRef,
        target: Target<'_>,
        patch_type: PatchType,
        patch: Bytes,
    ) -> Result<Written, Failure> {
        let _ = (context, kind, target, patch_type, patch);
        not_yet()
    }

    /// `options` are those of the body, completed from the query.
    pub async fn delete(
        &self,
        context: &Context,
        kind: KindRef,
        target: Target<'_>,
        options: &DeleteOptions,
    ) -> Result<Deleted, Failure> {
        let _ = (context, kind, target, options);
        not_yet()
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
        let _ = (context, kind, namespace, list, options);
        not_yet()
    }
}
