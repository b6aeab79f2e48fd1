//! Tests of what a pod's containers and volumes may be.

use serde_json::{Value, json};

use crate::kinds::rules_tests::{assert_refused, merged, refusals};

/// A pod of one container, which sees the volume `v`, with a change to the container.
fn container(change: Value) -> Value {
    let web = merged(json!({"name": "web", "image": "web:1"}), &change);
    json!({"spec": {"containers": [web], "volumes": [{"name": "v", "emptyDir": {}}]}})
}

/// A pod with one volume besides its name.
fn volume(source: Value) -> Value {
    let volume = merged(json!({"name": "v"}), &source);
    json!({"spec": {"containers": [{"name": "web", "image": "web:1"}], "volumes": [volume]}})
}

const NOT_ONE: &str = "may not have more than one field specified at a time";

#[test]
fn a_variable_comes_from_one_place() {
    let from = |source: Value| json!({"env": [{"name": "A", "valueFrom": source}]});
    let path = "spec.containers[0].env[0].valueFrom";
    let field = |name: &str| from(json!({"fieldRef": {"fieldPath": name}}));
    let amount = |name: &str, divisor: &str| from(json!({"resourceFieldRef": {"resource": name, "divisor": divisor}}));
    let file = |change: Value| {
        let file = json!({"key": "K", "volumeName": "v", "path": "a/b"});
        from(json!({"fileKeyRef": merged(file, &change)}))
    };
    assert_refused(
        "Pod",
        container,
        &[
            (field("metadata.annotations['a/b']"), &[]),
            (
                field("metadata.labels"),
                &[&format!(
                    "{path}.fieldRef.fieldPath: Unsupported value: \"metadata.labels\": supported values: \
                     \"metadata.name\", \"metadata.namespace\", \"metadata.uid\", \"spec.nodeName\", \
                     \"spec.serviceAccountName\", \"status.hostIP\", \"status.hostIPs\", \"status.podIP\", \
                     \"status.podIPs\""
                )],
            ),
            (
                field("spec.colour"),
                &[&format!(
                    "{path}.fieldRef.fieldPath: Invalid value: \"spec.colour\": error converting fieldPath: field label \
                     not supported: spec.colour"
                )],
            ),
            (
                field("spec.nodeName['a']"),
                &[&format!(
                    "{path}.fieldRef.fieldPath: Invalid value: \"spec.nodeName['a']\": error converting fieldPath: field \
                     label does not support subscript: spec.nodeName['a']"
                )],
            ),
            (amount("limits.hugepages-2Mi", "1Mi"), &[]),
            (
                amount("limits.cpu", "2"),
                &[&format!(
                    "{path}.resourceFieldRef.divisor: Invalid value: \"limits.cpu\": only divisor's values 1m and 1 are \
                     supported with the cpu resource"
                )],
            ),
            (
                from(json!({"configMapKeyRef": {"name": "m", "key": "k"}, "secretKeyRef": {"name": "m", "key": ""}})),
                &[
                    &format!("{path}.secretKeyRef.key: Required value"),
                    &format!("{path}: Invalid value: \"\": {NOT_ONE}"),
                ],
            ),
            (file(json!({})), &[]),
            (
                file(json!({"volumeName": "w", "path": "../b"})),
                &[
                    &format!("{path}.fileKeyRef.path: Invalid value: \"../b\": must not contain '..'"),
                    &format!("{path}.fileKeyRef.volumeName: Not found: \"w\""),
                ],
            ),
            (
                json!({"envFrom": [{}, {"prefix": "=", "secretRef": {"name": "s"}}, {"configMapRef": {"name": ""}}]}),
                &[
                    "spec.containers[0].envFrom: Invalid value: \"\": must specify one of: `configMapRef` or `secretRef`",
                    "spec.containers[0].envFrom[1].prefix: Invalid value: \"=\": a valid environment variable name must \
                     consist only of printable ASCII characters other than '='",
                    "spec.containers[0].envFrom[2].configMapRef.name: Required value",
                ],
            ),
        ],
    );
}

