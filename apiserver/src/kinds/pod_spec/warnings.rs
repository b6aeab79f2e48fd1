//! What is accepted in a pod's spec, and yet not what anybody wants.

use std::collections::BTreeSet;

use api::field::Path;
use api::names;
use api::quantity::Quantity;
use k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec};

/// Of a workload's name, which its pods' names begin with.
pub fn of_name(name: &str) -> Option<String> {
    let why = names::dns_label(name).err()?;
    Some(format!(
        "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is \
         recommended: [{why}]"
    ))
}

pub fn of_template(template: Option<&PodTemplateSpec>, path: &Path) -> Vec<String> {
    let spec = template.and_then(|template| template.spec.as_ref());
    spec.map(|spec| of(spec, &path.child("spec"))).unwrap_or_default()
}

pub fn of(spec: &PodSpec, path: &Path) -> Vec<String> {
    let mut sentences = Vec::new();
    if spec.termination_grace_period_seconds.is_some_and(|seconds| seconds < 0) {
        let path = path.child("terminationGracePeriodSeconds");
        sentences.push(format!("{path}: must be >= 0; negative values are invalid and will be treated as 1"));
    }
    let init = spec.init_containers.as_deref().unwrap_or_default();
    for (list, path) in [(init, path.child("initContainers")), (&spec.containers[..], path.child("containers"))] {
        for (index, container) in list.iter().enumerate() {
            of_container(container, &path.index(index), &mut sentences);
        }
    }
    sentences
}

fn of_container(container: &Container, path: &Path, sentences: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for (index, variable) in container.env.iter().flatten().enumerate() {
        let (path, name) = (path.child("env").index(index), &variable.name);
        if !seen.insert(name) {
            let why = "which may be dropped when using apply";
            sentences.push(format!("{path}: hides previous definition of \"{name}\", {why}"));
        }
    }
    let Some(resources) = &container.resources else { return };
    for (list, field) in [(&resources.limits, "limits"), (&resources.requests, "requests")] {
        for name in ["memory", "ephemeral-storage"] {
            let Some(amount) = list.as_ref().and_then(|list| list.get(name)) else { continue };
            let Ok(parsed) = Quantity::parse(&amount.0) else { continue };
            if Quantity::from_units(parsed.units()) != parsed {
                let path = path.child("resources").child(field).key(name);
                sentences.push(format!("{path}: fractional byte value \"{parsed}\" is invalid, must be an integer"));
            }
        }
    }
}
