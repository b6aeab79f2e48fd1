//! ResourceQuota: how much a namespace may hold.

use std::collections::{BTreeMap, BTreeSet};

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::api::core::v1::{
    ResourceQuota, ResourceQuotaSpec, ResourceQuotaStatus, ScopedResourceSelectorRequirement,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::Value;

use crate::kinds::facts::{Flags, STATUS, Subresource};
use crate::kinds::kind::{Column, Kind};
use crate::kinds::resource_names;
use crate::kinds::rules::{canonical_amounts, shown};
use crate::kinds::table::{self, age_column, name_column};

const SCOPES: &[&str] = &[
    "BestEffort",
    "CrossNamespacePodAffinity",
    "NotBestEffort",
    "NotTerminating",
    "PriorityClass",
    "Terminating",
    "VolumeAttributesClass",
];
/// Scopes that exclude each other.
const OPPOSITES: [(&str, &str); 2] = [("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")];

impl Kind for ResourceQuota {
    const SHORT_NAMES: &'static [&'static str] = &["quota"];
    const SUBRESOURCES: &'static [Subresource] = &[STATUS];
    const FLAGS: Flags = Flags { returns_deleted: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("Request", "string", "What is used and what is allowed.", |quota, _| used(quota, false).into()),
        Column::new("Limit", "string", "The same, of limits.", |quota, _| used(quota, true).into()),
        age_column(),
    ];

    fn fill_defaults(&mut self) {
        canonical_amounts(&mut self.spec.get_or_insert_default().hard);
        let status = self.status.get_or_insert_default();
        canonical_amounts(&mut status.hard);
        canonical_amounts(&mut status.used);
    }

    fn before_create(&mut self) {
        self.status = Some(ResourceQuotaStatus::default());
    }

    fn before_update(&mut self, old: &Self) {
        self.status = old.status.clone();
    }

    fn before_subresource_update(&mut self, _: &str, old: &Self) {
        self.spec = old.spec.clone();
    }

    fn validate(&self, errors: &mut FieldErrors) {
        let Some(spec) = &self.spec else { return };
        let path = Path::new("spec");
        validate_amounts(spec.hard.as_ref(), &path.child("hard"), errors);
        validate_scopes(spec, &path.child("scopes"), errors);
        validate_selector(spec, &path.child("scopeSelector").child("matchExpressions"), errors);
    }

    fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
        let scopes = |quota: &Self| quota.spec.as_ref().and_then(|spec| spec.scopes.clone()).unwrap_or_default();
        let (new, old) = (scopes(self), scopes(old));
        if new.iter().collect::<BTreeSet<_>>() != old.iter().collect::<BTreeSet<_>>() {
            errors.push(FieldError::invalid(&Path::new("spec").child("scopes"), shown(&new), "field is immutable"));
        }
    }

    fn validate_subresource_update(&self, _: &str, _: &Self, errors: &mut FieldErrors) {
        let Some(status) = &self.status else { return };
        let path = Path::new("status");
        validate_amounts(status.hard.as_ref(), &path.child("hard"), errors);
        validate_amounts(status.used.as_ref(), &path.child("used"), errors);
    }
}

/// `pods: 1/5, requests.cpu: 1/2`: of limits, or of all else.
fn used(quota: &ResourceQuota, of_limits: bool) -> String {
    let status = quota.status.clone().unwrap_or_default();
    let hard = status.hard.iter().flatten().filter(|(name, _)| name.starts_with("limits.") == of_limits);
    let text = |(name, hard): (&String, &Quantity)| {
        format!("{name}: {}/{}", table::amount(status.used.as_ref(), name), hard.0)
    };
    hard.map(text).collect::<Vec<_>>().join(", ")
}

fn validate_amounts(amounts: Option<&BTreeMap<String, Quantity>>, path: &Path, errors: &mut FieldErrors) {
    for (name, amount) in amounts.into_iter().flatten() {
        let path = path.key(name);
        resource_names::of_quota(errors, &path, name);
        resource_names::amount(errors, &path, name, amount);
    }
}

/// Whether a scope can tell the users of a resource apart.
fn fits(scope: &str, resource: &str) -> bool {
    match scope {
        "BestEffort" => resource == "pods",
        "VolumeAttributesClass" => matches!(resource, "persistentvolumeclaims" | "requests.storage"),
        scope if !SCOPES.contains(&scope) => true,
        _ => matches!(
            resource,
            "pods" | "cpu" | "memory" | "limits.cpu" | "limits.memory" | "requests.cpu" | "requests.memory"
        ),
    }
}

fn misfits(spec: &ResourceQuotaSpec, scope: &str) -> usize {
    let names = spec.hard.iter().flat_map(BTreeMap::keys);
    names.filter(|name| resource_names::is_of_quotas(name) && !fits(scope, name)).count()
}

fn validate_scopes(spec: &ResourceQuotaSpec, path: &Path, errors: &mut FieldErrors) {
    let scopes = spec.scopes.as_deref().unwrap_or_default();
    for scope in scopes {
        if !SCOPES.contains(&scope.as_str()) {
            errors.push(FieldError::invalid(path, shown(&scopes), "unsupported scope"));
        }
        for _ in 0..misfits(spec, scope) {
            errors.push(FieldError::invalid(path, shown(&scopes), "unsupported scope applied to resource"));
        }
    }
    refuse_opposites(scopes.iter().map(String::as_str).collect(), shown(&scopes), path, errors);
}

fn refuse_opposites(scopes: BTreeSet<&str>, shown: Value, path: &Path, errors: &mut FieldErrors) {
    for (scope, opposite) in OPPOSITES {
        if scopes.contains(scope) && scopes.contains(opposite) {
            errors.push(FieldError::invalid(path, shown.clone(), "conflicting scopes"));
        }
    }
}

fn validate_selector(spec: &ResourceQuotaSpec, path: &Path, errors: &mut FieldErrors) {
    let Some(selector) = &spec.scope_selector else { return };
    let expressions = selector.match_expressions.as_deref().unwrap_or_default();
    for expression in expressions {
        let scope = expression.scope_name.as_str();
        if !SCOPES.contains(&scope) {
            errors.push(FieldError::invalid(&path.child("scopeName"), scope, "unsupported scope"));
        }
        for _ in 0..misfits(spec, scope) {
            errors.push(FieldError::invalid(path, shown(selector), "unsupported scope applied to resource"));
        }
        validate_expression(expression, path, errors);
    }
    let scopes = expressions.iter().map(|expression| expression.scope_name.as_str()).collect();
    refuse_opposites(scopes, shown(&spec.scopes.as_deref().unwrap_or_default()), path, errors);
}

fn validate_expression(expression: &ScopedResourceSelectorRequirement, path: &Path, errors: &mut FieldErrors) {
    let operator = expression.operator.as_str();
    let values = expression.values.as_deref().unwrap_or_default();
    let has_no_value = !matches!(expression.scope_name.as_str(), "PriorityClass" | "VolumeAttributesClass");
    if has_no_value && SCOPES.contains(&expression.scope_name.as_str()) && operator != "Exists" {
        let why = "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, \
                   ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or \
                   ResourceQuotaScopeCrossNamespacePodAffinity";
        errors.push(FieldError::invalid(&path.child("operator"), operator, why));
    }
    match operator {
        "In" | "NotIn" if values.is_empty() => {
            let why = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
            errors.push(FieldError::required(&path.child("values"), why));
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let why = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
            errors.push(FieldError::invalid(&path.child("values"), shown(&values), why));
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        other => errors.push(FieldError::invalid(&path.child("operator"), other, "not a valid selector operator")),
    }
}
