//! Deleting: at once, gracefully, or when the last finalizer is gone; and whole collections.

use std::sync::Arc;

use api::failure::{Failure, Reason};
use api::field::{FieldError, FieldErrors, Path};
use api::names::GroupResource;
use api::well_known::finalizer;
use futures::FutureExt;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{DeleteOptions, ObjectMeta, Time};

use crate::admission::{self, check::Operation};
use crate::context::Context;
use crate::kinds::erased::{Draft, KindRef};
use crate::kinds::facts::Facts;
use crate::registry::options::{Deleted, ListOptions, Page, unknown_dry_run};
use crate::registry::read::view;
use crate::registry::write::{MOST_ATTEMPTS, Outcome, View, is_volatile, request};
use crate::registry::{Registry, Target};
use crate::storage::Write;
use crate::storage::object::Object;

/// How many objects of a collection are deleted at the same time.
const AT_ONCE: usize = 32;

/// What a deletion does to an object.
enum Step {
    /// Nothing more: it is on its way already.
    Pending,
    /// It stays for a while, marked.
    Mark,
    Remove,
}

impl Registry {
    pub(super) async fn delete_object(
        &self,
        context: &Context,
        kind: KindRef,
        target: Target<'_>,
        options: &DeleteOptions,
    ) -> Result<Deleted, Failure> {
        check_options(options)?;
        let dry_run = context.dry_run || options.dry_run.as_ref().is_some_and(|runs| !runs.is_empty());
        for _ in 0..MOST_ATTEMPTS {
            let current = self.current(kind, target)?;
            check_preconditions(kind.facts(), target.name, options, &current)?;
            let old = Self::decode_stored(kind, &current)?;
            let cluster = View(self.storage.snapshot());
            let request = request(Operation::Delete, context, kind, target, Some(&*old), &cluster);
            admission::validate(&request, None).await?;
            let mut draft = old.copy();
            let step = step(kind.facts(), &mut *draft, options, self.clock.now_seconds());
            let marked = match step {
                Step::Pending => return answer(kind, current, true),
                Step::Mark => Some(Self::encode(kind, &*draft)?),
                Step::Remove => None,
            };
            if let Some(bytes) = &marked
                && current.has_content(bytes)
            {
                return answer(kind, current, true);
            }
            if dry_run {
                let pending = marked.is_some();
                let object = match marked {
                    Some(bytes) => Self::dry(current.key.clone(), Some(&current), bytes)?,
                    None => current,
                };
                return answer(kind, object, pending);
            }
            let pending = marked.is_some();
            let outcome = match marked {
                Some(bytes) => {
                    let write = Write::update(current.key.clone(), current.revision, bytes);
                    self.commit(write.volatile(is_volatile(&*draft, &*old))).await?
                }
                None => self.remove(&current, &*old).await?,
            };
            if let Outcome::Done(event) = outcome {
                return answer(kind, event.object.clone(), pending);
            }
        }
        Err(Failure::modified(kind.facts().resource(), target.name))
    }

    /// Takes an object out of the store, if it is still the same.
    pub(super) async fn remove(&self, current: &Object, old: &dyn Draft) -> Result<Outcome, Failure> {
        let write = Write::delete(current.key.clone(), current.revision);
        let outcome = self.commit_reserved(write, self.let_go(old)).await?;
        if let Outcome::Done(_) = outcome {
            self.after_removal(&current.key).await;
        }
        Ok(outcome)
    }

    pub(super) async fn delete_list(
        &self,
        context: &Context,
        kind: KindRef,
        namespace: Option<&str>,
        list: &ListOptions,
        options: &DeleteOptions,
    ) -> Result<Page, Failure> {
        check_options(options)?;
        let page = self.read_list(kind, namespace, list)?;
        let mut first_failure = Ok(());
        for objects in page.objects.chunks(AT_ONCE) {
            let mut deletions = Vec::with_capacity(objects.len());
            for object in objects {
                deletions.push(self.delete_listed(context, kind, object, options).boxed());
            }
            first_failure = futures::future::join_all(deletions).await.into_iter().fold(first_failure, Result::and);
        }
        first_failure.map(|()| page)
    }

    /// Deletes one of a collection, unless somebody else did.
    async fn delete_listed(
        &self,
        context: &Context,
        kind: KindRef,
        object: &Object,
        options: &DeleteOptions,
    ) -> Result<(), Failure> {
        let namespace = (!object.key.namespace.is_empty()).then_some(&*object.key.namespace);
        let target = Target { namespace, name: &object.key.name, subresource: None };
        match self.delete_object(context, kind, target, options).await {
            Err(failure) if failure.reason != Reason::NotFound => Err(failure),
            _ => Ok(()),
        }
    }
}

fn answer(kind: KindRef, object: Arc<Object>, pending: bool) -> Result<Deleted, Failure> {
    if pending || kind.facts().flags.returns_deleted {
        return Ok(Deleted::Object { object: view(kind, object)?, pending });
    }
    Ok(Deleted::Gone(object))
}

