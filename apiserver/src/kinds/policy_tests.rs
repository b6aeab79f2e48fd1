//! Tests of what kinds of admission, flow control, devices and extensions refuse, fill in and show.

use serde_json::{Value, json};

use crate::kinds::rules_tests::{draft, refusals, update_refusals};
use crate::kinds::table_tests::cells;

fn changed(object: &Value, path: &str, value: Value) -> Value {
    let mut object = object.clone();
    *object.pointer_mut(path).unwrap_or_else(|| panic!("there is no {path}")) = value;
    object
}

/// Each change of a good object, and what it is refused for.
fn each(kind: &str, good: &Value, changes: &[(&str, Value, &str)]) {
    assert_eq!(refusals(kind, good.clone()), [""; 0], "{kind}");
    for (path, value, told) in changes {
        assert_eq!(refusals(kind, changed(good, path, value.clone())), [*told], "{kind} {path}");
    }
}

fn rule() -> Value {
    json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"], "scope": "*"})
}

#[test]
fn webhooks_are_somewhere_and_answer_in_time() {
    let hook = json!({"name": "pods.example.com", "clientConfig": {"url": "https://example.com/check"},
        "rules": [rule()], "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 5,
        "failurePolicy": "Fail"});
    let good = json!({"webhooks": [hook]});
    let filled = draft(
        "MutatingWebhookConfiguration",
        json!({"webhooks": [{"name": "a.b.c", "rules": [{}],
        "clientConfig": {"service": {"name": "s", "namespace": "n"}}}]}),
    );
    let filled = &filled.to_value()["webhooks"][0];
    for (field, value) in [
        ("failurePolicy", json!("Fail")),
        ("matchPolicy", json!("Equivalent")),
        ("timeoutSeconds", json!(10)),
        ("namespaceSelector", json!({})),
        ("objectSelector", json!({})),
        ("reinvocationPolicy", json!("Never")),
    ] {
        assert_eq!(filled[field], value, "{field}");
    }
    assert_eq!((&filled["rules"][0]["scope"], &filled["clientConfig"]["service"]["port"]), (&json!("*"), &json!(443)));
    for kind in ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"] {
        each(
            kind,
            &good,
            &[
                (
                    "/webhooks/0/name",
                    json!("pods"),
                    "webhooks[0].name: Invalid value: \"pods\": should be a domain with at least three segments separated \
                     by dots",
                ),
                (
                    "/webhooks/0/timeoutSeconds",
                    json!(31),
                    "webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds",
                ),
                (
                    "/webhooks/0/sideEffects",
                    json!("Some"),
                    "webhooks[0].sideEffects: Unsupported value: \"Some\": supported values: \"None\", \"NoneOnDryRun\"",
                ),
                (
                    "/webhooks/0/admissionReviewVersions",
                    json!(["v2"]),
                    "webhooks[0].admissionReviewVersions: Invalid value: [\"v2\"]: must include at least one of v1, v1beta1",
                ),
                (
                    "/webhooks/0/clientConfig",
                    json!({}),
                    "webhooks[0].clientConfig: Required value: exactly one of url or service is required",
                ),
                (
                    "/webhooks/0/clientConfig/url",
                    json!("http://example.com"),
                    "webhooks[0].clientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme; desired \
                     format: https://host[/path]",
                ),
                (
                    "/webhooks/0/clientConfig",
                    json!({"service": {"name": "s", "namespace": "n", "path": "/a//b"}}),
                    "webhooks[0].clientConfig.service.path: Invalid value: \"/a//b\": segment[1] may not be empty",
                ),
                (
                    "/webhooks/0/rules/0/operations",
                    json!(["*", "CREATE"]),
                    "webhooks[0].rules[0].operations: Invalid value: [\"*\",\"CREATE\"]: if '*' is present, must not specify \
                     other operations",
                ),
                (
                    "/webhooks/0/rules/0/resources",
                    json!(["pods/*", "pods/status"]),
                    "webhooks[0].rules[0].resources[1]: Invalid value: \"pods/status\": if 'pods/*' is present, must not \
                     specify pods/status",
                ),
            ],
        );
    }
    let twice = json!({"webhooks": [good["webhooks"][0], good["webhooks"][0]]});
    assert_eq!(
        refusals("ValidatingWebhookConfiguration", twice),
        ["webhooks[1].name: Duplicate value: \"pods.example.com\""]
    );
}

