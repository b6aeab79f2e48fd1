//! Defaults of a pod's spec, as upstream's `pkg/apis/core/v1/defaults.go` fills them.

use api::quantity;
use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EmptyDirVolumeSource, EnvVar, HTTPGetAction, Lifecycle, PodSpec, PodTemplateSpec, Probe,
    ResourceRequirements, Volume, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::kinds::pod_spec::volumes;
use crate::kinds::rules::{canonical_amount, canonical_amounts, default_text};

pub const SCHEDULER: &str = "default-scheduler";

/// Fills the spec of a template. A pod itself has more filled, by `fill_pod`.
pub fn fill_template(template: &mut PodTemplateSpec) {
    fill_spec(template.spec.get_or_insert_default());
}

pub fn fill_spec(spec: &mut PodSpec) {
    default_text(&mut spec.dns_policy, "ClusterFirst");
    default_text(&mut spec.restart_policy, "Always");
    default_text(&mut spec.scheduler_name, SCHEDULER);
    spec.security_context.get_or_insert_default();
    spec.termination_grace_period_seconds.get_or_insert(30);
    alias_service_account(spec);
    canonical_amounts(&mut spec.overhead);
    if let Some(resources) = &mut spec.resources {
        fill_resources(resources);
    }
    for container in spec.init_containers.iter_mut().flatten().chain(&mut spec.containers) {
        fill_container(Parts {
            image: container.image.as_deref(),
            image_pull_policy: &mut container.image_pull_policy,
            termination_message_path: &mut container.termination_message_path,
            termination_message_policy: &mut container.termination_message_policy,
            resources: &mut container.resources,
            ports: &mut container.ports,
            env: &mut container.env,
            probes: [&mut container.liveness_probe, &mut container.readiness_probe, &mut container.startup_probe],
            lifecycle: &mut container.lifecycle,
        });
    }
    for container in spec.ephemeral_containers.iter_mut().flatten() {
        fill_container(Parts {
            image: container.image.as_deref(),
            image_pull_policy: &mut container.image_pull_policy,
            termination_message_path: &mut container.termination_message_path,
            termination_message_policy: &mut container.termination_message_policy,
            resources: &mut container.resources,
            ports: &mut container.ports,
            env: &mut container.env,
            probes: [&mut container.liveness_probe, &mut container.readiness_probe, &mut container.startup_probe],
            lifecycle: &mut container.lifecycle,
        });
    }
    for volume in spec.volumes.iter_mut().flatten() {
        fill_volume(volume);
    }
}

/// The account has two names on the wire, an old one and a new one; they say the same.
pub fn alias_service_account(spec: &mut PodSpec) {
    let is_set = |name: &Option<String>| name.as_deref().is_some_and(|name| !name.is_empty());
    if is_set(&spec.service_account_name) {
        spec.service_account = spec.service_account_name.clone();
    } else if is_set(&spec.service_account) {
        spec.service_account_name = spec.service_account.clone();
    }
}

/// What is filled in a pod only, since it would freeze in a template.
pub fn fill_pod(spec: &mut PodSpec) {
    spec.enable_service_links.get_or_insert(true);
    fill_pod_requests(spec);
    let host_network = spec.host_network == Some(true);
    for container in spec.init_containers.iter_mut().flatten().chain(&mut spec.containers) {
        if let Some(ResourceRequirements { limits: Some(limits), requests, .. }) = &mut container.resources
            && !limits.is_empty()
        {
            let requests = requests.get_or_insert_default();
            for (name, limit) in limits {
                requests.entry(name.clone()).or_insert_with(|| limit.clone());
            }
        }
        if host_network {
            for port in container.ports.iter_mut().flatten() {
                if port.host_port.is_none_or(|number| number == 0) {
                    port.host_port = Some(port.container_port);
                }
            }
        }
    }
}

/// What a pod as a whole asks for: what its containers ask for together, else as much as it is limited to.
fn fill_pod_requests(spec: &mut PodSpec) {
    let Some(ResourceRequirements { limits: Some(limits), requests, .. }) = &mut spec.resources else { return };
    let asked = |name: &str| {
        let of = |container: &Container| {
            let amount = container.resources.as_ref()?.requests.as_ref()?.get(name)?;
            quantity::Quantity::parse(&amount.0).ok()
        };
        spec.containers.iter().filter_map(of).reduce(|sum, amount| sum + amount)
    };
    for (name, limit) in limits {
        let requests = requests.get_or_insert_default();
        requests
            .entry(name.clone())
            .or_insert_with(|| asked(name).map_or_else(|| limit.clone(), |sum| Quantity(sum.to_string())));
    }
}

