//! FlowSchema: which requests belong to which priority level.

use std::collections::BTreeSet;

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::flowcontrol::v1::{
    FlowSchema, FlowSchemaSpec, NonResourcePolicyRule, PolicyRulesWithSubjects, ResourcePolicyRule, Subject,
};

use crate::kinds::facts::{Flags, STATUS, Subresource};
use crate::kinds::flow_initial;
use crate::kinds::kind::{Column, Kind};
use crate::kinds::rules::{all_alone, keep_metadata, required_name, shown, supported, text};
use crate::kinds::table::{NONE, age_column, name_column};

pub const EXEMPT: &str = "exempt";
const HIGHEST_PRECEDENCE: i32 = 10_000;
const METHODS: &[&str] = &["ByNamespace", "ByUser"];
const VERBS: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"];

impl Kind for FlowSchema {
    const SUBRESOURCES: &'static [Subresource] = &[STATUS];
    const FLAGS: Flags = Flags { counts_generations: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("PriorityLevel", "string", "The level of its requests.", |schema, _| {
            schema.spec.as_ref().map(|spec| spec.priority_level_configuration.name.clone()).unwrap_or_default().into()
        }),
        Column::new("MatchingPrecedence", "string", "Which schema goes first: the lowest.", |schema, _| {
            schema.spec.as_ref().and_then(|spec| spec.matching_precedence).unwrap_or_default().into()
        }),
        Column::new("DistinguisherMethod", "string", "What tells its flows apart.", |schema, _| {
            let method = schema.spec.as_ref().and_then(|spec| spec.distinguisher_method.as_ref());
            method.map_or(NONE, |method| &method.type_).into()
        }),
        age_column(),
        Column::new("MissingPL", "string", "Whether its priority level is not there.", |schema, _| {
            let conditions = schema.status.iter().flat_map(|status| status.conditions.iter().flatten());
            let mut dangling = conditions.filter(|condition| condition.type_.as_deref() == Some("Dangling"));
            dangling.next().and_then(|condition| condition.status.clone()).unwrap_or_else(|| "?".to_owned()).into()
        }),
    ];

    fn fill_defaults(&mut self) {
        let spec = self.spec.get_or_insert_default();
        if spec.matching_precedence.unwrap_or_default() == 0 {
            spec.matching_precedence = Some(1000);
        }
        self.status.get_or_insert_default();
    }

    fn before_create(&mut self) {
        self.status = Some(Default::default());
    }

    fn before_update(&mut self, old: &Self) {
        self.status = old.status.clone();
    }

    fn before_subresource_update(&mut self, _: &str, old: &Self) {
        self.spec = old.spec.clone();
        keep_metadata(&mut self.metadata, &old.metadata);
    }

    fn validate(&self, errors: &mut FieldErrors) {
        let Some(spec) = &self.spec else { return };
        let (name, path) = (text(&self.metadata.name), Path::new("spec"));
        validate_spec(name, spec, &path, errors);
        if flow_initial::mandatory_schema(name).is_some_and(|fixed| fixed.spec.as_ref() != Some(spec)) {
            let why = format!("spec of '{name}' must equal the fixed value");
            errors.push(FieldError::invalid(&path, shown(spec), why));
        }
    }

    fn validate_subresource_update(&self, _: &str, _: &Self, errors: &mut FieldErrors) {
        let conditions = self.status.iter().flat_map(|status| status.conditions.iter().flatten());
        validate_condition_types(conditions.map(|condition| text(&condition.type_)), errors);
    }

    fn spec_differs(&self, old: &Self) -> bool {
        self.spec != old.spec
    }
}

/// Conditions are told apart by their types.
pub fn validate_condition_types<'a>(types: impl Iterator<Item = &'a str>, errors: &mut FieldErrors) {
    let mut seen = BTreeSet::new();
    for (index, name) in types.enumerate() {
        let path = Path::new("status").child("conditions").index(index).child("type");
        if !seen.insert(name) {
            errors.push(FieldError::duplicate(&path, name));
        }
        if name.is_empty() {
            errors.push(FieldError::required(&path, "must not be empty"));
        }
    }
}

fn validate_spec(name: &str, spec: &FlowSchemaSpec, path: &Path, errors: &mut FieldErrors) {
    let precedence = spec.matching_precedence.unwrap_or_default();
    let why = match precedence {
        ..=0 => Some("must be a positive value".to_owned()),
        1 if name != EXEMPT => Some("only the schema named 'exempt' may have matchingPrecedence 1".to_owned()),
        _ if precedence > HIGHEST_PRECEDENCE => Some(format!("must not be greater than {HIGHEST_PRECEDENCE}")),
        _ => None,
    };
    if let Some(why) = why {
        errors.push(FieldError::invalid(&path.child("matchingPrecedence"), precedence, why));
    }
    if let Some(method) = &spec.distinguisher_method {
        let path = path.child("distinguisherMethod").child("type");
        if !METHODS.contains(&method.type_.as_str()) {
            errors.push(FieldError::not_supported(&path, shown(method), METHODS));
        }
    }
    let level_path = path.child("priorityLevelConfiguration").child("name");
    match &*spec.priority_level_configuration.name {
        "" => errors.push(FieldError::required(&level_path, "must reference a priority level")),
        level => errors.check(&level_path, level, names::dns_subdomain),
    }
    for (index, rule) in spec.rules.iter().flatten().enumerate() {
        validate_rule(rule, &path.child("rules").index(index), errors);
    }
}

