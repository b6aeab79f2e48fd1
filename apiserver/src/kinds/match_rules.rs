//! Rules of what webhooks and policies apply to: resources, operations, conditions, parameters.
//!
//! Expressions are only required to be there: what they say is not checked yet.

use std::collections::BTreeSet;

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MatchResources, NamedRuleWithOperations, ParamKind, ParamRef, RuleWithOperations, Variable,
};

use crate::kinds::rules::{all_alone, default_text, required_name, selector, shown, supported, text};

pub const FAILURE_POLICIES: &[&str] = &["Fail", "Ignore"];
pub const MATCH_POLICIES: &[&str] = &["Equivalent", "Exact"];
pub const REINVOCATION_POLICIES: &[&str] = &["IfNeeded", "Never"];
const OPERATIONS: &[&str] = &["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
const CHANGING_OPERATIONS: &[&str] = &["*", "CONNECT", "CREATE", "UPDATE"];
const SCOPES: &[&str] = &["*", "Cluster", "Namespaced"];
const MOST_CONDITIONS: usize = 64;
const RESERVED_WORDS: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// Which requests a webhook or a policy is asked about.
pub struct Rule<'a> {
    groups: &'a [String],
    versions: &'a [String],
    operations: &'a [String],
    resources: &'a [String],
    scope: Option<&'a str>,
}

macro_rules! rule {
    ($rule:ident) => {
        impl<'a> From<&'a $rule> for Rule<'a> {
            fn from(rule: &'a $rule) -> Self {
                Self {
                    groups: rule.api_groups.as_deref().unwrap_or_default(),
                    versions: rule.api_versions.as_deref().unwrap_or_default(),
                    operations: rule.operations.as_deref().unwrap_or_default(),
                    resources: rule.resources.as_deref().unwrap_or_default(),
                    scope: rule.scope.as_deref(),
                }
            }
        }
    };
}
rule!(RuleWithOperations);
rule!(NamedRuleWithOperations);

pub fn validate_rule(rule: &Rule<'_>, path: &Path, errors: &mut FieldErrors) {
    let some = |list: &[String], what: &str, path: &Path, errors: &mut FieldErrors| {
        if list.is_empty() {
            errors.push(FieldError::required(path, ""));
        }
        all_alone(errors, path, list, what);
    };
    let operations_path = path.child("operations");
    some(rule.operations, "operations", &operations_path, errors);
    for (index, operation) in rule.operations.iter().enumerate() {
        supported(errors, &operations_path.index(index), operation, OPERATIONS);
    }
    some(rule.groups, "API groups", &path.child("apiGroups"), errors);
    let versions_path = path.child("apiVersions");
    some(rule.versions, "API versions", &versions_path, errors);
    for (index, _) in rule.versions.iter().enumerate().filter(|(_, version)| version.is_empty()) {
        errors.push(FieldError::required(&versions_path.index(index), ""));
    }
    validate_resources(rule.resources, &path.child("resources"), errors);
    if let Some(scope) = rule.scope {
        supported(errors, &path.child("scope"), scope, SCOPES);
    }
}

/// `pods`, `pods/status`, `*/scale`, `pods/*`, `*`, `*/*`: none of them said twice by another.
fn validate_resources(resources: &[String], path: &Path, errors: &mut FieldErrors) {
    if resources.is_empty() {
        errors.push(FieldError::required(path, ""));
    }
    let (mut all_parts_of, mut part_of_all) = (BTreeSet::new(), BTreeSet::new());
    for (index, resource) in resources.iter().enumerate() {
        if resource.is_empty() {
            errors.push(FieldError::required(&path.index(index), ""));
            continue;
        }
        let Some((whole, part)) = resource.split_once('/') else { continue };
        for (is_said, by) in
            [(all_parts_of.contains(whole), format!("{whole}/*")), (part_of_all.contains(part), format!("*/{part}"))]
        {
            if is_said {
                let why = format!("if '{by}' is present, must not specify {resource}");
                errors.push(FieldError::invalid(&path.index(index), resource.as_str(), why));
            }
        }
        if part == "*" {
            all_parts_of.insert(whole);
        }
        if whole == "*" {
            part_of_all.insert(part);
        }
    }
    let has = |wanted: &str| resources.iter().any(|resource| resource == wanted);
    if resources.len() > 1 && has("*/*") {
        let why = "if '*/*' is present, must not specify other resources";
        errors.push(FieldError::invalid(path, shown(&resources), why));
    }
    // Upstream remembers the last one only.
    let last = resources.iter().rfind(|resource| !resource.is_empty() && !resource.contains('/'));
    if has("*") && last.is_some_and(|resource| resource != "*") {
        let why = "if '*' is present, must not specify other resources without subresources";
        errors.push(FieldError::invalid(path, shown(&resources), why));
    }
}

