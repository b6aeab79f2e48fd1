//! Tests of what kinds of admission and flow control refuse, fill in and show.

use serde_json::{Value, json};

use crate::kinds::rules_tests::{changed, draft, each, merged, refusals, status_refusals};
use crate::kinds::table_tests::cells;

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
                    "/webhooks/0/clientConfig",
                    json!({"service": {"name": "", "namespace": "n"}}),
                    "webhooks[0].clientConfig.service.name: Required value",
                ),
                (
                    "/webhooks/0/rules/0/resources",
                    json!(["*", "pods"]),
                    "webhooks[0].rules[0].resources: Invalid value: [\"*\",\"pods\"]: if '*' is present, must not specify \
                     other resources without subresources",
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
    let mut last_is_all = good.clone();
    last_is_all["webhooks"][0]["rules"][0]["resources"] = json!(["pods", "*"]);
    assert_eq!(refusals("ValidatingWebhookConfiguration", last_is_all), [""; 0]);
    let mut odd = good.clone();
    odd["webhooks"][0]["reinvocationPolicy"] = json!("Often");
    assert_eq!(
        refusals("MutatingWebhookConfiguration", odd),
        ["webhooks[0].reinvocationPolicy: Unsupported value: \"Often\": supported values: \"IfNeeded\", \"Never\""]
    );
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
                "spec.variables[0].name: Invalid value: \"in\": must be a valid CEL identifier",
            ),
            (
                "/spec/validations/0/expression",
                json!(" "),
                "spec.validations[0].expression: Required value: expression is not specified",
            ),
            (
                "/spec/validations/0/message",
                json!("a\nb"),
                "spec.validations[0].message: Invalid value: \"a\\nb\": must not contain line breaks",
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
                "/spec/matchConstraints/resourceRules/0/operations",
                json!(["UPDATE", "DELETE"]),
                "spec.matchConstraints.resourceRules.operations: Unsupported value: \"DELETE\": supported values: \"*\", \
                 \"CONNECT\", \"CREATE\", \"UPDATE\"",
            ),
            (
                "/spec/mutations/0/jsonPatch/expression",
                json!(" "),
                "spec.mutations[0].jsonPatch.expression: Required value",
            ),
            (
                "/spec/mutations/0",
                json!({"patchType": "JSONPatch"}),
                "spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch",
            ),
        ],
    );
    let all = json!({"resourceRules": [changed(&rule(), "/operations", json!(["DELETE"]))], "matchPolicy": "Some"});
    let placed = json!({"spec": {"policyName": "p", "validationActions": ["Deny"], "matchResources": all}});
    let policy =
        "spec.matchResources.matchPolicy: Unsupported value: \"Some\": supported values: \"Equivalent\", \"Exact\"";
    assert_eq!(refusals("ValidatingAdmissionPolicyBinding", placed.clone()), [policy]);
    let operations = "spec.matchResources.resourceRules.operations: Unsupported value: \"DELETE\": supported values: \
                      \"*\", \"CONNECT\", \"CREATE\", \"UPDATE\"";
    let mut placed = placed;
    placed["spec"].as_object_mut().unwrap().remove("validationActions");
    assert_eq!(refusals("MutatingAdmissionPolicyBinding", placed), [policy, operations]);
    let mut nameless = good.clone();
    nameless["metadata"] = json!({});
    assert_eq!(
        refusals("ValidatingAdmissionPolicy", nameless),
        ["spec.auditAnnotations[0].key: Invalid value: \"k\": requires metadata.name be non-empty"]
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
                "/spec/distinguisherMethod",
                json!({"type": "ByHour"}),
                "spec.distinguisherMethod.type: Unsupported value: {\"type\":\"ByHour\"}: supported values: \
                 \"ByNamespace\", \"ByUser\"",
            ),
            (
                "/spec/rules/0/resourceRules/0/verbs",
                json!(["get", "taste"]),
                "spec.rules[0].resourceRules[0].verbs: Unsupported value: [\"get\",\"taste\"]: supported values: \
                 \"create\", \"delete\", \"deletecollection\", \"get\", \"list\", \"patch\", \"proxy\", \
                 \"update\", \"watch\"",
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
    let limits = json!({"spec": {"limited": {"nominalConcurrencyShares": -1, "lendablePercent": 101,
        "borrowingLimitPercent": -1, "limitResponse": {"type": "Wait", "queuing": null}}}});
    assert_eq!(
        refusals("PriorityLevelConfiguration", merged(level.clone(), &limits)),
        [
            "spec.limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer",
            "spec.limited.limitResponse.type: Unsupported value: \"Wait\": supported values: \"Queue\", \"Reject\"",
            "spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive",
            "spec.limited.borrowingLimitPercent: Invalid value: -1: if specified, must be a non-negative integer",
        ]
    );
    let exempt = json!({"metadata": {"name": "exempt"}, "spec": {"type": "Exempt", "exempt": {"lendablePercent": 10}}});
    assert_eq!(refusals("PriorityLevelConfiguration", exempt.clone()), [""; 0]);
    let bounded = merged(exempt, &json!({"spec": {"limited": {}}}));
    let refused = refusals("PriorityLevelConfiguration", bounded);
    assert_eq!(refused[0], "spec.limited: Forbidden: must be nil if the type is not Limited");
    assert!(refused[1].ends_with("spec of 'exempt' except the 'spec.exempt' field must equal the fixed value"));
    let condition = |kind: &str| json!({"type": kind, "status": "True"});
    let twice = json!({"status": {"conditions": [condition("A"), condition("A"), condition("")]}});
    for (kind, object) in [("PriorityLevelConfiguration", &level), ("FlowSchema", &good)] {
        assert_eq!(
            status_refusals(kind, object.clone(), merged(object.clone(), &twice)),
            [
                "status.conditions[1].type: Duplicate value: \"A\"",
                "status.conditions[2].type: Required value: must not be empty",
            ]
        );
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
