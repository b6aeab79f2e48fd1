//! The cluster as controllers write to it: small requests over any `kube::Client`, each with a deadline.

use std::time::Duration;

use http::Request;
use http::header::{ACCEPT, CONTENT_TYPE};
use kube::Client;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::kinds::bare::Bare;
use crate::kinds::meta::Meta;
use crate::kinds::resource::Resource;
use crate::kinds::wire;

const DEADLINE: Duration = Duration::from_secs(30);
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

/// How a patch is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patch {
    Merge,
    /// For lists of kinds that are built in: an element is found by its key.
    Strategic,
}

impl Patch {
    fn content_type(self) -> &'static str {
        match self {
            Self::Merge => "application/merge-patch+json",
            Self::Strategic => "application/strategic-merge-patch+json",
        }
    }
}

/// What happens to the dependents of an object that is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    Background,
    Foreground,
    Orphan,
}

/// Clones share one connection.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
}

impl Cluster {
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    pub async fn create<T: DeserializeOwned>(
        &self,
        resource: &Resource,
        namespace: &str,
        object: &impl Serialize,
    ) -> kube::Result<T> {
        self.send("POST", &resource.collection(namespace), "application/json", &encode(object)?).await
    }

    /// Posts to a subresource, as a binding is.
    pub async fn post(&self, path: &str, object: &impl Serialize) -> kube::Result<()> {
        self.send::<serde::de::IgnoredAny>("POST", path, "application/json", &encode(object)?).await.map(drop)
    }

    pub async fn put<T: DeserializeOwned>(&self, path: &str, object: &impl Serialize) -> kube::Result<T> {
        self.send("PUT", path, "application/json", &encode(object)?).await
    }

    /// Reads the answer as `T`; `serde::de::IgnoredAny` reads nothing.
    pub async fn patch<T: DeserializeOwned>(
        &self,
        path: &str,
        patch: Patch,
        change: &impl Serialize,
    ) -> kube::Result<T> {
        self.send("PATCH", path, patch.content_type(), &encode(change)?).await
    }

