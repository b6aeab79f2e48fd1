//! Whether a definition's schema is structural: that it says the type of every field in one place, so that objects can be
//! pruned and defaulted by it.

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

use crate::kinds::rules::text;

pub fn validate(schema: &JSONSchemaProps, path: &Path, errors: &mut FieldErrors) {
    let before = errors.0.len();
    validate_level(schema, Level::Root, path, errors);
    complete(schema, path, errors);
    errors.0[before..].sort_by_key(ToString::to_string);
}

/// Where in a schema another one stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

pub fn is(flag: Option<bool>) -> bool {
    flag == Some(true)
}

/// The one schema of a list's items.
pub fn item(schema: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match &schema.items {
        Some(JSONSchemaPropsOrArray::Schema(item)) => Some(item),
        _ => None,
    }
}

pub fn additional(schema: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match &schema.additional_properties {
        Some(JSONSchemaPropsOrBool::Schema(schema)) => Some(schema),
        _ => None,
    }
}

/// The parts that only add conditions, with their paths.
pub fn junctors<'a>(schema: &'a JSONSchemaProps, path: &Path) -> Vec<(Path, &'a JSONSchemaProps)> {
    let lists = [("allOf", &schema.all_of), ("anyOf", &schema.any_of), ("oneOf", &schema.one_of)];
    let listed = lists
        .into_iter()
        .flat_map(|(field, list)| list.iter().flatten().enumerate().map(move |(index, part)| (field, index, part)));
    let listed = listed.map(|(field, index, part)| (path.child(field).index(index), part));
    listed.chain(schema.not.as_deref().map(|not| (path.child("not"), not))).collect()
}

fn validate_level(schema: &JSONSchemaProps, level: Level, path: &Path, errors: &mut FieldErrors) {
    if text(&schema.type_) == "array" && schema.items.is_none() {
        errors.push(FieldError::required(&path.child("items"), "must be specified"));
    }
    if let Some(item) = item(schema) {
        validate_level(item, Level::Item, &path.child("items"), errors);
    }
    for (name, property) in schema.properties.iter().flatten() {
        validate_level(property, Level::Field, &path.child("properties").key(name), errors);
    }
    if schema.additional_properties.is_some() && level == Level::Root {
        errors.push(FieldError::forbidden(&path.child("additionalProperties"), "must not be used at the root"));
    }
    if let Some(additional) = additional(schema) {
        validate_level(additional, Level::Field, &path.child("additionalProperties"), errors);
    }
    validate_type(schema, level, path, errors);
    validate_extensions(schema, path, errors);
    validate_metadata(schema, level, path, errors);
    let is_pair_of_first = schema.all_of.iter().flatten().next().is_some_and(|part| is_integer_or_string(&part.any_of));
    for (index, part) in schema.all_of.iter().flatten().enumerate() {
        let path = path.child("allOf").index(index);
        let parts = Parts { any_of: !(index == 0 && is_pair_of_first), ..Parts::ALL };
        nested(part, parts, &path, errors);
    }
    let rest = Parts { all_of: false, any_of: !is_integer_or_string(&schema.any_of) };
    nested_parts(schema, rest, path, errors);
}

/// Which of a schema's parts are looked at, besides those that always are.
#[derive(Debug, Clone, Copy)]
struct Parts {
    all_of: bool,
    any_of: bool,
}

impl Parts {
    const ALL: Self = Self { all_of: true, any_of: true };
}

/// `x-kubernetes-int-or-string` may repeat itself in these words.
fn is_integer_or_string(any_of: &Option<Vec<JSONSchemaProps>>) -> bool {
    let is_pair = |list: &Vec<JSONSchemaProps>| *list == [only_type("integer"), only_type("string")];
    any_of.as_ref().is_some_and(is_pair)
}

fn only_type(name: &str) -> JSONSchemaProps {
    JSONSchemaProps { type_: Some(name.to_owned()), ..JSONSchemaProps::default() }
}

