//! Rules of a definition's names, versions, columns, subresources and conversion.

use std::collections::{BTreeMap, BTreeSet};

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceConversion, CustomResourceDefinitionNames,
    CustomResourceDefinitionSpec, CustomResourceDefinitionVersion, CustomResourceSubresources, JSONSchemaProps,
    SelectableField, ServiceReference,
};

use crate::kinds::crd_schema;
use crate::kinds::match_rules::mixed_case_label;
use crate::kinds::rules::{required_and_supported, shown, text};
use crate::kinds::webhook_address::{self, Service};
use crate::kinds::webhook_rules;

const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS: [&str; 8] = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];
const MOST_SELECTABLE: usize = 8;
const LONGEST_WARNING: usize = 256;
const APPROVED: &str = "api-approved.kubernetes.io";

pub fn validate(spec: &CustomResourceDefinitionSpec, path: &Path, errors: &mut FieldErrors) {
    let group_path = path.child("group");
    match &*spec.group {
        "" => errors.push(FieldError::required(&group_path, "")),
        group if names::dns_subdomain(group).is_err() => errors.check(&group_path, group, names::dns_subdomain),
        group if !group.contains('.') => {
            let why = "should be a domain with at least one dot";
            errors.push(FieldError::invalid(&group_path, group, why));
        }
        _ => {}
    }
    required_and_supported(errors, &path.child("scope"), &spec.scope, &["Cluster", "Namespaced"]);
    validate_versions(spec, path, errors);
    let names_path = path.child("names");
    for (field, name) in [
        ("plural", &*spec.names.plural),
        ("singular", text(&spec.names.singular)),
        ("kind", &*spec.names.kind),
        ("listKind", text(&spec.names.list_kind)),
    ] {
        if name.is_empty() {
            errors.push(FieldError::required(&names_path.child(field), ""));
        }
    }
    validate_names(&spec.names, &names_path, errors);
    if let Some(conversion) = &spec.conversion {
        validate_conversion(conversion, &path.child("conversion"), errors);
    }
}

/// A group that belongs to the project itself asks for its consent, or for the admission that there is none.
pub fn approval(group: &str, annotations: Option<&BTreeMap<String, String>>) -> Option<FieldError> {
    let ours = ["k8s.io", "kubernetes.io"];
    if !ours.iter().any(|domain| group == *domain || group.ends_with(&format!(".{domain}"))) {
        return None;
    }
    let path = Path::new("metadata").child("annotations").key(APPROVED);
    let see = "see https://github.com/kubernetes/enhancements/pull/1111";
    let note = annotations.and_then(|annotations| annotations.get(APPROVED)).map(String::as_str).unwrap_or_default();
    let is_url = note.split_once("://").is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty());
    if note.is_empty() {
        let why = format!("protected groups must have approval annotation {APPROVED:?}, {see}");
        return Some(FieldError::required(&path, &why));
    }
    let why = format!(
        "protected groups must have approval annotation {APPROVED:?} with either a URL or a reason starting with \
         \"unapproved\", {see}"
    );
    (!note.starts_with("unapproved") && !is_url).then(|| FieldError::invalid(&path, note, why))
}

pub fn validate_names(given: &CustomResourceDefinitionNames, path: &Path, errors: &mut FieldErrors) {
    let (kind, list_kind) = (&*given.kind, text(&given.list_kind));
    for (field, name) in [("plural", &*given.plural), ("singular", text(&given.singular))] {
        if !name.is_empty() {
            errors.check(&path.child(field), name, names::dns_1035_label);
        }
    }
    for (field, name) in [("kind", kind), ("listKind", list_kind)] {
        if !name.is_empty() {
            mixed_case_label(name, &path.child(field), errors);
        }
    }
    for (field, list) in [("shortNames", &given.short_names), ("categories", &given.categories)] {
        for (index, name) in list.iter().flatten().enumerate() {
            errors.check(&path.child(field).index(index), name, names::dns_1035_label);
        }
    }
    if !kind.is_empty() && kind == list_kind {
        let why = "kind and listKind may not be the same";
        errors.push(FieldError::invalid(&path.child("listKind"), list_kind, why));
    }
}

