//! `pods/resize`: what the containers of a running pod ask for and are held to.

use std::collections::BTreeMap;

use api::field::{FieldError, FieldErrors, Path};
use api::quantity::Quantity;
use api::well_known::annotation;
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Amount;

use crate::kinds::pod_spec::{quality, rules};
use crate::kinds::rules::text;

/// Puts everything back but resources and how they may be changed. Containers that are not those of the old pod are
/// left as they are, for `validate_update` to refuse.
pub fn keep_rest(new: &mut Pod, old: &Pod) {
    new.status = old.status.clone();
    let (Some(wanted), Some(old)) = (new.spec.take(), &old.spec) else { return };
    if !same_names(&wanted.containers, &old.containers) || !same_names(init(&wanted), init(old)) {
        new.spec = Some(wanted);
        return;
    }
    let mut spec = old.clone();
    take_resources(&mut spec.containers, &wanted.containers);
    take_resources(spec.init_containers.as_deref_mut().unwrap_or_default(), init(&wanted));
    spec.resources = wanted.resources;
    new.spec = Some(spec);
}

fn init(spec: &PodSpec) -> &[Container] {
    spec.init_containers.as_deref().unwrap_or_default()
}

fn same_names(one: &[Container], other: &[Container]) -> bool {
    one.iter().map(|container| &container.name).eq(other.iter().map(|container| &container.name))
}

fn take_resources(kept: &mut [Container], wanted: &[Container]) {
    for (kept, wanted) in kept.iter_mut().zip(wanted) {
        kept.resources = wanted.resources.clone();
        kept.resize_policy = wanted.resize_policy.clone();
    }
}

/// One that goes on running beside the others, after the pod has started.
fn is_sidecar(container: &Container) -> bool {
    text(&container.restart_policy) == "Always"
}

pub fn validate_update(new: &Pod, old: &Pod, errors: &mut FieldErrors) {
    let none = PodSpec::default();
    let (new_spec, old_spec) = (new.spec.as_ref().unwrap_or(&none), old.spec.as_ref().unwrap_or(&none));
    // Upstream's path to the object itself.
    let whole = Path::new("[]");
    if old.metadata.annotations.iter().flatten().any(|(key, _)| key == annotation::MIRROR_POD) {
        errors.push(FieldError::forbidden(&whole, "static pods cannot be resized"));
        return;
    }
    if old_spec.os.as_ref().is_some_and(|os| os.name == "windows") {
        errors.push(FieldError::forbidden(&whole, "windows pods cannot be resized"));
        return;
    }
    let path = Path::new("spec");
    rules::validate(new_spec, &path, errors);
    let class = quality::class_of(new_spec);
    if quality::class_of(old_spec) != class {
        let shown = new.status.as_ref().map_or(class, |status| text(&status.qos_class));
        errors.push(FieldError::invalid(&path, shown, "Pod QOS Class may not change as a result of resizing"));
    }
    if !node_can_resize(old) {
        errors.push(FieldError::forbidden(&path, "Pod running on node without support for resize"));
    }
    validate_whole(new_spec, old_spec, &path, errors);
    let lists = [
        ("containers", &new_spec.containers[..], &old_spec.containers[..]),
        ("initContainers", init(new_spec), init(old_spec)),
    ];
    let known = errors.0.len();
    for (field, new, old) in lists {
        validate_order(new, old, field, &path, errors);
    }
    if errors.0.len() > known {
        return;
    }
    for (field, new, old) in lists {
        for (index, (new, old)) in new.iter().zip(old).enumerate() {
            validate_container(new, old, field, &path, index, errors);
        }
    }
}

/// A node that resizes says what it has given; as long as nothing runs, any node will do.
fn node_can_resize(pod: &Pod) -> bool {
    let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    let running =
        statuses.into_iter().find(|status| status.state.as_ref().is_some_and(|state| state.running.is_some()));
    running.is_none_or(|status| status.resources.is_some())
}

fn validate_order(new: &[Container], old: &[Container], field: &str, path: &Path, errors: &mut FieldErrors) {
    let path = path.child(field);
    if new.len() != old.len() {
        errors.push(FieldError::forbidden(&path, format!("{field} may not be added or removed on resize")));
        return;
    }
    for (index, (new, old)) in new.iter().zip(old).enumerate() {
        if new.name != old.name {
            let why = format!("{field} may not be renamed or reordered on resize");
            errors.push(FieldError::forbidden(&path.index(index).child("name"), why));
        }
    }
}

fn validate_container(
    new: &Container,
    old: &Container,
    field: &str,
    path: &Path,
    index: usize,
    errors: &mut FieldErrors,
) {
    let is_init = field == "initContainers";
    if is_init && !is_sidecar(old) {
        if new != old {
            errors.push(FieldError::forbidden(path, "resources for non-sidecar init containers are immutable"));
        }
        return;
    }
    let resources_path = path.child(field).index(index).child("resources");
    validate_removal(new.resources.as_ref(), old.resources.as_ref(), "", &resources_path, errors);
    if !only_compute_differs(new.resources.as_ref(), old.resources.as_ref()) {
        let of_whom = if is_init { " for sidecar containers" } else { "" };
        let why = format!("only cpu and memory resources{of_whom} are mutable");
        errors.push(FieldError::forbidden(path, why));
    }
}

/// The resources of the pod as a whole.
fn validate_whole(new: &PodSpec, old: &PodSpec, path: &Path, errors: &mut FieldErrors) {
    let (new, old) = (new.resources.as_ref(), old.resources.as_ref());
    if new.is_none() && old.is_some() {
        errors.push(FieldError::forbidden(&path.child("resources"), "pod-level resources cannot be removed"));
        return;
    }
    validate_removal(new, old, "pod-level ", &path.child("resources"), errors);
    if !only_compute_differs(new, old) {
        errors.push(FieldError::forbidden(path, "only cpu and memory resources are mutable at pod-level"));
    }
}

type Amounts = BTreeMap<String, Amount>;

fn lists(resources: Option<&ResourceRequirements>) -> [Option<&Amounts>; 2] {
    [
        resources.and_then(|resources| resources.requests.as_ref()),
        resources.and_then(|resources| resources.limits.as_ref()),
    ]
}

fn validate_removal(
    new: Option<&ResourceRequirements>,
    old: Option<&ResourceRequirements>,
    level: &str,
    path: &Path,
    errors: &mut FieldErrors,
) {
    for (field, (new, old)) in ["requests", "limits"].into_iter().zip(lists(new).into_iter().zip(lists(old))) {
        let is_kept = |name: &String| new.is_some_and(|new| new.contains_key(name));
        if !old.into_iter().flatten().all(|(name, _)| is_kept(name)) {
            let why = format!("{level}resource {field} cannot be removed");
            errors.push(FieldError::forbidden(&path.child(field), why));
        }
    }
}

fn only_compute_differs(new: Option<&ResourceRequirements>, old: Option<&ResourceRequirements>) -> bool {
    let rest = |list: Option<&Amounts>| -> BTreeMap<String, Option<Quantity>> {
        let others = list.into_iter().flatten().filter(|(name, _)| !matches!(name.as_str(), "cpu" | "memory"));
        others.map(|(name, amount)| (name.clone(), Quantity::parse(&amount.0).ok())).collect()
    };
    let claims = |resources: Option<&ResourceRequirements>| resources.and_then(|resources| resources.claims.clone());
    lists(new).map(rest) == lists(old).map(rest) && claims(new) == claims(old)
}
