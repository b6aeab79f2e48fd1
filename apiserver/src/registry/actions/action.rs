//! What an action is.

use api::failure::Failure;
use api::names::GroupResource;
use async_trait::async_trait;
use bytes::Bytes;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;

use crate::context::Context;
use crate::kinds::erased::KindRef;
use crate::registry::{Registry, Target};

/// One thing that is done by POST.
#[async_trait]
pub trait Action: Send + Sync {
    /// Where it is reached: at a subresource of each object of a resource, or without one at the resource itself.
    fn place(&self) -> (GroupResource, Option<&'static str>);

    /// Does it. `body` is JSON, and what is given back is the JSON of the answer. At a resource itself the target has
    /// no name.
    async fn act(
        &self,
        registry: &Registry,
        context: &Context,
        kind: KindRef,
        target: Target<'_>,
        body: Bytes,
    ) -> Result<Bytes, Failure>;
}

/// The answer of an action that only succeeds.
pub fn success() -> Result<Bytes, Failure> {
    answer(&Status { status: Some("Success".to_owned()), code: Some(201), ..Status::default() })
}

pub fn answer(document: &impl serde::Serialize) -> Result<Bytes, Failure> {
    let bytes = serde_json::to_vec(document).map(Bytes::from);
    bytes.map_err(|error| Failure::internal(format!("encode the answer: {error}")))
}
