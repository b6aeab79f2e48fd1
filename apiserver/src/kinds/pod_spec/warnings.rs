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
    for (index, secret) in spec.image_pull_secrets.iter().flatten().enumerate() {
        if secret.name.is_empty() {
            let path = path.child("imagePullSecrets").index(index).child("name");
            sentences.push(format!("{path}: invalid empty name \"\""));
        }
    }
    of_volumes(spec, &path.child("volumes"), &mut sentences);
    of_labels(spec, &path.child("nodeSelector"), &mut sentences);
    let init = spec.init_containers.as_deref().unwrap_or_default();
    for (list, path) in [(init, path.child("initContainers")), (&spec.containers[..], path.child("containers"))] {
        for (index, container) in list.iter().enumerate() {
            of_container(container, &path.index(index), &mut sentences);
        }
    }
    sentences
}

/// Sources of volumes that upstream has given up.
fn of_volumes(spec: &PodSpec, path: &Path, sentences: &mut Vec<String>) {
    for (index, volume) in spec.volumes.iter().flatten().enumerate() {
        for (field, is_there, since) in [
            (
                "awsElasticBlockStore",
                volume.aws_elastic_block_store.is_some(),
                "deprecated in v1.17, non-functional in v1.27+",
            ),
            ("azureDisk", volume.azure_disk.is_some(), "deprecated in v1.19, non-functional in v1.27+"),
            ("azureFile", volume.azure_file.is_some(), "deprecated in v1.21, non-functional in v1.30+"),
            ("cephfs", volume.cephfs.is_some(), "deprecated in v1.28, non-functional in v1.31+"),
            ("cinder", volume.cinder.is_some(), "deprecated in v1.11, non-functional in v1.26+"),
            (
                "gcePersistentDisk",
                volume.gce_persistent_disk.is_some(),
                "deprecated in v1.17, non-functional in v1.28+",
            ),
            ("gitRepo", volume.git_repo.is_some(), "deprecated in v1.11, and disabled by default in v1.33+"),
            ("glusterfs", volume.glusterfs.is_some(), "deprecated in v1.25, non-functional in v1.26+"),
            ("rbd", volume.rbd.is_some(), "deprecated in v1.28, non-functional in v1.31+"),
            ("scaleIO", volume.scale_io.is_some(), "deprecated in v1.16, non-functional in v1.22+"),
            ("flocker", volume.flocker.is_some(), "deprecated in v1.22, non-functional in v1.25+"),
            ("storageOS", volume.storageos.is_some(), "deprecated in v1.22, non-functional in v1.25+"),
            ("quobyte", volume.quobyte.is_some(), "deprecated in v1.22, non-functional in v1.25+"),
        ] {
            if is_there {
                sentences.push(format!("{}: {since}", path.index(index).child(field)));
            }
        }
    }
}

/// Labels of nodes that have newer names.
fn of_labels(spec: &PodSpec, path: &Path, sentences: &mut Vec<String>) {
    const RENAMED: [(&str, &str, &str); 5] = [
        ("beta.kubernetes.io/arch", "v1.14", "kubernetes.io/arch"),
        ("beta.kubernetes.io/os", "v1.14", "kubernetes.io/os"),
        ("failure-domain.beta.kubernetes.io/region", "v1.17", "topology.kubernetes.io/region"),
        ("failure-domain.beta.kubernetes.io/zone", "v1.17", "topology.kubernetes.io/zone"),
        ("beta.kubernetes.io/instance-type", "v1.17", "node.kubernetes.io/instance-type"),
    ];
    for (old, since, new) in RENAMED {
        if spec.node_selector.as_ref().is_some_and(|labels| labels.contains_key(old)) {
            sentences.push(format!("{}: deprecated since {since}; use \"{new}\" instead", path.key(old)));
        }
    }
}

fn of_ports(container: &Container, path: &Path, sentences: &mut Vec<String>) {
    let ports = container.ports.as_deref().unwrap_or_default();
    for (index, port) in ports.iter().enumerate() {
        let same = ports[..index].iter().position(|known| {
            (known.container_port, &known.protocol, &known.host_ip, &known.host_port)
                == (port.container_port, &port.protocol, &port.host_ip, &port.host_port)
        });
        if let Some(first) = same {
            let (here, there) = (path.index(index), path.index(first));
            sentences.push(format!("{here}: duplicate port definition with {there}"));
        }
    }
}

fn of_container(container: &Container, path: &Path, sentences: &mut Vec<String>) {
    of_ports(container, &path.child("ports"), sentences);
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