fn validate_type(schema: &JSONSchemaProps, level: Level, path: &Path, errors: &mut FieldErrors) {
    let (kind, path) = (text(&schema.type_), path.child("type"));
    let embedded = is(schema.x_kubernetes_embedded_resource);
    let is_free = is(schema.x_kubernetes_int_or_string) || is(schema.x_kubernetes_preserve_unknown_fields);
    let must_be_object = "must be object if x-kubernetes-embedded-resource is true";
    if embedded && kind.is_empty() {
        errors.push(FieldError::required(&path, must_be_object));
    } else if embedded && kind != "object" {
        errors.push(FieldError::invalid(&path, kind, must_be_object));
    } else if kind.is_empty() && !is_free {
        let why = match level {
            Level::Root => "must not be empty at the root",
            Level::Item => "must not be empty for specified array items",
            Level::Field => "must not be empty for specified object fields",
        };
        errors.push(FieldError::required(&path, why));
    }
    if level == Level::Root && !kind.is_empty() && kind != "object" {
        errors.push(FieldError::invalid(&path, kind, "must be object at the root"));
    }
}

fn validate_extensions(schema: &JSONSchemaProps, path: &Path, errors: &mut FieldErrors) {
    let keeps_unknown = is(schema.x_kubernetes_preserve_unknown_fields);
    let embedded = is(schema.x_kubernetes_embedded_resource);
    if is(schema.x_kubernetes_int_or_string) {
        for (field, holds) in
            [("x-kubernetes-preserve-unknown-fields", keeps_unknown), ("x-kubernetes-embedded-resource", embedded)]
        {
            if holds {
                let why = "must be false if x-kubernetes-int-or-string is true";
                errors.push(FieldError::invalid(&path.child(field), true, why));
            }
        }
    }
    if embedded && schema.additional_properties.is_some() {
        let why = "must not be used if x-kubernetes-embedded-resource is set";
        errors.push(FieldError::forbidden(&path.child("additionalProperties"), why));
    }
    if embedded && !keeps_unknown && schema.properties.as_ref().is_none_or(|properties| properties.is_empty()) {
        let why = "must not be empty if x-kubernetes-embedded-resource is true without \
                   x-kubernetes-preserve-unknown-fields";
        errors.push(FieldError::required(&path.child("properties"), why));
    }
}

/// What every object has is known: a schema can only narrow its name.
fn validate_metadata(schema: &JSONSchemaProps, level: Level, path: &Path, errors: &mut FieldErrors) {
    if level != Level::Root && !is(schema.x_kubernetes_embedded_resource) {
        return;
    }
    let property = |name: &str| schema.properties.as_ref().and_then(|properties| properties.get(name));
    for (name, wanted) in [("kind", "string"), ("apiVersion", "string"), ("metadata", "object")] {
        let Some(property) = property(name).filter(|property| text(&property.type_) != wanted) else { continue };
        let path = path.child("properties").key(name).child("type");
        errors.push(FieldError::invalid(&path, text(&property.type_), format!("must be {wanted}")));
    }
    let Some(metadata) = property("metadata").filter(|_| level == Level::Root) else { return };
    let names = metadata.properties.iter().flatten().map(|(name, _)| name.as_str());
    let mut rest = metadata.clone();
    (rest.properties, rest.type_, rest.default) = (None, None, None);
    if names.clone().any(|name| !matches!(name, "name" | "generateName")) || rest != JSONSchemaProps::default() {
        let why = "must not specify anything other than name and generateName, but metadata is implicitly specified";
        errors.push(FieldError::forbidden(&path.child("properties").key("metadata"), why));
    }
}

fn nested_parts(schema: &JSONSchemaProps, parts: Parts, path: &Path, errors: &mut FieldErrors) {
    let (all_of, any_of) = (schema.all_of.as_ref(), schema.any_of.as_ref());
    for (field, list) in [
        ("allOf", all_of.filter(|_| parts.all_of)),
        ("anyOf", any_of.filter(|_| parts.any_of)),
        ("oneOf", schema.one_of.as_ref()),
    ] {
        for (index, part) in list.into_iter().flatten().enumerate() {
            nested(part, Parts::ALL, &path.child(field).index(index), errors);
        }
    }
    if let Some(not) = &schema.not {
        nested(not, Parts::ALL, &path.child("not"), errors);
    }
}

