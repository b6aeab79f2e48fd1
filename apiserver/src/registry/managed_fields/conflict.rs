//! What others manage, and an applier would change: the refusal that says so.

use api::failure::{Failure, Reason};

use crate::registry::managed_fields::managers::Manager;
use crate::registry::managed_fields::set::Set;

/// By manager: the fields that it would lose.
#[derive(Debug, Default)]
pub struct Conflicts(pub Vec<(Manager, Set)>);

impl Conflicts {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is left of them when these fields may be taken.
    pub fn without(self, allowed: &Set) -> Self {
        let rest = self.0.into_iter().map(|(manager, set)| (manager, set.without(allowed)));
        Self(rest.filter(|(_, set)| !set.is_empty()).collect())
    }

    pub fn failure(&self) -> Failure {
        let listed: Vec<(&Manager, Vec<String>)> = self.0.iter().map(|(manager, set)| (manager, set.paths())).collect();
        let count: usize = listed.iter().map(|(_, paths)| paths.len()).sum();
        let text = match &listed[..] {
            [(manager, paths)] if count == 1 => format!("conflict with {manager}: {}", paths.concat()),
            _ => {
                let mut lines = Vec::new();
                for (manager, paths) in &listed {
                    lines.push(format!("conflicts with {manager}:"));
                    lines.extend(paths.iter().map(|path| format!("- {path}")));
                }
                lines.join("\n")
            }
        };
        let noun = if count == 1 { "conflict" } else { "conflicts" };
        let mut failure = Failure::new(Reason::Conflict, format!("Apply failed with {count} {noun}: {text}"));
        for (manager, paths) in listed {
            for path in paths {
                failure = failure.with_cause("FieldManagerConflict", format!("conflict with {manager}"), &path);
            }
        }
        failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::managed_fields::managers::Operation;

    fn conflicts(of: &[(&str, &[&[&str]])]) -> Conflicts {
        let manager = |name| Manager::new(name, Operation::Update, "apps/v1", None);
        Conflicts(of.iter().map(|(name, paths)| (manager(name), Set::of_fields(paths))).collect())
    }

    #[test]
    fn one_conflict_is_told_in_a_line() {
        let failure = conflicts(&[("mgr", &[&["spec", "replicas"]])]).failure();
        assert_eq!(
            failure.message,
            "Apply failed with 1 conflict: conflict with \"mgr\" using apps/v1: .spec.replicas"
        );
        let cause = &failure.details.as_ref().unwrap().causes[0];
        assert_eq!(
            (cause.reason.as_str(), cause.field.as_str(), cause.message.as_str()),
            ("FieldManagerConflict", ".spec.replicas", "conflict with \"mgr\" using apps/v1")
        );
        assert_eq!(failure.code(), 409);
    }

    #[test]
    fn several_conflicts_are_listed_by_manager() {
        let several = conflicts(&[("a", &[&["spec", "replicas"], &["spec", "paused"]]), ("b", &[&["data", "x"]])]);
        let failure = several.failure();
        assert_eq!(
            failure.message,
            "Apply failed with 3 conflicts: conflicts with \"a\" using apps/v1:\n- .spec.paused\n- .spec.replicas\n\
             conflicts with \"b\" using apps/v1:\n- .data.x"
        );
        assert_eq!(failure.details.as_ref().unwrap().causes.len(), 3);
        let allowed = Set::of_fields(&[&["spec", "replicas"], &["data", "x"]]);
        assert_eq!(several.without(&allowed).failure().details.unwrap().causes.len(), 1);
    }
}
