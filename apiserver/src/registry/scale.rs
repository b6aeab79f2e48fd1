//! `/scale`: how many replicas, seen and set in the same way for every kind that has them.

use std::sync::Arc;

use api::failure::Failure;
use api::field::{FieldError, FieldErrors, Path};
use api::names::GroupVersionKind;
use bytes::Bytes;
use k8s_openapi::api::autoscaling::v1::{Scale, ScaleSpec, ScaleStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use crate::context::Context;
use crate::kinds::erased::KindRef;
use crate::registry::apply::{applied, configuration};
use crate::registry::options::{PatchType, Written};
use crate::registry::patch::Patch;
use crate::registry::update::Proposal;
use crate::registry::write::Noting;
use crate::registry::{Registry, Target, decode, managed_fields};
use crate::storage::object::Object;

/// The Scale of an object, at the object's revision.
pub fn view(kind: KindRef, object: &Arc<Object>) -> Result<Object, Failure> {
    let scale = scale_of(kind, object)?;
    let bytes = serde_json::to_vec(&scale).map_err(|error| Failure::internal(format!("encode a Scale: {error}")))?;
    let view = Object::unstored(object.key.clone(), object.revision, bytes.into());
    view.map_err(|error| Failure::internal(format!("read a Scale: {error}")))
}

fn scale_of(kind: KindRef, object: &Arc<Object>) -> Result<Scale, Failure> {
    let mut draft = Registry::decode_stored(kind, object)?;
    let metadata = draft.metadata().clone();
    let parts = draft.scaled().ok_or_else(Failure::unknown_resource)?;
    Ok(Scale {
        metadata: ObjectMeta {
            name: metadata.name,
            namespace: metadata.namespace,
            uid: metadata.uid,
            creation_timestamp: metadata.creation_timestamp,
            resource_version: Some(object.revision.to_string()),
            ..ObjectMeta::default()
        },
        spec: Some(ScaleSpec { replicas: Some(parts.replicas.unwrap_or_default()) }),
        status: Some(ScaleStatus { replicas: parts.current, selector: Some(parts.selector) }),
    })
}

/// What a client wants of a Scale.
enum Wish {
    Whole(Box<Scale>),
    Patch(Patch),
}

impl Registry {
    pub(super) async fn replace_scale(
        &self,
        context: &Context,
        kind: KindRef,
        target: Target<'_>,
        body: Bytes,
    ) -> Result<Written, Failure> {
        let scale = serde_json::from_slice(&body).map_err(unreadable)?;
        decode::check(context, SCALE, &body, |complaint| refused(&complaint))?;
        self.write_scale(context, kind, target, Wish::Whole(Box::new(scale))).await
    }

    pub(super) async fn patch_scale(
        &self,
        context: &Context,
        kind: KindRef,
        target: Target<'_>,
        patch_type: PatchType,
        patch: &[u8],
    ) -> Result<Written, Failure> {
        if patch_type == PatchType::Apply {
            return self.apply_scale(context, kind, target, patch).await;
        }
        self.write_scale(context, kind, target, Wish::Patch(Patch::parse(patch_type, patch)?)).await
    }

    /// What is applied to a Scale is applied to the object, under the name of its part.
    async fn apply_scale(
        &self,
        context: &Context,
        kind: KindRef,
        target: Target<'_>,
        body: &[u8],
    ) -> Result<Written, Failure> {
        let config = configuration(body)?;
        managed_fields::check(SCALE, &config)?;
        let scale: Scale = serde_json::from_value(config.clone()).map_err(unreadable)?;
        check(&scale, target)?;
        let config = of_parent(kind, config);
        let writer = self.writer(context, kind, Some("scale"));
        let propose = |current: &Arc<Object>| applied(writer, current, &config, context.force);
        self.write_parent(context, kind, target, Noting::Done, &propose).await
    }

    async fn write_parent(
        &self,
        context: &Context,
        kind: KindRef,
        target: Target<'_>,
        noting: Noting<'_>,
        propose: &(dyn Fn(&Arc<Object>) -> Result<Proposal, Failure> + Sync),
    ) -> Result<Written, Failure> {
        let whole = Target { subresource: None, ..target };
        let written = self.write_noted(context, kind, whole, noting, propose).await?;
        Ok(Written { object: Arc::new(view(kind, &written.object)?), created: false })
    }

    async fn write_scale(
        &self,
        context: &Context,
        kind: KindRef,
        target: Target<'_>,
        wish: Wish,
    ) -> Result<Written, Failure> {
        let propose = |current: &Arc<Object>| {
            let scale = wished(context, kind, current, &wish)?;
            check(&scale, target)?;
            let mut draft = Self::decode_stored(kind, current)?;
            let parts = draft.scaled().ok_or_else(Failure::unknown_resource)?;
            *parts.replicas = Some(scale.spec.and_then(|spec| spec.replicas).unwrap_or_default());
            if let Some(uid) = scale.metadata.uid.filter(|uid| !uid.is_empty()) {
                draft.metadata_mut().uid = Some(uid);
            }
            let revision = scale.metadata.resource_version.filter(|revision| !revision.is_empty());
            let revision = match wish {
                Wish::Whole(_) => revision,
                Wish::Patch(_) => revision.filter(|revision| *revision != current.revision.to_string()),
            };
            Ok(Proposal { draft, revision })
        };
        self.write_parent(context, kind, target, Noting::Update(Some("scale")), &propose).await
    }
}

const SCALE: GroupVersionKind = GroupVersionKind { group: "autoscaling", version: "v1", kind: "Scale" };

fn refused(why: &str) -> Failure {
    Failure::bad_request(format!("Scale in version \"v1\" cannot be handled as a Scale: {why}"))
}

fn unreadable(error: serde_json::Error) -> Failure {
    refused(&error.to_string())
}

/// The part of the object that the configuration of its Scale speaks of.
fn of_parent(kind: KindRef, scale: Value) -> Value {
    let facts = kind.facts();
    let mut config = json!({"apiVersion": facts.api_version(), "kind": facts.kind, "metadata": scale["metadata"]});
    if let Some(replicas) = scale.pointer("/spec/replicas") {
        config["spec"] = json!({"replicas": replicas});
    }
    config
}

fn wished(context: &Context, kind: KindRef, current: &Arc<Object>, wish: &Wish) -> Result<Scale, Failure> {
    match wish {
        Wish::Whole(scale) => Ok(Scale::clone(scale)),
        Wish::Patch(patch) => {
            let scale = scale_of(kind, current)?;
            let mut value = serde_json::to_value(scale).map_err(unreadable)?;
            patch.apply_to(SCALE.group, SCALE.version, SCALE.kind, &mut value)?;
            let text = value.to_string();
            let scale = serde_json::from_value(value).map_err(unreadable)?;
            decode::check(context, SCALE, text.as_bytes(), |complaint| decode::invalid_patch(&text, &complaint))?;
            Ok(scale)
        }
    }
}

fn check(scale: &Scale, target: Target<'_>) -> Result<(), Failure> {
    let name = scale.metadata.name.as_deref().unwrap_or_default();
    if name != target.name {
        return Err(Failure::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            target.name
        )));
    }
    let replicas = scale.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or_default();
    if replicas < 0 {
        let path = Path::new("spec").child("replicas");
        let error = FieldError::invalid(&path, replicas, "must be greater than or equal to 0");
        return Err(Failure::invalid("autoscaling", "Scale", target.name, FieldErrors(vec![error])));
    }
    Ok(())
}
