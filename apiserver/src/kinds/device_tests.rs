//! Tests of what claims, classes and slices of devices refuse, fill in and show.

use serde_json::{Value, json};

use crate::kinds::rules_tests::{changed, draft, each, merged, refusals, status_refusals, update_refusals};
use crate::kinds::table_tests::cells;

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

#[test]
fn what_a_claim_was_given_is_told_in_one_form() {
    let share = "0b5c7b1e-58a3-4b63-8f0e-0c2a6a3d0f01";
    let place = json!({"driver": "gpu.example.com", "pool": "n1", "device": "gpu-0", "shareID": share});
    let with = |addition: Value| merged(place.clone(), &addition);
    let good = json!({"spec": {"devices": {"requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu"}}]}},
        "status": {"allocation": {"devices": {"results": [with(json!({"request": "gpu"}))]}},
            "devices": [with(json!({"networkData": {"ips": ["10.9.8.7/24"]}}))],
            "reservedFor": [{"resource": "pods", "name": "p", "uid": "u"}]}});
    let old = json!({"spec": good["spec"]});
    assert_eq!(status_refusals("ResourceClaim", old.clone(), good.clone()), [""; 0]);
    for (path, value, told) in [
        (
            "/allocation/devices/results/0/shareID",
            json!("x"),
            "allocation.devices.results[0].shareID: Invalid value: \"x\": error validating uid: invalid UUID length: 1",
        ),
        (
            "/devices/0/shareID",
            json!(share.replace('-', "/")),
            "devices[0].shareID: Invalid value: \"0b5c7b1e/58a3/4b63/8f0e/0c2a6a3d0f01\": error validating uid: invalid \
             UUID format",
        ),
        (
            "/devices/0/shareID",
            json!(share.to_uppercase()),
            "devices[0].shareID: Invalid value: \"0B5C7B1E-58A3-4B63-8F0E-0C2A6A3D0F01\": uid must be in RFC 4122 \
             normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters",
        ),
        (
            "/devices/0/networkData/ips/0",
            json!("2001:DB8::1/64"),
            "devices[0].networkData.ips[0]: Invalid value: \"2001:DB8::1/64\": must be in canonical form \
             (\"2001:db8::1/64\")",
        ),
        ("/allocation", json!(null), "reservedFor: Forbidden: may not be specified when `allocated` is not set"),
    ] {
        let refused = status_refusals("ResourceClaim", old.clone(), changed(&good, &format!("/status{path}"), value));
        assert!(refused.contains(&format!("status.{told}")), "{refused:?}");
    }
    let nameless = changed(&good, "/status/allocation/devices/results/0/device", json!(""));
    let refused = status_refusals("ResourceClaim", old, nameless).join("\n");
    assert!(refused.contains("results[0].device: Invalid value: \"\": a lowercase RFC 1123 label"), "{refused}");
}

#[test]
fn a_template_of_claims_says_nothing_of_their_names() {
    let template = |metadata: Value| json!({"spec": {"metadata": metadata, "spec": {}}});
    assert_eq!(refusals("ResourceClaimTemplate", template(json!({"labels": {"a": "b"}}))), [""; 0]);
    assert_eq!(
        refusals("ResourceClaimTemplate", template(json!({"name": "x", "uid": "u", "labels": {"a b": ""}})))
            .split_off(1),
        ["spec.metadata.name: Forbidden: cannot be set", "spec.metadata.uID: Forbidden: cannot be set"]
    );
}

#[test]
fn a_device_has_values_and_a_place() {
    let slice = |device: Value, addition: Value| {
        let device = merged(json!({"name": "gpu-0"}), &device);
        let spec = json!({"driver": "gpu.example.com", "devices": [device],
            "pool": {"name": "n1", "generation": 1, "resourceSliceCount": 1}});
        refusals("ResourceSlice", json!({"spec": merged(spec, &addition)}))
    };
    let on_a_node = |device: Value| slice(device, json!({"nodeName": "n1"}));
    let long = "a".repeat(97);
    let shown = format!("{}...{}", &long[..47], &long[..46]);
    assert_eq!(
        on_a_node(json!({"attributes": {long: {}}})),
        [
            "spec.devices[0].attributes: Too long: may not be more than 32 bytes".to_owned(),
            format!("spec.devices[0].attributes[{shown}]: Invalid value: \"\": exactly one value must be specified"),
        ]
    );
    let shared = |policy: Value| {
        let capacity = json!({"memory": {"value": "4Gi", "requestPolicy": policy}});
        on_a_node(json!({"allowMultipleAllocations": true, "capacity": capacity}))
    };
    let at = "spec.devices[0].capacity[memory].requestPolicy";
    let default = |path: &str, value: &str| {
        format!("{at}.{path}: Invalid value: \"{value}\": default value is not valid according to the requestPolicy")
    };
    assert_eq!(
        shared(json!({"default": "2Gi", "validValues": ["1Gi", "1024Mi"]})),
        [format!("{at}.validValues[1]: Duplicate value: \"1073741824\""), default("validValues", "2Gi")]
    );
    let many: Vec<String> = (1..12).map(|value| value.to_string()).collect();
    assert_eq!(
        shared(json!({"default": "1", "validValues": many})),
        [format!("{at}.validValues: Too many: 11: must have at most 10 items"), default("validValues", "1")]
    );
    assert_eq!(
        shared(json!({"default": "3Gi", "validRange": {"min": "3Gi", "step": "2Gi"}})),
        [format!("{at}.validRange.step: Invalid value: \"2Gi\": one step 5Gi is larger than capacity value: 4Gi")]
    );
    let told = "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set \
                to true in the ResourceSlice spec";
    assert_eq!(
        slice(json!({"nodeName": ""}), json!({"perDeviceNodeSelection": true})),
        [
            "spec.devices[0].nodeName: Invalid value: \"\": must not be empty".to_owned(),
            format!("spec.devices[0]: Required value: {told}"),
        ]
    );
}
