//! What becomes of an object, given what is known of its owners.

use api::well_known::finalizer;

use crate::cluster::Propagation;
use crate::kinds::meta::{Meta, OwnerReference};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerState {
    Present,
    /// It is being deleted, after its dependents.
    WaitsForDependents,
    Absent,
    /// Of a kind that nobody serves: it may come back.
    Unknown,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Keep,
    /// Keep the object, with these owners only.
    Reown(Vec<OwnerReference>),
    Delete(Propagation),
    /// Two wait for each other: neither may block the other any more.
    UnblockAndDelete(Vec<OwnerReference>),
}

/// What is known of an object that is not being deleted itself.
pub struct Observed<'a> {
    pub meta: &'a Meta,
    /// As many as the object has owner references.
    pub owners: &'a [OwnerState],
    pub has_dependents: bool,
    /// Whether one of them is being deleted after its own dependents.
    pub a_dependent_waits: bool,
}

pub fn plan(observed: &Observed<'_>) -> Verdict {
    let references = &observed.meta.owner_references;
    let is = |state: OwnerState| observed.owners.contains(&state);
    if references.is_empty() || is(OwnerState::Unknown) {
        return Verdict::Keep;
    }
    if is(OwnerState::Present) {
        if !is(OwnerState::Absent) && !is(OwnerState::WaitsForDependents) {
            return Verdict::Keep;
        }
        let kept = references.iter().zip(observed.owners).filter(|(_, state)| **state == OwnerState::Present);
        return Verdict::Reown(kept.map(|(owner, _)| owner.clone()).collect());
    }
    if is(OwnerState::WaitsForDependents) && observed.has_dependents {
        if observed.a_dependent_waits {
            let unblocked = references.iter().map(|it| OwnerReference { block_owner_deletion: false, ..it.clone() });
            return Verdict::UnblockAndDelete(unblocked.collect());
        }
        return Verdict::Delete(Propagation::Foreground);
    }
    Verdict::Delete(if observed.meta.has_finalizer(finalizer::ORPHAN) {
        Propagation::Orphan
    } else if observed.meta.has_finalizer(finalizer::FOREGROUND) {
        Propagation::Foreground
    } else {
        Propagation::Background
    })
}

/// Whether a dependent keeps its owner from going before it.
pub fn blocks(dependent: &Meta, owner_uid: &str) -> bool {
    dependent.owner_references.iter().any(|owner| *owner.uid == *owner_uid && owner.block_owner_deletion)
}

#[cfg(test)]
mod tests {
    use super::*;
    use OwnerState::{Absent, Present, Unknown, WaitsForDependents};

    fn verdict(states: &[OwnerState], has_dependents: bool, a_dependent_waits: bool, finalizers: &[&str]) -> Verdict {
        let owner = |index: usize| OwnerReference {
            uid: index.to_string().into(),
            block_owner_deletion: true,
            ..OwnerReference::default()
        };
        let meta = Meta {
            owner_references: (0..states.len()).map(owner).collect(),
            finalizers: finalizers.iter().map(|name| (*name).into()).collect(),
            ..Meta::default()
        };
        plan(&Observed { meta: &meta, owners: states, has_dependents, a_dependent_waits })
    }

    #[test]
    fn an_object_without_owners_or_with_one_that_is_there_is_kept() {
        assert_eq!(verdict(&[], false, false, &[]), Verdict::Keep);
        assert_eq!(verdict(&[Present], false, false, &[]), Verdict::Keep);
        assert_eq!(verdict(&[Absent, Unknown], false, false, &[]), Verdict::Keep);
    }

    #[test]
    fn owners_that_are_gone_are_dropped_while_another_is_there() {
        let Verdict::Reown(rest) = verdict(&[Absent, Present, WaitsForDependents], true, false, &[]) else {
            panic!("not reowned")
        };
        assert_eq!(rest.iter().map(|owner| &*owner.uid).collect::<Vec<_>>(), ["1"]);
    }

    #[test]
    fn an_object_whose_owners_are_all_gone_is_deleted() {
        assert_eq!(verdict(&[Absent], true, false, &[]), Verdict::Delete(Propagation::Background));
        let foreground = verdict(&[Absent], true, false, &[finalizer::FOREGROUND]);
        assert_eq!(foreground, Verdict::Delete(Propagation::Foreground));
        let orphan = verdict(&[Absent, WaitsForDependents], false, false, &[finalizer::ORPHAN]);
        assert_eq!(orphan, Verdict::Delete(Propagation::Orphan));
    }

    #[test]
    fn a_waiting_owner_takes_its_dependents_dependents_first() {
        assert_eq!(verdict(&[WaitsForDependents], true, false, &[]), Verdict::Delete(Propagation::Foreground));
        assert_eq!(verdict(&[WaitsForDependents], false, false, &[]), Verdict::Delete(Propagation::Background));
    }

    #[test]
    fn a_circle_is_broken() {
        let Verdict::UnblockAndDelete(owners) = verdict(&[WaitsForDependents], true, true, &[]) else {
            panic!("not unblocked")
        };
        assert!(owners.iter().all(|owner| !owner.block_owner_deletion));
    }
}
