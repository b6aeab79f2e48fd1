//! Ingress: which requests from outside go to which Service.

use std::net::IpAddr;

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::core::v1::TypedLocalObjectReference;
use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, Ingress, IngressBackend, IngressRule, IngressServiceBackend, IngressStatus, IngressTLS,
};

use crate::kinds::facts::{Flags, STATUS, Subresource};
use crate::kinds::kind::{Column, Kind};
use crate::kinds::rules::{ip_address, port_number, required_name, shown, text};
use crate::kinds::table::{NONE, age_column, first_three, name_column};

const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";
const PATH_TYPES: &[&str] = &["Exact", "ImplementationSpecific", "Prefix"];

impl Kind for Ingress {
    const SHORT_NAMES: &'static [&'static str] = &["ing"];
    const SUBRESOURCES: &'static [Subresource] = &[STATUS];
    const FLAGS: Flags = Flags { counts_generations: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("Class", "string", "The class of controllers that serve it.", |ingress, _| {
            let class = ingress.spec.as_ref().and_then(|spec| spec.ingress_class_name.as_deref());
            class.unwrap_or(NONE).into()
        }),
        Column::new("Hosts", "string", "The hosts whose requests it takes.", |ingress, _| hosts(ingress).into()),
        Column::new("Address", "string", "Where it takes them.", |ingress, _| address(ingress).into()),
        Column::new("Ports", "string", "The ports that are open.", |ingress, _| {
            if tls(ingress).is_empty() { "80" } else { "80, 443" }.into()
        }),
        age_column(),
    ];

    fn fill_defaults(&mut self) {
        self.spec.get_or_insert_default();
        self.status.get_or_insert_default().load_balancer.get_or_insert_default();
    }

    fn before_create(&mut self) {
        self.status = Some(IngressStatus { load_balancer: Some(Default::default()) });
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
        let rules = spec.rules.as_deref().unwrap_or_default();
        if rules.is_empty() && spec.default_backend.is_none() {
            let why = "either `defaultBackend` or `rules` must be specified";
            errors.push(FieldError::invalid(&path, shown(&spec.rules), why));
        }
        if let Some(backend) = &spec.default_backend {
            validate_backend(backend, &path.child("defaultBackend"), errors);
        }
        for (index, rule) in rules.iter().enumerate() {
            validate_rule(rule, &path.child("rules").index(index), errors);
        }
        for (index, tls) in tls(self).iter().enumerate() {
            validate_tls(tls, &path.child("tls").index(index), errors);
        }
        if let Some(class) = &spec.ingress_class_name {
            errors.check(&path.child("ingressClassName"), class, names::dns_subdomain);
        }
    }

    fn validate_create(&self, errors: &mut FieldErrors) {
        let class = self.spec.as_ref().and_then(|spec| spec.ingress_class_name.as_ref());
        let noted = self.metadata.annotations.as_ref().and_then(|annotations| annotations.get(CLASS_ANNOTATION));
        if let (Some(class), Some(noted)) = (class, noted)
            && class != noted
        {
            let path = Path::new("annotations").child(CLASS_ANNOTATION);
            let why = "must match `ingressClassName` when both are specified";
            errors.push(FieldError::invalid(&path, noted.as_str(), why));
        }
    }

    fn validate_subresource_update(&self, _: &str, _: &Self, errors: &mut FieldErrors) {
        let path = Path::new("status").child("loadBalancer").child("ingress");
        let balancer = self.status.as_ref().and_then(|status| status.load_balancer.as_ref());
        for (index, point) in balancer.into_iter().flat_map(|list| list.ingress.iter().flatten()).enumerate() {
            let path = path.index(index);
            if !text(&point.ip).is_empty() {
                ip_address(errors, &path.child("ip"), text(&point.ip));
            }
            let host = text(&point.hostname);
            if !host.is_empty() {
                errors.check(&path.child("hostname"), host, names::dns_subdomain);
                not_an_address(host, &path.child("hostname"), errors);
            }
        }
    }

    fn spec_differs(&self, old: &Self) -> bool {
        self.spec != old.spec
    }
}

fn tls(ingress: &Ingress) -> &[IngressTLS] {
    ingress.spec.as_ref().and_then(|spec| spec.tls.as_deref()).unwrap_or_default()
}

fn hosts(ingress: &Ingress) -> String {
    let rules = ingress.spec.iter().flat_map(|spec| spec.rules.iter().flatten());
    let hosts = first_three(rules.map(|rule| text(&rule.host).to_owned()).filter(|host| !host.is_empty()));
    if hosts.is_empty() { "*".to_owned() } else { hosts }
}

