//! Writes slices, and notes what was written.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::caches::cache::Cache;
use crate::cluster::{self, Cluster, ErrorExt, Patch};
use crate::kinds::endpoint_slice::EndpointSlice;
use crate::kinds::kind::Kind;
use crate::kinds::meta::{Meta, OwnerReference};
use crate::slices::draft::{Draft, Packed};
use crate::slices::tracker::Tracker;

pub struct Writer {
    pub cluster: Cluster,
    pub slices: Cache<EndpointSlice>,
    pub tracker: Tracker,
}

/// The annotations to set on a slice, and as `null` those to remove. It is told what the slice has.
pub type Annotations<'a> = &'a (dyn Fn(Option<&Meta>) -> Map<String, Value> + Sync);

impl Writer {
    /// Makes the slices of `owner` what `packed` says.
    pub async fn write<O: Kind>(&self, owner: &O, packed: Packed, annotations: Annotations<'_>) -> kube::Result<()> {
        let meta = owner.meta();
        for draft in packed.create {
            let slice = body::<O>(&draft, meta, annotations(None));
            match self.cluster.create::<Written>(&EndpointSlice::RESOURCE, &meta.namespace, &slice).await {
                Ok(written) => self.tracker.written(meta, &written.metadata),
                Err(error) if error.is_namespace_terminating() => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        for draft in packed.update {
            let Some(existing) = &draft.existing else { continue };
            let path = EndpointSlice::RESOURCE.object(&existing.meta.namespace, &existing.meta.name, "");
            let change = change(&draft, &existing.meta, annotations(Some(&existing.meta)));
            let written: Written = self.cluster.patch(&path, Patch::Merge, &change).await?;
            self.tracker.written(meta, &written.metadata);
        }
        for slice in packed.delete {
            let deleted = self.cluster.delete(&EndpointSlice::RESOURCE, &slice.meta, None, None).await;
            cluster::unless_absent(deleted)?;
            // The deletion may have been seen before the answer; then there is nothing left to expect.
            if self.slices.get(&slice.meta.key()).is_some_and(|seen| seen.meta.uid == slice.meta.uid) {
                self.tracker.deleted(meta, &slice.meta);
            }
        }
        Ok(())
    }
}

/// What is read of an answer.
#[derive(Deserialize)]
struct Written {
    metadata: Meta,
}

fn body<O: Kind>(draft: &Draft, owner: &Meta, annotations: Map<String, Value>) -> Value {
    let annotations: Map<String, Value> = annotations.into_iter().filter(|(_, value)| !value.is_null()).collect();
    let mut meta = json!({
        "generateName": format!("{}-", owner.name),
        "namespace": owner.namespace,
        "labels": draft.labels,
        "ownerReferences": [OwnerReference::controlling(&O::RESOURCE, owner)],
    });
    if !annotations.is_empty() {
        meta["annotations"] = Value::Object(annotations);
    }
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": meta,
        "addressType": draft.address_type,
        "ports": draft.ports,
        "endpoints": draft.endpoints,
    })
}

/// The merge patch that makes a slice what its draft says, if nobody else was faster.
fn change(draft: &Draft, existing: &Meta, annotations: Map<String, Value>) -> Value {
    let gone = existing.labels.iter().filter(|(key, _)| !draft.labels.contains(key));
    let gone = gone.map(|(key, _)| (key.to_owned(), Value::Null));
    let labels: Map<String, Value> =
        draft.labels.iter().map(|(key, value)| (key.to_owned(), json!(value))).chain(gone).collect();
    let mut meta = json!({"uid": existing.uid, "resourceVersion": existing.resource_version, "labels": labels});
    if !annotations.is_empty() {
        meta["annotations"] = Value::Object(annotations);
    }
    json!({"metadata": meta, "ports": draft.ports, "endpoints": draft.endpoints})
}
