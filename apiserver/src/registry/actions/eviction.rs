//! `pods/eviction`: a deletion that disruption budgets may refuse.

use std::sync::Arc;

use api::failure::{Failure, Reason};
use api::names::{GroupResource, GroupVersionKind};
use async_trait::async_trait;
use bytes::Bytes;
use k8s_openapi::api::core::v1::{Pod, PodCondition};
use k8s_openapi::api::policy::v1::Eviction;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{DeleteOptions, Time};

use crate::context::Context;
use crate::kinds::erased::KindRef;
use crate::registry::actions::action::{Action, success};
use crate::registry::actions::body;
use crate::registry::actions::budget::{self, Budget};
use crate::registry::delete;
use crate::registry::update::Proposal;
use crate::registry::write::Noting;
use crate::registry::{Registry, Target};
use crate::storage::object::Object;

const EVICTION: GroupVersionKind = GroupVersionKind { group: "policy", version: "v1", kind: "Eviction" };
/// How often a lost race is run again.
const ATTEMPTS: usize = 20;

pub struct Evict;

#[async_trait]
impl Action for Evict {
    fn place(&self) -> (GroupResource, Option<&'static str>) {
        (GroupResource { group: "", resource: "pods" }, Some("eviction"))
    }

    async fn act(
        &self,
        registry: &Registry,
        context: &Context,
        kind: KindRef,
        target: Target<'_>,
        body: Bytes,
    ) -> Result<Bytes, Failure> {
        let eviction: Eviction = body::read(context, EVICTION, Some("v1beta1"), &body)?;
        body::check_namespace(eviction.metadata.namespace.as_deref(), target)?;
        if eviction.metadata.name.as_deref().unwrap_or_default() != target.name {
            return Err(Failure::bad_request("name in URL does not match name in Eviction object"));
        }
        let mut options = eviction.delete_options.unwrap_or_default();
        delete::check_options(&options)?;
        let dry_run = context.dry_run || options.dry_run.as_ref().is_some_and(|runs| !runs.is_empty());
        options.dry_run = dry_run.then(|| vec!["All".to_owned()]);
        let context = Context { dry_run, ..context.clone() };
        Attempt { registry, context: &context, kind, target, options: &options }.evict().await?;
        success()
    }
}

/// What is read of a pod before it is decided.
struct Seen {
    object: Arc<Object>,
    pod: Pod,
}

impl Seen {
    fn phase(&self) -> &str {
        self.pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
    }

    /// It is gone already, for all that budgets care: they count pods that run.
    fn is_over(&self) -> bool {
        matches!(self.phase(), "Succeeded" | "Failed") || self.object.meta.deleting
    }

    fn is_ready(&self) -> bool {
        let conditions = self.pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
        conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
    }
}

/// One request for an eviction.
struct Attempt<'a> {
    registry: &'a Registry,
    context: &'a Context,
    kind: KindRef,
    target: Target<'a>,
    options: &'a DeleteOptions,
}

impl Attempt<'_> {
    async fn evict(&self) -> Result<(), Failure> {
        let mut attempts = 0;
        let seen = loop {
            attempts += 1;
            let seen = self.look()?;
            if !seen.is_over() && seen.phase() != "Pending" {
                break seen;
            }
            // One that still waits may begin to run meanwhile, and then budgets count it.
            let options = if seen.is_over() { self.options.clone() } else { self.pinned(&seen) };
            match self.mark_and_delete(options).await {
                Err(failure) if failure.reason == Reason::Conflict && !self.has_revision() && attempts < ATTEMPTS => {}
                done => return done,
            }
        };
        let Some(budget) = self.only_budget(&seen)? else {
            return self.mark_and_delete(self.options.clone()).await;
        };
        if !seen.is_ready() && budget.spares_unready() {
            let deleted = self.mark_and_delete(self.pinned(&seen)).await;
            return deleted.map_err(|failure| match failure.reason {
                Reason::Conflict if !self.has_revision() => budget.is_in_progress(),
                _ => failure,
            });
        }
        budget::take_one(self.registry, budget, self.target.name, self.context.dry_run).await?;
        self.mark_and_delete(self.options.clone()).await
    }

    fn look(&self) -> Result<Seen, Failure> {
        let object = self.registry.current(self.kind, self.target)?;
        let draft = Registry::decode_stored(self.kind, &object)?;
        let pod = draft.typed::<Pod>().cloned().ok_or_else(Failure::unknown_resource)?;
        Ok(Seen { object, pod })
    }

    fn only_budget(&self, seen: &Seen) -> Result<Option<Budget>, Failure> {
        let mut budgets = budget::of_pod(self.registry, &seen.object);
        if budgets.len() > 1 {
            let why =
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
            return Err(Failure::new(Reason::InternalError, why));
        }
        Ok(budgets.pop())
    }

    fn has_revision(&self) -> bool {
        self.options.preconditions.as_ref().is_some_and(|wanted| wanted.resource_version.is_some())
    }

    /// The options, for this state of the pod alone.
    fn pinned(&self, seen: &Seen) -> DeleteOptions {
        let mut options = self.options.clone();
        let revision = &mut options.preconditions.get_or_insert_default().resource_version;
        revision.get_or_insert_with(|| seen.object.revision.to_string());
        options
    }

    /// Says on the pod why it goes, then deletes it.
    async fn mark_and_delete(&self, mut options: DeleteOptions) -> Result<(), Failure> {
        let whole = Target { subresource: None, ..self.target };
        if !self.context.dry_run {
            let marked = self.mark(&options).await?;
            if let Some(revision) = options.preconditions.as_mut().and_then(|wanted| wanted.resource_version.as_mut()) {
                *revision = marked.revision.to_string();
            }
        }
        self.registry.delete_object(self.context, self.kind, whole, &options).await.map(drop)
    }

    async fn mark(&self, options: &DeleteOptions) -> Result<Arc<Object>, Failure> {
        let now = self.registry.clock.now_seconds();
        let propose = |current: &Arc<Object>| {
            delete::check_preconditions(self.kind.facts(), self.target.name, options, current)?;
            let mut draft = Registry::decode_stored(self.kind, current)?;
            let pod = draft.typed_mut::<Pod>().ok_or_else(Failure::unknown_resource)?;
            set_disruption(pod, now);
            Ok(Proposal { draft, revision: None })
        };
        let status = Target { subresource: Some("status"), ..self.target };
        // The condition is the server's, not the client's who asks for the eviction.
        Ok(self.registry.write_noted(self.context, self.kind, status, Noting::Nothing, &propose).await?.object)
    }
}

fn set_disruption(pod: &mut Pod, now: jiff::Timestamp) {
    let generation = pod.metadata.generation;
    let conditions = pod.status.get_or_insert_default().conditions.get_or_insert_default();
    let wanted = PodCondition {
        type_: "DisruptionTarget".to_owned(),
        status: "True".to_owned(),
        reason: Some("EvictionByEvictionAPI".to_owned()),
        message: Some("Eviction API: evicting".to_owned()),
        last_transition_time: Some(Time(now)),
        observed_generation: generation,
        ..PodCondition::default()
    };
    match conditions.iter_mut().find(|condition| condition.type_ == wanted.type_) {
        Some(known) if known.status == wanted.status => {
            let since = known.last_transition_time.take();
            *known = PodCondition { last_transition_time: since, ..wanted };
        }
        Some(known) => *known = wanted,
        None => conditions.push(wanted),
    }
}
