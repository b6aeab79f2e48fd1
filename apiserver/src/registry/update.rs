//! Changing: by a whole new state, or by a patch of the present one.

use std::sync::Arc;

use api::failure::Failure;
use api::field::FieldErrors;
use bytes::Bytes;
use serde_json::Value;

use crate::admission::{self, check::Operation};
use crate::context::Context;
use crate::kinds::canonical;
use crate::kinds::erased::{Draft, KindRef};
use crate::registry::options::{PatchType, Written};
use crate::registry::patch::Patch;
use crate::registry::read::view;
use crate::registry::write::{MOST_ATTEMPTS, Noting, Outcome, View, invalid, is_volatile, refuse_invalid, request};
use crate::registry::{Registry, Target, decode, managed_fields, metadata};
use crate::storage::Write;
use crate::storage::object::Object;

const MANAGED_FIELDS: &str = "managedFields";

/// What a client wants an object to become.
pub struct Proposal {
    pub draft: Box<dyn Draft>,
    /// The revision that the client says it changes: then a lost race is its own to deal with.
    pub revision: Option<String>,
}

impl Registry {
    pub(super) async fn replace(
        &self,
        context: &Context,
        kind: KindRef,
        target: Target<'_>,
        body: Bytes,
    ) -> Result<Written, Failure> {
        let mut draft = decode::body(context, kind, &body)?;
        // In the words of a creation. What a patch made of an object is refused in others.
        metadata::set_namespace(kind.facts(), target.namespace, draft.metadata_mut())?;
        check_name(kind, target, &*draft)?;
        let facts = kind.facts();
        if facts.flags.create_on_update && target.subresource.is_none() && self.current(kind, target).is_err() {
            match self.create_by_update(context, kind, target, draft).await? {
                Ok(object) => return Ok(Written { object, created: true }),
                // Somebody else created it meanwhile.
                Err(given_back) => draft = given_back,
            }
        }
        let revision = draft.metadata_mut().resource_version.take().filter(|revision| !revision.is_empty());
        if revision.is_none() && !facts.flags.unconditional_update {
            return Err(invalid(kind, target.name, FieldErrors(vec![metadata::revision_required()])));
        }
        let propose = |_: &Arc<Object>| Ok(Proposal { draft: draft.copy(), revision: revision.clone() });
        self.write(context, kind, target, &propose).await
    }

    async fn create_by_update(
        &self,
        context: &Context,
        kind: KindRef,
        target: Target<'_>,
        draft: Box<dyn Draft>,
    ) -> Result<Result<Arc<Object>, Box<dyn Draft>>, Failure> {
        let is_set = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
        let metadata = draft.metadata();
        if is_set(&metadata.resource_version) || is_set(&metadata.uid) {
            // It speaks of an object that was there.
            return Err(Failure::not_found(kind.facts().resource(), target.name));
        }
        match self.create_draft(context, kind, target.namespace, draft.copy()).await {
            Ok(object) => Ok(Ok(object)),
            Err(failure) if failure.reason == api::failure::Reason::AlreadyExists => Ok(Err(draft)),
            Err(failure) => Err(failure),
        }
    }

    pub(super) async fn apply_patch(
        &self,
        context: &Context,
        kind: KindRef,
        target: Target<'_>,
        patch_type: PatchType,
        patch: &[u8],
    ) -> Result<Written, Failure> {
        // Most patches leave the managed fields alone: then they need not be read, and stay as they are.
        let leaves_managers = !patch.windows(MANAGED_FIELDS.len()).any(|part| part == MANAGED_FIELDS.as_bytes());
        let patch = Patch::parse(patch_type, patch)?;
        let propose = |current: &Arc<Object>| {
            let current = view(kind, current.clone())?;
            let read = |json: &[u8]| {
                serde_json::from_slice::<Value>(json)
                    .map_err(|error| Failure::internal(format!("read {}: {error}", current.key)))
            };
            let mut value = if leaves_managers {
                let mut value = read(&canonical::split(current.content()).0)?;
                value["metadata"]["resourceVersion"] = current.revision.to_string().into();
                value
            } else {
                read(&current.bytes())?
            };
            patch.apply(kind.facts(), &mut value)?;
            let mut draft = decode::patched(context, kind, value)?;
            check_name(kind, target, &*draft)?;
            // A patch that leaves the revision alone is about whatever revision there is.
            let revision = draft.metadata_mut().resource_version.take();
            let revision = revision.filter(|revision| *revision != current.revision.to_string());
            Ok(Proposal { draft, revision })
        };
        self.write(context, kind, target, &propose).await
    }

