//! A chore: some part of the cluster's state that the API server makes right, again and again.

use std::net::SocketAddr;

use api::failure::{Failure, Reason};
use api::names::GroupResource;
use async_trait::async_trait;
use bytes::Bytes;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::DeleteOptions;
use serde_json::Value;

use crate::context::Context;
use crate::kinds::erased::KindRef;
use crate::registry::layout::kind_of;
use crate::registry::options::PatchType;
use crate::registry::{Registry, Target};

/// Level-triggered: it looks at what is, and writes what is missing or wrong.
#[async_trait]
pub trait Chore: Send + Sync {
    /// For logs.
    fn name(&self) -> &'static str;

    /// Whose changes call for another look.
    fn watched(&self) -> &'static [Watched];

    async fn keep(&self, place: &Place) -> Result<(), Failure>;
}

/// Objects that are watched: all of a resource, or those of one namespace, or the one of a name.
pub struct Watched {
    pub resource: GroupResource,
    pub namespace: Option<&'static str>,
    /// Empty for all names.
    pub name: &'static str,
}

/// Where chores are done.
#[derive(Clone)]
pub struct Place {
    pub registry: Registry,
    /// Where clients reach the server.
    pub address: Option<SocketAddr>,
    context: Context,
}

impl Place {
    pub fn new(registry: Registry, address: Option<SocketAddr>) -> Self {
        let context = Context::of_server();
        Self { registry, address, context }
    }

    pub fn kind(&self, resource: GroupResource) -> Result<KindRef, Failure> {
        kind_of(resource).ok_or_else(Failure::unknown_resource)
    }

    /// Makes an object have all that `wanted` says; what it says nothing of is left alone. `status`, if the kind has
    /// that part, is written there.
    pub async fn ensure(
        &self,
        resource: GroupResource,
        namespace: Option<&str>,
        name: &str,
        wanted: &Value,
    ) -> Result<(), Failure> {
        let kind = self.kind(resource)?;
        let target = Target { namespace, name, subresource: None };
        let is_made = match self.registry.get(kind, target, "") {
            Ok(_) => false,
            Err(_) => {
                let body = Bytes::from(wanted.to_string());
                match self.registry.create(&self.context, kind, namespace, body).await {
                    Ok(_) => true,
                    // Another server may be at it too.
                    Err(failure) if failure.reason == Reason::AlreadyExists => false,
                    Err(failure) => return Err(failure),
                }
            }
        };
        if !is_made {
            self.patch(resource, target, wanted).await?;
        }
        if wanted.get("status").is_some() && kind.facts().subresource("status").is_some() {
            self.patch(resource, Target { subresource: Some("status"), ..target }, wanted).await?;
        }
        Ok(())
    }

    /// Costs nothing where nothing is to be changed.
    pub async fn patch(&self, resource: GroupResource, target: Target<'_>, wanted: &Value) -> Result<(), Failure> {
        let kind = self.kind(resource)?;
        let patch = Bytes::from(wanted.to_string());
        self.registry.patch(&self.context, kind, target, PatchType::Merge, patch).await.map(drop)
    }

    pub async fn remove(&self, resource: GroupResource, namespace: Option<&str>, name: &str) -> Result<(), Failure> {
        let target = Target { namespace, name, subresource: None };
        let gone = self.registry.delete(&self.context, self.kind(resource)?, target, &DeleteOptions::default()).await;
        match gone {
            Err(failure) if failure.reason != Reason::NotFound => Err(failure),
            _ => Ok(()),
        }
    }
}
