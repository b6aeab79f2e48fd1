//! Tests of what definitions of kinds refuse and fill in.

use serde_json::{Value, json};

use crate::kinds::rules_tests::{changed, draft, each, merged, refusals, update_refusals};

fn definition() -> Value {
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "size": {"type": "integer", "default": 1}, "labels": {"type": "array", "items": {"type": "string"}}}}}});
    json!({"metadata": {"name": "widgets.example.com"}, "spec": {"group": "example.com", "scope": "Namespaced",
        "names": {"plural": "widgets", "kind": "Widget"}, "versions": [{"name": "v1", "served": true, "storage": true,
            "schema": {"openAPIV3Schema": schema}}]}})
}

#[test]
fn a_definition_names_its_kind() {
    let filled = {
        let mut draft = draft("CustomResourceDefinition", definition());
        draft.before_create();
        draft.to_value()
    };
    assert_eq!(filled["spec"]["names"]["singular"], "widget");
    assert_eq!(filled["spec"]["names"]["listKind"], "WidgetList");
    assert_eq!(filled["spec"]["conversion"], json!({"strategy": "None"}));
    assert_eq!(filled["status"]["storedVersions"], json!(["v1"]));
    let name = "metadata.name: Invalid value: \"widgets.example.com\": must be spec.names.plural+\".\"+spec.group";
    each(
        "CustomResourceDefinition",
        &definition(),
        &[
            ("/spec/names/plural", json!("gadgets"), name),
            (
                "/spec/scope",
                json!("World"),
                "spec.scope: Unsupported value: \"World\": supported values: \"Cluster\", \"Namespaced\"",
            ),
            ("/spec/versions/0/schema", json!({}), "spec.versions[0].schema.openAPIV3Schema: Required value"),
        ],
    );
    let unstored =
        refusals("CustomResourceDefinition", changed(&definition(), "/spec/versions/0/storage", json!(false)));
    assert!(unstored.iter().any(|told| told.ends_with("must have exactly one version marked as storage version")));
    let protected = json!({"metadata": {"name": "widgets.x.k8s.io"}, "spec": changed(&definition(), "/spec/group", json!("x.k8s.io"))["spec"]});
    assert_eq!(
        refusals("CustomResourceDefinition", protected),
        [
            "metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation \
          \"api-approved.kubernetes.io\", see https://github.com/kubernetes/enhancements/pull/1111"
        ]
    );
    let other = changed(&definition(), "/spec/group", json!("example.org"));
    let change = update_refusals("CustomResourceDefinition", definition(), other);
    assert!(change.contains(&"spec.group: Invalid value: \"example.org\": field is immutable".to_owned()));
}

