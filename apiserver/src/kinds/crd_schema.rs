//! Rules of a definition's schema: what OpenAPI allows here, and that it is structural.
//!
//! A structural schema says the type of every field in one place, so that objects can be pruned and defaulted by it.
//! Expressions (`x-kubernetes-validations`) are only required to be there: what they say is not checked yet.

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool, ValidationRule,
};

use crate::kinds::rules::{shown, supported, text};

const TYPES: &[&str] = &["array", "boolean", "integer", "number", "object", "string"];
const REASONS: &[&str] = &["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
const META_FIELDS: [&str; 3] = ["apiVersion", "kind", "metadata"];

pub fn validate(schema: &JSONSchemaProps, has_status: bool, path: &Path, errors: &mut FieldErrors) {
    if has_status {
        validate_root_with_status(schema, path, errors);
    }
    if schema.nullable == Some(true) {
        errors.push(FieldError::forbidden(&path.child("nullable"), "nullable cannot be true at the root"));
    }
    let before = errors.0.len();
    structural(schema, Level::Root, path, errors);
    complete(schema, path, errors);
    errors.0[before..].sort_by_key(ToString::to_string);
    openapi(schema, Inside { is_root: true, ..Inside::default() }, path, errors);
}

/// The schema of the status is taken out of the root's, so the root can say little that spans both.
fn validate_root_with_status(schema: &JSONSchemaProps, path: &Path, errors: &mut FieldErrors) {
    let kind = text(&schema.type_);
    if !kind.is_empty() && kind != "object" {
        let why =
            "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
        errors.push(FieldError::invalid(&path.child("type"), kind, why));
    }
    let spans = schema.all_of.is_some()
        || schema.any_of.is_some()
        || schema.one_of.is_some()
        || schema.not.is_some()
        || schema.enum_.is_some()
        || schema.additional_properties.is_some();
    if spans {
        let why = "only [Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength \
                   MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs \
                   Example XPreserveUnknownFields XValidations] fields are allowed at the root of the schema if the \
                   status subresource is enabled";
        errors.push(FieldError::invalid(path, shown(schema), why));
    }
}

/// Where in a schema another one stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

fn is(flag: Option<bool>) -> bool {
    flag == Some(true)
}

/// The one schema of a list's items.
fn item(schema: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match &schema.items {
        Some(JSONSchemaPropsOrArray::Schema(item)) => Some(item),
        _ => None,
    }
}

fn additional(schema: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match &schema.additional_properties {
        Some(JSONSchemaPropsOrBool::Schema(schema)) => Some(schema),
        _ => None,
    }
}

/// The parts that only add conditions, with their paths.
fn junctors<'a>(schema: &'a JSONSchemaProps, path: &Path) -> Vec<(Path, &'a JSONSchemaProps)> {
    let lists = [("allOf", &schema.all_of), ("anyOf", &schema.any_of), ("oneOf", &schema.one_of)];
    let listed = lists
        .into_iter()
        .flat_map(|(field, list)| list.iter().flatten().enumerate().map(move |(index, part)| (field, index, part)));
    let listed = listed.map(|(field, index, part)| (path.child(field).index(index), part));
    listed.chain(schema.not.as_deref().map(|not| (path.child("not"), not))).collect()
}

fn structural(schema: &JSONSchemaProps, level: Level, path: &Path, errors: &mut FieldErrors) {
    if text(&schema.type_) == "array" && schema.items.is_none() {
        errors.push(FieldError::required(&path.child("items"), "must be specified"));
    }
    if let Some(item) = item(schema) {
        structural(item, Level::Item, &path.child("items"), errors);
    }
    for (name, property) in schema.properties.iter().flatten() {
        structural(property, Level::Field, &path.child("properties").key(name), errors);
    }
    if schema.additional_properties.is_some() && level == Level::Root {
        errors.push(FieldError::forbidden(&path.child("additionalProperties"), "must not be used at the root"));
    }
    if let Some(additional) = additional(schema) {
        structural(additional, Level::Field, &path.child("additionalProperties"), errors);
    }
    structural_type(schema, level, path, errors);
    structural_extensions(schema, path, errors);
    structural_metadata(schema, level, path, errors);
    for (path, part) in junctors(schema, path).into_iter().filter(|(_, part)| !is_integer_or_string(schema, part)) {
        nested(part, &path, errors);
    }
}