#[test]
fn policies_are_for_something_and_say_something() {
    let good = json!({"metadata": {"name": "p"}, "spec": {"failurePolicy": "Fail", "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
        "matchConstraints": {"resourceRules": [rule()]}, "variables": [{"name": "a", "expression": "1"}],
        "validations": [{"expression": "true", "message": "no", "reason": "Invalid"}],
        "auditAnnotations": [{"key": "k", "valueExpression": "'x'"}]}});
    each(
        "ValidatingAdmissionPolicy",
        &good,
        &[
            ("/spec/matchConstraints/resourceRules", json!([]), "spec.matchConstraints.resourceRules: Required value"),
            (
                "/spec/variables/0/name",
                json!("in"),
                "spec.variables[0].name: Invalid value: \"in\": name is not a valid CEL identifier",
            ),
            (
                "/spec/validations/0/expression",
                json!(" "),
                "spec.validations[0].expression: Required value: expression is not specified",
            ),
            (
                "/spec/validations/0/message",
                json!("a\nb"),
                "spec.validations[0].message: Invalid value: \"a\\nb\": message must not contain line breaks",
            ),
            (
                "/spec/validations/0/reason",
                json!("Because"),
                "spec.validations[0].reason: Unsupported value: \"Because\": supported values: \"Forbidden\", \"Invalid\", \
                 \"RequestEntityTooLarge\"",
            ),
            (
                "/spec/paramKind/apiVersion",
                json!("a/b/c"),
                "spec.paramKind.apiVersion: Invalid value: \"a/b/c\": unexpected GroupVersion string: a/b/c",
            ),
        ],
    );
    let binding = json!({"spec": {"policyName": "p", "validationActions": ["Deny"],
        "paramRef": {"name": "c", "parameterNotFoundAction": "Deny"}}});
    each(
        "ValidatingAdmissionPolicyBinding",
        &binding,
        &[
            ("/spec/policyName", json!(""), "spec.policyName: Required value"),
            (
                "/spec/validationActions",
                json!([]),
                "spec.validationActions: Required value: at least one validation action is required",
            ),
            (
                "/spec/validationActions",
                json!(["Deny", "Warn"]),
                "spec.validationActions: Invalid value: [\"Deny\",\"Warn\"]: must not contain both Deny and Warn (repeating the \
                 same validation failure information in the API response and headers serves no purpose)",
            ),
            (
                "/spec/paramRef/name",
                json!(""),
                "spec.paramRef: Required value: one of name or selector must be specified",
            ),
            (
                "/spec/paramRef/parameterNotFoundAction",
                json!(""),
                "spec.paramRef.parameterNotFoundAction: Required value",
            ),
        ],
    );
    let mutating = json!({"spec": {"matchConstraints": {"resourceRules": [rule()]}, "reinvocationPolicy": "Never",
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": "[]"}}]}});
    each(
        "MutatingAdmissionPolicy",
        &mutating,
        &[
            ("/spec/mutations", json!([]), "spec.mutations: Required value: mutations must contain at least one item"),
            ("/spec/reinvocationPolicy", json!(""), "spec.reinvocationPolicy: Required value"),
            (
                "/spec/mutations/0",
                json!({"patchType": "JSONPatch"}),
                "spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch",
            ),
        ],
    );
    assert_eq!(cells("ValidatingAdmissionPolicy", good), ["x", "1", "v1/ConfigMap", "5m"]);
    assert_eq!(cells("ValidatingAdmissionPolicyBinding", binding), ["x", "p", "c", "5m"]);
}

#[test]
fn flows_have_a_level_and_the_mandatory_ones_stay() {
    let rule = json!({"subjects": [{"kind": "Group", "group": {"name": "g"}}],
        "resourceRules": [{"verbs": ["get"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"]}]});
    let good = json!({"metadata": {"name": "f"}, "spec": {"priorityLevelConfiguration": {"name": "l"},
        "matchingPrecedence": 2, "distinguisherMethod": {"type": "ByUser"}, "rules": [rule]}});
    each(
        "FlowSchema",
        &good,
        &[
            (
                "/spec/matchingPrecedence",
                json!(-1),
                "spec.matchingPrecedence: Invalid value: -1: must be a positive value",
            ),
            (
                "/spec/matchingPrecedence",
                json!(1),
                "spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1",
            ),
            (
                "/spec/priorityLevelConfiguration/name",
                json!(""),
                "spec.priorityLevelConfiguration.name: Required value: must reference a priority level",
            ),
            (
                "/spec/rules/0/subjects",
                json!([]),
                "spec.rules[0].subjects: Required value: subjects must contain at least one value",
            ),
            (
                "/spec/rules/0/subjects/0",
                json!({"kind": "User"}),
                "spec.rules[0].subjects[0].user: Required value: user is required when subject kind is 'User'",
            ),
            (
                "/spec/rules/0/resourceRules/0/namespaces",
                json!([]),
                "spec.rules[0].resourceRules[0].namespaces: Required value: resource rules that are not cluster scoped must \
                 supply at least one namespace",
            ),
        ],
    );
    let exempt = refusals("FlowSchema", changed(&good, "/metadata/name", json!("exempt")));
    assert!(exempt[0].ends_with("spec of 'exempt' must equal the fixed value"), "{exempt:?}");
    let level = json!({"metadata": {"name": "l"}, "spec": {"type": "Limited", "limited": {
        "nominalConcurrencyShares": 5, "limitResponse": {"type": "Queue", "queuing": {"queues": 64, "handSize": 6}}}}});
    assert_eq!(refusals("PriorityLevelConfiguration", level.clone()), [""; 0]);
    for (path, value, told) in [
        (
            "/spec/limited/nominalConcurrencyShares",
            json!(-1),
            "spec.limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer",
        ),
        (
            "/spec/limited/limitResponse/queuing/handSize",
            json!(65),
            "spec.limited.limitResponse.queuing.handSize: Invalid value: 65: should not be greater than queues (64)",
        ),
        (
            "/spec/limited/limitResponse/queuing/handSize",
            json!(11),
            "spec.limited.limitResponse.queuing.handSize: Invalid value: 11: required entropy bits of deckSize 64 and handSize \
             11 should not be greater than 60",
        ),
        (
            "/spec/limited/limitResponse/type",
            json!("Reject"),
            "spec.limited.limitResponse.queuing: Forbidden: must be nil if limited.limitResponse.type is not Limited",
        ),
    ] {
        assert_eq!(refusals("PriorityLevelConfiguration", changed(&level, path, value)), [told]);
    }
    let row = cells("PriorityLevelConfiguration", level);
    assert_eq!(row, ["x", "Limited", "5", "64", "6", "<none>", "5m"]);
    assert_eq!(cells("FlowSchema", good), ["x", "l", "2", "ByUser", "5m", "?"]);
}

#[test]
fn what_a_cluster_begins_with_keeps_its_own_rules() {
    for level in crate::kinds::flow_initial::levels() {
        assert_eq!(refusals("PriorityLevelConfiguration", serde_json::to_value(level).unwrap()), [""; 0]);
    }
    for schema in crate::kinds::flow_initial::schemas() {
        assert_eq!(refusals("FlowSchema", serde_json::to_value(schema).unwrap()), [""; 0]);
    }
}

#[test]
fn claims_ask_for_devices() {
    let good = json!({"spec": {"devices": {
        "requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu"}},
            {"name": "any", "firstAvailable": [{"name": "big", "deviceClassName": "gpu"}]}],
        "constraints": [{"requests": ["gpu", "any/big"], "matchAttribute": "example.com/model"}],
        "config": [{"requests": ["gpu"], "opaque": {"driver": "gpu.example.com", "parameters": {"a": 1}}}]}}});
    let filled = draft("ResourceClaim", good.clone()).to_value();
    assert_eq!(filled["spec"]["devices"]["requests"][0]["exactly"]["allocationMode"], "ExactCount");
    assert_eq!(filled["spec"]["devices"]["requests"][0]["exactly"]["count"], 1);
    let devices = "spec.devices";
    for (path, value, told) in [
        ("/requests/0/exactly/deviceClassName", json!(""), "requests[0].exactly.deviceClassName: Required value"),
        ("/requests/0/name", json!("any"), "requests[1]: Duplicate value: \"any\""),
        (
            "/constraints/0/matchAttribute",
            json!("model"),
            "constraints[0].matchAttribute: Invalid value: \"model\": a fully qualified name must be a domain and a name \
             separated by a slash",
        ),
        (
            "/constraints/0/requests/1",
            json!("any/small"),
            "constraints[0].requests[1]: Invalid value: \"any/small\": must be the name of a request in the claim or the name \
             of a request and a subrequest separated by '/'",
        ),
        (
            "/config/0/opaque/parameters",
            json!([]),
            "config[0].opaque.parameters: Invalid value: \"<value omitted>\": must be a valid JSON object",
        ),
    ] {
        let told = format!("{devices}.{told}");
        let refused = refusals("ResourceClaim", changed(&good, &format!("/spec/devices{path}"), value));
        assert!(refused.contains(&told), "{refused:?}");
    }
    let change = update_refusals("ResourceClaim", good.clone(), changed(&good, "/spec/devices/config", json!([])));
    assert!(change[0].starts_with("spec: Invalid value:") && change[0].ends_with("field is immutable"));
    assert_eq!(cells("ResourceClaim", good), ["x", "pending", "5m"]);
}

#[test]
fn slices_say_where_their_devices_are() {
    let good = json!({"spec": {"driver": "gpu.example.com", "nodeName": "n1",
        "pool": {"name": "n1", "generation": 1, "resourceSliceCount": 1},
        "devices": [{"name": "gpu-0", "attributes": {"model": {"string": "a"}}, "capacity": {"memory": {"value": "1Gi"}}}]}});
    each(
        "ResourceSlice",
        &good,
        &[
            (
                "/spec/pool/resourceSliceCount",
                json!(0),
                "spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero",
            ),
            (
                "/spec/devices/0/attributes/model",
                json!({"string": "a", "int": 1}),
                "spec.devices[0].attributes[model]: Invalid value: {\"int\":1,\"string\":\"a\"}: exactly one value must be specified",
            ),
            (
                "/spec/devices/0/attributes/model",
                json!({"version": "1"}),
                "spec.devices[0].attributes[model].version: Invalid value: \"1\": must be a string compatible with semver.org \
                 spec 2.0.0",
            ),
            (
                "/spec/devices/0/capacity/memory",
                json!({"value": "1Gi", "requestPolicy": {"default": "1Gi"}}),
                "spec.devices[0].capacity[memory].requestPolicy: Forbidden: allowMultipleAllocations must be true",
            ),
        ],
    );
    let mut nowhere = good.clone();
    nowhere["spec"].as_object_mut().unwrap().remove("nodeName");
    assert_eq!(
        refusals("ResourceSlice", nowhere),
        [
            "spec: Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"
        ]
    );
    assert_eq!(cells("ResourceSlice", good), ["x", "n1", "gpu.example.com", "n1", "5m"]);
}

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

#[test]
fn a_service_of_the_api_is_named_after_what_it_serves() {
    let good = json!({"metadata": {"name": "v1.example.com"}, "spec": {"group": "example.com", "version": "v1",
        "groupPriorityMinimum": 100, "versionPriority": 10, "service": {"name": "s", "namespace": "n"}, "insecureSkipTLSVerify": true}});
    each(
        "APIService",
        &good,
        &[
            (
                "/metadata/name",
                json!("v2.example.com"),
                "metadata.name: Invalid value: \"v2.example.com\": must be `spec.version+\".\"+spec.group`: \"v1.example.com\"",
            ),
            (
                "/spec/versionPriority",
                json!(0),
                "spec.versionPriority: Invalid value: 0: must be positive and less than 1000",
            ),
            (
                "/spec/service",
                json!(null),
                "spec.insecureSkipTLSVerify: Invalid value: true: local APIServices may not have insecureSkipTLSVerify",
            ),
        ],
    );
    assert_eq!(cells("APIService", good), ["x", "n/s", "Unknown", "5m"]);
}
