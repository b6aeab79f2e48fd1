//! What roles and bindings share: their rules, defaults and cells.

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::rbac::v1::{PolicyRule, RoleRef, Subject};

use crate::kinds::rules::{required_name, shown, supported, text};

const GROUP: &str = "rbac.authorization.k8s.io";

/// `namespaced` rules are about resources only.
pub fn validate_rules(rules: Option<&[PolicyRule]>, namespaced: bool, errors: &mut FieldErrors) {
    for (index, rule) in rules.into_iter().flatten().enumerate() {
        validate_rule(rule, namespaced, &Path::new("rules").index(index), errors);
    }
}

fn validate_rule(rule: &PolicyRule, namespaced: bool, path: &Path, errors: &mut FieldErrors) {
    let count = |list: &Option<Vec<String>>| list.as_ref().map_or(0, Vec::len);
    if rule.verbs.is_empty() {
        errors.push(FieldError::required(&path.child("verbs"), "verbs must contain at least one value"));
    }
    if count(&rule.non_resource_urls) > 0 {
        let path = path.child("nonResourceURLs");
        if namespaced {
            let why = "namespaced rules cannot apply to non-resource URLs";
            errors.push(FieldError::invalid(&path, shown(&rule.non_resource_urls), why));
        }
        if count(&rule.api_groups) + count(&rule.resources) + count(&rule.resource_names) > 0 {
            let why = "rules cannot apply to both regular resources and non-resource URLs";
            errors.push(FieldError::invalid(&path, shown(&rule.non_resource_urls), why));
        }
        return;
    }
    if count(&rule.api_groups) == 0 {
        let why = "resource rules must supply at least one api group";
        errors.push(FieldError::required(&path.child("apiGroups"), why));
    }
    if count(&rule.resources) == 0 {
        let why = "resource rules must supply at least one resource";
        errors.push(FieldError::required(&path.child("resources"), why));
    }
}

pub fn fill_binding(role: &mut RoleRef, subjects: &mut Option<Vec<Subject>>) {
    if text(&role.api_group).is_empty() {
        role.api_group = Some(GROUP.to_owned());
    }
    for subject in subjects.iter_mut().flatten() {
        if text(&subject.api_group).is_empty() && matches!(&*subject.kind, "User" | "Group") {
            subject.api_group = Some(GROUP.to_owned());
        }
    }
}

/// `roles` are the kinds that the binding may refer to.
pub fn validate_binding(
    role: &RoleRef,
    subjects: Option<&[Subject]>,
    roles: &[&str],
    namespaced: bool,
    errors: &mut FieldErrors,
) {
    let path = Path::new("roleRef");
    supported(errors, &path.child("apiGroup"), text(&role.api_group), &[GROUP]);
    supported(errors, &path.child("kind"), &role.kind, roles);
    required_name(errors, &path.child("name"), &role.name, names::path_segment);
    for (index, subject) in subjects.into_iter().flatten().enumerate() {
        validate_subject(subject, namespaced, &Path::new("subjects").index(index), errors);
    }
}

/// A binding is for one role for ever: to hand out another is to make another.
pub fn validate_binding_update(new: &RoleRef, old: &RoleRef, errors: &mut FieldErrors) {
    if new != old {
        errors.push(FieldError::invalid(&Path::new("roleRef"), shown(new), "cannot change roleRef"));
    }
}

fn validate_subject(subject: &Subject, namespaced: bool, path: &Path, errors: &mut FieldErrors) {
    let name_path = path.child("name");
    if subject.name.is_empty() {
        errors.push(FieldError::required(&name_path, ""));
    }
    let group = text(&subject.api_group);
    match &*subject.kind {
        "ServiceAccount" => {
            if !subject.name.is_empty() {
                errors.check(&name_path, &subject.name, names::dns_subdomain);
            }
            if !group.is_empty() {
                supported(errors, &path.child("apiGroup"), group, &[""]);
            }
            if !namespaced && text(&subject.namespace).is_empty() {
                errors.push(FieldError::required(&path.child("namespace"), ""));
            }
        }
        "User" | "Group" => {
            if subject.name.is_empty() {
                let why = format!("{} name cannot be empty", subject.kind.to_lowercase());
                errors.push(FieldError::invalid(&name_path, "", why));
            }
            supported(errors, &path.child("apiGroup"), group, &[GROUP]);
        }
        other => supported(errors, &path.child("kind"), other, &["ServiceAccount", "User", "Group"]),
    }
}

pub fn role_cell(role: &RoleRef) -> String {
    format!("{}/{}", role.kind, role.name)
}

/// The subjects of a kind, as a wide listing shows them.
pub fn subjects_cell(subjects: Option<&[Subject]>, kind: &str) -> String {
    let of_kind = subjects.into_iter().flatten().filter(|subject| subject.kind == kind);
    let names = of_kind.map(|subject| match kind {
        "ServiceAccount" => format!("{}/{}", text(&subject.namespace), subject.name),
        _ => subject.name.clone(),
    });
    names.collect::<Vec<_>>().join(", ")
}
