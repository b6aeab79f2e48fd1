//! `pods/binding`: the scheduler gives a pod its node. `bindings` is the same thing by an old name.

use std::sync::Arc;

use api::failure::Failure;
use api::field::{FieldError, FieldErrors, Path};
use api::names::{GroupResource, GroupVersionKind};
use async_trait::async_trait;
use bytes::Bytes;
use k8s_openapi::api::core::v1::{Binding, Pod, PodCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::context::Context;
use crate::kinds::erased::KindRef;
use crate::kinds::facts::Facts;
use crate::registry::actions::action::{Action, success};
use crate::registry::actions::body;
use crate::registry::update::Proposal;
use crate::registry::{Registry, Target};
use crate::storage::object::Object;

const BINDING: GroupVersionKind = GroupVersionKind { group: "", version: "v1", kind: "Binding" };
const PODS: GroupResource = GroupResource { group: "", resource: "pods" };

pub struct Bind;

#[async_trait]
impl Action for Bind {
    fn place(&self) -> (GroupResource, Option<&'static str>) {
        (PODS, Some("binding"))
    }

    async fn act(
        &self,
        registry: &Registry,
        context: &Context,
        kind: KindRef,
        target: Target<'_>,
        body: Bytes,
    ) -> Result<Bytes, Failure> {
        let binding = read(context, target, &body)?;
        if binding.metadata.name.as_deref().is_some_and(|name| !name.is_empty() && name != target.name) {
            return Err(Failure::bad_request("name in URL does not match name in Binding object"));
        }
        bind(registry, context, kind, target, &binding).await
    }
}

/// POST on the collection `bindings`: the body alone says which pod it is about.
pub struct LegacyBind;

#[async_trait]
impl Action for LegacyBind {
    fn place(&self) -> (GroupResource, Option<&'static str>) {
        (GroupResource { group: "", resource: "bindings" }, None)
    }

    async fn act(
        &self,
        registry: &Registry,
        context: &Context,
        _: KindRef,
        target: Target<'_>,
        body: Bytes,
    ) -> Result<Bytes, Failure> {
        let binding = read(context, target, &body)?;
        let pods = registry.find(PODS.group, "v1", PODS.resource).ok_or_else(Failure::unknown_resource)?;
        let name = binding.metadata.name.as_deref().unwrap_or_default();
        let target = Target { name, subresource: Some("binding"), ..target };
        bind(registry, context, pods, target, &binding).await
    }
}

fn read(context: &Context, target: Target<'_>, json: &[u8]) -> Result<Binding, Failure> {
    let binding: Binding = body::read(context, BINDING, None, json)?;
    body::check_namespace(binding.metadata.namespace.as_deref(), target)?;
    Ok(binding)
}

async fn bind(
    registry: &Registry,
    context: &Context,
    pods: KindRef,
    target: Target<'_>,
    binding: &Binding,
) -> Result<Bytes, Failure> {
    check(binding, target)?;
    let now = registry.clock.now_seconds();
    let propose = |current: &Arc<Object>| {
        let mut draft = Registry::decode_stored(pods, current)?;
        let pod = draft.typed_mut::<Pod>().ok_or_else(Failure::unknown_resource)?;
        assign(pods.facts(), pod, binding, now)?;
        let revision = binding.metadata.resource_version.clone().filter(|revision| !revision.is_empty());
        Ok(Proposal { draft, revision })
    };
    registry.write(context, pods, target, &propose).await?;
    success()
}

fn check(binding: &Binding, target: Target<'_>) -> Result<(), Failure> {
    let mut errors = FieldErrors::default();
    let path = Path::new("target");
    let kind = binding.target.kind.as_deref().unwrap_or_default();
    if !matches!(kind, "" | "Node") {
        errors.push(FieldError::not_supported(&path.child("kind"), kind, &["Node", "<empty>"]));
    }
    if binding.target.name.as_deref().is_none_or(str::is_empty) {
        errors.push(FieldError::required(&path.child("name"), ""));
    }
    if errors.is_empty() { Ok(()) } else { Err(Failure::invalid("", "Binding", target.name, errors)) }
}

fn assign(facts: &Facts, pod: &mut Pod, binding: &Binding, now: jiff::Timestamp) -> Result<(), Failure> {
    let name = pod.metadata.name.clone().unwrap_or_default();
    let conflict = |why: String| Err(Failure::conflict(facts.resource(), &name, why));
    if let Some(uid) = binding.metadata.uid.as_ref().filter(|uid| !uid.is_empty()) {
        let known = pod.metadata.uid.as_deref().unwrap_or_default();
        if uid != known {
            return conflict(format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {known}"));
        }
    }
    if pod.metadata.deletion_timestamp.is_some() {
        return conflict(format!("pod {name} is being deleted, cannot be assigned to a host"));
    }
    let spec = pod.spec.get_or_insert_default();
    if let Some(node) = spec.node_name.as_deref().filter(|node| !node.is_empty()) {
        return conflict(format!("pod {name} is already assigned to node {node:?}"));
    }
    if spec.scheduling_gates.as_ref().is_some_and(|gates| !gates.is_empty()) {
        return conflict(format!("pod {name} has non-empty .spec.schedulingGates"));
    }
    spec.node_name = binding.target.name.clone();
    if let Some(added) = &binding.metadata.annotations {
        let annotations = pod.metadata.annotations.get_or_insert_default();
        annotations.extend(added.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
    let conditions = pod.status.get_or_insert_default().conditions.get_or_insert_default();
    conditions.retain(|condition| condition.type_ != "PodScheduled");
    conditions.push(PodCondition {
        type_: "PodScheduled".to_owned(),
        status: "True".to_owned(),
        last_transition_time: Some(Time(now)),
        ..PodCondition::default()
    });
    Ok(())
}