#[test]
fn mounts_say_where_and_how() {
    let mount = |change: Value| json!({"volumeMounts": [merged(json!({"name": "v", "mountPath": "/v"}), &change)]});
    let path = "spec.containers[0].volumeMounts";
    assert_refused(
        "Pod",
        container,
        &[
            (
                mount(json!({"subPath": "a", "subPathExpr": "/b"})),
                &[
                    &format!(
                        "{path}[0].subPathExpr: Invalid value: \"/b\": subPathExpr and subPath are mutually exclusive"
                    ),
                    &format!("{path}.subPathExpr: Invalid value: \"/b\": must be a relative path"),
                ],
            ),
            (
                mount(json!({"mountPropagation": "Bidirectional"})),
                &[&format!(
                    "{path}.mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged \
                     containers"
                )],
            ),
            (
                mount(json!({"recursiveReadOnly": "Enabled", "mountPropagation": "HostToContainer"})),
                &[
                    &format!("{path}.recursiveReadOnly: Forbidden: may only be specified when readOnly is true"),
                    &format!(
                        "{path}.recursiveReadOnly: Forbidden: may only be specified when mountPropagation is None or not \
                         specified"
                    ),
                ],
            ),
            (
                json!({"volumeDevices": [{"name": "v", "devicePath": "/a/../b"}]}),
                &[
                    "spec.containers[0].volumeDevices[0].name: Invalid value: \"v\": can only use volume source type of \
                     PersistentVolumeClaim or Ephemeral for block mode",
                    "spec.containers[0].volumeDevices[0].devicePath: Invalid value: \"/a/../b\": can not contain \
                     backsteps ('..')",
                ],
            ),
        ],
    );
}

#[test]
fn ports_of_the_host_are_taken_once() {
    let port = |change: Value| merged(json!({"containerPort": 80, "hostPort": 80}), &change);
    let twice = container(json!({"ports": [port(json!({})), port(json!({"containerPort": 81}))]}));
    assert_eq!(refusals("Pod", twice), ["spec.containers[0].ports[1].hostPort: Duplicate value: \"TCP//80\""]);
    let elsewhere = container(json!({"ports": [port(json!({})), port(json!({"hostIP": "10.0.0.1"}))]}));
    assert_eq!(refusals("Pod", elsewhere), [""; 0]);
    let other =
        merged(container(json!({"ports": [port(json!({"hostPort": 81}))]})), &json!({"spec": {"hostNetwork": true}}));
    assert_eq!(
        refusals("Pod", other),
        [
            "spec.containers[0].ports[0].hostPort: Invalid value: 81: must match `containerPort` when `hostNetwork` is true"
        ]
    );
}

#[test]
fn handlers_are_checked_by_what_they_do() {
    assert_refused(
        "Pod",
        container,
        &[
            (json!({"lifecycle": {"preStop": {"sleep": {"seconds": 5}}}}), &[]),
            (
                json!({"lifecycle": {"preStop": {"sleep": {"seconds": 60}}}}),
                &["spec.containers[0].lifecycle.preStop.sleep: Invalid value: 60: must be non-negative and less than \
                   terminationGracePeriodSeconds (30)"],
            ),
            (
                json!({"readinessProbe": {"exec": {"command": ["a"]}, "terminationGracePeriodSeconds": 1}}),
                &[
                    "spec.containers[0].readinessProbe.terminationGracePeriodSeconds: Invalid value: 1: must not be set for \
                   readinessProbes",
                ],
            ),
            (
                json!({"livenessProbe": {"httpGet": {"port": 80, "scheme": "FTP", "httpHeaders": [{"name": "a b", "value": ""}]}}}),
                &[
                    "spec.containers[0].livenessProbe.httpGet.scheme: Unsupported value: \"FTP\": supported values: \
                     \"HTTP\", \"HTTPS\"",
                    "spec.containers[0].livenessProbe.httpGet.httpHeaders: Invalid value: \"a b\": a valid HTTP header must \
                     consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is \
                     '[-A-Za-z0-9]+')",
                ],
            ),
            (
                json!({"image": " web"}),
                &["spec.containers[0].image: Invalid value: \" web\": must not have leading or trailing whitespace"],
            ),
        ],
    );
}