fn validate_versions(spec: &CustomResourceDefinitionSpec, path: &Path, errors: &mut FieldErrors) {
    let (versions, versions_path) = (&spec.versions, path.child("versions"));
    let mut seen = BTreeSet::new();
    for (index, version) in versions.iter().enumerate() {
        let path = versions_path.index(index);
        if schema(version).is_none() {
            let path = path.child("schema").child("openAPIV3Schema");
            errors.push(FieldError::required(&path, "schemas are required"));
        }
        errors.check(&path.child("name"), &version.name, names::dns_1035_label);
        validate_deprecation(version, &path.child("deprecationWarning"), errors);
        let fields = version.selectable_fields.as_deref().unwrap_or_default();
        validate_selectable(fields, schema(version), &path.child("selectableFields"), errors);
        seen.insert(&version.name);
    }
    // Upstream speaks of what all versions have in common as if it stood beside them.
    let places = |shared: bool, top: &str, own: &str| -> Vec<(usize, Path)> {
        match shared {
            true => vec![(0, path.child(top))],
            false => (0..versions.len()).map(|index| (index, versions_path.index(index).child(own))).collect(),
        }
    };
    let shared = all_same(versions, |version| version.schema.as_ref());
    for (index, path) in places(shared, "validation", "schema") {
        let has_status = if shared { versions.iter().any(has_status) } else { has_status(&versions[index]) };
        if let Some(schema) = schema(&versions[index]) {
            crd_schema::validate(schema, has_status, &path.child("openAPIV3Schema"), errors);
        }
    }
    let shared = all_same(versions, |version| version.subresources.as_ref());
    for (index, path) in places(shared, "subresources", "subresources") {
        if let Some(subresources) = &versions[index].subresources {
            validate_subresources(subresources, &path, errors);
        }
    }
    let columns = |version: &CustomResourceDefinitionVersion| {
        version.additional_printer_columns.clone().filter(|columns| !columns.is_empty())
    };
    let shared = versions.first().is_some_and(|first| columns(first).is_some())
        && versions.iter().all(|version| columns(version) == columns(&versions[0]));
    for (index, path) in places(shared, "additionalPrinterColumns", "additionalPrinterColumns") {
        for (at, column) in versions[index].additional_printer_columns.iter().flatten().enumerate() {
            validate_column(column, &path.index(at), errors);
        }
    }
    if seen.len() < versions.len() {
        errors.push(FieldError::invalid(&versions_path, shown(versions), "must contain unique version names"));
    }
    if versions.iter().filter(|version| version.storage).count() != 1 {
        let why = "must have exactly one version marked as storage version";
        errors.push(FieldError::invalid(&versions_path, shown(versions), why));
    }
}

fn all_same<'a, T: PartialEq + 'a>(
    versions: &'a [CustomResourceDefinitionVersion],
    of: fn(&'a CustomResourceDefinitionVersion) -> Option<&'a T>,
) -> bool {
    let first = versions.first().and_then(of);
    first.is_some() && versions.iter().all(|version| of(version) == first)
}

fn schema(version: &CustomResourceDefinitionVersion) -> Option<&JSONSchemaProps> {
    version.schema.as_ref()?.open_api_v3_schema.as_ref()
}

fn has_status(version: &CustomResourceDefinitionVersion) -> bool {
    version.subresources.as_ref().is_some_and(|subresources| subresources.status.is_some())
}

fn validate_deprecation(version: &CustomResourceDefinitionVersion, path: &Path, errors: &mut FieldErrors) {
    let Some(warning) = &version.deprecation_warning else { return };
    let mut wrong = |why: String| errors.push(FieldError::invalid(path, warning.as_str(), why));
    if version.deprecated != Some(true) {
        wrong("can only be set for deprecated versions".to_owned());
        return;
    }
    if warning.len() > LONGEST_WARNING {
        wrong(format!("must be <= {LONGEST_WARNING} characters long"));
    }
    if warning.is_empty() {
        wrong("must not be an empty string".to_owned());
    }
    if let Some((at, _)) = warning.char_indices().find(|(_, character)| character.is_control()) {
        let why = "must only contain printable UTF-8 characters; non-printable character found at index";
        wrong(format!("{why} {at}"));
    }
}

fn validate_selectable(
    fields: &[SelectableField],
    schema: Option<&JSONSchemaProps>,
    path: &Path,
    errors: &mut FieldErrors,
) {
    let mut seen = BTreeSet::new();
    for (index, field) in fields.iter().enumerate() {
        let (path, place) = (path.index(index).child("jsonPath"), field.json_path.as_str());
        if place.is_empty() {
            errors.push(FieldError::required(&path, ""));
            continue;
        }
        let Some(found) = schema.and_then(|schema| at(schema, place)) else {
            errors.push(FieldError::invalid(&path, place, "is an invalid path: does not refer to a valid field"));
            continue;
        };
        if place == ".metadata" || place.starts_with(".metadata.") {
            errors.push(FieldError::invalid(&path, place, "must not point to fields in metadata"));
        }
        if !matches!(text(&found.type_), "string" | "boolean" | "integer") {
            let why = "must point to a field of type string, boolean or integer. Enum string fields and strings with \
                       formats are allowed.";
            errors.push(FieldError::invalid(&path, place, why));
        }
        if !seen.insert(place) {
            errors.push(FieldError::duplicate(&path, place));
        }
    }
    if seen.len() > MOST_SELECTABLE {
        errors.push(FieldError::too_many(path, seen.len(), MOST_SELECTABLE));
    }
}

/// The schema of a field: `.spec.color`.
fn at<'a>(schema: &'a JSONSchemaProps, place: &str) -> Option<&'a JSONSchemaProps> {
    let step = |schema: &'a JSONSchemaProps, name: &str| schema.properties.as_ref()?.get(name);
    place.strip_prefix('.')?.split('.').try_fold(schema, step)
}