/// The rules that options obey, wherever they come from.
pub fn check_options(options: &DeleteOptions) -> Result<(), Failure> {
    const POLICIES: [&str; 4] = ["Foreground", "Background", "Orphan", "nil"];
    let mut errors = FieldErrors::default();
    let path = Path::new("propagationPolicy");
    if let Some(policy) = options.propagation_policy.as_deref() {
        if options.orphan_dependents.is_some() {
            let why = "orphanDependents and deletionPropagation cannot be both set";
            errors.push(FieldError::invalid(&path, policy, why));
        }
        if !POLICIES[..3].contains(&policy) {
            errors.push(FieldError::not_supported(&path, policy, &POLICIES));
        }
    }
    if let Some(runs) = options.dry_run.as_ref().filter(|runs| runs.iter().any(|run| run != "All")) {
        errors.push(unknown_dry_run(runs));
    }
    if errors.is_empty() { Ok(()) } else { Err(Failure::invalid("meta.k8s.io", "DeleteOptions", "", errors)) }
}

/// A deletion may be meant for one object of a name alone, or for one state of it.
pub fn check_preconditions(facts: &Facts, name: &str, options: &DeleteOptions, object: &Object) -> Result<(), Failure> {
    let Some(wanted) = &options.preconditions else { return Ok(()) };
    // Upstream names the kind here, not the resource.
    let of_kind = GroupResource { group: facts.group, resource: facts.kind };
    let conflict = |why: String| Err(Failure::conflict(of_kind, name, why));
    if let Some(uid) = wanted.uid.as_deref().filter(|uid| **uid != *object.meta.uid) {
        return conflict(format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been \
             deleted and then recreated",
            object.meta.uid
        ));
    }
    let revision = object.revision.to_string();
    if let Some(wanted) = wanted.resource_version.as_ref().filter(|wanted| **wanted != revision) {
        return conflict(format!(
            "the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record \
             ({revision}). The object might have been modified"
        ));
    }
    Ok(())
}

/// Decides, and marks the draft where it stays.
fn step(facts: &Facts, draft: &mut dyn Draft, options: &DeleteOptions, now: Timestamp) -> Step {
    if let Some(step) = shorten(draft.metadata_mut(), options) {
        return step;
    }
    if !facts.flags.ignores_dependents {
        set_propagation(facts, draft.metadata_mut(), options);
    }
    let is_held = draft.holds_deletion() || draft.metadata().finalizers.as_ref().is_some_and(|list| !list.is_empty());
    let is_first = draft.metadata().deletion_timestamp.is_none();
    let asked = options.grace_period_seconds.map(|seconds| if seconds < 0 { 1 } else { seconds });
    let grace = if is_first { draft.grace_period(asked).unwrap_or(0) } else { 0 };
    if grace == 0 && !is_held {
        return Step::Remove;
    }
    let metadata = draft.metadata_mut();
    if is_first {
        let end = now.checked_add(SignedDuration::from_secs(grace)).unwrap_or(Timestamp::MAX);
        metadata.deletion_timestamp = Some(Time(end));
        metadata.generation = metadata.generation.map(|generation| generation + 1);
    }
    if is_first || metadata.deletion_grace_period_seconds.is_some() {
        metadata.deletion_grace_period_seconds = Some(grace);
    }
    if is_first {
        draft.begin_deletion();
    }
    Step::Mark
}

/// A deletion that is waiting for its grace period can only be made to come sooner.
fn shorten(metadata: &mut ObjectMeta, options: &DeleteOptions) -> Option<Step> {
    let end = metadata.deletion_timestamp.as_ref()?.0;
    let grace = metadata.deletion_grace_period_seconds.filter(|seconds| *seconds > 0)?;
    let asked = options.grace_period_seconds.map(|seconds| if seconds < 0 { 1 } else { seconds });
    let Some(asked) = asked.filter(|asked| *asked < grace) else { return Some(Step::Pending) };
    let sooner = end.checked_sub(SignedDuration::from_secs(grace - asked)).unwrap_or(Timestamp::MIN);
    metadata.deletion_timestamp = Some(Time(sooner));
    metadata.deletion_grace_period_seconds = Some(asked);
    if asked == 0 && metadata.finalizers.as_ref().is_none_or(Vec::is_empty) {
        return Some(Step::Remove);
    }
    Some(Step::Mark)
}

/// Sets the finalizers that tell the garbage collector what to do with dependents.
fn set_propagation(facts: &Facts, metadata: &mut ObjectMeta, options: &DeleteOptions) {
    let has = |name: &str| metadata.finalizers.iter().flatten().any(|finalizer| finalizer == name);
    let wanted = match (options.orphan_dependents, options.propagation_policy.as_deref()) {
        (Some(true), _) | (_, Some("Orphan")) => Some(finalizer::ORPHAN),
        (_, Some("Foreground")) => Some(finalizer::FOREGROUND),
        (Some(false), _) | (_, Some(_)) => None,
        (None, None) if has(finalizer::ORPHAN) => Some(finalizer::ORPHAN),
        (None, None) if has(finalizer::FOREGROUND) => Some(finalizer::FOREGROUND),
        (None, None) if facts.flags.orphans_by_default => Some(finalizer::ORPHAN),
        (None, None) => None,
    };
    if metadata.finalizers.is_none() && wanted.is_none() {
        return;
    }
    let finalizers = metadata.finalizers.get_or_insert_default();
    finalizers
        .retain(|name| Some(name.as_str()) == wanted || (name != finalizer::ORPHAN && name != finalizer::FOREGROUND));
    if let Some(wanted) = wanted.filter(|wanted| !finalizers.iter().any(|name| name == wanted)) {
        finalizers.push(wanted.to_owned());
    }
    if finalizers.is_empty() {
        metadata.finalizers = None;
    }
}
