//! What a cluster has from its first moment.

use api::failure::{Failure, Reason};
use api::names::GroupResource;
use api::well_known::INITIAL_NAMESPACES;
use bytes::Bytes;
use serde_json::json;

use crate::context::Context;
use crate::registry::Registry;
use crate::registry::layout::kind_of;

/// The name under which the server itself manages fields.
const SERVER: &str = "kube-apiserver";
const NAMESPACES: GroupResource = GroupResource { group: "", resource: "namespaces" };

impl Registry {
    /// Creates what is missing. To be called at each start, before requests are let in.
    pub async fn bootstrap(&self) -> Result<(), Failure> {
        let kind = kind_of(NAMESPACES).ok_or_else(Failure::unknown_resource)?;
        let snapshot = self.storage.snapshot();
        let missing = INITIAL_NAMESPACES.iter().filter(|name| snapshot.find(NAMESPACES, "", name).is_none());
        let context = Context { field_manager: SERVER.to_owned(), ..Context::default() };
        for name in missing {
            let body = json!({"metadata": {"name": name}}).to_string();
            match self.create(&context, kind, None, Bytes::from(body)).await {
                // Another server may be starting too.
                Err(failure) if failure.reason != Reason::AlreadyExists => return Err(failure),
                _ => {}
            }
        }
        Ok(())
    }
}
