//! Tests of what claims, classes and slices of devices refuse, fill in and show.

use serde_json::json;

use crate::kinds::rules_tests::{changed, draft, each, refusals, update_refusals};
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