pub fn validate_conditions(conditions: Option<&[MatchCondition]>, path: &Path, errors: &mut FieldErrors) {
    let conditions = conditions.unwrap_or_default();
    if conditions.len() > MOST_CONDITIONS {
        errors.push(FieldError::too_many(path, conditions.len(), MOST_CONDITIONS));
    }
    let mut seen = BTreeSet::new();
    for (index, condition) in conditions.iter().enumerate() {
        let path = path.index(index);
        if condition.expression.trim().is_empty() {
            errors.push(FieldError::required(&path.child("expression"), ""));
        }
        required_name(errors, &path.child("name"), &condition.name, names::qualified_name);
        if !condition.name.is_empty() && !seen.insert(&condition.name) {
            errors.push(FieldError::duplicate(&path.child("name"), condition.name.as_str()));
        }
    }
}

pub fn fill_resources(resources: &mut MatchResources) {
    default_text(&mut resources.match_policy, "Equivalent");
    resources.namespace_selector.get_or_insert_default();
    resources.object_selector.get_or_insert_default();
    let rules = resources.resource_rules.iter_mut().chain(&mut resources.exclude_resource_rules).flatten();
    rules.for_each(|rule| default_text(&mut rule.scope, "*"));
}

fn validate_match(resources: &MatchResources, path: &Path, errors: &mut FieldErrors) {
    supported(errors, &path.child("matchPolicy"), text(&resources.match_policy), MATCH_POLICIES);
    for (field, wanted) in
        [("namespaceSelector", &resources.namespace_selector), ("objectSelector", &resources.object_selector)]
    {
        if let Some(wanted) = wanted {
            selector(errors, &path.child(field), wanted);
        }
    }
    for (field, rules) in
        [("resourceRules", &resources.resource_rules), ("excludeResourceRules", &resources.exclude_resource_rules)]
    {
        for (index, rule) in rules.iter().flatten().enumerate() {
            validate_named_rule(rule, &path.child(field).index(index), errors);
        }
    }
}

/// What a policy is for; it has to be for something.
pub fn validate_constraints(constraints: Option<&MatchResources>, path: &Path, errors: &mut FieldErrors) {
    let Some(constraints) = constraints else {
        errors.push(FieldError::required(path, ""));
        return;
    };
    validate_match(constraints, path, errors);
    if constraints.resource_rules.as_ref().is_none_or(Vec::is_empty) {
        errors.push(FieldError::required(&path.child("resourceRules"), ""));
    }
}

fn validate_named_rule(rule: &NamedRuleWithOperations, path: &Path, errors: &mut FieldErrors) {
    let mut seen = BTreeSet::new();
    for (index, name) in rule.resource_names.iter().flatten().enumerate() {
        let path = path.child("resourceNames").index(index);
        errors.check(&path, name, names::path_segment);
        if !seen.insert(name) {
            errors.push(FieldError::duplicate(&path, name.as_str()));
        }
    }
    validate_rule(&rule.into(), path, errors);
}

pub fn validate_param_kind(kind: &ParamKind, path: &Path, errors: &mut FieldErrors) {
    let (api_version, version_path) = (text(&kind.api_version), path.child("apiVersion"));
    if api_version.is_empty() {
        errors.push(FieldError::required(&version_path, ""));
    } else if api_version.matches('/').count() > 1 {
        let why = format!("unexpected GroupVersion string: {api_version}");
        errors.push(FieldError::invalid(&version_path, api_version, why));
    } else {
        let (group, version) = names::split_api_version(api_version);
        if !group.is_empty() {
            errors.check(&version_path, group, names::dns_subdomain);
        }
        if version.is_empty() {
            errors.push(FieldError::invalid(&version_path, api_version, "version must be specified"));
        } else {
            errors.check(&version_path, version, names::dns_1035_label);
        }
    }
    let (kind, path) = (text(&kind.kind), path.child("kind"));
    if kind.is_empty() {
        errors.push(FieldError::required(&path, ""));
    } else {
        mixed_case_label(kind, &path, errors);
    }
}