    /// Replaces the status of the object whose revision `meta` tells.
    pub async fn merge_status(&self, resource: &Resource, meta: &Meta, status: &impl Serialize) -> kube::Result<()> {
        let path = resource.object(&meta.namespace, &meta.name, "status");
        let change = json!({"metadata": {"resourceVersion": meta.resource_version, "uid": meta.uid}, "status": status});
        self.patch::<serde::de::IgnoredAny>(&path, Patch::Merge, &change).await.map(drop)
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> kube::Result<T> {
        self.send("GET", path, "", &[]).await
    }

    /// Reads the metadata of one object; nothing if there is none.
    pub async fn get_meta(&self, resource: &Resource, namespace: &str, name: &str) -> kube::Result<Option<Meta>> {
        match self.get_as::<Bare>(&resource.object(namespace, name, ""), METADATA).await {
            Ok(object) => Ok(Some(object.metadata)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads the metadata of all objects of a namespace.
    pub async fn list_meta(&self, resource: &Resource, namespace: &str) -> kube::Result<Vec<Meta>> {
        #[derive(Deserialize)]
        struct List {
            #[serde(deserialize_with = "wire::or_default")]
            items: Vec<Bare>,
        }
        let list: List = self.get_as(&resource.collection(namespace), METADATA_LIST).await?;
        Ok(list.items.into_iter().map(|item| item.metadata).collect())
    }

    async fn get_as<T: DeserializeOwned>(&self, path: &str, accept: &str) -> kube::Result<T> {
        let request = Request::get(path).header(ACCEPT, accept).body(Vec::new()).map_err(kube::Error::HttpError)?;
        self.within_deadline(self.client.request(request)).await
    }

    /// Deletes the object of this very uid.
    pub async fn delete(
        &self,
        resource: &Resource,
        meta: &Meta,
        propagation: Option<Propagation>,
        grace: Option<u32>,
    ) -> kube::Result<()> {
        self.delete_if(resource, meta, json!({"uid": meta.uid}), propagation, grace).await
    }

    /// Deletes the object if nobody has changed it since it was read.
    pub async fn delete_unchanged(
        &self,
        resource: &Resource,
        meta: &Meta,
        propagation: Propagation,
    ) -> kube::Result<()> {
        let conditions = json!({"uid": meta.uid, "resourceVersion": meta.resource_version});
        self.delete_if(resource, meta, conditions, Some(propagation), None).await
    }

    async fn delete_if(
        &self,
        resource: &Resource,
        meta: &Meta,
        preconditions: Value,
        propagation: Option<Propagation>,
        grace: Option<u32>,
    ) -> kube::Result<()> {
        let path = resource.object(&meta.namespace, &meta.name, "");
        let mut options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": preconditions});
        if let Some(propagation) = propagation {
            options["propagationPolicy"] = json!(format!("{propagation:?}"));
        }
        if let Some(grace) = grace {
            options["gracePeriodSeconds"] = json!(grace);
        }
        self.send_text("DELETE", &path, "application/json", &encode(&options)?).await.map(drop)
    }

    /// Sends a request as it is and reads the answer as text.
    pub async fn send_text(&self, method: &str, path: &str, content_type: &str, body: &[u8]) -> kube::Result<String> {
        let request = request(method, path, content_type, body)?;
        self.within_deadline(self.client.request_text(request)).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: &[u8],
    ) -> kube::Result<T> {
        let request = request(method, path, content_type, body)?;
        self.within_deadline(self.client.request(request)).await
    }

    async fn within_deadline<T>(&self, answer: impl Future<Output = kube::Result<T>>) -> kube::Result<T> {
        match tokio::time::timeout(DEADLINE, answer).await {
            Ok(answer) => answer,
            Err(elapsed) => Err(kube::Error::Service(Box::new(elapsed))),
        }
    }
}

fn request(method: &str, path: &str, content_type: &str, body: &[u8]) -> kube::Result<Request<Vec<u8>>> {
    let mut request = Request::builder().method(method).uri(path).header(ACCEPT, "application/json");
    if !content_type.is_empty() {
        request = request.header(CONTENT_TYPE, content_type);
    }
    request.body(body.to_vec()).map_err(kube::Error::HttpError)
}

fn encode(object: &impl Serialize) -> kube::Result<Vec<u8>> {
    serde_json::to_vec(object).map_err(kube::Error::SerdeError)
}

/// What a caller asks of an error.
pub trait ErrorExt {
    fn is_not_found(&self) -> bool;
    fn is_conflict(&self) -> bool;
    fn is_already_exists(&self) -> bool;
    /// Nothing can be created in a namespace that is being deleted.
    fn is_namespace_terminating(&self) -> bool;
    /// The sentence for an Event.
    fn sentence(&self) -> String;
}

impl ErrorExt for kube::Error {
    fn is_not_found(&self) -> bool {
        matches!(self, Self::Api(status) if status.is_not_found())
    }

    fn is_conflict(&self) -> bool {
        matches!(self, Self::Api(status) if status.is_conflict())
    }

    fn is_already_exists(&self) -> bool {
        matches!(self, Self::Api(status) if status.is_already_exists())
    }

    fn is_namespace_terminating(&self) -> bool {
        let Self::Api(status) = self else { return false };
        let Some(details) = &status.details else { return false };
        details.causes.iter().any(|cause| cause.reason == "NamespaceTerminating")
    }

    fn sentence(&self) -> String {
        match self {
            Self::Api(status) => status.message.clone(),
            other => other.to_string(),
        }
    }
}

/// An object that is gone needs nothing more.
pub fn unless_absent(result: kube::Result<()>) -> kube::Result<()> {
    match result {
        Err(error) if error.is_not_found() => Ok(()),
        result => result,
    }
}

/// Nor does one in whose place there is another: for requests that name a uid and no revision.
pub fn unless_replaced(result: kube::Result<()>) -> kube::Result<()> {
    match result {
        Err(error) if error.is_conflict() => Ok(()),
        result => unless_absent(result),
    }
}