fn simple_path(value: &str, path: &Path, errors: &mut FieldErrors) -> bool {
    let is_simple = value.starts_with('.');
    if !is_simple {
        errors.push(FieldError::invalid(path, value, "must be a simple json path starting with ."));
    }
    is_simple
}

fn validate_subresources(subresources: &CustomResourceSubresources, path: &Path, errors: &mut FieldErrors) {
    let Some(scale) = &subresources.scale else { return };
    let path = path.child("scale");
    for (field, value, parent) in [
        ("specReplicasPath", &scale.spec_replicas_path, ".spec"),
        ("statusReplicasPath", &scale.status_replicas_path, ".status"),
    ] {
        let path = path.child(field);
        if value.is_empty() {
            errors.push(FieldError::required(&path, ""));
        } else if simple_path(value, &path, errors) && !value.starts_with(&format!("{parent}.")) {
            let why = format!("should be a json path under {parent}");
            errors.push(FieldError::invalid(&path, value.as_str(), why));
        }
    }
    let (value, path) = (text(&scale.label_selector_path), path.child("labelSelectorPath"));
    let is_inside = [".spec.", ".status."].iter().any(|parent| value.starts_with(parent));
    if !value.is_empty() && simple_path(value, &path, errors) && !is_inside {
        errors.push(FieldError::invalid(&path, value, "should be a json path under either .spec or .status"));
    }
}

fn validate_column(column: &CustomResourceColumnDefinition, path: &Path, errors: &mut FieldErrors) {
    if column.name.is_empty() {
        errors.push(FieldError::required(&path.child("name"), ""));
    }
    let (kind, types) = (&*column.type_, format!("must be one of {}", COLUMN_TYPES.join(",")));
    if kind.is_empty() {
        errors.push(FieldError::required(&path.child("type"), &types));
    } else if !COLUMN_TYPES.contains(&kind) {
        errors.push(FieldError::invalid(&path.child("type"), kind, types));
    }
    let format = text(&column.format);
    if !format.is_empty() && !COLUMN_FORMATS.contains(&format) {
        let why = format!("must be one of {}", COLUMN_FORMATS.join(","));
        errors.push(FieldError::invalid(&path.child("format"), format, why));
    }
    let path = path.child("JSONPath");
    if column.json_path.is_empty() {
        errors.push(FieldError::required(&path, ""));
    } else {
        simple_path(&column.json_path, &path, errors);
    }
}

fn validate_conversion(conversion: &CustomResourceConversion, path: &Path, errors: &mut FieldErrors) {
    required_and_supported(errors, &path.child("strategy"), &conversion.strategy, &["None", "Webhook"]);
    let client_path = path.child("webhookClientConfig");
    let client = conversion.webhook.as_ref().and_then(|webhook| webhook.client_config.as_ref());
    let versions = conversion.webhook.as_ref().map(|webhook| webhook.conversion_review_versions.as_slice());
    let versions_path = path.child("conversionReviewVersions");
    if conversion.strategy != "Webhook" {
        let why = "should not be set when strategy is not set to Webhook";
        if client.is_some() {
            errors.push(FieldError::forbidden(&client_path, why));
        }
        if versions.is_some_and(|versions| !versions.is_empty()) {
            errors.push(FieldError::forbidden(&versions_path, why));
        }
        return;
    }
    match client {
        None => errors.push(FieldError::required(&client_path, "required when strategy is set to Webhook")),
        Some(client) => {
            let service = client.service.as_ref().map(Service::from);
            webhook_address::validate(client.url.as_deref(), service, &client_path, errors);
        }
    }
    match versions.filter(|versions| !versions.is_empty()) {
        None => errors.push(FieldError::required(&versions_path, "")),
        Some(versions) => webhook_rules::known_versions(versions, &versions_path, errors),
    }
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