/// What both sorts of containers have, and what has defaults.
struct Parts<'a> {
    image: Option<&'a str>,
    image_pull_policy: &'a mut Option<String>,
    termination_message_path: &'a mut Option<String>,
    termination_message_policy: &'a mut Option<String>,
    resources: &'a mut Option<ResourceRequirements>,
    ports: &'a mut Option<Vec<ContainerPort>>,
    env: &'a mut Option<Vec<EnvVar>>,
    probes: [&'a mut Option<Probe>; 3],
    lifecycle: &'a mut Option<Lifecycle>,
}

fn fill_container(parts: Parts<'_>) {
    default_text(parts.image_pull_policy, pull_policy(parts.image.unwrap_or_default()));
    default_text(parts.termination_message_path, "/dev/termination-log");
    default_text(parts.termination_message_policy, "File");
    fill_resources(parts.resources.get_or_insert_default());
    parts.ports.iter_mut().flatten().for_each(fill_port);
    fill_env(parts.env);
    parts.probes.into_iter().flatten().for_each(fill_probe);
    if let Some(lifecycle) = parts.lifecycle {
        fill_lifecycle(lifecycle);
    }
}

fn fill_resources(resources: &mut ResourceRequirements) {
    canonical_amounts(&mut resources.limits);
    canonical_amounts(&mut resources.requests);
}

fn fill_port(port: &mut ContainerPort) {
    default_text(&mut port.protocol, "TCP");
}

fn fill_env(env: &mut Option<Vec<EnvVar>>) {
    for source in env.iter_mut().flatten().filter_map(|variable| variable.value_from.as_mut()) {
        if let Some(field) = &mut source.field_ref {
            default_text(&mut field.api_version, "v1");
        }
        if let Some(divisor) = source.resource_field_ref.as_mut().and_then(|field| field.divisor.as_mut()) {
            canonical_amount(divisor);
        }
        if let Some(file) = &mut source.file_key_ref {
            file.optional.get_or_insert(false);
        }
    }
}

fn fill_probe(probe: &mut Probe) {
    let unset = |value: &mut Option<i32>, default: i32| {
        if value.is_none_or(|value| value == 0) {
            *value = Some(default);
        }
    };
    unset(&mut probe.timeout_seconds, 1);
    unset(&mut probe.period_seconds, 10);
    unset(&mut probe.success_threshold, 1);
    unset(&mut probe.failure_threshold, 3);
    if let Some(get) = &mut probe.http_get {
        fill_http_get(get);
    }
    if let Some(grpc) = &mut probe.grpc {
        grpc.service.get_or_insert_default();
    }
}

fn fill_lifecycle(lifecycle: &mut Lifecycle) {
    for handler in [&mut lifecycle.post_start, &mut lifecycle.pre_stop].into_iter().flatten() {
        if let Some(get) = &mut handler.http_get {
            fill_http_get(get);
        }
    }
}

fn fill_http_get(get: &mut HTTPGetAction) {
    default_text(&mut get.path, "/");
    default_text(&mut get.scheme, "HTTP");
}

/// `Always` for what may change under its name, which is an image without a tag or with `latest`.
fn pull_policy(image: &str) -> &'static str {
    if image.is_empty() || image.contains('@') {
        return "IfNotPresent";
    }
    let last = image.rsplit('/').next().unwrap_or(image);
    match last.split_once(':') {
        None | Some((_, "latest")) => "Always",
        Some(_) => "IfNotPresent",
    }
}

fn fill_volume(volume: &mut Volume) {
    if volumes::source_count(volume) == 0 {
        volume.empty_dir = Some(EmptyDirVolumeSource::default());
    }
    const MODE: i32 = 0o644;
    if let Some(source) = &mut volume.empty_dir
        && let Some(limit) = &mut source.size_limit
    {
        canonical_amount(limit);
    }
    if let Some(source) = &mut volume.config_map {
        source.default_mode.get_or_insert(MODE);
    }
    if let Some(source) = &mut volume.secret {
        source.default_mode.get_or_insert(MODE);
    }
    if let Some(source) = &mut volume.host_path {
        source.type_.get_or_insert_default();
    }
    if let Some(source) = &mut volume.downward_api {
        source.default_mode.get_or_insert(MODE);
        for item in source.items.iter_mut().flatten() {
            if let Some(field) = &mut item.field_ref {
                default_text(&mut field.api_version, "v1");
            }
        }
    }
    if let Some(source) = &mut volume.projected {
        source.default_mode.get_or_insert(MODE);
        for projection in source.sources.iter_mut().flatten() {
            fill_projection(projection);
        }
    }
    fill_old_volume(volume);
}

