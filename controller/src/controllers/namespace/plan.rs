//! What the conditions of a namespace say while it is being deleted.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::kinds::condition::{self, Condition};
use crate::kinds::wire::in_seconds;

/// What a pass over the contents has found.
#[derive(Debug, Default)]
pub struct Pass {
    /// Group versions that did not tell what they serve.
    pub undiscovered: Vec<String>,
    /// Requests that failed.
    pub failures: Vec<String>,
    /// How many objects of a resource are left.
    pub remaining: BTreeMap<String, usize>,
    /// In how many objects a finalizer is left.
    pub finalizers: BTreeMap<String, usize>,
}

impl Pass {
    pub fn is_done(&self) -> bool {
        self.undiscovered.is_empty() && self.failures.is_empty() && self.remaining.is_empty()
    }
}

/// The conditions after a pass; those that say nothing new keep their time.
pub fn conditions(old: &[Condition], pass: &Pass, now: Timestamp) -> Vec<Condition> {
    let mut conditions = old.to_vec();
    let list = |counts: &BTreeMap<String, usize>, phrase: &str| {
        let told: Vec<String> =
            counts.iter().map(|(what, count)| format!("{what} {phrase} {count} resource instances")).collect();
        told.join(", ")
    };
    let states = [
        (
            "NamespaceDeletionDiscoveryFailure",
            (!pass.undiscovered.is_empty()).then(|| {
                let told = pass.undiscovered.join(", ");
                (
                    "DiscoveryFailed",
                    format!("Discovery failed for some groups, {} failing: {told}", pass.undiscovered.len()),
                )
            }),
            ("ResourcesDiscovered", "All resources successfully discovered"),
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            None,
            ("ParsedGroupVersions", "All legacy kube types successfully parsed"),
        ),
        (
            "NamespaceDeletionContentFailure",
            (!pass.failures.is_empty()).then(|| {
                let told = pass.failures.join(", ");
                (
                    "ContentDeletionFailed",
                    format!("Failed to delete all resource types, {} remaining: {told}", pass.failures.len()),
                )
            }),
            ("ContentDeleted", "All content successfully deleted, may be waiting on finalization"),
        ),
        (
            "NamespaceContentRemaining",
            (!pass.remaining.is_empty()).then(|| {
                ("SomeResourcesRemain", format!("Some resources are remaining: {}", list(&pass.remaining, "has")))
            }),
            ("ContentRemoved", "All content successfully removed"),
        ),
        (
            "NamespaceFinalizersRemaining",
            (!pass.finalizers.is_empty()).then(|| {
                let told = list(&pass.finalizers, "in");
                ("SomeFinalizersRemain", format!("Some content in the namespace has finalizers remaining: {told}"))
            }),
            ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
        ),
    ];
    for (kind, trouble, (reason, message)) in states {
        let (status, reason, message) = match trouble {
            Some((reason, message)) => ("True", reason, message),
            None => ("False", reason, message.to_owned()),
        };
        set(&mut conditions, kind, status, reason, message, now);
    }
    conditions
}

fn set(conditions: &mut Vec<Condition>, kind: &str, status: &str, reason: &str, message: String, now: Timestamp) {
    let current = condition::find(conditions, kind);
    let since = current.filter(|current| &*current.status == status).and_then(|current| current.last_transition_time);
    let new = Condition {
        kind: kind.into(),
        status: status.into(),
        reason: reason.into(),
        message: message.into(),
        last_transition_time: since.or(Some(in_seconds(now))),
        ..Condition::default()
    };
    match conditions.iter_mut().find(|condition| *condition.kind == *kind) {
        Some(condition) => *condition = new,
        None => conditions.push(new),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn told(conditions: &[Condition]) -> Vec<String> {
        conditions.iter().map(|condition| format!("{}={}", condition.reason, condition.status)).collect()
    }

    #[test]
    fn an_empty_namespace_has_nothing_to_tell() {
        let expected = [
            "ResourcesDiscovered=False",
            "ParsedGroupVersions=False",
            "ContentDeleted=False",
            "ContentRemoved=False",
            "ContentHasNoFinalizers=False",
        ];
        assert_eq!(told(&conditions(&[], &Pass::default(), at(1))), expected);
    }

    #[test]
    fn what_is_left_is_told_and_times_move_with_the_status_only() {
        let pass = Pass {
            remaining: [("pods.".to_owned(), 2)].into(),
            finalizers: [("x.io/y".to_owned(), 1)].into(),
            ..Pass::default()
        };
        let first = conditions(&[], &pass, at(1));
        assert_eq!(&*first[3].message, "Some resources are remaining: pods. has 2 resource instances");
        let expected = "Some content in the namespace has finalizers remaining: x.io/y in 1 resource instances";
        assert_eq!(&*first[4].message, expected);
        assert_eq!(conditions(&first, &pass, at(2)), first);
        let done = conditions(&first, &Pass::default(), at(3));
        assert_eq!((done[3].last_transition_time, done[0].last_transition_time), (Some(at(3)), Some(at(1))));
    }
}