/// The name of a kind: a label but for its capitals.
pub fn mixed_case_label(name: &str, path: &Path, errors: &mut FieldErrors) {
    if let Err(why) = names::dns_1035_label(&name.to_lowercase()) {
        let why = format!("may have mixed case, but should otherwise match: {why}");
        errors.push(FieldError::invalid(path, name, why));
    }
}

pub fn validate_variables(variables: Option<&[Variable]>, path: &Path, errors: &mut FieldErrors) {
    for (index, variable) in variables.into_iter().flatten().enumerate() {
        let path = path.index(index);
        if variable.name.trim().is_empty() {
            errors.push(FieldError::required(&path.child("name"), "name is not specified"));
        } else if !is_identifier(&variable.name) {
            let why = "must be a valid CEL identifier";
            errors.push(FieldError::invalid(&path.child("name"), variable.name.as_str(), why));
        }
        if variable.expression.trim().is_empty() {
            errors.push(FieldError::required(&path.child("expression"), "expression is not specified"));
        }
    }
}

fn is_identifier(name: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty()
        && !name.as_bytes()[0].is_ascii_digit()
        && name.bytes().all(is_word)
        && !RESERVED_WORDS.contains(&name)
}

/// What policies change is not deleted meanwhile.
pub fn validate_changing_operations(resources: Option<&MatchResources>, path: &Path, errors: &mut FieldErrors) {
    let path = path.child("resourceRules").child("operations");
    let rules = resources.into_iter().flat_map(|resources| resources.resource_rules.iter().flatten());
    for operation in rules.flat_map(|rule| rule.operations.iter().flatten()) {
        supported(errors, &path, operation, CHANGING_OPERATIONS);
    }
}

/// What binds a policy: its name, its parameters and what it shall match.
pub fn validate_binding(
    policy: &str,
    parameters: Option<&ParamRef>,
    resources: Option<&MatchResources>,
    path: &Path,
    errors: &mut FieldErrors,
) {
    required_name(errors, &path.child("policyName"), policy, names::dns_subdomain);
    if let Some(parameters) = parameters {
        validate_param_ref(parameters, &path.child("paramRef"), errors);
    }
    if let Some(resources) = resources {
        validate_match(resources, &path.child("matchResources"), errors);
    }
}

/// The parameters of a binding: by name, or by labels.
fn validate_param_ref(reference: &ParamRef, path: &Path, errors: &mut FieldErrors) {
    let (name, both) = (text(&reference.name), "name and selector are mutually exclusive");
    if !name.is_empty() {
        errors.check(&path.child("name"), name, names::path_segment);
        if reference.selector.is_some() {
            errors.push(FieldError::forbidden(&path.child("name"), both));
        }
    }
    match &reference.selector {
        Some(wanted) => {
            selector(errors, &path.child("selector"), wanted);
            if !name.is_empty() {
                errors.push(FieldError::forbidden(&path.child("selector"), both));
            }
        }
        None if name.is_empty() => {
            errors.push(FieldError::required(path, "one of name or selector must be specified"));
        }
        None => {}
    }
    let path = path.child("parameterNotFoundAction");
    match text(&reference.parameter_not_found_action) {
        "" => errors.push(FieldError::required(&path, "")),
        action => supported(errors, &path, action, &["Deny", "Allow"]),
    }
}

/// `group/version/Kind` of a policy's parameters, for its table.
pub fn param_kind_cell(kind: Option<&ParamKind>) -> String {
    kind.map_or_else(|| "<unset>".to_owned(), |kind| format!("{}/{}", text(&kind.api_version), text(&kind.kind)))
}

/// The parameters of a binding, for its table.
pub fn param_ref_cell(reference: Option<&ParamRef>) -> String {
    let unset = || "<unset>".to_owned();
    let Some(reference) = reference else { return unset() };
    match (text(&reference.name), text(&reference.namespace), &reference.selector) {
        ("", _, Some(selector)) => crate::kinds::table::selector(selector),
        ("", _, None) => unset(),
        (name, "", _) => name.to_owned(),
        (name, namespace, _) => format!("{namespace}/{name}"),
    }
}
