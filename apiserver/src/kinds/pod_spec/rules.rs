//! Rules of a pod's spec, of a template's, and of a template's labels.

use std::collections::{BTreeMap, BTreeSet};

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use api::selector;
use api::well_known::annotation;
use k8s_openapi::api::core::v1::{
    Affinity, NodeSelector, NodeSelectorTerm, PodAffinityTerm, PodSpec, PodTemplateSpec, ResourceRequirements,
    Toleration,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::kinds::pod_spec::{containers, own_labels, resolution, resources, security, spread, volumes};
use crate::kinds::rules::{
    annotations, labels, required_and_supported, selector as validate_selector, shown, supported, text,
};

const RESTART_POLICIES: &[&str] = &["Always", "OnFailure", "Never"];
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
pub const TAINT_EFFECTS: &[&str] = &["NoSchedule", "PreferNoSchedule", "NoExecute"];

pub fn validate(spec: &PodSpec, path: &Path, errors: &mut FieldErrors) {
    let volumes = volumes::validate(spec.volumes.as_deref().unwrap_or_default(), &path.child("volumes"), errors);
    validate_claims(spec, &path.child("resourceClaims"), errors);
    containers::validate(spec, &volumes, path, errors);
    resources::validate_whole(spec, path, errors);
    required_and_supported(errors, &path.child("restartPolicy"), text(&spec.restart_policy), RESTART_POLICIES);
    labels(errors, &path.child("nodeSelector"), spec.node_selector.as_ref().unwrap_or(&Default::default()));
    security::validate_pod(spec, path, errors);
    if let Some(affinity) = &spec.affinity {
        validate_affinity(affinity, &path.child("affinity"), errors);
    }
    resolution::validate(spec, path, errors);
    let constraints = spec.topology_spread_constraints.as_deref().unwrap_or_default();
    spread::validate(constraints, &path.child("topologySpreadConstraints"), errors);
    security::validate_users(spec, path, errors);
    validate_names(spec, path, errors);
    if let Some(seconds) = spec.active_deadline_seconds.filter(|seconds| !(1..=i64::from(i32::MAX)).contains(seconds)) {
        let why = "must be between 1 and 2147483647, inclusive";
        errors.push(FieldError::invalid(&path.child("activeDeadlineSeconds"), seconds, why));
    }
    validate_tolerations(spec.tolerations.as_deref(), &path.child("tolerations"), errors);
    if let Some(policy) = &spec.preemption_policy {
        let policies = ["PreemptLowerPriority", "Never"];
        required_and_supported(errors, &path.child("preemptionPolicy"), policy, &policies);
    }
    if let Some(overhead) = &spec.overhead {
        let limits = ResourceRequirements { limits: Some(overhead.clone()), ..ResourceRequirements::default() };
        resources::validate(&limits, &BTreeSet::new(), &path.child("overhead"), errors);
    }
    validate_os(spec, path, errors);
}

fn validate_os(spec: &PodSpec, path: &Path, errors: &mut FieldErrors) {
    let Some(os) = &spec.os else { return };
    match os.name.as_str() {
        "" => errors.push(FieldError::required(&path.child("os").child("name"), "")),
        "windows" => {}
        "linux" => security::refuse_windows(spec, path, errors),
        other => errors.push(FieldError::not_supported(&path.child("os"), other, &["linux", "windows"])),
    }
}

/// Fields that hold the name of something.
fn validate_names(spec: &PodSpec, path: &Path, errors: &mut FieldErrors) {
    let rules: [(&str, &Option<String>, names::NameRule); 5] = [
        ("serviceAccountName", &spec.service_account_name, names::dns_subdomain),
        ("nodeName", &spec.node_name, names::dns_subdomain),
        ("hostname", &spec.hostname, names::dns_label),
        ("subdomain", &spec.subdomain, names::dns_label),
        ("priorityClassName", &spec.priority_class_name, names::dns_subdomain),
    ];
    for (field, name, rule) in rules {
        let name = text(name);
        if !name.is_empty() {
            errors.check(&path.child(field), name, rule);
        }
    }
    if let Some(class) = &spec.runtime_class_name {
        errors.check(&path.child("runtimeClassName"), class, names::dns_subdomain);
    }
    for (index, gate) in spec.readiness_gates.iter().flatten().enumerate() {
        let path = path.child("readinessGates").index(index).child("conditionType");
        errors.check(&path, &gate.condition_type, names::qualified_name);
    }
    let mut gates = BTreeSet::new();
    for (index, gate) in spec.scheduling_gates.iter().flatten().enumerate() {
        let path = path.child("schedulingGates").index(index);
        errors.check(&path, &gate.name, names::qualified_name);
        if !gates.insert(&gate.name) {
            errors.push(FieldError::duplicate(&path, gate.name.as_str()));
        }
    }
}

/// Devices that the pod claims, by names that its containers use.
fn validate_claims(spec: &PodSpec, path: &Path, errors: &mut FieldErrors) {
    let mut seen = BTreeSet::new();
    for (index, claim) in spec.resource_claims.iter().flatten().enumerate() {
        let path = path.index(index);
        if claim.name.is_empty() {
            errors.push(FieldError::required(&path.child("name"), ""));
        } else if !seen.insert(claim.name.as_str()) {
            errors.push(FieldError::duplicate(&path.child("name"), claim.name.as_str()));
        } else {
            errors.check(&path.child("name"), &claim.name, names::dns_label);
        }
        let (name, template) = (&claim.resource_claim_name, &claim.resource_claim_template_name);
        if name.is_some() && template.is_some() {
            let why = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified";
            errors.push(FieldError::invalid(&path, shown(claim), why));
        } else if name.is_none() && template.is_none() {
            let why = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`";
            errors.push(FieldError::invalid(&path, shown(claim), why));
        }
        for (field, value) in [("resourceClaimName", name), ("resourceClaimTemplateName", template)] {
            if let Some(value) = value {
                errors.check(&path.child(field), value, names::dns_subdomain);
            }
        }
    }
}

pub fn validate_tolerations(tolerations: Option<&[Toleration]>, path: &Path, errors: &mut FieldErrors) {
    for (index, toleration) in tolerations.into_iter().flatten().enumerate() {
        validate_toleration(toleration, &path.index(index), errors);
    }
}

fn validate_toleration(toleration: &Toleration, path: &Path, errors: &mut FieldErrors) {
    let (key, operator) = (text(&toleration.key), text(&toleration.operator));
    if !key.is_empty() {
        errors.check(&path.child("key"), key, names::qualified_name);
    } else if operator != "Exists" {
        let why = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
        errors.push(FieldError::invalid(&path.child("operator"), operator, why));
    }
    if toleration.toleration_seconds.is_some() && text(&toleration.effect) != "NoExecute" {
        let why = "effect must be 'NoExecute' when `tolerationSeconds` is set";
        errors.push(FieldError::invalid(&path.child("effect"), text(&toleration.effect), why));
    }
    match operator {
        "Exists" if !text(&toleration.value).is_empty() => {
            let why = "value must be empty when `operator` is 'Exists'";
            errors.push(FieldError::invalid(&path.child("operator"), text(&toleration.value), why));
        }
        "Exists" => {}
        "Equal" | "" => errors.check(&path.child("operator"), text(&toleration.value), names::label_value),
        // Comparisons are known, and not taken yet.
        "Gt" | "Lt" => {
            let known = ["Equal", "Exists", "Lt", "Gt"];
            errors.push(FieldError::not_supported(&path.child("operator"), operator, &known));
        }
        other => errors.push(FieldError::not_supported(&path.child("operator"), other, &["Equal", "Exists"])),
    }
    let effect = text(&toleration.effect);
    if !effect.is_empty() {
        supported(errors, &path.child("effect"), effect, TAINT_EFFECTS);
    }
}

fn validate_affinity(affinity: &Affinity, path: &Path, errors: &mut FieldErrors) {
    if let Some(node) = &affinity.node_affinity {
        let path = path.child("nodeAffinity");
        if let Some(required) = &node.required_during_scheduling_ignored_during_execution {
            validate_node_selector(required, &path.child("requiredDuringSchedulingIgnoredDuringExecution"), errors);
        }
        let preferred = node.preferred_during_scheduling_ignored_during_execution.iter().flatten();
        for (index, preference) in preferred.enumerate() {
            let path = path.child("preferredDuringSchedulingIgnoredDuringExecution").index(index);
            validate_weight(preference.weight, &path, errors);
            validate_node_term(&preference.preference, false, &path.child("preference"), errors);
        }
    }
    let pod = affinity.pod_affinity.as_ref().map(|pod| {
        let preferred = pod.preferred_during_scheduling_ignored_during_execution.as_deref();
        ("podAffinity", pod.required_during_scheduling_ignored_during_execution.as_deref(), preferred)
    });
    let anti = affinity.pod_anti_affinity.as_ref().map(|pod| {
        let preferred = pod.preferred_during_scheduling_ignored_during_execution.as_deref();
        ("podAntiAffinity", pod.required_during_scheduling_ignored_during_execution.as_deref(), preferred)
    });
    for (field, required, preferred) in [pod, anti].into_iter().flatten() {
        let path = path.child(field);
        for (index, term) in required.into_iter().flatten().enumerate() {
            let path = path.child("requiredDuringSchedulingIgnoredDuringExecution").index(index);
            validate_pod_term(term, &path, errors);
        }
        for (index, weighted) in preferred.into_iter().flatten().enumerate() {
            let path = path.child("preferredDuringSchedulingIgnoredDuringExecution").index(index);
            validate_weight(weighted.weight, &path, errors);
            validate_pod_term(&weighted.pod_affinity_term, &path.child("podAffinityTerm"), errors);
        }
    }
}

pub fn validate_node_selector(selector: &NodeSelector, path: &Path, errors: &mut FieldErrors) {
    let path = path.child("nodeSelectorTerms");
    if selector.node_selector_terms.is_empty() {
        errors.push(FieldError::required(&path, "must have at least one node selector term"));
    }
    for (index, term) in selector.node_selector_terms.iter().enumerate() {
        validate_node_term(term, true, &path.index(index), errors);
    }
}

fn validate_weight(weight: i32, path: &Path, errors: &mut FieldErrors) {
    if !(1..=100).contains(&weight) {
        errors.push(FieldError::invalid(&path.child("weight"), weight, "must be in the range 1-100"));
    }
}

/// A preference may ask for values that no label has; a requirement may not.
fn validate_node_term(term: &NodeSelectorTerm, is_required: bool, path: &Path, errors: &mut FieldErrors) {
    for (index, expression) in term.match_expressions.iter().flatten().enumerate() {
        let path = path.child("matchExpressions").index(index);
        let count = expression.values.as_ref().map_or(0, Vec::len);
        let values_path = path.child("values");
        match expression.operator.as_str() {
            "In" | "NotIn" if count == 0 => {
                let why = "must be specified when `operator` is 'In' or 'NotIn'";
                errors.push(FieldError::required(&values_path, why));
            }
            "Exists" | "DoesNotExist" if count > 0 => {
                let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                errors.push(FieldError::forbidden(&values_path, why));
            }
            "Gt" | "Lt" if count != 1 => {
                let why = "must be specified single value when `operator` is 'Lt' or 'Gt'";
                errors.push(FieldError::required(&values_path, why));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
            other => {
                errors.push(FieldError::invalid(&path.child("operator"), other, "not a valid selector operator"));
            }
        }
        errors.check(&path.child("key"), &expression.key, names::qualified_name);
        for (index, value) in expression.values.iter().flatten().enumerate().filter(|_| is_required) {
            errors.check(&values_path.index(index), value, names::label_value);
        }
    }
    validate_match_fields(term, path, errors);
}

/// A node's own name is the only field that can be asked for.
fn validate_match_fields(term: &NodeSelectorTerm, path: &Path, errors: &mut FieldErrors) {
    for (index, field) in term.match_fields.iter().flatten().enumerate() {
        let path = path.child("matchFields").index(index);
        let values = field.values.as_deref().unwrap_or_default();
        match field.operator.as_str() {
            "In" | "NotIn" if values.len() != 1 => {
                let why = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
                errors.push(FieldError::required(&path.child("values"), why));
            }
            "In" | "NotIn" => {}
            other => {
                errors.push(FieldError::invalid(&path.child("operator"), other, "not a valid selector operator"));
            }
        }
        if field.key == "metadata.name" {
            for (index, value) in values.iter().enumerate() {
                errors.check(&path.child("values").index(index), value, names::dns_subdomain);
            }
        } else {
            let why = "not a valid field selector key";
            errors.push(FieldError::invalid(&path.child("key"), field.key.as_str(), why));
        }
    }
}

fn validate_pod_term(term: &PodAffinityTerm, path: &Path, errors: &mut FieldErrors) {
    for (field, selector) in [("labelSelector", &term.label_selector), ("namespaceSelector", &term.namespace_selector)]
    {
        if let Some(selector) = selector {
            validate_selector(errors, &path.child(field), selector);
        }
    }
    for namespace in term.namespaces.iter().flatten() {
        errors.check(&path.child("namespace"), namespace, names::dns_label);
    }
    let (same, other) = (term.match_label_keys.as_deref(), term.mismatch_label_keys.as_deref());
    own_labels::validate(same, other, term.label_selector.as_ref(), path, errors);
    if term.topology_key.is_empty() {
        errors.push(FieldError::required(&path.child("topologyKey"), "can not be empty"));
    }
    errors.check(&path.child("topologyKey"), &term.topology_key, names::qualified_name);
}

/// Rules of a controller's template, which `selector` must match, and whose pods run for ever. `owner` is the
/// controller's kind.
pub fn validate_template(
    template: &PodTemplateSpec,
    selector: &LabelSelector,
    owner: &str,
    path: &Path,
    errors: &mut FieldErrors,
) {
    validate_selected(template, selector, path, errors);
    validate_endless(template, owner, path, errors);
}

/// Rules of a template whose pods run for ever.
pub fn validate_endless(template: &PodTemplateSpec, owner: &str, path: &Path, errors: &mut FieldErrors) {
    validate_any_template(template, path, errors);
    let path = path.child("spec");
    let Some(spec) = &template.spec else { return };
    if text(&spec.restart_policy) != "Always" {
        supported(errors, &path.child("restartPolicy"), text(&spec.restart_policy), &["Always"]);
    }
    if spec.active_deadline_seconds.is_some() {
        let why = format!("activeDeadlineSeconds in {owner} is not Supported");
        errors.push(FieldError::forbidden(&path.child("activeDeadlineSeconds"), why));
    }
}

/// The pods that are made must be those that are selected. A selector that says nothing selects none of them.
pub fn validate_selected(template: &PodTemplateSpec, selector: &LabelSelector, path: &Path, errors: &mut FieldErrors) {
    let none = Default::default();
    let labels = template.metadata.as_ref().and_then(|metadata| metadata.labels.as_ref()).unwrap_or(&none);
    if let Ok(selector) = selector::LabelSelector::from_object(selector)
        && (selector.is_everything() || !selector.matches(labels))
    {
        let why = "`selector` does not match template `labels`";
        errors.push(FieldError::invalid(&path.child("metadata").child("labels"), shown(labels), why));
    }
}

/// Annotations that mean something for a pod.
pub fn validate_annotations(
    annotations: &BTreeMap<String, String>,
    spec: &PodSpec,
    path: &Path,
    errors: &mut FieldErrors,
) {
    if let Some(mirrored) = annotations.get(annotation::MIRROR_POD)
        && text(&spec.node_name).is_empty()
    {
        let why = "must set spec.nodeName if mirror pod annotation is set";
        errors.push(FieldError::invalid(&path.key(annotation::MIRROR_POD), mirrored.as_str(), why));
    }
    if let Some(cost) = annotations.get(DELETION_COST)
        && !is_cost(cost)
    {
        errors.push(FieldError::invalid(&path.key(DELETION_COST), cost.as_str(), "must be a 32bit integer"));
    }
}

/// A number in its only form: no plus, and no zeros before it.
fn is_cost(text: &str) -> bool {
    let begins_well = !text.starts_with('+') && (text == "0" || !text.starts_with('0'));
    begins_well && text.parse::<i32>().is_ok()
}

/// Rules of a template that nothing need be known of.
pub fn validate_any_template(template: &PodTemplateSpec, path: &Path, errors: &mut FieldErrors) {
    let metadata = template.metadata.as_ref();
    if let Some(found) = metadata.and_then(|metadata| metadata.labels.as_ref()) {
        labels(errors, &path.child("labels"), found);
    }
    let none = PodSpec::default();
    let spec = template.spec.as_ref().unwrap_or(&none);
    if let Some(found) = metadata.and_then(|metadata| metadata.annotations.as_ref()) {
        annotations(errors, &path.child("annotations"), found);
        validate_annotations(found, spec, &path.child("annotations"), errors);
    }
    let path = path.child("spec");
    validate(spec, &path, errors);
    if spec.ephemeral_containers.as_ref().is_some_and(|list| !list.is_empty()) {
        let why = "ephemeral containers not allowed in pod template";
        errors.push(FieldError::forbidden(&path.child("ephemeralContainers"), why));
    }
}
