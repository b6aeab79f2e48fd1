//! Tests of the kinds that bound, scale and store: what they refuse, fill in and show.

use serde_json::{Value, json};

use crate::kinds::rules_tests::{assert_refused, draft, merged, status_refusals, update_refusals};
use crate::kinds::table_tests::cells;

#[test]
fn a_budget_says_one_thing() {
    let budget = |spec: Value| json!({"metadata": {"name": "x"}, "spec": spec});
    assert_refused(
        "PodDisruptionBudget",
        budget,
        &[
            (json!({"minAvailable": "50%", "selector": {}}), &[]),
            (
                json!({"minAvailable": 1, "maxUnavailable": 1}),
                &[
                    "spec: Invalid value: {\"maxUnavailable\":1,\"minAvailable\":1}: minAvailable and maxUnavailable cannot be \
               both set",
                ],
            ),
            (
                json!({"maxUnavailable": "110%", "unhealthyPodEvictionPolicy": "Never"}),
                &[
                    "spec.maxUnavailable: Invalid value: \"110%\": must not be greater than 100%",
                    "spec.unhealthyPodEvictionPolicy: Unsupported value: \"Never\": supported values: \"AlwaysAllow\", \
                 \"IfHealthyBudget\"",
                ],
            ),
        ],
    );
    let with = |status: Value| merged(budget(json!({"minAvailable": 1})), &json!({"status": status}));
    let refused = status_refusals(
        "PodDisruptionBudget",
        with(json!({})),
        with(json!({"disruptionsAllowed": -1, "conditions": [{"type": "A", "status": "Maybe", "reason": "1",
            "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]})),
    );
    assert_eq!(refused.len(), 3, "{refused:?}");
    assert!(refused[1].starts_with("status.conditions[0].reason: Invalid value: \"1\": a condition reason must start"));
}

#[test]
fn autoscalers_have_bounds_and_metrics_in_both_forms() {
    let autoscaler = |change: Value| {
        let spec = json!({"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "web"}});
        json!({"metadata": {"name": "x"}, "spec": merged(spec, &change)})
    };
    let filled = draft("HorizontalPodAutoscaler", autoscaler(json!({"behavior": {"scaleDown": {}}}))).to_value();
    assert_eq!(filled["spec"]["minReplicas"], 1);
    assert_eq!(
        filled["spec"]["metrics"],
        json!([{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}])
    );
    assert_eq!(
        filled["spec"]["behavior"],
        json!({"scaleUp": {"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": [
                {"type": "Pods", "value": 4, "periodSeconds": 15}, {"type": "Percent", "value": 100, "periodSeconds": 15}]},
            "scaleDown": {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}})
    );
    assert_refused(
        "HorizontalPodAutoscaler",
        autoscaler,
        &[
            (
                json!({"minReplicas": 0}),
                &[
                    "spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero \
                 replicas",
                    "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1",
                ],
            ),
            (
                json!({"minReplicas": 4}),
                &["spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`"],
            ),
            (
                json!({"scaleTargetRef": {"name": "a/b"}}),
                &["spec.scaleTargetRef.name: Invalid value: \"a/b\": may not contain '/'"],
            ),
            (
                json!({"metrics": [{"type": "Pods", "resource": {"name": "cpu", "target": {"type": "Utilization"}}}]}),
                &[
                    "spec.metrics[0].resource.target.averageUtilization: Required value: must set either a target raw value or \
                 a target utilization",
                    "spec.metrics[0].pods: Required value: must populate information for the given metric source",
                ],
            ),
            (
                json!({"behavior": {"scaleUp": {"stabilizationWindowSeconds": 3601, "policies": [
                {"type": "Pods", "value": 0, "periodSeconds": 1801}]}}}),
                &[
                    "spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600",
                    "spec.behavior.scaleUp.policies[0].value: Invalid value: 0: must be greater than zero",
                    "spec.behavior.scaleUp.policies[0].periodSeconds: Invalid value: 1801: must be less than or equal to 1800",
                ],
            ),
        ],
    );
}

#[test]
fn claims_ask_for_storage_and_keep_what_they_got() {
    let claim = |change: Value| {
        let spec = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}});
        json!({"metadata": {"name": "x"}, "spec": merged(spec, &change)})
    };
    let filled = draft("PersistentVolumeClaim", claim(json!({}))).to_value();
    assert_eq!((&filled["spec"]["volumeMode"], &filled["status"]["phase"]), (&json!("Filesystem"), &json!("Pending")));
    let mut source =
        draft("PersistentVolumeClaim", claim(json!({"dataSource": {"kind": "PersistentVolumeClaim", "name": "o"}})));
    source.before_create();
    assert_eq!(source.to_value()["spec"]["dataSourceRef"], json!({"kind": "PersistentVolumeClaim", "name": "o"}));
    assert_refused(
        "PersistentVolumeClaim",
        claim,
        &[
            (json!({"accessModes": []}), &["spec.accessModes: Required value: at least 1 access mode is required"]),
            (
                json!({"accessModes": ["ReadWriteOncePod", "ReadOnlyMany"]}),
                &["spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes"],
            ),
            (json!({"resources": null}), &["spec.resources[storage]: Required value"]),
            (
                json!({"resources": {"requests": {"storage": "0"}}}),
                &["spec.resources[storage]: Invalid value: \"0\": must be greater than zero"],
            ),
            (
                json!({"volumeMode": "Tape", "dataSource": {"kind": "Pod", "name": "p"}}),
                &[
                    "spec.volumeMode: Unsupported value: \"Tape\": supported values: \"Block\", \"Filesystem\"",
                    "spec.dataSource: Invalid value: \"Pod\": must be 'PersistentVolumeClaim' when referencing the default \
                 apiGroup",
                    "spec.dataSourceRef: Invalid value: \"Pod\": must be 'PersistentVolumeClaim' when referencing the default \
                 apiGroup",
                ],
            ),
        ],
    );
    let asks = |amount: &str| json!({"resources": {"requests": {"storage": amount}}});
    let bound =
        |change: Value| merged(claim(change), &json!({"status": {"phase": "Bound", "capacity": {"storage": "2Gi"}}}));
    assert_eq!(update_refusals("PersistentVolumeClaim", bound(json!({})), bound(asks("3Gi"))), [""; 0]);
    assert_eq!(update_refusals("PersistentVolumeClaim", claim(json!({})), claim(json!({"volumeName": "v"}))), [""; 0]);
    assert_eq!(
        update_refusals("PersistentVolumeClaim", bound(json!({})), bound(asks("1Gi"))),
        ["spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"]
    );
    let class = |name: &str| bound(json!({"volumeAttributesClassName": name}));
    let applied = merged(class("a"), &json!({"status": {"currentVolumeAttributesClassName": "a"}}));
    assert_eq!(
        update_refusals("PersistentVolumeClaim", applied, bound(json!({}))),
        ["spec.volumeAttributesClassName: Forbidden: update to nil is forbidden when \
          status.currentVolumeAttributesClassName is not nil"]
    );
    assert_eq!(update_refusals("PersistentVolumeClaim", class("a"), bound(json!({}))), [""; 0]);
    let annotated = |spec: Value, class: Value| {
        merged(claim(spec), &json!({"metadata": {"annotations": {"volume.beta.kubernetes.io/storage-class": class}}}))
    };
    let (old, new) = (annotated(json!({}), json!("s")), annotated(json!({"storageClassName": "s"}), Value::Null));
    assert_eq!(update_refusals("PersistentVolumeClaim", old.clone(), new), [""; 0]);
    assert_eq!(
        update_refusals("PersistentVolumeClaim", old, annotated(json!({}), json!("t"))),
        ["metadata.annotations.volume.beta.kubernetes.io/storage-class: Invalid value: \"t\": field is immutable"]
    );
    let resizing = json!({"status": {"allocatedResourceStatuses": {"storage": "Growing", "cpu": "NodeResizePending"}}});
    let refused = status_refusals("PersistentVolumeClaim", bound(json!({})), merged(bound(json!({})), &resizing));
    assert_eq!(
        refused[0],
        "status.allocatedResourceStatuses: Unsupported value: \"cpu\": supported values: \"storage\""
    );
    assert!(refused[1].starts_with("status.allocatedResourceStatuses: Unsupported value: \"storage\": supported"));
    let refused = update_refusals("PersistentVolumeClaim", claim(json!({})), claim(asks("3Gi")));
    assert_eq!(
        refused,
        [
            "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for \
          bound claims\n@@ -4,7 +4,7 @@\n  ],\n  \"resources\": {\n   \"requests\": {\n-   \"storage\": \"2Gi\"\n+   \
          \"storage\": \"3Gi\"\n   }\n  },\n  \"volumeMode\": \"Filesystem\"\n"
        ]
    );
}

#[test]
fn volumes_have_one_source_for_ever() {
    let volume = |change: Value| {
        let spec =
            json!({"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/data"}});
        json!({"metadata": {"name": "x"}, "spec": merged(spec, &change)})
    };
    let filled = draft("PersistentVolume", volume(json!({}))).to_value();
    assert_eq!(filled["spec"]["persistentVolumeReclaimPolicy"], "Retain");
    assert_eq!(
        (&filled["spec"]["volumeMode"], &filled["spec"]["hostPath"]["type"]),
        (&json!("Filesystem"), &json!(""))
    );
    assert_refused(
        "PersistentVolume",
        volume,
        &[
            (json!({"hostPath": null}), &["spec: Required value: must specify a volume type"]),
            (
                json!({"hostPath": null, "nfs": {"server": "s", "path": ""}}),
                &["spec.nfs.path: Required value", "spec.nfs.path: Invalid value: \"\": must be an absolute path"],
            ),
            (
                json!({"hostPath": null, "iscsi": {"targetPortal": "t", "iqn": "", "lun": 0}}),
                &["spec.iscsi.iqn: Required value"],
            ),
            (
                json!({"hostPath": null, "csi": {"driver": "d", "volumeHandle": "h",
                    "nodePublishSecretRef": {"name": "s", "namespace": ""}}}),
                &["spec.csi.nodePublishSecretRef.namespace: Required value"],
            ),
            (
                json!({"nfs": {"server": "s", "path": "/"}}),
                &["spec.nfs: Forbidden: may not specify more than 1 volume type"],
            ),
            (
                json!({"capacity": {"cpu": "1"}, "persistentVolumeReclaimPolicy": "Burn"}),
                &[
                    "spec.capacity: Unsupported value: {\"cpu\":\"1\",\"storage\":\"1Gi\"}: supported values: \"storage\"",
                    "spec.persistentVolumeReclaimPolicy: Unsupported value: \"Burn\": supported values: \"Delete\", \
                 \"Recycle\", \"Retain\"",
                ],
            ),
            (
                json!({"hostPath": null, "local": {"path": "/x"}}),
                &["spec.nodeAffinity: Required value: Local volume requires node affinity"],
            ),
            (
                json!({"hostPath": {"path": "/"}, "persistentVolumeReclaimPolicy": "Recycle"}),
                &["spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'"],
            ),
            (
                json!({"nodeAffinity": {"required": {"nodeSelectorTerms": []}}}),
                &[
                    "spec.nodeAffinity.required.nodeSelectorTerms: Required value: must have at least one node selector term",
                ],
            ),
        ],
    );
    let claimed =
        volume(json!({"claimRef": {"name": "c", "namespace": "n"}, "persistentVolumeReclaimPolicy": "Delete"}));
    assert_eq!(update_refusals("PersistentVolume", volume(json!({})), claimed), [""; 0]);
    let moved = update_refusals("PersistentVolume", volume(json!({})), volume(json!({"hostPath": {"path": "/other"}})));
    assert!(moved[0].starts_with(
        "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation\n@@ -"
    ));
}

#[test]
fn limits_are_in_order_and_complete() {
    let range = |item: Value| json!({"metadata": {"name": "x"}, "spec": {"limits": [merged(json!({"type": "Container"}), &item)]}});
    let filled =
        draft("LimitRange", range(json!({"max": {"cpu": "2"}, "min": {"cpu": "1", "memory": "1Mi"}}))).to_value();
    let item = &filled["spec"]["limits"][0];
    assert_eq!(item["default"], json!({"cpu": "2"}));
    assert_eq!(item["defaultRequest"], json!({"cpu": "2", "memory": "1Mi"}));
    assert_refused(
        "LimitRange",
        range,
        &[
            (
                json!({"max": {"cpu": "1"}, "min": {"cpu": "2"}, "default": {"cpu": "1"}, "defaultRequest": {"cpu": "1"}}),
                &[
                    "spec.limits[0].min[cpu]: Invalid value: \"2\": min value 2 is greater than max value 1",
                    "spec.limits[0].defaultRequest[cpu]: Invalid value: \"1\": min value 2 is greater than default request \
                 value 1",
                    "spec.limits[0].default[cpu]: Invalid value: \"2\": min value 2 is greater than default value 1",
                ],
            ),
            (
                json!({"max": {"cpu": "4"}, "min": {"cpu": "2"}, "maxLimitRequestRatio": {"cpu": "3"}}),
                &[
                    "spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: \"3\": ratio 3 is greater than max/min = 2.000000",
                ],
            ),
            (
                json!({"type": "Pod", "default": {"cpu": "1"}}),
                &["spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'"],
            ),
            (
                json!({"type": "PersistentVolumeClaim"}),
                &[
                    "spec.limits[0].limits: Required value: either minimum or maximum storage value is required, but neither was \
               provided",
                ],
            ),
            (
                json!({"type": "Odd"}),
                &["spec.limits[0].type: Invalid value: \"Odd\": must be a standard limit type or fully qualified"],
            ),
            (
                json!({"max": {"pods": "1"}}),
                &[
                    "spec.limits[0].max[pods]: Invalid value: \"pods\": must be a standard resource for containers",
                    "spec.limits[0].default[pods]: Invalid value: \"pods\": must be a standard resource for containers",
                    "spec.limits[0].defaultRequest[pods]: Invalid value: \"pods\": must be a standard resource for containers",
                ],
            ),
        ],
    );
}

#[test]
fn quotas_bound_what_can_be_counted() {
    let quota = |spec: Value| json!({"metadata": {"name": "x"}, "spec": merged(json!({"hard": {"pods": "5"}}), &spec)});
    assert_refused(
        "ResourceQuota",
        quota,
        &[
            (
                json!({"hard": {"count/deployments.apps": "2", "requests.nvidia.com/gpu": "1", "requests.storage": "1Gi"}}),
                &[],
            ),
            (
                json!({"hard": {"pods": "1.5", "planets": "1"}}),
                &[
                    "spec.hard[planets]: Invalid value: \"planets\": must be a standard resource type or fully qualified",
                    "spec.hard[planets]: Invalid value: \"planets\": must be a standard resource for quota",
                    "spec.hard[pods]: Invalid value: \"1500m\": must be an integer",
                ],
            ),
            (
                json!({"hard": {"secrets": "1"}, "scopes": ["BestEffort", "NotBestEffort"]}),
                &[
                    "spec.scopes: Invalid value: [\"BestEffort\",\"NotBestEffort\"]: unsupported scope applied to resource",
                    "spec.scopes: Invalid value: [\"BestEffort\",\"NotBestEffort\"]: unsupported scope applied to resource",
                    "spec.scopes: Invalid value: [\"BestEffort\",\"NotBestEffort\"]: conflicting scopes",
                ],
            ),
            (
                json!({"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In"}]}}),
                &[
                    "spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when `operator` is \
               'In' or 'NotIn' for scope selector",
                ],
            ),
            (
                json!({"scopeSelector": {"matchExpressions": [
                    {"scopeName": "BestEffort", "operator": "In", "values": ["a"]}]}}),
                &[
                    "spec.scopeSelector.matchExpressions.operator: Invalid value: \"In\": must be 'Exists' when scope is any of \
               ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, \
               ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity",
                ],
            ),
        ],
    );
    assert_eq!(
        update_refusals("ResourceQuota", quota(json!({})), quota(json!({"scopes": ["BestEffort"]}))),
        ["spec.scopes: Invalid value: [\"BestEffort\"]: field is immutable"]
    );
}

