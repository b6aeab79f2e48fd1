//! Where a webhook is: at a URL, or behind a Service.

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::admissionregistration::v1::ServiceReference;

const URL_FORM: &str = "; desired format: https://host[/path]";

/// A Service that is called, whichever group's type names it.
pub struct Service<'a> {
    pub namespace: &'a str,
    pub name: &'a str,
    pub path: Option<&'a str>,
    pub port: i32,
}

impl<'a> From<&'a ServiceReference> for Service<'a> {
    fn from(service: &'a ServiceReference) -> Self {
        Self {
            namespace: &service.namespace,
            name: &service.name,
            path: service.path.as_deref(),
            port: service.port.unwrap_or(443),
        }
    }
}

pub fn validate(url: Option<&str>, service: Option<Service<'_>>, path: &Path, errors: &mut FieldErrors) {
    match (url, service) {
        (Some(url), None) => validate_url(url, &path.child("url"), errors),
        (None, Some(service)) => validate_service(&service, &path.child("service"), errors),
        _ => errors.push(FieldError::required(path, "exactly one of url or service is required")),
    }
}

fn validate_url(url: &str, path: &Path, errors: &mut FieldErrors) {
    let (rest, fragment) = url.split_once('#').unwrap_or((url, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (scheme, rest) = rest.split_once("://").unwrap_or(("", ""));
    let authority = rest.split('/').next().unwrap_or_default();
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let mut wrong = |value: &str, why: String| errors.push(FieldError::invalid(path, value, why));
    if scheme != "https" {
        wrong(scheme, format!("'https' is the only allowed URL scheme{URL_FORM}"));
    }
    if host.is_empty() {
        wrong(host, format!("host must be specified{URL_FORM}"));
    }
    if !user.is_empty() {
        wrong(user, "user information is not permitted in the URL".to_owned());
    }
    if !fragment.is_empty() {
        wrong(fragment, "fragments are not permitted in the URL".to_owned());
    }
    if !query.is_empty() {
        wrong(query, "query parameters are not permitted in the URL".to_owned());
    }
}

fn validate_service(service: &Service<'_>, path: &Path, errors: &mut FieldErrors) {
    if service.name.is_empty() {
        errors.push(FieldError::required(&path.child("name"), "service name is required"));
    }
    if service.namespace.is_empty() {
        errors.push(FieldError::required(&path.child("namespace"), "service namespace is required"));
    }
    if !(1..=65535).contains(&service.port) {
        let why = "port is not valid: must be between 1 and 65535, inclusive";
        errors.push(FieldError::invalid(&path.child("port"), service.port, why));
    }
    let Some(place) = service.path.filter(|place| !matches!(*place, "" | "/")) else { return };
    let path = path.child("path");
    let mut wrong = |why: String| errors.push(FieldError::invalid(&path, place, why));
    if place == "//" {
        wrong("segment[0] may not be empty".to_owned());
        return;
    }
    if !place.starts_with('/') {
        wrong("must start with a '/'".to_owned());
    }
    let inner = place.strip_prefix('/').unwrap_or(place);
    for (index, step) in inner.strip_suffix('/').unwrap_or(inner).split('/').enumerate() {
        if step.is_empty() {
            wrong(format!("segment[{index}] may not be empty"));
        } else if let Err(why) = names::dns_subdomain(step) {
            wrong(format!("segment[{index}]: {why}"));
        }
    }
}