#[test]
fn a_schema_is_structural() {
    let at = "spec.validation.openAPIV3Schema";
    let root = "/spec/versions/0/schema/openAPIV3Schema";
    for (path, value, told) in [
        ("", json!({}), "type: Required value: must not be empty at the root"),
        (
            "",
            json!({"type": "array", "items": {"type": "string"}}),
            "type: Invalid value: \"array\": must be object at the root",
        ),
        (
            "/properties/spec",
            json!({}),
            "properties[spec].type: Required value: must not be empty for specified object fields",
        ),
        ("/properties/spec", json!({"type": "array"}), "properties[spec].items: Required value: must be specified"),
        (
            "/properties/spec",
            json!({"type": "object", "anyOf": [{"properties": {"a": {"minimum": 1}}}]}),
            "properties[spec].properties[a]: Required value: because it is defined in \
             spec.validation.openAPIV3Schema.properties[spec].anyOf[0].properties[a]",
        ),
        (
            "/properties/spec",
            json!({"type": "object", "allOf": [{"type": "object"}]}),
            "properties[spec].allOf[0].type: Forbidden: must be empty to be structural",
        ),
        (
            "/properties/spec",
            json!({"type": "thing"}),
            "properties[spec].type: Unsupported value: \"thing\": supported values: \"array\", \"boolean\", \"integer\", \
             \"number\", \"object\", \"string\"",
        ),
        (
            "/properties/spec",
            json!({"type": "array", "x-kubernetes-list-type": "map", "items": {"type": "object"}}),
            "properties[spec].x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map",
        ),
    ] {
        let refused = refusals("CustomResourceDefinition", changed(&definition(), &format!("{root}{path}"), value));
        assert_eq!(refused, [format!("{at}.{told}")]);
    }
    for fine in [
        json!({"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]}),
        json!({"x-kubernetes-preserve-unknown-fields": true}),
        json!({"type": "object", "additionalProperties": {"type": "string"}, "default": {}}),
        json!({"type": "array", "items": {"type": "string"}, "default": [], "x-kubernetes-list-type": "set"}),
        json!({"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true}),
    ] {
        let object = changed(&definition(), &format!("{root}/properties/spec"), fine.clone());
        assert_eq!(refusals("CustomResourceDefinition", object.clone()), [""; 0], "{fine}");
        let kept = draft("CustomResourceDefinition", object).to_value();
        assert_eq!(kept.pointer(&format!("{root}/properties/spec")), Some(&fine));
    }
}

#[test]
fn versions_are_told_by_themselves_or_together() {
    let told = |addition: Value| {
        let mut object = definition();
        object["spec"]["versions"][0] = merged(object["spec"]["versions"][0].take(), &addition);
        refusals("CustomResourceDefinition", object)
    };
    let selected = |path: &str| told(json!({"selectableFields": [{"jsonPath": path}]}));
    assert_eq!(selected(".spec.size"), [""; 0]);
    let at = "spec.selectableFields[0].jsonPath: Invalid value:";
    for (path, why) in [
        (".spec.none", "is an invalid path: does not refer to a valid field"),
        (".spec['size']", "is an invalid path: array notation is not allowed"),
        (
            ".spec.labels",
            "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are \
             allowed.",
        ),
    ] {
        assert_eq!(selected(path), [format!("{at} {path:?}: {why}")]);
    }
    let without = told(json!({"schema": null, "selectableFields": [{"jsonPath": ".a"}]}));
    let told_of_fields =
        "spec.selectableFields: Invalid value: \"\": may only be set when validations.schema is included";
    assert_eq!(without, ["spec.versions[0].schema.openAPIV3Schema: Required value", told_of_fields]);
    let named = told(json!({"name": "V1"}));
    assert!(named[0].starts_with("spec.versions[0].name: Invalid value: \"V1\": a DNS-1035 label"), "{named:?}");
    assert!(named[1].starts_with("spec.version: Invalid value: \"V1\": a DNS-1035 label"), "{named:?}");
    assert_eq!(
        told(json!({"deprecated": true, "deprecationWarning": "a\u{2028}b"})),
        ["spec.versions[0].deprecationWarning: Invalid value: \"a\u{2028}b\": must only contain printable UTF-8 \
             characters; non-printable character found at index 1"]
    );
    let mut two = definition();
    let other = json!({"name": "v2", "served": true, "storage": false, "schema": {"openAPIV3Schema": {}}});
    two["spec"]["versions"].as_array_mut().unwrap().push(other);
    assert_eq!(
        refusals("CustomResourceDefinition", two),
        ["spec.versions[1].schema.openAPIV3Schema.type: Required value: must not be empty at the root"]
    );
}

#[test]
fn lists_metadata_and_rules_of_a_schema_fit() {
    let root = "/spec/versions/0/schema/openAPIV3Schema";
    let told = |path: &str, value: Value| {
        refusals("CustomResourceDefinition", changed(&definition(), &format!("{root}{path}"), value))
    };
    let at = "spec.validation.openAPIV3Schema.properties[spec]";
    let items = json!({"type": "object", "properties": {"k": {"type": "array", "items": {"type": "string"}}}});
    let list = |kind: &str, keys: Value| json!({"type": "array", "x-kubernetes-list-type": kind, "x-kubernetes-list-map-keys": keys, "items": items});
    let pair = json!([{"type": "integer"}, {"type": "string"}]);
    let rule = |addition: Value| {
        let rule = merged(json!({"rule": "true"}), &addition);
        json!({"type": "object", "properties": {"a": {"type": "string"}}, "x-kubernetes-validations": [rule]})
    };
    for (schema, why) in [
        (
            list("set", json!(null)),
            ".items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list with \
             x-kubernetes-list-type=set",
        ),
        (
            list("map", json!(["k"])),
            ".items.properties[k].type: Invalid value: \"object\": must be a scalar type if parent array's \
             x-kubernetes-list-type is map",
        ),
        (
            list("map", json!(["x"])),
            ".x-kubernetes-list-map-keys: Invalid value: [\"x\"]: entries must all be names of item properties",
        ),
        (
            merged(list("map", json!(["k"])), &json!({"items": [{"type": "string"}]})),
            ".items: Invalid value: [{\"type\":\"string\"}]: must only have a single schema if x-kubernetes-list-type is \
             map",
        ),
        (
            merged(list("map", json!(["k"])), &json!({"items": {"type": "string", "nullable": true}})),
            ".items.nullable: Forbidden: cannot be nullable when x-kubernetes-list-type is map",
        ),
        (
            json!({"x-kubernetes-int-or-string": true, "allOf": [{"pattern": "a"}, {"anyOf": pair}]}),
            ".allOf[1].anyOf[0].type: Forbidden: must be empty to be structural",
        ),
        (
            rule(json!({"message": " "})),
            ".x-kubernetes-validations[0].message: Invalid value: \" \": must be non-empty if specified",
        ),
        (
            rule(json!({"message": "a\nb"})),
            ".x-kubernetes-validations[0].message: Invalid value: \"a\\nb\": must not contain line breaks",
        ),
        (
            rule(json!({"fieldPath": ".b"})),
            ".x-kubernetes-validations[0].fieldPath: Invalid value: \".b\": must be a valid path",
        ),
    ] {
        let refused = told("/properties/spec", schema);
        assert!(refused.contains(&format!("{at}{why}")), "{refused:?}");
    }
    let twice = json!({"x-kubernetes-int-or-string": true, "allOf": [{"anyOf": pair}, {"pattern": "a"}]});
    for fine in [rule(json!({"fieldPath": "['a']"})), twice] {
        assert_eq!(told("/properties/spec", fine.clone()), [""; 0], "{fine}");
    }
    assert_eq!(
        told("/properties", json!({"metadata": {"type": "object", "description": "d"}})),
        [
            "spec.validation.openAPIV3Schema.properties[metadata]: Forbidden: must not specify anything other than name and \
             generateName, but metadata is implicitly specified"
        ]
    );
    let mut with_status = definition();
    with_status["spec"]["versions"][0]["subresources"] = json!({"status": {}});
    assert_eq!(refusals("CustomResourceDefinition", with_status.clone()), [""; 0]);
    with_status.pointer_mut(root).unwrap()["maxProperties"] = json!(3);
    let refused = refusals("CustomResourceDefinition", with_status);
    let end = "fields are allowed at the root of the schema if the status subresource is enabled";
    assert!(refused.len() == 1 && refused[0].ends_with(end), "{refused:?}");
}

#[test]
fn the_authority_of_a_conversion_can_be_trusted_once_objects_are_served() {
    let with = |established: &str, bundle: Value| {
        let client = json!({"url": "https://example.com", "caBundle": bundle});
        let webhook = json!({"clientConfig": client, "conversionReviewVersions": ["v1"]});
        let conditions = json!([{"type": "Established", "status": established}]);
        let change = json!({"spec": {"conversion": {"strategy": "Webhook", "webhook": webhook}},
            "status": {"storedVersions": ["v1"], "conditions": conditions}});
        merged(definition(), &change)
    };
    let told = |established, old, new| {
        update_refusals("CustomResourceDefinition", with(established, old), with(established, new))
    };
    assert_eq!(told("False", json!(null), json!("eA==")), [""; 0]);
    assert_eq!(told("True", json!("eA=="), json!("eQ==")), [""; 0]);
    assert_eq!(
        told("True", json!(null), json!("eA==")),
        ["spec.conversion.webhookClientConfig.caBundle: Invalid value: \"eA==\": unable to load root certificates: \
             unable to parse bytes as PEM block"]
    );
}