/// A part that only adds conditions says nothing about structure.
fn nested(part: &JSONSchemaProps, parts: Parts, path: &Path, errors: &mut FieldErrors) {
    nested_parts(part, parts, path, errors);
    if let Some(item) = item(part) {
        nested(item, Parts::ALL, &path.child("items"), errors);
    }
    for (name, property) in part.properties.iter().flatten() {
        nested(property, Parts::ALL, &path.child("properties").key(name), errors);
    }
    let has_text = |field: &Option<String>| !text(field).is_empty();
    for (field, is_there, must) in [
        ("type", has_text(&part.type_), "empty"),
        ("additionalProperties", part.additional_properties.is_some(), "undefined"),
        ("default", part.default.is_some(), "undefined"),
        ("title", has_text(&part.title), "empty"),
        ("description", has_text(&part.description), "empty"),
        ("nullable", is(part.nullable), "false"),
        ("externalDocs", part.external_docs.is_some(), "undefined"),
        ("x-kubernetes-preserve-unknown-fields", is(part.x_kubernetes_preserve_unknown_fields), "false"),
        ("x-kubernetes-embedded-resource", is(part.x_kubernetes_embedded_resource), "false"),
        ("x-kubernetes-int-or-string", is(part.x_kubernetes_int_or_string), "false"),
        ("x-kubernetes-list-map-keys", part.x_kubernetes_list_map_keys.is_some(), "empty"),
        ("x-kubernetes-list-type", part.x_kubernetes_list_type.is_some(), "undefined"),
        ("x-kubernetes-map-type", part.x_kubernetes_map_type.is_some(), "undefined"),
        ("x-kubernetes-validations", part.x_kubernetes_validations.is_some(), "empty"),
    ] {
        if is_there {
            errors.push(FieldError::forbidden(&path.child(field), format!("must be {must} to be structural")));
        }
    }
    if part.properties.as_ref().is_some_and(|properties| properties.contains_key("metadata")) {
        let why = "must not be specified in a nested context";
        errors.push(FieldError::forbidden(&path.child("properties").key("metadata"), why));
    }
}

/// Every field of which a condition speaks has its type outside of it.
fn complete(schema: &JSONSchemaProps, path: &Path, errors: &mut FieldErrors) {
    for (part_path, part) in junctors(schema, path) {
        complete_part(part, Some(schema), &part_path, path, errors);
    }
    if let Some(item) = item(schema) {
        complete(item, &path.child("items"), errors);
    }
    for (name, property) in schema.properties.iter().flatten() {
        complete(property, &path.child("properties").key(name), errors);
    }
    if let Some(additional) = additional(schema) {
        complete(additional, &path.child("additionalProperties"), errors);
    }
}

fn complete_part(
    part: &JSONSchemaProps,
    outside: Option<&JSONSchemaProps>,
    part_path: &Path,
    path: &Path,
    errors: &mut FieldErrors,
) {
    let Some(outside) = outside else {
        errors.push(FieldError::required(path, &format!("because it is defined in {part_path}")));
        return;
    };
    for (inner_path, inner) in junctors(part, part_path) {
        complete_part(inner, Some(outside), &inner_path, path, errors);
    }
    if let Some(inner) = item(part) {
        complete_part(inner, item(outside), &part_path.child("items"), &path.child("items"), errors);
    }
    for (name, inner) in part.properties.iter().flatten() {
        let found = outside.properties.as_ref().and_then(|properties| properties.get(name));
        let inner_path = part_path.child("properties").key(name);
        complete_part(inner, found, &inner_path, &path.child("properties").key(name), errors);
    }
}
