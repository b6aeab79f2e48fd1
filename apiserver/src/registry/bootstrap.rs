//! What a cluster has from its first moment.

use api::failure::{Failure, Reason};
use api::names::GroupResource;
use api::well_known::INITIAL_NAMESPACES;
use bytes::Bytes;
use futures::future::try_join_all;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::{Metadata, Resource};
use serde::Serialize;
use serde_json::{Value, json};

use crate::context::Context;
use crate::kinds::flow_initial;
use crate::kinds::priority_class::SYSTEM_CLASSES;
use crate::registry::Registry;
use crate::registry::layout::kind_of;

const NAMESPACES: GroupResource = GroupResource { group: "", resource: "namespaces" };
const PRIORITY_CLASSES: GroupResource = GroupResource { group: "scheduling.k8s.io", resource: "priorityclasses" };
const FLOW_CONTROL: &str = "flowcontrol.apiserver.k8s.io";
const PRIORITY_LEVELS: GroupResource = GroupResource { group: FLOW_CONTROL, resource: "prioritylevelconfigurations" };
const FLOW_SCHEMAS: GroupResource = GroupResource { group: FLOW_CONTROL, resource: "flowschemas" };

impl Registry {
    /// Creates what is missing. To be called at each start, before requests are let in.
    pub async fn bootstrap(&self) -> Result<(), Failure> {
        let snapshot = self.storage.snapshot();
        let missing = initial().into_iter().filter(|(resource, name, _)| snapshot.find(*resource, "", name).is_none());
        // All at once, so that they share one barrier.
        let missing = missing.map(|(resource, _, object)| self.create_initial(resource, object));
        try_join_all(missing).await.map(|_| ())
    }

    async fn create_initial(&self, resource: GroupResource, object: Value) -> Result<(), Failure> {
        let kind = kind_of(resource).ok_or_else(Failure::unknown_resource)?;
        let context = Context::of_server();
        match self.create(&context, kind, None, Bytes::from(object.to_string())).await {
            // Another server may be starting too.
            Err(failure) if failure.reason != Reason::AlreadyExists => Err(failure),
            _ => Ok(()),
        }
    }
}

/// Everything that is made at the start, with its resource and its name.
fn initial() -> Vec<(GroupResource, String, Value)> {
    let namespaces =
        INITIAL_NAMESPACES.iter().map(|name| (NAMESPACES, (*name).to_owned(), json!({"metadata": {"name": name}})));
    let classes = SYSTEM_CLASSES.iter().map(|class| {
        let object = json!({"metadata": {"name": class.name}, "value": class.value, "description": class.description});
        (PRIORITY_CLASSES, class.name.to_owned(), object)
    });
    let levels = flow_initial::levels().into_iter().map(|level| entry(PRIORITY_LEVELS, &level));
    let schemas = flow_initial::schemas().into_iter().map(|schema| entry(FLOW_SCHEMAS, &schema));
    namespaces.chain(classes).chain(levels).chain(schemas).collect()
}

fn entry<K>(resource: GroupResource, object: &K) -> (GroupResource, String, Value)
where
    K: Resource + Metadata<Ty = ObjectMeta> + Serialize,
{
    let name = object.metadata().name.clone().unwrap_or_default();
    (resource, name, serde_json::to_value(object).expect("a Kubernetes object is JSON"))
}