    /// Carries out what `propose` makes of the newest state, again and again until nobody else comes between.
    pub(super) async fn write(
        &self,
        context: &Context,
        kind: KindRef,
        target: Target<'_>,
        propose: &(dyn Fn(&Arc<Object>) -> Result<Proposal, Failure> + Sync),
    ) -> Result<Written, Failure> {
        self.write_noted(context, kind, target, Noting::of(kind, target), propose).await
    }

    pub(super) async fn write_noted(
        &self,
        context: &Context,
        kind: KindRef,
        target: Target<'_>,
        noting: Noting<'_>,
        propose: &(dyn Fn(&Arc<Object>) -> Result<Proposal, Failure> + Sync),
    ) -> Result<Written, Failure> {
        let modified = || Failure::modified(kind.facts().resource(), target.name);
        for _ in 0..MOST_ATTEMPTS {
            let current = self.current(kind, target)?;
            let proposal = propose(&current)?;
            if proposal.revision.as_ref().is_some_and(|revision| *revision != current.revision.to_string()) {
                return Err(modified());
            }
            let is_conditional = proposal.revision.is_some();
            match self.try_write(context, kind, target, noting, &current, proposal.draft).await? {
                Some(object) => return Ok(Written { object: view(kind, object)?, created: false }),
                None if is_conditional => return Err(modified()),
                None => {}
            }
        }
        Err(modified())
    }

    /// One attempt. None if the object changed meanwhile.
    async fn try_write(
        &self,
        context: &Context,
        kind: KindRef,
        target: Target<'_>,
        noting: Noting<'_>,
        current: &Arc<Object>,
        mut draft: Box<dyn Draft>,
    ) -> Result<Option<Arc<Object>>, Failure> {
        let (old, bare) = Self::read_stored(kind, current)?;
        self.admit_change(context, kind, target, noting, (&*old, &bare), &mut *draft).await?;
        let reservation = self.reserve(kind, &mut *draft, Some(&*old))?;
        let encoded = Self::encode_bare(kind, &*draft)?;
        let managed_fields = draft.managed_fields();
        if is_as_stored(current, &encoded) && managed_fields::same_but_for_times(old.managed_fields(), managed_fields) {
            return Ok(Some(current.clone()));
        }
        let bytes = canonical::join(encoded, managed_fields).into();
        if is_released(&*old, &*draft) {
            return self.remove_released(context, current, &*old, bytes).await;
        }
        if context.dry_run {
            return Self::dry(current.key.clone(), Some(current), bytes).map(Some);
        }
        let write = Write::update(current.key.clone(), current.revision, bytes);
        let write = write.volatile(is_volatile(&*draft, &*old));
        match self.commit_reserved(write, reservation).await? {
            Outcome::Done(event) => Ok(Some(event.object.clone())),
            Outcome::Raced(_) => Ok(None),
        }
    }

