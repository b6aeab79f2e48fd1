//! Pod.

use std::collections::BTreeMap;

use api::field::{FieldError, FieldErrors, Path};
use api::names::{self, GroupVersionKind};
use api::well_known::annotation;
use k8s_openapi::api::core::v1::{Pod, PodIP, PodStatus};

use crate::kinds::facts::{self, FieldLabel, Flags, STATUS, Subresource};
use crate::kinds::kind::{Column, Kind};
use crate::kinds::pod_spec::{
    containers, defaults, ephemeral, own_labels, quality, resize, rules, status, summary::Summary, update, warnings,
};
use crate::kinds::rules::text;
use crate::kinds::table::{NONE, age_column, name_column, or_none};

const ATTACH: Subresource = facts::connection("attach", &["create", "get"], "PodAttachOptions");
const BINDING: Subresource = Subresource {
    name: "binding",
    verbs: &["create"],
    of: Some(GroupVersionKind { group: "", version: "v1", kind: "Binding" }),
};
const EPHEMERAL_CONTAINERS: Subresource =
    Subresource { name: "ephemeralcontainers", verbs: &["get", "patch", "update"], of: None };
const EVICTION: Subresource = Subresource {
    name: "eviction",
    verbs: &["create"],
    of: Some(GroupVersionKind { group: "policy", version: "v1", kind: "Eviction" }),
};
const EXEC: Subresource = facts::connection("exec", &["create", "get"], "PodExecOptions");
const LOG: Subresource = Subresource { name: "log", verbs: &["get"], of: None };
const PORT_FORWARD: Subresource = facts::connection("portforward", &["create", "get"], "PodPortForwardOptions");
const PROXY: Subresource = facts::connection("proxy", facts::PROXIED, "PodProxyOptions");
const RESIZE: Subresource = Subresource { name: "resize", verbs: &["get", "patch", "update"], of: None };

