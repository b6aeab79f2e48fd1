//! Tests of what definitions of kinds refuse and fill in.

use serde_json::{Value, json};

use crate::kinds::rules_tests::{changed, draft, each, refusals, update_refusals};

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
            (
                "/spec/versions/0/schema",
                json!({}),
                "spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required",
            ),
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
