//! Webhooks that are asked before a write: what both sorts of them have in common.

use std::collections::BTreeSet;

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MutatingWebhook, RuleWithOperations, ValidatingWebhook, WebhookClientConfig,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::kinds::match_rules::{self, FAILURE_POLICIES, MATCH_POLICIES, REINVOCATION_POLICIES};
use crate::kinds::rules::{default_text, selector, shown, supported, text};
use crate::kinds::webhook_address::{self, Service};

/// The versions of reviews that a webhook and the server can have in common.
const REVIEW_VERSIONS: [&str; 2] = ["v1", "v1beta1"];
const SIDE_EFFECTS: &[&str] = &["None", "NoneOnDryRun"];

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
    reinvocation: Option<&'a str>,
    conditions: Option<&'a [MatchCondition]>,
}

/// A webhook of either sort.
pub trait Webhook {
    fn parts(&self) -> Hook<'_>;
    fn fill(&mut self);
}

macro_rules! webhook {
    ($webhook:ident $(, $reinvocation:ident)?) => {
        impl Webhook for $webhook {
            fn parts(&self) -> Hook<'_> {
                Hook {
                    name: &self.name,
                    client: &self.client_config,
                    rules: self.rules.as_deref().unwrap_or_default(),
                    review_versions: &self.admission_review_versions,
                    failure_policy: &self.failure_policy,
                    match_policy: &self.match_policy,
                    side_effects: &self.side_effects,
                    timeout: self.timeout_seconds,
                    namespaces: self.namespace_selector.as_ref(),
                    objects: self.object_selector.as_ref(),
                    reinvocation: None$(.or(self.$reinvocation.as_deref()))?,
                    conditions: self.match_conditions.as_deref(),
                }
            }

            fn fill(&mut self) {
                default_text(&mut self.failure_policy, "Fail");
                default_text(&mut self.match_policy, "Equivalent");
                self.timeout_seconds.get_or_insert(10);
                self.namespace_selector.get_or_insert_default();
                self.object_selector.get_or_insert_default();
                if let Some(service) = &mut self.client_config.service {
                    service.port.get_or_insert(443);
                }
                self.rules.iter_mut().flatten().for_each(|rule| default_text(&mut rule.scope, "*"));
                $(default_text(&mut self.$reinvocation, "Never");)?
            }
        }
    };
}
webhook!(MutatingWebhook, reinvocation_policy);
webhook!(ValidatingWebhook);

/// All webhooks of a configuration.
pub fn validate(hooks: &[impl Webhook], errors: &mut FieldErrors) {
    let mut seen = BTreeSet::new();
    for (index, hook) in hooks.iter().map(Webhook::parts).enumerate() {
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
    if let Some(policy) = hook.reinvocation {
        supported(errors, &path.child("reinvocationPolicy"), policy, REINVOCATION_POLICIES);
    }
    let client = hook.client;
    webhook_address::validate(
        client.url.as_deref(),
        client.service.as_ref().map(Service::from),
        &path.child("clientConfig"),
        errors,
    );
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