fn address(ingress: &Ingress) -> String {
    let balancer = ingress.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let points = balancer.into_iter().flat_map(|list| list.ingress.iter().flatten());
    let mut names: Vec<&str> = points
        .map(|point| Some(text(&point.ip)).filter(|ip| !ip.is_empty()).unwrap_or_else(|| text(&point.hostname)))
        .filter(|name| !name.is_empty())
        .collect();
    names.sort_unstable();
    names.dedup();
    names.join(",")
}

fn not_an_address(host: &str, path: &Path, errors: &mut FieldErrors) {
    if host.parse::<IpAddr>().is_ok() {
        errors.push(FieldError::invalid(path, host, "must be a DNS name, not an IP address"));
    }
}

fn validate_host(host: &str, path: &Path, errors: &mut FieldErrors) {
    let rule = if host.contains('*') { names::wildcard_subdomain } else { names::dns_subdomain };
    errors.check(path, host, rule);
}

fn validate_tls(tls: &IngressTLS, path: &Path, errors: &mut FieldErrors) {
    for (index, host) in tls.hosts.iter().flatten().enumerate() {
        validate_host(host, &path.child("hosts").index(index), errors);
    }
    let secret = text(&tls.secret_name);
    if !secret.is_empty() {
        errors.check(&path.child("secretName"), secret, names::dns_subdomain);
    }
}

fn validate_rule(rule: &IngressRule, path: &Path, errors: &mut FieldErrors) {
    let host = text(&rule.host);
    if !host.is_empty() {
        not_an_address(host, &path.child("host"), errors);
        validate_host(host, &path.child("host"), errors);
    }
    let Some(http) = &rule.http else { return };
    let path = path.child("http").child("paths");
    if http.paths.is_empty() {
        errors.push(FieldError::required(&path, ""));
    }
    for (index, one) in http.paths.iter().enumerate() {
        validate_path(one, &path.index(index), errors);
    }
}

fn validate_path(one: &HTTPIngressPath, path: &Path, errors: &mut FieldErrors) {
    let (value, value_path) = (text(&one.path), path.child("path"));
    match &*one.path_type {
        "" => {
            errors.push(FieldError::required(&path.child("pathType"), "pathType must be specified"));
            return;
        }
        "Exact" | "Prefix" => {
            if !value.starts_with('/') {
                errors.push(FieldError::invalid(&value_path, value, "must be an absolute path"));
            }
            for wrong in ["//", "/./", "/../", "%2f", "%2F"].into_iter().filter(|wrong| value.contains(wrong)) {
                errors.push(FieldError::invalid(&value_path, value, format!("must not contain '{wrong}'")));
            }
            for wrong in ["/..", "/."].into_iter().filter(|wrong| value.ends_with(wrong)) {
                errors.push(FieldError::invalid(&value_path, value, format!("cannot end with '{wrong}'")));
            }
        }
        "ImplementationSpecific" => {
            if !value.is_empty() && !value.starts_with('/') {
                errors.push(FieldError::invalid(&value_path, value, "must be an absolute path"));
            }
        }
        other => errors.push(FieldError::not_supported(&path.child("pathType"), other, PATH_TYPES)),
    }
    validate_backend(&one.backend, &path.child("backend"), errors);
}

fn validate_backend(backend: &IngressBackend, path: &Path, errors: &mut FieldErrors) {
    match (&backend.resource, &backend.service) {
        (Some(_), Some(_)) => {
            errors.push(FieldError::invalid(path, "", "cannot set both resource and service backends"));
        }
        (Some(resource), None) => validate_resource(resource, &path.child("resource"), errors),
        (None, Some(service)) => validate_service(service, path, errors),
        (None, None) => errors.push(FieldError::invalid(path, "", "resource or service backend is required")),
    }
}

fn validate_resource(resource: &TypedLocalObjectReference, path: &Path, errors: &mut FieldErrors) {
    if let Some(group) = &resource.api_group {
        errors.check(&path.child("apiGroup"), group, names::dns_subdomain);
    }
    required_name(errors, &path.child("kind"), &resource.kind, names::path_segment);
    required_name(errors, &path.child("name"), &resource.name, names::path_segment);
}

fn validate_service(service: &IngressServiceBackend, path: &Path, errors: &mut FieldErrors) {
    let service_path = path.child("service");
    required_name(errors, &service_path.child("name"), &service.name, names::dns_label);
    let port = service.port.clone().unwrap_or_default();
    let port_path = service_path.child("port");
    match (text(&port.name), port.number.unwrap_or_default()) {
        ("", 0) => errors.push(FieldError::required(path, "port name or number is required")),
        ("", number) => port_number(errors, &port_path.child("number"), number),
        (name, 0) => errors.check(&port_path.child("name"), name, names::port_name),
        _ => errors.push(FieldError::invalid(path, "", "cannot set both port name & port number")),
    }
}