const fn field(label: &'static str, path: &'static [&'static str], default: &'static str) -> FieldLabel {
    FieldLabel { label, path, default }
}

impl Kind for Pod {
    const SHORT_NAMES: &'static [&'static str] = &["po"];
    const CATEGORIES: &'static [&'static str] = &["all"];
    const SUBRESOURCES: &'static [Subresource] =
        &[ATTACH, BINDING, EPHEMERAL_CONTAINERS, EVICTION, EXEC, LOG, PORT_FORWARD, PROXY, RESIZE, STATUS];
    const FLAGS: Flags = Flags { returns_deleted: true, counts_generations: true, ..Flags::USUAL };
    const FIELD_LABELS: &'static [FieldLabel] = &[
        field("spec.nodeName", &["spec", "nodeName"], ""),
        field("spec.restartPolicy", &["spec", "restartPolicy"], ""),
        field("spec.schedulerName", &["spec", "schedulerName"], ""),
        field("spec.serviceAccountName", &["spec", "serviceAccountName"], ""),
        field("spec.hostNetwork", &["spec", "hostNetwork"], "false"),
        field("status.phase", &["status", "phase"], ""),
        field("status.podIP", &["status", "podIP"], ""),
        field("status.nominatedNodeName", &["status", "nominatedNodeName"], ""),
        field("spec.host", &["spec", "nodeName"], ""),
        // Accepted, and never found: it is a list.
        field("status.podIPs", &["status", "podIPs"], ""),
    ];
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("Ready", "string", "How many of its containers are ready.", |pod, now| {
            Summary::of(pod, now).ready.into()
        }),
        Column::new("Status", "string", "What it is doing, or what is wrong with it.", |pod, now| {
            Summary::of(pod, now).status.into()
        }),
        Column::new("Restarts", "string", "How often its containers have been started again.", |pod, now| {
            Summary::of(pod, now).restarts.into()
        }),
        age_column(),
        Column::wide("IP", "string", "Its address.", |pod, _| {
            let addresses = pod.status.as_ref().and_then(|status| status.pod_ips.as_ref());
            addresses.and_then(|list| list.first()).map_or(NONE, |address| or_none(&address.ip)).into()
        }),
        Column::wide("Node", "string", "The node it runs on.", |pod, _| {
            or_none(pod.spec.as_ref().map_or("", |spec| text(&spec.node_name))).into()
        }),
        Column::wide("Nominated Node", "string", "The node that is being cleared for it.", |pod, _| {
            or_none(pod.status.as_ref().map_or("", |status| text(&status.nominated_node_name))).into()
        }),
        Column::wide("Readiness Gates", "string", "How many of its readiness gates are open.", |pod, _| {
            gates(pod).into()
        }),
    ];

    fn fill_defaults(&mut self) {
        let spec = self.spec.get_or_insert_default();
        defaults::fill_spec(spec);
        defaults::fill_pod(spec);
        match_addresses(self.status.get_or_insert_default());
    }

    fn before_create(&mut self) {
        if let (Some(spec), Some(labels)) = (&mut self.spec, &self.metadata.labels) {
            own_labels::fill(spec, labels);
        }
        let quality = self.spec.as_ref().map(quality::class_of).unwrap_or_default();
        self.status = Some(PodStatus {
            phase: Some("Pending".to_owned()),
            qos_class: Some(quality.to_owned()),
            ..PodStatus::default()
        });
    }

    fn before_update(&mut self, old: &Self) {
        self.status = old.status.clone();
    }

    fn before_subresource_update(&mut self, subresource: &str, old: &Self) {
        match subresource {
            "status" => {}
            "ephemeralcontainers" => return ephemeral::keep_rest(self, old),
            "resize" => return resize::keep_rest(self, old),
            _ => return,
        }
        self.spec = old.spec.clone();
        self.metadata.owner_references = old.metadata.owner_references.clone();
        let quality = old.status.as_ref().and_then(|status| status.qos_class.clone());
        let status = self.status.get_or_insert_default();
        if text(&status.qos_class).is_empty() {
            status.qos_class = quality;
        }
    }

    fn validate(&self, errors: &mut FieldErrors) {
        let none = BTreeMap::new();
        let (annotations, path) = (self.metadata.annotations.as_ref().unwrap_or(&none), Path::new("metadata"));
        let Some(spec) = &self.spec else { return };
        rules::validate_annotations(annotations, spec, &path.child("annotations"), errors);
        rules::validate(spec, &Path::new("spec"), errors);
        containers::validate_images(spec, &Path::new("spec"), errors);
    }

    fn validate_create(&self, errors: &mut FieldErrors) {
        let Some(spec) = &self.spec else { return };
        let path = Path::new("spec");
        if spec.ephemeral_containers.as_ref().is_some_and(|list| !list.is_empty()) {
            errors.push(FieldError::forbidden(&path.child("ephemeralContainers"), "cannot be set on create"));
        }
        let is_gated = spec.scheduling_gates.as_ref().is_some_and(|gates| !gates.is_empty());
        if is_gated && !text(&spec.node_name).is_empty() {
            let why = "cannot be set until all schedulingGates have been cleared";
            errors.push(FieldError::forbidden(&path.child("nodeName"), why));
        }
    }

    fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
        match (mirror_of(self), mirror_of(old)) {
            (new, Some(old)) if new != Some(old) => {
                let why = "may not remove or update mirror pod annotation";
                errors.push(FieldError::forbidden(&mirror_path(), why));
            }
            (Some(_), None) => {
                errors.push(FieldError::forbidden(&mirror_path(), "may not add mirror pod annotation"));
            }
            _ => {}
        }
        if let (Some(new), Some(old)) = (&self.spec, &old.spec) {
            update::validate(new, old, &Path::new("spec"), errors);
        }
    }

    fn validate_subresource_update(&self, subresource: &str, old: &Self, errors: &mut FieldErrors) {
        match subresource {
            "ephemeralcontainers" => ephemeral::validate_update(self, old, errors),
            "resize" => resize::validate_update(self, old, errors),
            "status" => status::validate(self, old, errors),
            _ => {}
        }
    }

    fn warnings(&self) -> Vec<String> {
        let mut sentences = self.spec.as_ref().map(|spec| warnings::of(spec, &Path::new("spec"))).unwrap_or_default();
        if let Err(why) = names::dns_label(text(&self.metadata.name)) {
            sentences.push(format!(
                "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label \
                 is recommended: [{why}]"
            ));
        }
        sentences
    }

    fn spec_differs(&self, old: &Self) -> bool {
        self.spec != old.spec
    }

    /// A pod that no node runs, or that has ended, goes at once.
    fn grace_period(&self, asked: Option<i64>) -> Option<i64> {
        let spec = self.spec.as_ref();
        let period = asked.or_else(|| spec.and_then(|spec| spec.termination_grace_period_seconds)).unwrap_or(0);
        let is_scheduled = spec.is_some_and(|spec| !text(&spec.node_name).is_empty());
        let phase = self.status.as_ref().map_or("", |status| text(&status.phase));
        if !is_scheduled || matches!(phase, "Failed" | "Succeeded") {
            return Some(0);
        }
        Some(if period < 0 { 1 } else { period })
    }
}

/// Which static pod of a node this is the mirror of.
fn mirror_of(pod: &Pod) -> Option<&str> {
    pod.metadata.annotations.as_ref()?.get(annotation::MIRROR_POD).map(String::as_str)
}

fn mirror_path() -> Path {
    Path::new("metadata").child("annotations").key(annotation::MIRROR_POD)
}

/// The address is said in an old way and in a new one; the old one wins.
fn match_addresses(status: &mut PodStatus) {
    let first = status.pod_ips.as_ref().and_then(|list| list.first()).map(|address| address.ip.clone());
    match text(&status.pod_ip) {
        "" => status.pod_ip = first,
        address if first.as_deref() == Some(address) => {}
        address => status.pod_ips = Some(vec![PodIP { ip: address.to_owned() }]),
    }
}

fn gates(pod: &Pod) -> String {
    let gates = pod.spec.as_ref().and_then(|spec| spec.readiness_gates.as_deref()).unwrap_or_default();
    if gates.is_empty() {
        return NONE.to_owned();
    }
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let is_open = |name: &str| conditions.iter().any(|condition| condition.type_ == name && condition.status == "True");
    let open = gates.iter().filter(|gate| is_open(&gate.condition_type)).count();
    format!("{open}/{}", gates.len())
}
