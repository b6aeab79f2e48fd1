//! Rules of a definition's names, versions, columns, subresources and conversion.

use std::collections::{BTreeMap, BTreeSet};

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceConversion, CustomResourceDefinitionNames,
    CustomResourceDefinitionSpec, CustomResourceDefinitionVersion, JSONSchemaProps,
};

use crate::kinds::certificates;
use crate::kinds::crd_path::{self, Brackets};
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
    let shared = Shared::of(&spec.versions);
    validate_versions(spec, shared, path, errors);
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
    validate_shared(spec, shared, path, errors);
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

fn validate_versions(spec: &CustomResourceDefinitionSpec, shared: Shared, path: &Path, errors: &mut FieldErrors) {
    let (versions, versions_path) = (&spec.versions, path.child("versions"));
    for (index, _) in versions.iter().enumerate().filter(|(_, version)| schema(version).is_none()) {
        let path = versions_path.index(index).child("schema").child("openAPIV3Schema");
        errors.push(FieldError::required(&path, ""));
    }
    let mut seen = BTreeSet::new();
    for (index, version) in versions.iter().enumerate() {
        let path = versions_path.index(index);
        errors.check(&path.child("name"), &version.name, names::dns_1035_label);
        validate_deprecation(version, &path.child("deprecationWarning"), errors);
        if !shared.schema {
            validate_schema(version, has_status(version), &path.child("schema"), errors);
        }
        if !shared.subresources {
            validate_subresources(version, &path.child("subresources"), errors);
        }
        if !shared.columns {
            validate_columns(version, &path.child("additionalPrinterColumns"), errors);
        }
        if !shared.selectable {
            let without_schema = "may only be set when `version.schema.openAPIV3Schema` is not included";
            validate_selectable(version, without_schema, &path.child("selectableFields"), errors);
        }
        seen.insert(&version.name);
    }
    if seen.len() < versions.len() {
        errors.push(FieldError::invalid(&versions_path, shown(versions), "must contain unique version names"));
    }
    if versions.iter().filter(|version| version.storage).count() != 1 {
        let why = "must have exactly one version marked as storage version";
        errors.push(FieldError::invalid(&versions_path, shown(versions), why));
    }
    if let Some(first) = versions.first().filter(|version| !version.name.is_empty()) {
        errors.check(&path.child("version"), &first.name, names::dns_1035_label);
    }
}

/// What all versions have in common. Upstream takes it out of them, and speaks of it as if it stood beside them.
#[derive(Debug, Clone, Copy)]
struct Shared {
    schema: bool,
    subresources: bool,
    columns: bool,
    selectable: bool,
}

impl Shared {
    fn of(versions: &[CustomResourceDefinitionVersion]) -> Self {
        let schema = all_same(versions, |version| version.schema.as_ref());
        Self {
            schema,
            subresources: all_same(versions, |version| version.subresources.as_ref()),
            columns: all_same(versions, |version| version.additional_printer_columns.as_ref()),
            selectable: schema && all_same(versions, |version| version.selectable_fields.as_ref()),
        }
    }
}

/// The rules of what all versions have in common.
fn validate_shared(spec: &CustomResourceDefinitionSpec, shared: Shared, path: &Path, errors: &mut FieldErrors) {
    let Some(version) = spec.versions.first() else { return };
    if shared.schema {
        let has_status = spec.versions.iter().any(has_status);
        validate_schema(version, has_status, &path.child("validation"), errors);
    }
    if shared.subresources {
        validate_subresources(version, &path.child("subresources"), errors);
    }
    if shared.columns {
        validate_columns(version, &path.child("additionalPrinterColumns"), errors);
    }
    if shared.selectable {
        let without_schema = "may only be set when validations.schema is included";
        validate_selectable(version, without_schema, &path.child("selectableFields"), errors);
    }
}

fn validate_schema(version: &CustomResourceDefinitionVersion, has_status: bool, path: &Path, errors: &mut FieldErrors) {
    if let Some(schema) = schema(version) {
        crd_schema::validate(schema, has_status, &path.child("openAPIV3Schema"), errors);
    }
}

fn validate_columns(version: &CustomResourceDefinitionVersion, path: &Path, errors: &mut FieldErrors) {
    for (index, column) in version.additional_printer_columns.iter().flatten().enumerate() {
        validate_column(column, &path.index(index), errors);
    }
}

fn all_same<'a, T: PartialEq + 'a>(
    versions: &'a [CustomResourceDefinitionVersion],
    of: fn(&'a CustomResourceDefinitionVersion) -> Option<&'a T>,
) -> bool {
    versions.iter().all(|version| of(version) == versions.first().and_then(of))
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
    if let Some((at, _)) = warning.char_indices().find(|(_, character)| is_hidden(*character)) {
        let why = "must only contain printable UTF-8 characters; non-printable character found at index";
        wrong(format!("{why} {at}"));
    }
}

/// Whether nothing is to be seen of it; a space may be.
fn is_hidden(character: char) -> bool {
    character.is_control() || (character.is_whitespace() && character != ' ')
}

fn validate_selectable(
    version: &CustomResourceDefinitionVersion,
    without_schema: &str,
    path: &Path,
    errors: &mut FieldErrors,
) {
    let fields = version.selectable_fields.as_deref().unwrap_or_default();
    let Some(schema) = schema(version) else {
        if !fields.is_empty() {
            errors.push(FieldError::invalid(path, "", without_schema));
        }
        return;
    };
    let mut seen = BTreeSet::new();
    for (index, field) in fields.iter().enumerate() {
        let (path, place) = (path.index(index).child("jsonPath"), field.json_path.as_str());
        if place.is_empty() {
            errors.push(FieldError::required(&path, ""));
            continue;
        }
        let found = match crd_path::find(schema, place, Brackets::Forbidden) {
            Ok(found) => found,
            Err(why) => {
                errors.push(FieldError::invalid(&path, place, format!("is an invalid path: {why}")));
                continue;
            }
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

fn simple_path(value: &str, path: &Path, errors: &mut FieldErrors) -> bool {
    let is_simple = value.starts_with('.');
    if !is_simple {
        errors.push(FieldError::invalid(path, value, "must be a simple json path starting with ."));
    }
    is_simple
}

fn validate_subresources(version: &CustomResourceDefinitionVersion, path: &Path, errors: &mut FieldErrors) {
    let scale = version.subresources.as_ref().and_then(|subresources| subresources.scale.as_ref());
    let Some(scale) = scale else { return };
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

/// Once objects are served, the authority of a webhook must be one that can be trusted; an old one that cannot may stay.
pub fn authority(new: &CustomResourceDefinitionSpec, old: &CustomResourceDefinitionSpec) -> Option<FieldError> {
    let bundle = |spec: &'_ CustomResourceDefinitionSpec| {
        let webhook =
            spec.conversion.as_ref().filter(|conversion| conversion.strategy == "Webhook")?.webhook.as_ref()?;
        webhook.client_config.as_ref()?.ca_bundle.clone().filter(|bundle| !bundle.0.is_empty())
    };
    let refusal = |spec| {
        let bundle = bundle(spec)?;
        Some((certificates::check_authority(&bundle.0).err()?, bundle))
    };
    let (why, bundle) = refusal(new).filter(|_| refusal(old).is_none())?;
    let path = Path::new("spec").child("conversion").child("webhookClientConfig").child("caBundle");
    Some(FieldError::invalid(&path, shown(&bundle), format!("unable to load root certificates: {why}")))
}
