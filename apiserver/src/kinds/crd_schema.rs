//! Rules of a definition's schema: what of OpenAPI is allowed in it.
//!
//! Expressions (`x-kubernetes-validations`) are only required to be there: what they say is not checked yet.

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool, ValidationRule,
};

use crate::kinds::crd_path::{self, Brackets};
use crate::kinds::crd_structural::{self, additional, is, item, junctors};
use crate::kinds::rules::{shown, supported, text};

const TYPES: &[&str] = &["array", "boolean", "integer", "number", "object", "string"];
const REASONS: &[&str] = &["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
const META_FIELDS: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// What may be said at the root of a schema whose status is taken out of it.
const ROOT_FIELDS: [&str; 22] = [
    "description",
    "type",
    "format",
    "title",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "multipleOf",
    "required",
    "items",
    "properties",
    "externalDocs",
    "example",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
];

pub fn validate(schema: &JSONSchemaProps, has_status: bool, path: &Path, errors: &mut FieldErrors) {
    if has_status {
        validate_root_with_status(schema, path, errors);
    }
    if schema.nullable == Some(true) {
        errors.push(FieldError::forbidden(&path.child("nullable"), "nullable cannot be true at the root"));
    }
    crd_structural::validate(schema, path, errors);
    openapi(schema, Inside { is_root: true, ..Inside::default() }, path, errors);
}

/// The schema of the status is taken out of the root's, so the root can say little that spans both.
fn validate_root_with_status(schema: &JSONSchemaProps, path: &Path, errors: &mut FieldErrors) {
    let kind = text(&schema.type_);
    if !kind.is_empty() && kind != "object" {
        let why =
            "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
        errors.push(FieldError::invalid(&path.child("type"), kind, why));
        return;
    }
    let said = shown(schema);
    let mut fields = said.as_object().into_iter().flatten().filter(|(_, value)| **value != false);
    if fields.any(|(field, _)| !ROOT_FIELDS.contains(&field.as_str())) {
        let why = "only [Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength \
                   MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs \
                   Example XPreserveUnknownFields XValidations] fields are allowed at the root of the schema if the \
                   status subresource is enabled";
        errors.push(FieldError::invalid(path, said, why));
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
        expression(rule, schema, &path.child("x-kubernetes-validations").index(index), errors);
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
        (Some("set"), Some(item)) => set_list(kind == "array", item, &path.child("items"), errors),
        _ => {}
    }
}

fn set_list(is_list: bool, item: &JSONSchemaProps, path: &Path, errors: &mut FieldErrors) {
    let (list_type, map_type) = (item.x_kubernetes_list_type.as_deref(), item.x_kubernetes_map_type.as_deref());
    let field = match text(&item.type_) {
        "array" if list_type.is_some_and(|kind| kind != "atomic") => Some("x-kubernetes-list-type"),
        "object" if map_type != Some("atomic") => Some("x-kubernetes-map-type"),
        _ => None,
    };
    if let Some(field) = field.filter(|_| is_list) {
        // Upstream shows how lists merge, in both cases.
        let why = "must be atomic as item of a list with x-kubernetes-list-type=set";
        errors.push(FieldError::invalid(&path.child(field), shown(&list_type), why));
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
        errors.push(match &schema.items {
            None => FieldError::required(&items_path, "must have a schema if x-kubernetes-list-type is map"),
            Some(items) => {
                let why = "must only have a single schema if x-kubernetes-list-type is map";
                FieldError::invalid(&items_path, shown(items), why)
            }
        });
        return;
    };
    let property = |key: &str| item.properties.as_ref().and_then(|properties| properties.get(key));
    let kind = text(&item.type_);
    if kind != "object" {
        let why = "must be object if parent array's x-kubernetes-list-type is map";
        errors.push(FieldError::invalid(&items_path.child("type"), kind, why));
    }
    for (index, key) in keys.iter().enumerate().filter(|_| kind == "object") {
        match property(key) {
            Some(field) if matches!(text(&field.type_), "array" | "object") => {
                let why = "must be a scalar type if parent array's x-kubernetes-list-type is map";
                let path = items_path.child("properties").key(key).child("type");
                // Upstream shows the type of the item.
                errors.push(FieldError::invalid(&path, kind, why));
            }
            Some(_) => {}
            None => {
                let why = "entries must all be names of item properties";
                errors.push(FieldError::invalid(&keys_path, shown(&keys), why));
            }
        }
        if keys[..index].contains(key) {
            errors.push(FieldError::invalid(&keys_path, shown(&keys), "must not contain duplicate entries"));
        }
    }
    if is(item.nullable) {
        let why = "cannot be nullable when x-kubernetes-list-type is map";
        errors.push(FieldError::forbidden(&items_path.child("nullable"), why));
    }
    for key in keys {
        let Some(field) = property(key) else { continue };
        let path = items_path.child("properties").key(key);
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

fn expression(rule: &ValidationRule, schema: &JSONSchemaProps, path: &Path, errors: &mut FieldErrors) {
    let has_breaks = |value: &str| value.contains(['\n', '\r']);
    let (message, of_message) = (text(&rule.message), text(&rule.message_expression));
    let message_path = path.child("message");
    if rule.rule.trim().is_empty() {
        errors.push(FieldError::required(&path.child("rule"), "rule is not specified"));
    } else if !message.is_empty() && message.trim().is_empty() {
        errors.push(FieldError::invalid(&message_path, message, "must be non-empty if specified"));
    } else if has_breaks(message.trim()) {
        errors.push(FieldError::invalid(&message_path, message, "must not contain line breaks"));
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
        errors.push(FieldError::invalid(&field_path, field, "must be non-empty if specified"));
    }
    if has_breaks(field) {
        errors.push(FieldError::invalid(&field_path, field, "must not contain line breaks"));
    }
    if !field.is_empty() && crd_path::find(schema, field, Brackets::Allowed).is_err() {
        errors.push(FieldError::invalid(&field_path, field, "must be a valid path"));
    }
}