/// `x-kubernetes-int-or-string` may repeat itself in these words.
fn is_integer_or_string(schema: &JSONSchemaProps, part: &JSONSchemaProps) -> bool {
    let pair = |list: &Option<Vec<JSONSchemaProps>>| {
        list.as_ref()
            .is_some_and(|list| matches!(&list[..], [a, b] if *a == only_type("integer") && *b == only_type("string")))
    };
    let is_one_of_them = *part == only_type("integer") || *part == only_type("string");
    (pair(&schema.any_of) && is_one_of_them) || pair(&part.any_of)
}

fn only_type(name: &str) -> JSONSchemaProps {
    JSONSchemaProps { type_: Some(name.to_owned()), ..JSONSchemaProps::default() }
}

fn structural_type(schema: &JSONSchemaProps, level: Level, path: &Path, errors: &mut FieldErrors) {
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

fn structural_extensions(schema: &JSONSchemaProps, path: &Path, errors: &mut FieldErrors) {
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
fn structural_metadata(schema: &JSONSchemaProps, level: Level, path: &Path, errors: &mut FieldErrors) {
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
    (rest.properties, rest.type_, rest.default, rest.description) = (None, None, None, None);
    if names.clone().any(|name| !matches!(name, "name" | "generateName")) || rest != JSONSchemaProps::default() {
        let why = "must not specify anything other than name and generateName, but metadata is implicitly specified";
        errors.push(FieldError::forbidden(&path.child("properties").key("metadata"), why));
    }
}

/// A part that only adds conditions says nothing about structure.
fn nested(part: &JSONSchemaProps, path: &Path, errors: &mut FieldErrors) {
    for (path, inner) in junctors(part, path) {
        nested(inner, &path, errors);
    }
    if let Some(item) = item(part) {
        nested(item, &path.child("items"), errors);
    }
    for (name, property) in part.properties.iter().flatten() {
        nested(property, &path.child("properties").key(name), errors);
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

/// What surrounds a schema.
#[derive(Debug, Clone, Copy, Default)]
struct Inside {
    is_root: bool,
    /// Within the metadata of the object, or of an object in it.
    is_meta: bool,
    /// Why there can be no defaults, or nothing.
    no_defaults: Option<&'static str>,
}

fn openapi(schema: &JSONSchemaProps, inside: Inside, path: &Path, errors: &mut FieldErrors) {
    forbidden_fields(schema, inside, path, errors);
    let has_properties = schema.properties.as_ref().is_some_and(|properties| !properties.is_empty());
    let says_more = !matches!(schema.additional_properties, None | Some(JSONSchemaPropsOrBool::Bool(true)));
    if has_properties && says_more {
        let why = "additionalProperties and properties are mutual exclusive";
        errors.push(FieldError::forbidden(&path.child("additionalProperties"), why));
    }
    let below = Inside { is_root: false, ..inside };
    if let Some(additional) = additional(schema) {
        let reason = "inside additionalProperties applying to object metadata";
        let no_defaults = if inside.is_meta { Some(reason) } else { inside.no_defaults };
        openapi(additional, Inside { no_defaults, ..below }, &path.child("additionalProperties"), errors);
    }
    for (name, property) in schema.properties.iter().flatten() {
        let is_object = inside.is_root || is(schema.x_kubernetes_embedded_resource);
        let mut below = below;
        if is_object && META_FIELDS.contains(&name.as_str()) {
            below.is_meta = true;
            if inside.is_root {
                below.no_defaults = Some("in top-level metadata");
            }
        }
        openapi(property, below, &path.child("properties").key(name), errors);
    }
    for (path, part) in junctors(schema, path) {
        openapi(part, below, &path, errors);
    }
    if let Some(item) = item(schema) {
        openapi(item, below, &path.child("items"), errors);
    }
    list_and_map_types(schema, path, errors);
    for (index, rule) in schema.x_kubernetes_validations.iter().flatten().enumerate() {
        expression(rule, &path.child("x-kubernetes-validations").index(index), errors);
    }
}

fn forbidden_fields(schema: &JSONSchemaProps, inside: Inside, path: &Path, errors: &mut FieldErrors) {
    let kind = text(&schema.type_);
    if !kind.is_empty() && !TYPES.contains(&kind) {
        errors.push(FieldError::not_supported(&path.child("type"), kind, TYPES));
    }
    if let Some(reason) = inside.no_defaults.filter(|_| schema.default.is_some()) {
        errors.push(FieldError::forbidden(&path.child("default"), format!("must not be set {reason}")));
    }
    let is_list = matches!(schema.items, Some(JSONSchemaPropsOrArray::Schemas(_)));
    for (field, is_there, why) in [
        ("id", schema.id.is_some(), "id is not supported"),
        ("additionalItems", schema.additional_items.is_some(), "additionalItems is not supported"),
        ("patternProperties", schema.pattern_properties.is_some(), "patternProperties is not supported"),
        ("definitions", schema.definitions.is_some(), "definitions is not supported"),
        ("dependencies", schema.dependencies.is_some(), "dependencies is not supported"),
        ("$ref", schema.ref_path.is_some(), "$ref is not supported"),
        ("type", kind == "null", "type cannot be set to null, use nullable as an alternative"),
        ("items", is_list, "items must be a schema object and not an array"),
        (
            "x-kubernetes-embedded-resource",
            inside.is_meta && is(schema.x_kubernetes_embedded_resource),
            "must not be used inside of resource meta",
        ),
        (
            "uniqueItems",
            is(schema.unique_items),
            "uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        ),
    ] {
        if is_there {
            errors.push(FieldError::forbidden(&path.child(field), why));
        }
    }
    if schema.x_kubernetes_preserve_unknown_fields == Some(false) {
        let path = path.child("x-kubernetes-preserve-unknown-fields");
        errors.push(FieldError::invalid(&path, false, "must be true or undefined"));
    }
}

/// How lists and maps merge fits what they are.
fn list_and_map_types(schema: &JSONSchemaProps, path: &Path, errors: &mut FieldErrors) {
    let kind = text(&schema.type_);
    for (field, given, wanted, values) in [
        ("x-kubernetes-map-type", &schema.x_kubernetes_map_type, "object", &["atomic", "granular"][..]),
        ("x-kubernetes-list-type", &schema.x_kubernetes_list_type, "array", &["atomic", "set", "map"][..]),
    ] {
        let Some(given) = given else { continue };
        if kind != wanted {
            let why = format!("must be {wanted} if {field} is specified");
            errors.push(match kind {
                "" => FieldError::required(&path.child("type"), &why),
                kind => FieldError::invalid(&path.child("type"), kind, why),
            });
        }
        supported(errors, &path.child(field), given, values);
    }
    let (list_type, type_path) = (schema.x_kubernetes_list_type.as_deref(), path.child("x-kubernetes-list-type"));
    let keys = schema.x_kubernetes_list_map_keys.as_deref().unwrap_or_default();
    if !keys.is_empty() && list_type != Some("map") {
        let why = "must be map if x-kubernetes-list-map-keys is non-empty";
        errors.push(match list_type {
            None => FieldError::required(&type_path, why),
            Some(other) => FieldError::invalid(&type_path, other, why),
        });
    }
    match (list_type, item(schema)) {
        (Some("map"), item) => map_list(schema, keys, item, path, errors),
        (Some("set"), Some(item)) => set_list(item, &path.child("items"), errors),
        _ => {}
    }
}

fn set_list(item: &JSONSchemaProps, path: &Path, errors: &mut FieldErrors) {
    let why = "must be atomic as item of a list with x-kubernetes-list-type=set";
    if text(&item.type_) == "array" && item.x_kubernetes_list_type.as_deref().is_some_and(|kind| kind != "atomic") {
        let path = path.child("x-kubernetes-list-type");
        errors.push(FieldError::invalid(&path, shown(&item.x_kubernetes_list_type), why));
    }
    if text(&item.type_) == "object" && item.x_kubernetes_map_type.as_deref() != Some("atomic") {
        let path = path.child("x-kubernetes-map-type");
        errors.push(FieldError::invalid(&path, shown(&item.x_kubernetes_map_type), why));
    }
    if is(item.nullable) {
        let why = "cannot be nullable when x-kubernetes-list-type is set";
        errors.push(FieldError::forbidden(&path.child("nullable"), why));
    }
}

fn map_list(
    schema: &JSONSchemaProps,
    keys: &[String],
    item: Option<&JSONSchemaProps>,
    path: &Path,
    errors: &mut FieldErrors,
) {
    let (keys_path, items_path) = (path.child("x-kubernetes-list-map-keys"), path.child("items"));
    if keys.is_empty() {
        errors.push(FieldError::required(&keys_path, "must not be empty if x-kubernetes-list-type is map"));
    }
    let Some(item) = item else {
        if schema.items.is_none() {
            errors.push(FieldError::required(&items_path, "must have a schema if x-kubernetes-list-type is map"));
        }
        return;
    };
    if text(&item.type_) != "object" {
        let why = "must be object if parent array's x-kubernetes-list-type is map";
        errors.push(FieldError::invalid(&items_path.child("type"), text(&item.type_), why));
        return;
    }
    if is(item.nullable) {
        let why = "cannot be nullable when x-kubernetes-list-type is map";
        errors.push(FieldError::forbidden(&items_path.child("nullable"), why));
    }
    for (index, key) in keys.iter().enumerate() {
        if keys[..index].contains(key) {
            errors.push(FieldError::invalid(&keys_path, shown(&keys), "must not contain duplicate entries"));
        }
        let Some(field) = item.properties.as_ref().and_then(|properties| properties.get(key)) else {
            let why = "entries must all be names of item properties";
            errors.push(FieldError::invalid(&keys_path, shown(&keys), why));
            continue;
        };
        let path = items_path.child("properties").key(key);
        if matches!(text(&field.type_), "array" | "object") {
            let why = "must be a scalar type if parent array's x-kubernetes-list-type is map";
            errors.push(FieldError::invalid(&path.child("type"), text(&field.type_), why));
        }
        let is_required = item.required.as_ref().is_some_and(|required| required.contains(key));
        if field.default.is_none() && !is_required {
            let why =
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            errors.push(FieldError::required(&path.child("default"), why));
        }
        if is(field.nullable) {
            let why = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            errors.push(FieldError::forbidden(&path.child("nullable"), why));
        }
    }
}

fn expression(rule: &ValidationRule, path: &Path, errors: &mut FieldErrors) {
    let has_breaks = |value: &str| value.contains(['\n', '\r']);
    let (message, of_message) = (text(&rule.message), text(&rule.message_expression));
    let message_path = path.child("message");
    if rule.rule.trim().is_empty() {
        errors.push(FieldError::required(&path.child("rule"), "rule is not specified"));
    } else if !message.is_empty() && message.trim().is_empty() {
        errors.push(FieldError::invalid(&message_path, message, "message must be non-empty if specified"));
    } else if has_breaks(message.trim()) {
        errors.push(FieldError::invalid(&message_path, message, "message must not contain line breaks"));
    } else if has_breaks(rule.rule.trim()) && message.is_empty() {
        let why = "message must be specified if rule contains line breaks";
        errors.push(FieldError::required(&message_path, why));
    }
    if !of_message.is_empty() && of_message.trim().is_empty() {
        let why = "messageExpression must be non-empty if specified";
        errors.push(FieldError::required(&path.child("messageExpression"), why));
    }
    if let Some(reason) = &rule.reason {
        supported(errors, &path.child("reason"), reason, REASONS);
    }
    let (field, field_path) = (text(&rule.field_path), path.child("fieldPath"));
    if !field.is_empty() && field.trim().is_empty() {
        errors.push(FieldError::invalid(&field_path, field, "fieldPath must be non-empty if specified"));
    }
    if has_breaks(field) {
        errors.push(FieldError::invalid(&field_path, field, "fieldPath must not contain line breaks"));
    }
}