fn validate_rule(rule: &PolicyRulesWithSubjects, path: &Path, errors: &mut FieldErrors) {
    if rule.subjects.is_empty() {
        errors.push(FieldError::required(&path.child("subjects"), "subjects must contain at least one value"));
    }
    for (index, subject) in rule.subjects.iter().enumerate() {
        validate_subject(subject, &path.child("subjects").index(index), errors);
    }
    let resources = rule.resource_rules.as_deref().unwrap_or_default();
    let others = rule.non_resource_rules.as_deref().unwrap_or_default();
    if resources.is_empty() && others.is_empty() {
        let why = "at least one of resourceRules and nonResourceRules has to be non-empty";
        errors.push(FieldError::required(path, why));
    }
    for (index, rule) in resources.iter().enumerate() {
        validate_resources(rule, &path.child("resourceRules").index(index), errors);
    }
    for (index, rule) in others.iter().enumerate() {
        validate_paths(rule, &path.child("nonResourceRules").index(index), errors);
    }
}

fn validate_subject(subject: &Subject, path: &Path, errors: &mut FieldErrors) {
    let parts = [
        ("ServiceAccount", "serviceAccount", subject.service_account.is_some()),
        ("User", "user", subject.user.is_some()),
        ("Group", "group", subject.group.is_some()),
    ];
    if !parts.iter().any(|(kind, ..)| *kind == subject.kind) {
        supported(errors, &path.child("kind"), &subject.kind, &["Group", "ServiceAccount", "User"]);
        return;
    }
    for (kind, field, is_there) in parts {
        if kind == subject.kind && !is_there {
            let why = format!("{field} is required when subject kind is '{kind}'");
            errors.push(FieldError::required(&path.child(field), &why));
        } else if kind != subject.kind && is_there {
            let why = format!("{field} is forbidden when subject kind is not '{kind}'");
            errors.push(FieldError::forbidden(&path.child(field), why));
        }
    }
    let name = match &*subject.kind {
        "User" => subject.user.as_ref().map(|user| ("user", &user.name)),
        "Group" => subject.group.as_ref().map(|group| ("group", &group.name)),
        _ => None,
    };
    if let Some((field, name)) = name.filter(|(_, name)| name.is_empty()) {
        errors.push(FieldError::required(&path.child(field).child("name"), name));
    }
    if let Some(account) = subject.service_account.as_ref().filter(|_| subject.kind == "ServiceAccount") {
        let path = path.child("serviceAccount");
        if account.name != "*" {
            required_name(errors, &path.child("name"), &account.name, names::dns_subdomain);
        }
        match &*account.namespace {
            "" => errors
                .push(FieldError::required(&path.child("namespace"), "must specify namespace for service account")),
            namespace => errors.check(&path.child("namespace"), namespace, names::dns_label),
        }
    }
}

fn validate_resources(rule: &ResourcePolicyRule, path: &Path, errors: &mut FieldErrors) {
    validate_verbs(&rule.verbs, path, errors);
    for (field, list, what, others) in [
        ("apiGroups", &rule.api_groups, "api group", "api groups"),
        ("resources", &rule.resources, "resource", "resources"),
    ] {
        if list.is_empty() {
            let why = format!("resource rules must supply at least one {what}");
            errors.push(FieldError::required(&path.child(field), &why));
        } else {
            all_alone(errors, &path.child(field), list, others);
        }
    }
    let namespaces = rule.namespaces.as_deref().unwrap_or_default();
    let path = path.child("namespaces");
    if namespaces.is_empty() && rule.cluster_scope != Some(true) {
        let why = "resource rules that are not cluster scoped must supply at least one namespace";
        errors.push(FieldError::required(&path, why));
    } else if !all_alone(errors, &path, namespaces, "namespaces") {
        for (index, namespace) in namespaces.iter().enumerate() {
            if let Err(why) = names::dns_label(namespace) {
                let why = format!("each member of this list must be '*' or a DNS-1123 label; {why}");
                errors.push(FieldError::invalid(&path.index(index), namespace.as_str(), why));
            }
        }
    }
}

fn validate_paths(rule: &NonResourcePolicyRule, path: &Path, errors: &mut FieldErrors) {
    validate_verbs(&rule.verbs, path, errors);
    let path = path.child("nonResourceURLs");
    if rule.non_resource_urls.is_empty() {
        errors.push(FieldError::required(&path, "nonResourceURLs must contain at least one value"));
    } else if !all_alone(errors, &path, &rule.non_resource_urls, "non-resource URLs") {
        for (index, url) in rule.non_resource_urls.iter().enumerate() {
            if let Some(why) = wrong_with_url(url) {
                errors.push(FieldError::invalid(&path.index(index), url.as_str(), why));
            }
        }
    }
}

fn validate_verbs(verbs: &[String], path: &Path, errors: &mut FieldErrors) {
    let path = path.child("verbs");
    if verbs.is_empty() {
        errors.push(FieldError::required(&path, "verbs must contain at least one value"));
    } else if !all_alone(errors, &path, verbs, "verbs") && !verbs.iter().all(|verb| VERBS.contains(&verb.as_str())) {
        errors.push(FieldError::not_supported(&path, shown(&verbs), VERBS));
    }
}

fn wrong_with_url(url: &str) -> Option<&'static str> {
    let stars = url.matches('*').count();
    match url {
        "" => Some("must not be empty"),
        "/" => None,
        _ if !url.starts_with('/') => Some("must start with slash"),
        _ if url.contains(' ') => Some("must not contain white-space"),
        _ if url.contains("//") => Some("must not contain double slash"),
        _ if stars > 1 || (stars == 1 && !url.ends_with("/*")) => Some("wildcard can only do suffix matching"),
        _ => None,
    }
}