#[test]
fn volumes_are_of_one_sort_and_name_what_they_need() {
    let projected = |sources: Value| json!({"projected": {"sources": sources}});
    let map = json!({"configMap": {"name": "m", "items": [{"key": "k", "path": "p"}]}});
    let path = "spec.volumes[0]";
    assert_refused(
        "Pod",
        volume,
        &[
            (json!({"configMap": {}}), &[&format!("{path}.configMap.name: Required value")]),
            (
                json!({"emptyDir": {"sizeLimit": "-1"}}),
                &[&format!("{path}.emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity")],
            ),
            (
                json!({"nfs": {"server": "", "path": "a"}}),
                &[
                    &format!("{path}.nfs.server: Required value"),
                    &format!("{path}.nfs.path: Invalid value: \"a\": must be an absolute path"),
                ],
            ),
            (
                json!({"downwardAPI": {"items": [{"path": "..a", "resourceFieldRef": {"resource": "limits.cpu"}}]}}),
                &[
                    &format!("{path}.downwardAPI.path: Invalid value: \"..a\": must not start with '..'"),
                    &format!("{path}.downwardAPI.resourceFieldRef.containerName: Required value"),
                ],
            ),
            (projected(json!([map])), &[]),
            (
                projected(json!([map, map])),
                &[&format!("{path}.projected: Invalid value: \"m\": conflicting duplicate paths")],
            ),
            (
                projected(json!([{"serviceAccountToken": {"path": "t", "expirationSeconds": 5}}])),
                &[&format!(
                    "{path}.projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 5: may not specify \
                     a duration less than 10 minutes"
                )],
            ),
            (
                projected(json!([merged(map.clone(), &json!({"secret": {"name": "s"}}))])),
                &[&format!(
                    "{path}.projected.sources[0]: Forbidden: may not specify more than 1 volume type per source"
                )],
            ),
            (json!({"image": {}}), &[&format!("{path}.image.reference: Required value")]),
            (
                json!({"csi": {"driver": "d", "nodePublishSecretRef": {"name": ""}}}),
                &[&format!("{path}.csi.nodePublishSecretRef.name: Required value")],
            ),
            (
                json!({"glusterfs": {"endpoints": "e", "path": ""}}),
                &[&format!("{path}.glusterfs.path: Required value")],
            ),
        ],
    );
}

#[test]
fn where_a_pod_goes_is_said_rightly() {
    let pod = |spec: Value| merged(container(json!({})), &json!({"spec": spec}));
    let tolerating = |toleration: Value| json!({"tolerations": [toleration]});
    let near = |change: Value| {
        let term = merged(json!({"topologyKey": "zone", "labelSelector": {}}), &change);
        json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}})
    };
    let path = "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]";
    assert_refused(
        "Pod",
        pod,
        &[
            (
                tolerating(json!({"key": "a", "operator": "Exists", "value": "b"})),
                &[
                    "spec.tolerations[0].operator: Invalid value: \"b\": value must be empty when `operator` is 'Exists'",
                ],
            ),
            (
                tolerating(json!({"operator": "Equal"})),
                &[
                    "spec.tolerations[0].operator: Invalid value: \"Equal\": operator must be Exists when `key` is empty, \
                   which means \"match all values and all keys\"",
                ],
            ),
            (
                tolerating(json!({"key": "a", "operator": "Near"})),
                &["spec.tolerations[0].operator: Unsupported value: \"Near\": supported values: \"Equal\", \"Exists\""],
            ),
            (
                tolerating(json!({"key": "a", "operator": "Exists", "effect": "Stay"})),
                &["spec.tolerations[0].effect: Unsupported value: \"Stay\": supported values: \"NoSchedule\", \
                   \"PreferNoSchedule\", \"NoExecute\""],
            ),
            (near(json!({"matchLabelKeys": ["a"]})), &[]),
            (
                near(json!({"matchLabelKeys": ["a"], "mismatchLabelKeys": ["a"]})),
                &[&format!(
                    "{path}.matchLabelKeys[0]: Invalid value: \"a\": exists in both matchLabelKeys and mismatchLabelKeys"
                )],
            ),
            (
                near(json!({"labelSelector": null, "mismatchLabelKeys": ["a"]})),
                &[&format!("{path}.mismatchLabelKeys: Forbidden: must not be specified when labelSelector is not set")],
            ),
            (
                json!({"preemptionPolicy": "Maybe"}),
                &["spec.preemptionPolicy: Unsupported value: \"Maybe\": supported values: \"PreemptLowerPriority\", \
                   \"Never\""],
            ),
            (
                json!({"overhead": {"cpu": "-1"}}),
                &["spec.overhead.limits[cpu]: Invalid value: \"-1\": must be greater than or equal to 0"],
            ),
            (
                json!({"resourceClaims": [{"name": "a"}]}),
                &[
                    "spec.resourceClaims[0]: Invalid value: {\"name\":\"a\"}: must specify one of: `resourceClaimName`, \
                   `resourceClaimTemplateName`",
                ],
            ),
        ],
    );
    let costly = merged(
        pod(json!({})),
        &json!({"metadata": {"annotations": {"controller.kubernetes.io/pod-deletion-cost": "+1"}}}),
    );
    assert_eq!(
        refusals("Pod", costly),
        [
            "metadata.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid value: \"+1\": must be a 32bit integer"
        ]
    );
}
