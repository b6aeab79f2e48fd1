//! What the questions about rights share: their rules, and how they are answered.

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::authorization::v1::{
    FieldSelectorAttributes, LabelSelectorAttributes, NonResourceAttributes, ResourceAttributes,
    SubjectAccessReviewSpec, SubjectAccessReviewStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::context::User;
use crate::kinds::answer::{Asked, ResourceRight, Right};
use crate::kinds::rules::{shown, text};

const EMPTY_METADATA: &str = "must be empty";
const EMPTY_BUT_NAMESPACE: &str = "must be empty except for namespace";

/// A question has no metadata of its own, but for the namespace that it is asked in.
pub fn metadata(metadata: &ObjectMeta, may_have_namespace: bool, errors: &mut FieldErrors) {
    let mut rest = metadata.clone();
    if may_have_namespace {
        rest.namespace = None;
    }
    if rest != ObjectMeta::default() {
        let why = if may_have_namespace { EMPTY_BUT_NAMESPACE } else { EMPTY_METADATA };
        errors.push(FieldError::invalid(&Path::new("metadata"), shown(metadata), why));
    }
}

/// The rules of a question about somebody.
pub fn about_somebody(spec: &SubjectAccessReviewSpec, errors: &mut FieldErrors) {
    let path = Path::new("spec");
    exactly_one(spec.resource_attributes.as_ref(), spec.non_resource_attributes.as_ref(), errors);
    if text(&spec.user).is_empty() && spec.groups.as_ref().is_none_or(Vec::is_empty) {
        let why = "at least one of user or group must be specified";
        errors.push(FieldError::invalid(&path.child("user"), text(&spec.user), why));
    }
    selectors(spec.resource_attributes.as_ref(), errors);
}

/// The rules of a question about oneself.
pub fn about_oneself(
    resource: Option<&ResourceAttributes>,
    path: Option<&NonResourceAttributes>,
    errors: &mut FieldErrors,
) {
    exactly_one(resource, path, errors);
    selectors(resource, errors);
}

fn exactly_one(resource: Option<&ResourceAttributes>, other: Option<&NonResourceAttributes>, errors: &mut FieldErrors) {
    let path = Path::new("spec");
    match (resource, other) {
        (Some(_), Some(other)) => {
            let why = "cannot be specified in combination with resourceAttributes";
            errors.push(FieldError::invalid(&path.child("nonResourceAttributes"), shown(other), why));
        }
        (None, None) => {
            let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            errors.push(FieldError::invalid(&path.child("resourceAttributes"), shown(&other), why));
        }
        _ => {}
    }
}

fn selectors(resource: Option<&ResourceAttributes>, errors: &mut FieldErrors) {
    let Some(resource) = resource else { return };
    let path = Path::new("spec").child("resourceAttributes");
    if let Some(selector) = &resource.field_selector {
        field_selector(selector, &path.child("fieldSelector"), errors);
    }
    if let Some(selector) = &resource.label_selector {
        label_selector(selector, &path.child("labelSelector"), errors);
    }
}

fn field_selector(selector: &FieldSelectorAttributes, path: &Path, errors: &mut FieldErrors) {
    let requirements = selector.requirements.as_deref().unwrap_or_default();
    one_form(text(&selector.raw_selector), requirements.len(), path, errors);
    for (index, requirement) in requirements.iter().enumerate() {
        let path = path.child("requirements").index(index);
        if requirement.key.is_empty() {
            errors.push(FieldError::required(&path.child("key"), "must be specified"));
        }
        values(&requirement.operator, requirement.values.as_deref().unwrap_or_default(), &path, errors);
    }
}

fn label_selector(selector: &LabelSelectorAttributes, path: &Path, errors: &mut FieldErrors) {
    let requirements = selector.requirements.as_deref().unwrap_or_default();
    one_form(text(&selector.raw_selector), requirements.len(), path, errors);
    for (index, requirement) in requirements.iter().enumerate() {
        let path = path.child("requirements").index(index);
        let given = requirement.values.as_deref().unwrap_or_default();
        values(&requirement.operator, given, &path, errors);
        errors.check(&path.child("key"), &requirement.key, names::qualified_name);
        for (index, value) in given.iter().enumerate() {
            errors.check(&path.child("values").index(index), value, names::label_value);
        }
    }
}

fn one_form(raw: &str, count: usize, path: &Path, errors: &mut FieldErrors) {
    if !raw.is_empty() && count > 0 {
        let why = "may not specified at the same time as requirements";
        errors.push(FieldError::invalid(&path.child("rawSelector"), raw, why));
    }
    if raw.is_empty() && count == 0 {
        let why = format!("when {path} is specified, requirements or rawSelector is required");
        errors.push(FieldError::required(&path.child("requirements"), &why));
    }
}

/// Operators that are not known are for the authorizers to make sense of.
fn values(operator: &str, values: &[String], path: &Path, errors: &mut FieldErrors) {
    match operator {
        "In" | "NotIn" if values.is_empty() => {
            let why = "must be specified when `operator` is 'In' or 'NotIn'";
            errors.push(FieldError::required(&path.child("values"), why));
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            errors.push(FieldError::forbidden(&path.child("values"), why));
        }
        "" => errors.push(FieldError::required(&path.child("operator"), "must be specified")),
        _ => {}
    }
}

/// Who is asked about.
pub fn subject(spec: &SubjectAccessReviewSpec) -> User {
    User {
        name: text(&spec.user).to_owned(),
        uid: text(&spec.uid).to_owned(),
        groups: spec.groups.clone().unwrap_or_default(),
        extra: spec.extra.clone().unwrap_or_default(),
    }
}

/// Asks the judge.
pub fn status(
    asked: &Asked<'_>,
    user: &User,
    resource: Option<&ResourceAttributes>,
    other: Option<&NonResourceAttributes>,
) -> SubjectAccessReviewStatus {
    let verdict = asked.judge.judge(user, &right(resource, other));
    SubjectAccessReviewStatus {
        allowed: verdict.allowed,
        reason: Some(verdict.reason).filter(|reason| !reason.is_empty()),
        ..SubjectAccessReviewStatus::default()
    }
}

fn right(resource: Option<&ResourceAttributes>, other: Option<&NonResourceAttributes>) -> Right {
    let owned = |field: &Option<String>| field.clone().unwrap_or_default();
    match (resource, other) {
        (Some(resource), _) => Right::Resource(ResourceRight {
            verb: owned(&resource.verb),
            group: owned(&resource.group),
            version: owned(&resource.version),
            namespace: owned(&resource.namespace),
            resource: owned(&resource.resource),
            subresource: owned(&resource.subresource),
            name: owned(&resource.name),
        }),
        (None, Some(other)) => Right::Path { verb: owned(&other.verb), path: owned(&other.path) },
        (None, None) => Right::Path { verb: String::new(), path: String::new() },
    }
}
