//! Service.

use api::field::FieldErrors;
use api::names::{self, NameRule};
use k8s_openapi::api::core::v1::{
    ClientIPConfig, LoadBalancerIngress, Service, ServiceSpec, ServiceStatus, SessionAffinityConfig,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::kinds::facts::{self, FieldLabel, Flags, STATUS, Subresource};
use crate::kinds::kind::{Column, Kind};
use crate::kinds::rules::{default_text, text};
use crate::kinds::service_spec::{
    self, CLUSTER_IP, EXTERNAL_NAME, LOAD_BALANCER, NODE_PORT, is_external, rules, update,
};
use crate::kinds::table::{self, NONE, UNKNOWN, age_column, name_column, or_none};

const PROXY: Subresource = facts::connection("proxy", facts::PROXIED, "ServiceProxyOptions");

impl Kind for Service {
    const SHORT_NAMES: &'static [&'static str] = &["svc"];
    const CATEGORIES: &'static [&'static str] = &["all"];
    const SUBRESOURCES: &'static [Subresource] = &[PROXY, STATUS];
    const FLAGS: Flags = Flags { create_on_update: true, returns_deleted: true, ..Flags::USUAL };
    const NAME_RULE: NameRule = names::dns_label;
    const FIELD_LABELS: &'static [FieldLabel] = &[
        FieldLabel { label: "spec.clusterIP", path: &["spec", "clusterIP"], default: "" },
        FieldLabel { label: "spec.type", path: &["spec", "type"], default: "" },
    ];
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("Type", "string", "How it can be reached.", |service, _| spec(service).type_.into()),
        Column::new("Cluster-IP", "string", "Its address within the cluster.", |service, _| {
            spec(service).cluster_ips.and_then(|list| list.into_iter().next()).unwrap_or(NONE.to_owned()).into()
        }),
        Column::new("External-IP", "string", "Its addresses outside of the cluster.", |service, _| {
            external_addresses(service).into()
        }),
        Column::new("Port(s)", "string", "Its ports, and those of the nodes.", |service, _| ports(service).into()),
        age_column(),
        Column::wide("Selector", "string", "Labels of the pods behind it.", |service, _| {
            table::pairs(spec(service).selector.as_ref()).into()
        }),
    ];

    fn fill_defaults(&mut self) {
        fill(self.spec.get_or_insert_default());
        let status = self.status.get_or_insert_default();
        for ingress in status.load_balancer.get_or_insert_default().ingress.iter_mut().flatten() {
            if !text(&ingress.ip).is_empty() {
                default_text(&mut ingress.ip_mode, "VIP");
            }
        }
    }

    fn before_create(&mut self) {
        self.status = Some(ServiceStatus { load_balancer: Some(Default::default()), ..ServiceStatus::default() });
        let spec = self.spec.get_or_insert_default();
        // An old client knows the singular only.
        if !text(&spec.cluster_ip).is_empty() && spec.cluster_ips.as_ref().is_none_or(Vec::is_empty) {
            spec.cluster_ips = spec.cluster_ip.clone().map(|address| vec![address]);
        }
    }

    fn before_update(&mut self, old: &Self) {
        self.status = old.status.clone();
        if let Some(old) = &old.spec {
            update::keep_what_was_allocated(self.spec.get_or_insert_default(), old);
        }
    }

    fn before_subresource_update(&mut self, _: &str, old: &Self) {
        self.spec = old.spec.clone();
    }

    fn validate(&self, errors: &mut FieldErrors) {
        if let Some(spec) = &self.spec {
            rules::validate(spec, errors);
        }
    }

    fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
        if let (Some(new), Some(old)) = (&self.spec, &old.spec) {
            update::validate(new, old, errors);
        }
    }

    fn validate_subresource_update(&self, _: &str, _: &Self, errors: &mut FieldErrors) {
        if let Some(status) = &self.status {
            rules::validate_status(&spec(self), status, errors);
        }
    }

    fn warnings(&self) -> Vec<String> {
        service_spec::warnings_of(&spec(self))
    }

    fn spec_differs(&self, old: &Self) -> bool {
        self.spec != old.spec
    }
}

fn fill(spec: &mut ServiceSpec) {
    const TIMEOUT: i32 = 10_800;
    default_text(&mut spec.session_affinity, "None");
    match text(&spec.session_affinity) {
        "None" => spec.session_affinity_config = None,
        "ClientIP" => {
            let config = spec.session_affinity_config.get_or_insert_with(SessionAffinityConfig::default);
            config.client_ip.get_or_insert_with(ClientIPConfig::default).timeout_seconds.get_or_insert(TIMEOUT);
        }
        _ => {}
    }
    default_text(&mut spec.type_, CLUSTER_IP);
    for port in spec.ports.iter_mut().flatten() {
        default_text(&mut port.protocol, "TCP");
        let is_unset = match &port.target_port {
            None | Some(IntOrString::Int(0)) => true,
            Some(IntOrString::String(name)) => name.is_empty(),
            Some(IntOrString::Int(_)) => false,
        };
        if is_unset {
            port.target_port = Some(IntOrString::Int(port.port));
        }
        // A patch may say 0 for "none".
        port.node_port = port.node_port.filter(|number| *number != 0);
    }
    spec.health_check_node_port = spec.health_check_node_port.filter(|number| *number != 0);
    if is_external(spec) {
        default_text(&mut spec.external_traffic_policy, "Cluster");
    }
    if text(&spec.type_) != EXTERNAL_NAME {
        default_text(&mut spec.internal_traffic_policy, "Cluster");
    }
    if text(&spec.type_) == LOAD_BALANCER {
        spec.allocate_load_balancer_node_ports.get_or_insert(true);
    }
}

fn spec(service: &Service) -> ServiceSpec {
    service.spec.clone().unwrap_or_default()
}

fn external_addresses(service: &Service) -> String {
    let spec = spec(service);
    let given = spec.external_ips.unwrap_or_default();
    match text(&spec.type_) {
        CLUSTER_IP | NODE_PORT => or_none(&given.join(",")).to_owned(),
        EXTERNAL_NAME => spec.external_name.unwrap_or_default(),
        LOAD_BALANCER => {
            let status = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
            let ingress = status.and_then(|status| status.ingress.clone()).unwrap_or_default();
            let address = |ingress: LoadBalancerIngress| ingress.ip.filter(|ip| !ip.is_empty()).or(ingress.hostname);
            let all: Vec<String> = ingress.into_iter().filter_map(address).chain(given).collect();
            if all.is_empty() { "<pending>".to_owned() } else { all.join(",") }
        }
        _ => UNKNOWN.to_owned(),
    }
}

fn ports(service: &Service) -> String {
    let ports = spec(service).ports.unwrap_or_default();
    let list: Vec<String> = ports
        .iter()
        .map(|port| match port.node_port {
            Some(node_port) if node_port > 0 => format!("{}:{node_port}/{}", port.port, text(&port.protocol)),
            _ => format!("{}/{}", port.port, text(&port.protocol)),
        })
        .collect();
    or_none(&list.join(",")).to_owned()
}