#[test]
fn tables_show_storage_and_bounds_as_upstream_shows_them() {
    let volume = json!({"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadOnlyMany", "ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Retain", "claimRef": {"namespace": "n", "name": "c"}, "storageClassName": "s",
        "volumeMode": "Block"}, "status": {"phase": "Bound"}});
    assert_eq!(
        cells("PersistentVolume", volume),
        ["x", "1Gi", "RWO,ROX", "Retain", "Bound", "n/c", "s", "<unset>", "", "5m", "Block"]
    );
    let claim = json!({"spec": {"volumeName": "v", "storageClassName": "s"},
        "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOncePod"]}});
    assert_eq!(
        cells("PersistentVolumeClaim", claim),
        ["x", "Bound", "v", "1Gi", "RWOP", "s", "<unset>", "5m", "<unset>"]
    );
    let pending = json!({"spec": {}, "status": {"phase": "Pending"}});
    assert_eq!(cells("PersistentVolumeClaim", pending)[1..5], ["Pending", "", "", ""]);
    let quota =
        json!({"status": {"hard": {"pods": "5", "limits.cpu": "2", "requests.cpu": "1"}, "used": {"pods": "1"}}});
    assert_eq!(cells("ResourceQuota", quota), ["x", "pods: 1/5, requests.cpu: 0/1", "limits.cpu: 0/2", "5m"]);
    assert_eq!(cells("LimitRange", json!({"spec": {"limits": []}})), ["x", "2026-01-01T00:00:00Z"]);
    let budget = json!({"spec": {"minAvailable": "50%"}, "status": {"disruptionsAllowed": 2}});
    assert_eq!(cells("PodDisruptionBudget", budget), ["x", "50%", "N/A", "2", "5m"]);
    let percent = |name: &str, percent: i32| {
        json!({"type": "Resource", "resource": {"name": name,
        "target": {"type": "Utilization", "averageUtilization": percent}}})
    };
    let autoscaler = json!({"spec": {"maxReplicas": 5, "minReplicas": 2, "scaleTargetRef": {"kind": "Deployment", "name": "w"},
        "metrics": [percent("cpu", 80), percent("memory", 70), percent("disk", 10)]},
        "status": {"currentReplicas": 3, "desiredReplicas": 3, "currentMetrics": [
            {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 40}}}]}});
    assert_eq!(
        cells("HorizontalPodAutoscaler", autoscaler),
        ["x", "Deployment/w", "cpu: 40%/80%, memory: <unknown>/70% + 1 more...", "2", "5", "3", "5m"]
    );
    let component = json!({"conditions": [{"type": "Healthy", "status": "False", "message": "m", "error": "e"}]});
    assert_eq!(cells("ComponentStatus", component), ["x", "Unhealthy", "m", "e"]);
}

#[test]
fn old_ways_of_storage_are_warned_of() {
    let old = json!({"volume.beta.kubernetes.io/storage-class": "s"});
    let claim = json!({"metadata": {"annotations": old}, "spec": {"resources": {"requests": {"storage": "500m"}}}});
    let class = "metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated since v1.8; use \
                 \"storageClassName\" attribute instead";
    assert_eq!(
        draft("PersistentVolumeClaim", claim).warnings(),
        [class, "spec.resources.requests[storage]: fractional byte value \"500m\" is invalid, must be an integer"]
    );
    let volume = json!({"metadata": {"annotations": old}, "spec": {"persistentVolumeReclaimPolicy": "Recycle"}});
    let warnings = draft("PersistentVolume", volume).warnings();
    assert_eq!(warnings[0], class);
    assert!(warnings[1].starts_with("spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated."));
}
