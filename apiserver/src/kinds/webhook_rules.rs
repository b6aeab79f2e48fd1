//! Rules of webhooks: where they are, what they are asked, and how long they may take.

use std::collections::BTreeSet;

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MutatingWebhook, RuleWithOperations, ServiceReference, ValidatingWebhook, WebhookClientConfig,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::kinds::match_rules::{self, FAILURE_POLICIES, MATCH_POLICIES};
use crate::kinds::rules::{default_text, selector, shown, supported, text};

/// The versions of reviews that a webhook and the server can have in common.
const REVIEW_VERSIONS: [&str; 2] = ["v1", "v1beta1"];
const SIDE_EFFECTS: &[&str] = &["None", "NoneOnDryRun"];
const URL_FORM: &str = "; desired format: https://host[/path]";

/// What webhooks that change and webhooks that only refuse have in common.
pub struct Hook<'a> {
    name: &'a str,
    client: &'a WebhookClientConfig,
    rules: &'a [RuleWithOperations],
    review_versions: &'a [String],
    failure_policy: &'a Option<String>,
    match_policy: &'a Option<String>,
    side_effects: &'a str,
    timeout: Option<i32>,
    namespaces: Option<&'a LabelSelector>,
    objects: Option<&'a LabelSelector>,
    conditions: Option<&'a [MatchCondition]>,
}

macro_rules! hook {
    ($webhook:ident) => {
        impl<'a> From<&'a $webhook> for Hook<'a> {
            fn from(hook: &'a $webhook) -> Self {
                Self {
                    name: &hook.name,
                    client: &hook.client_config,
                    rules: hook.rules.as_deref().unwrap_or_default(),
                    review_versions: &hook.admission_review_versions,
                    failure_policy: &hook.failure_policy,
                    match_policy: &hook.match_policy,
                    side_effects: &hook.side_effects,
                    timeout: hook.timeout_seconds,
                    namespaces: hook.namespace_selector.as_ref(),
                    objects: hook.object_selector.as_ref(),
                    conditions: hook.match_conditions.as_deref(),
                }
            }
        }
    };
}
hook!(MutatingWebhook);
hook!(ValidatingWebhook);

/// The fields of a webhook that have defaults.
pub struct Defaults<'a> {
    pub client: &'a mut WebhookClientConfig,
    pub rules: &'a mut Option<Vec<RuleWithOperations>>,
    pub failure_policy: &'a mut Option<String>,
    pub match_policy: &'a mut Option<String>,
    pub timeout: &'a mut Option<i32>,
    pub namespaces: &'a mut Option<LabelSelector>,
    pub objects: &'a mut Option<LabelSelector>,
}

impl Defaults<'_> {
    pub fn fill(self) {
        default_text(self.failure_policy, "Fail");
        default_text(self.match_policy, "Equivalent");
        self.timeout.get_or_insert(10);
        self.namespaces.get_or_insert_default();
        self.objects.get_or_insert_default();
        if let Some(service) = &mut self.client.service {
            service.port.get_or_insert(443);
        }
        self.rules.iter_mut().flatten().for_each(|rule| default_text(&mut rule.scope, "*"));
    }
}

/// All webhooks of a configuration.
pub fn validate<'a, H: 'a>(hooks: Option<&'a [H]>, errors: &mut FieldErrors)
where
    Hook<'a>: From<&'a H>,
{
    let mut seen = BTreeSet::new();
    for (index, hook) in hooks.into_iter().flatten().map(Hook::from).enumerate() {
        let path = Path::new("webhooks").index(index);
        validate_one(&hook, &path, errors);
        review_versions(hook.review_versions, &path.child("admissionReviewVersions"), errors);
        if !hook.name.is_empty() && !seen.insert(hook.name) {
            errors.push(FieldError::duplicate(&path.child("name"), hook.name));
        }
    }
}

fn validate_one(hook: &Hook<'_>, path: &Path, errors: &mut FieldErrors) {
    full_name(hook.name, &path.child("name"), errors);
    for (index, rule) in hook.rules.iter().enumerate() {
        match_rules::validate_rule(&rule.into(), &path.child("rules").index(index), errors);
    }
    supported(errors, &path.child("failurePolicy"), text(hook.failure_policy), FAILURE_POLICIES);
    supported(errors, &path.child("matchPolicy"), text(hook.match_policy), MATCH_POLICIES);
    let effects_path = path.child("sideEffects");
    if hook.side_effects.is_empty() {
        let why = format!("must specify one of {}", SIDE_EFFECTS.join(", "));
        errors.push(FieldError::required(&effects_path, &why));
    } else {
        supported(errors, &effects_path, hook.side_effects, SIDE_EFFECTS);
    }
    if let Some(seconds) = hook.timeout.filter(|seconds| !(1..=30).contains(seconds)) {
        let why = "the timeout value must be between 1 and 30 seconds";
        errors.push(FieldError::invalid(&path.child("timeoutSeconds"), seconds, why));
    }
    for (field, wanted) in [("namespaceSelector", hook.namespaces), ("objectSelector", hook.objects)] {
        if let Some(wanted) = wanted {
            selector(errors, &path.child(field), wanted);
        }
    }
    let client = hook.client;
    address(client.url.as_deref(), client.service.as_ref().map(Service::from), &path.child("clientConfig"), errors);
    match_rules::validate_conditions(hook.conditions, &path.child("matchConditions"), errors);
}

/// A name that says whose the webhook is.
fn full_name(name: &str, path: &Path, errors: &mut FieldErrors) {
    if name.is_empty() {
        errors.push(FieldError::required(path, ""));
        return;
    }
    if let Err(why) = names::dns_subdomain(name) {
        errors.push(FieldError::invalid(path, name, why));
    } else if name.split('.').count() < 3 {
        let why = "should be a domain with at least three segments separated by dots";
        errors.push(FieldError::invalid(path, name, why));
    }
}

fn review_versions(versions: &[String], path: &Path, errors: &mut FieldErrors) {
    if versions.is_empty() {
        let why = format!("must specify one of {}", REVIEW_VERSIONS.join(", "));
        errors.push(FieldError::required(path, &why));
    } else {
        known_versions(versions, path, errors);
    }
}

/// Versions of reviews, of which the server has to know one.
pub fn known_versions(versions: &[String], path: &Path, errors: &mut FieldErrors) {
    let mut seen = BTreeSet::new();
    for (index, version) in versions.iter().enumerate() {
        if !seen.insert(version) {
            errors.push(FieldError::invalid(&path.index(index), version.as_str(), "duplicate version"));
            continue;
        }
        errors.check(&path.index(index), version, names::dns_1035_label);
    }
    if !versions.iter().any(|version| REVIEW_VERSIONS.contains(&version.as_str())) {
        let why = format!("must include at least one of {}", REVIEW_VERSIONS.join(", "));
        errors.push(FieldError::invalid(path, shown(&versions), why));
    }
}

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

/// Where a webhook is: a URL, or a Service.
pub fn address(url: Option<&str>, service: Option<Service<'_>>, path: &Path, errors: &mut FieldErrors) {
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