fn fill_projection(projection: &mut VolumeProjection) {
    if let Some(token) = &mut projection.service_account_token
        && token.expiration_seconds.is_none_or(|seconds| seconds == 0)
    {
        token.expiration_seconds = Some(3600);
    }
    for item in projection.downward_api.iter_mut().filter_map(|source| source.items.as_mut()).flatten() {
        if let Some(field) = &mut item.field_ref {
            default_text(&mut field.api_version, "v1");
        }
    }
}

/// Volumes that no node of ours mounts, and that are kept as upstream keeps them.
fn fill_old_volume(volume: &mut Volume) {
    if let Some(source) = &mut volume.iscsi {
        default_text(&mut source.iscsi_interface, "default");
    }
    if let Some(source) = &mut volume.rbd {
        default_text(&mut source.pool, "rbd");
        default_text(&mut source.user, "admin");
        default_text(&mut source.keyring, "/etc/ceph/keyring");
    }
    if let Some(source) = &mut volume.azure_disk {
        default_text(&mut source.caching_mode, "ReadWrite");
        default_text(&mut source.kind, "Shared");
        default_text(&mut source.fs_type, "ext4");
        source.read_only.get_or_insert(false);
    }
    if let Some(source) = &mut volume.scale_io {
        default_text(&mut source.storage_mode, "ThinProvisioned");
        default_text(&mut source.fs_type, "xfs");
    }
    if let Some(claim) = volume.ephemeral.as_mut().and_then(|source| source.volume_claim_template.as_mut()) {
        default_text(&mut claim.spec.volume_mode, "Filesystem");
    }
    if let Some(source) = &mut volume.image {
        let reference = source.reference.clone().unwrap_or_default();
        default_text(&mut source.pull_policy, pull_policy(&reference));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_spec_is_filled_as_upstream_fills_it() {
        let mut spec: PodSpec = serde_json::from_value(json!({
            "containers": [{"name": "a", "image": "web:1.2", "ports": [{"containerPort": 80}],
                "readinessProbe": {"httpGet": {"port": 80}}, "resources": {"limits": {"cpu": "0.5"}}}],
            "volumes": [{"name": "v"}, {"name": "c", "configMap": {"name": "c"}}],
            "serviceAccount": "sa",
        }))
        .unwrap();
        fill_spec(&mut spec);
        fill_pod(&mut spec);
        assert_eq!(
            serde_json::to_value(&spec).unwrap(),
            json!({
                "containers": [{
                    "name": "a", "image": "web:1.2", "imagePullPolicy": "IfNotPresent",
                    "ports": [{"containerPort": 80, "protocol": "TCP"}],
                    "readinessProbe": {"httpGet": {"port": 80, "path": "/", "scheme": "HTTP"}, "timeoutSeconds": 1,
                        "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3},
                    "resources": {"limits": {"cpu": "500m"}, "requests": {"cpu": "500m"}},
                    "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                }],
                "volumes": [{"name": "v", "emptyDir": {}}, {"name": "c", "configMap": {"name": "c", "defaultMode": 420}}],
                "serviceAccount": "sa", "serviceAccountName": "sa", "dnsPolicy": "ClusterFirst",
                "restartPolicy": "Always", "schedulerName": "default-scheduler", "securityContext": {},
                "terminationGracePeriodSeconds": 30, "enableServiceLinks": true,
            })
        );
    }

    #[test]
    fn images_that_may_change_are_always_pulled() {
        for (image, policy) in [
            ("web", "Always"),
            ("web:latest", "Always"),
            ("registry:5000/web", "Always"),
            ("registry:5000/web:1", "IfNotPresent"),
            ("web@sha256:00", "IfNotPresent"),
        ] {
            assert_eq!(pull_policy(image), policy, "{image}");
        }
    }
}