    async fn admit_change(
        &self,
        context: &Context,
        kind: KindRef,
        target: Target<'_>,
        noting: Noting<'_>,
        (old, bare): (&dyn Draft, &Bytes),
        draft: &mut dyn Draft,
    ) -> Result<(), Failure> {
        let facts = kind.facts();
        let sent = draft.managed_fields_mut().take();
        metadata::carry_over(facts, target.namespace, old.metadata(), draft.metadata_mut())?;
        draft.fill_defaults();
        match target.subresource {
            None => draft.before_update(old),
            Some(subresource) => draft.before_subresource_update(subresource, old),
        }
        draft.set_times(Some(old), self.clock.now_seconds());
        // What mutating admission makes of it is nobody's.
        let known = old.managed_fields();
        let noted = match noting {
            Noting::Done => sent,
            Noting::Nothing => known.clone(),
            Noting::Update(subresource) => {
                let writer = self.writer(context, kind, subresource);
                managed_fields::after_change(writer, bare, &draft.encode(), known, sent)?
            }
        };
        *draft.managed_fields_mut() = noted;
        let cluster = View(self.storage.snapshot());
        let request = request(Operation::Update, context, kind, target, Some(old), &cluster);
        admission::mutate(&request, draft).await?;
        // A subresource that is the object itself may be a way to change its spec.
        let is_object = |name: &str| facts.subresource(name).is_some_and(|subresource| subresource.of.is_none());
        if target.subresource.is_none_or(is_object) && facts.flags.counts_generations && draft.spec_differs(old) {
            let generation = &mut draft.metadata_mut().generation;
            *generation = Some(generation.unwrap_or(0) + 1);
        }
        let mut errors = FieldErrors::default();
        metadata::validate(facts, draft.metadata(), &mut errors);
        metadata::validate_update(old.metadata(), draft.metadata(), &mut errors);
        match target.subresource {
            None => {
                draft.validate(&mut errors);
                draft.validate_update(old, &mut errors);
            }
            Some(subresource) => draft.validate_subresource_update(subresource, old, &mut errors),
        }
        refuse_invalid(kind, target.name, errors)?;
        admission::validate(&request, Some(draft)).await?;
        if target.subresource.is_none() {
            draft.warnings().into_iter().for_each(|sentence| context.warnings.add(sentence));
        }
        Ok(())
    }

    /// The last finalizer is gone: the update is the deletion.
    async fn remove_released(
        &self,
        context: &Context,
        current: &Arc<Object>,
        old: &dyn Draft,
        bytes: Bytes,
    ) -> Result<Option<Arc<Object>>, Failure> {
        if context.dry_run {
            return Self::dry(current.key.clone(), Some(current), bytes).map(Some);
        }
        match self.remove(current, old).await? {
            Outcome::Done(event) => {
                let last = event.object.view(&bytes);
                last.map(|last| Some(Arc::new(last))).map_err(|error| Failure::internal(error.to_string()))
            }
            Outcome::Raced(_) => Ok(None),
        }
    }
}

/// Whether this is what is stored already, but for managed fields.
fn is_as_stored(current: &Object, bare: &[u8]) -> bool {
    canonical::split(current.content()).0 == bare
}

/// Whether a deleted object has just lost what kept it.
fn is_released(old: &dyn Draft, new: &dyn Draft) -> bool {
    let metadata = new.metadata();
    old.metadata().deletion_timestamp.is_some()
        && metadata.deletion_grace_period_seconds.is_none_or(|seconds| seconds == 0)
        && metadata.finalizers.as_ref().is_none_or(Vec::is_empty)
        && !new.holds_deletion()
}

/// The body must be about the object that the path names.
pub fn check_name(kind: KindRef, target: Target<'_>, draft: &dyn Draft) -> Result<(), Failure> {
    let metadata = draft.metadata();
    let name = metadata.name.as_deref().unwrap_or_default();
    if name.is_empty() {
        return Err(Failure::bad_request(format!(
            "the name of the object ({} based on URL) was undeterminable: name must be provided",
            target.name
        )));
    }
    if name != target.name {
        return Err(Failure::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            target.name
        )));
    }
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    let wanted = target.namespace.unwrap_or_default();
    if kind.facts().namespaced && !namespace.is_empty() && namespace != wanted {
        return Err(Failure::bad_request(format!(
            "the namespace of the object ({namespace}) does not match the namespace on the request ({wanted})"
        )));
    }
    Ok(())
}
