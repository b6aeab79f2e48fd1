//! Tests of what pods, their changes and their statuses may be.

use serde_json::{Value, json};

use crate::kinds::rules_tests::{assert_refused, draft, merged, refusals, status_refusals, update_refusals};

/// A pod that is right, with a change to its spec.
fn pod(change: Value) -> Value {
    let spec = json!({"containers": [{"name": "web", "image": "web:1"}]});
    json!({"metadata": {"name": "x"}, "spec": merged(spec, &change)})
}

/// A change of the pod's one container.
fn container(change: Value) -> Value {
    json!({"containers": [merged(json!({"name": "web", "image": "web:1"}), &change)]})
}

#[test]
fn security_contexts_are_checked() {
    let of_pod = |context: Value| json!({"securityContext": context});
    let of_container = |context: Value| container(json!({"securityContext": context}));
    assert_refused(
        "Pod",
        pod,
        &[
            (
                of_pod(json!({"runAsUser": -1, "fsGroupChangePolicy": "Never"})),
                &[
                    "spec.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive",
                    "spec.securityContext.fsGroupChangePolicy: Unsupported value: \"Never\": supported values: \"Always\", \
                 \"OnRootMismatch\"",
                ],
            ),
            (
                of_pod(json!({"seccompProfile": {"type": "Localhost"}})),
                &[
                    "spec.securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is \
               Localhost",
                ],
            ),
            (
                of_pod(
                    json!({"sysctls": [{"name": "a..b", "value": "1"}, {"name": "c.d", "value": "1"}, {"name": "c.d", "value": "2"}]}),
                ),
                &[
                    "spec.securityContext.sysctls[0].name: Invalid value: \"a..b\": must have at most 253 characters and match \
                 regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$",
                    "spec.securityContext.sysctls[2].name: Duplicate value: \"c.d\"",
                ],
            ),
            (
                of_container(json!({"privileged": true, "allowPrivilegeEscalation": false})),
                &[
                    "spec.containers[0].securityContext: Invalid value: {\"allowPrivilegeEscalation\":false,\"privileged\":true}: \
               cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
                ],
            ),
            (
                of_container(json!({"procMount": "Unmasked"})),
                &[
                    "spec.containers[0].securityContext.procMount: Invalid value: \"Unmasked\": `hostUsers` must be false to use \
               `Unmasked`",
                ],
            ),
            (
                json!({"shareProcessNamespace": true, "hostPID": true, "hostUsers": false}),
                &[
                    "spec.securityContext.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID \
                 cannot both be enabled",
                    "spec.HostPID: Forbidden: when `hostUsers` is false",
                ],
            ),
            (
                json!({"hostNetwork": true, "hostIPC": true, "securityContext": {"sysctls": [
                    {"name": "net.core.somaxconn", "value": "1"}, {"name": "kernel/msgmax", "value": "1"}]}}),
                &[
                    "spec.securityContext.sysctls[0].name: Invalid value: \"net.core.somaxconn\": may not be specified when \
                 'hostNetwork' is true",
                    "spec.securityContext.sysctls[1].name: Invalid value: \"kernel/msgmax\": may not be specified when \
                 'hostIPC' is true",
                ],
            ),
            (
                of_container(json!({"allowPrivilegeEscalation": false, "capabilities": {"add": ["CAP_SYS_ADMIN"]}})),
                &[
                    "spec.containers[0].securityContext: Invalid value: {\"allowPrivilegeEscalation\":false,\"capabilities\":\
               {\"add\":[\"CAP_SYS_ADMIN\"]}}: cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` \
               CAP_SYS_ADMIN",
                ],
            ),
            (
                of_container(json!({"seccompProfile": {"type": ""}, "appArmorProfile": {"type": "Localhost"}})),
                &[
                    "spec.containers[0].securityContext.seccompProfile.type: Required value: type is required when \
                 seccompProfile is set",
                    "spec.containers[0].securityContext.appArmorProfile.localhostProfile: Required value: must be set when \
                 AppArmor type is Localhost",
                ],
            ),
            (
                json!({"os": {"name": "linux"}, "securityContext": {"windowsOptions": {}}}),
                &["spec.securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod"],
            ),
            (
                json!({"os": {"name": "plan9"}}),
                &["spec.os: Unsupported value: \"plan9\": supported values: \"linux\", \"windows\""],
            ),
        ],
    );
}

#[test]
fn names_are_resolved_within_bounds() {
    let dns = |config: Value| json!({"dnsConfig": config});
    assert_refused(
        "Pod",
        pod,
        &[
            (
                dns(json!({"nameservers": ["1.1.1.1"], "searches": ["a.b", "_c.d."], "options": [{"name": "ndots"}]})),
                &[],
            ),
            (
                json!({"dnsPolicy": "None"}),
                &["spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"],
            ),
            (
                dns(json!({"nameservers": ["1.1.1.1", "1.1.1.2", "1.1.1.3", "x"], "options": [{}]})),
                &[
                    "spec.dnsConfig.nameservers: Invalid value: [\"1.1.1.1\",\"1.1.1.2\",\"1.1.1.3\",\"x\"]: must not have more \
                 than 3 nameservers",
                    "spec.dnsConfig.nameservers[3]: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 or \
                 2001:db8::ffff)",
                    "spec.dnsConfig.options[0]: Required value: must not be empty",
                ],
            ),
            (
                json!({"dnsPolicy": "Mine"}),
                &["spec.dnsPolicy: Unsupported value: \"Mine\": supported values: \"ClusterFirstWithHostNet\", \
               \"ClusterFirst\", \"Default\", \"None\""],
            ),
            (
                json!({"hostAliases": [{"ip": "010.0.0.1", "hostnames": ["a"]}]}),
                &["spec.hostAliases[0].ip: Invalid value: \"010.0.0.1\": must not have leading 0s"],
            ),
            (
                json!({"hostnameOverride": "a", "hostNetwork": true, "setHostnameAsFQDN": true}),
                &[
                    "spec.hostnameOverride: Forbidden: may not be specified when setHostnameAsFQDN is true",
                    "spec.hostnameOverride: Forbidden: may not be specified when hostNetwork is true",
                ],
            ),
        ],
    );
}

#[test]
fn pods_are_spread_by_rules_that_can_be_kept() {
    let spread = |change: Value| {
        let constraint = json!({"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"});
        json!({"topologySpreadConstraints": [merged(constraint, &change)]})
    };
    let path = "spec.topologySpreadConstraints[0]";
    let of_app = |spec: Value| merged(pod(spec), &json!({"metadata": {"labels": {"a": "b"}}}));
    assert_refused(
        "Pod",
        of_app,
        &[
            (spread(json!({"minDomains": 2, "nodeAffinityPolicy": "Honor"})), &[]),
            (spread(json!({"matchLabelKeys": ["a"], "labelSelector": {}})), &[]),
            (
                spread(json!({"matchLabelKeys": ["a"]})),
                &[&format!("{path}.matchLabelKeys: Forbidden: must not be specified when labelSelector is not set")],
            ),
            (
                spread(json!({"maxSkew": 0, "topologyKey": ""})),
                &[
                    &format!("{path}.maxSkew: Invalid value: 0: must be greater than zero"),
                    &format!("{path}.topologyKey: Required value: can not be empty"),
                ],
            ),
            (
                spread(json!({"whenUnsatisfiable": "ScheduleAnyway", "minDomains": 2})),
                &[&format!(
                    "{path}.minDomains: Invalid value: 2: can only use minDomains if whenUnsatisfiable=DoNotSchedule, not \
                 ScheduleAnyway"
                )],
            ),
            (
                spread(json!({"matchLabelKeys": ["a"], "labelSelector": {"matchLabels": {"a": "b"}}})),
                &[&format!("{path}[0]: Invalid value: \"a\": exists in both matchLabelKeys and labelSelector")],
            ),
        ],
    );
    let same = json!({"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"});
    assert_eq!(
        refusals("Pod", pod(json!({"topologySpreadConstraints": [same, same]}))),
        [
            "spec.topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}: Duplicate value: \"{zone, DoNotSchedule}\""
        ]
    );
}

#[test]
fn containers_that_end_are_not_probed_and_devices_are_told_apart() {
    let init = |change: Value| json!({"initContainers": [merged(json!({"name": "i", "image": "i:1"}), &change)]});
    let probe = json!({"readinessProbe": {"exec": {"command": ["true"]}}});
    let sidecar = merged(probe.clone(), &json!({"restartPolicy": "Always"}));
    let device = json!({"volumeDevices": [{"name": "v", "devicePath": "/d"}, {"name": "w", "devicePath": "/d"}]});
    assert_refused(
        "Pod",
        pod,
        &[
            (init(sidecar), &[]),
            (
                init(probe),
                &["spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without \
               restartPolicy=Always"],
            ),
            (
                merged(
                    container(device),
                    &json!({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]}),
                ),
                &[
                    "spec.containers[0].volumeDevices[1].name: Not found: \"w\"",
                    "spec.containers[0].volumeDevices[1].devicePath: Invalid value: \"/d\": must be unique",
                ],
            ),
            (
                container(json!({"resources": {"claims": [{"name": "gpu"}], "requests": {"example.com/gpu": "1"}}})),
                &[
                    "spec.containers[0].resources.limits: Required value: Limit must be set for non overcommitable resources",
                    "spec.containers[0].resources.claims[0]: Not found: \"gpu\": must be one of the names in \
                 pod.spec.resourceClaims which is empty",
                ],
            ),
            (
                merged(
                    container(json!({"resizePolicy": [{"resourceName": "cpu", "restartPolicy": "RestartContainer"}]})),
                    &json!({"restartPolicy": "Never"}),
                ),
                &[
                    "spec.containers[0].resizePolicy: Invalid value: \"RestartContainer\": must be 'NotRequired' when pod \
                 `restartPolicy` is 'Never'",
                ],
            ),
            (
                json!({"ephemeralContainers": [{"name": "debug", "image": "d", "ports": [{"containerPort": 1}],
                "targetContainerName": "db"}]}),
                &[
                    "spec.ephemeralContainers[0].targetContainerName: Not found: \"db\"",
                    "spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container",
                    "spec.ephemeralContainers: Forbidden: cannot be set on create",
                ],
            ),
            (
                json!({"schedulingGates": [{"name": "a"}, {"name": "a"}], "nodeName": "n"}),
                &[
                    "spec.schedulingGates[1]: Duplicate value: \"a\"",
                    "spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared",
                ],
            ),
            (
                json!({"volumes": [{"name": "d", "downwardAPI": {"items": [{"path": "p"}]}}]}),
                &["spec.volumes[0].downwardAPI: Required value: one of fieldRef and resourceFieldRef is required"],
            ),
        ],
    );
}

#[test]
fn of_a_pod_that_exists_little_may_change() {
    let changed = |change: Value| update_refusals("Pod", pod(json!({})), pod(change));
    assert_eq!(changed(container(json!({"image": "web:2"}))), [""; 0]);
    assert_eq!(changed(json!({"activeDeadlineSeconds": 5, "tolerations": [{"operator": "Exists"}]})), [""; 0]);
    assert_eq!(
        changed(json!({"nodeName": "n1"})),
        ["spec: Forbidden: pod updates may not change fields other than \
          `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only \
          additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was \
          previously negative)\n@@ -11,6 +11,7 @@\n  ],\n  \"dnsPolicy\": \"ClusterFirst\",\n  \"enableServiceLinks\": \
          true,\n+ \"nodeName\": \"n1\",\n  \"restartPolicy\": \"Always\",\n  \"schedulerName\": \
          \"default-scheduler\",\n  \"securityContext\": {},\n"]
    );
    let more = json!({"containers": [{"name": "web", "image": "web:1"}, {"name": "b", "image": "b"}]});
    assert_eq!(changed(more), ["spec.containers: Forbidden: pod updates may not add or remove containers"]);
    let deadline = |seconds: i64| pod(json!({"activeDeadlineSeconds": seconds}));
    assert_eq!(
        update_refusals("Pod", deadline(5), deadline(6)),
        ["spec.activeDeadlineSeconds: Invalid value: 6: must be less than or equal to previous value"]
    );
    let ending = |seconds: i64| pod(json!({"terminationGracePeriodSeconds": seconds}));
    assert_eq!(update_refusals("Pod", ending(-1), ending(1)), [""; 0]);
    let mirror = merged(
        pod(json!({"nodeName": "n"})),
        &json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "h"}}}),
    );
    assert_eq!(
        update_refusals("Pod", pod(json!({"nodeName": "n"})), mirror),
        ["metadata.annotations[kubernetes.io/config.mirror]: Forbidden: may not add mirror pod annotation"]
    );
}

#[test]
fn a_gated_pod_may_be_told_more_narrowly_where_to_go() {
    let gated = |change: Value| {
        let spec = json!({"schedulingGates": [{"name": "g"}], "nodeSelector": {"a": "b"}});
        pod(merged(spec, &change))
    };
    let term = |values: Value| {
        let terms: Vec<Value> =
            values.as_array().unwrap().iter().map(|key| json!({"key": key, "operator": "Exists"})).collect();
        json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
            {"nodeSelectorTerms": [{"matchExpressions": terms}]}}}})
    };
    let changed = |old: Value, new: Value| update_refusals("Pod", gated(old), gated(new));
    assert_eq!(changed(json!({}), json!({"nodeSelector": {"a": "b", "c": "d"}})), [""; 0]);
    assert_eq!(changed(json!({}), json!({"schedulingGates": null})), [""; 0]);
    assert_eq!(changed(json!({}), term(json!(["x"]))), [""; 0]);
    assert_eq!(changed(term(json!(["x"])), term(json!(["x", "y"]))), [""; 0]);
    assert_eq!(
        changed(json!({}), json!({"nodeSelector": {"a": "c"}})),
        [
            "spec.nodeSelector: Invalid value: {\"a\":\"c\"}: only additions to spec.nodeSelector are allowed (no mutations or \
          deletions)"
        ]
    );
    let narrowed = changed(term(json!(["x"])), term(json!(["y"])));
    assert!(narrowed[0].ends_with("only additions are allowed (no mutations or deletions)"), "{narrowed:?}");
    assert_eq!(
        changed(json!({}), json!({"schedulingGates": [{"name": "g"}, {"name": "h"}]})),
        ["spec.schedulingGates[1].name: Forbidden: only deletion is allowed, but found new scheduling gate 'h'"]
    );
}

#[test]
fn what_has_ended_for_good_does_not_run_again() {
    let with = |policy: &str, state: Value| {
        let status = json!({"containerStatuses": [{"name": "web", "state": state, "ready": false, "restartCount": 0,
            "image": "", "imageID": ""}]});
        merged(pod(json!({"restartPolicy": policy})), &json!({"status": status}))
    };
    let ended = |code: i32| json!({"terminated": {"exitCode": code}});
    let again = |policy: &str, code: i32| {
        status_refusals("Pod", with(policy, ended(code)), with(policy, json!({"running": {}})))
    };
    let refused = ["status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state"];
    assert_eq!(again("Always", 0), [""; 0]);
    assert_eq!(again("OnFailure", 1), [""; 0]);
    assert_eq!(again("OnFailure", 0), refused);
    assert_eq!(again("Never", 1), refused);
    let told = |status: Value| {
        status_refusals("Pod", pod(json!({"nodeName": "n"})), merged(pod(json!({})), &json!({"status": status})))
    };
    for (status, why) in [
        (
            json!({"conditions": [{"type": "Ready", "status": "True", "observedGeneration": -1}]}),
            "status.conditions[0].observedGeneration: Invalid value: -1: must be a non-negative integer",
        ),
        (
            json!({"nominatedNodeName": "m"}),
            "status.nominatedNodeName: Forbidden: may not be set on pods that are already bound to a node",
        ),
        (
            json!({"hostIP": "127.0.0.2", "hostIPs": [{"ip": "127.0.0.3"}]}),
            "status.hostIPs[0].ip: Invalid value: \"127.0.0.3\": must be equal to `hostIP`",
        ),
        (
            json!({"resourceClaimStatuses": [{"name": "gpu"}]}),
            "status.resourceClaimStatuses[0].name: Invalid value: \"gpu\": must match the name of an entry in \
             `spec.resourceClaims`",
        ),
        (json!({"qosClass": "Guaranteed"}), "status.qosClass: Invalid value: \"Guaranteed\": field is immutable"),
    ] {
        assert_eq!(told(status), [why]);
    }
    let addressed = |list: Value| merged(pod(json!({})), &json!({"status": {"podIPs": list}}));
    assert_eq!(
        status_refusals("Pod", pod(json!({})), addressed(json!([{"ip": "127.0.0.2"}, {"ip": "127.0.0.3"}]))),
        [
            "status.podIPs: Invalid value: [{\"ip\":\"127.0.0.2\"},{\"ip\":\"127.0.0.3\"}]: may specify no more than one IP \
          for each IP family"
        ]
    );
}

#[test]
fn unwise_pods_are_warned_of() {
    let warnings = |object: Value| draft("Pod", object).warnings();
    assert_eq!(warnings(pod(json!({}))), [""; 0]);
    let odd = merged(
        pod(merged(
            container(
                json!({"ports": [{"containerPort": 80}, {"containerPort": 80}], "env": [{"name": "A"}, {"name": "A"}]}),
            ),
            &json!({"nodeSelector": {"beta.kubernetes.io/os": "linux"}, "volumes": [{"name": "g", "gitRepo": {"repository": "r"}}]}),
        )),
        &json!({"metadata": {"name": "a.b"}}),
    );
    assert_eq!(
        warnings(odd),
        [
            "spec.volumes[0].gitRepo: deprecated in v1.11, and disabled by default in v1.33+".to_owned(),
            "spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use \"kubernetes.io/os\" instead"
                .to_owned(),
            "spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]".to_owned(),
            "spec.containers[0].env[1]: hides previous definition of \"A\", which may be dropped when using apply"
                .to_owned(),
            format!(
                "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is \
                 recommended: [{}]",
                api::names::dns_label("a.b").unwrap_err()
            ),
        ]
    );
}

#[test]
fn a_pod_as_a_whole_asks_for_what_its_containers_ask_for() {
    let whole = |resources: Value| {
        let change =
            merged(container(json!({"resources": {"requests": {"cpu": "100m"}}})), &json!({"resources": resources}));
        draft("Pod", pod(change)).to_value()["spec"]["resources"].clone()
    };
    assert_eq!(
        whole(json!({"limits": {"cpu": "1", "memory": "1Gi"}})),
        json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "100m", "memory": "1Gi"}})
    );
}

#[test]
fn a_pod_as_a_whole_holds_what_is_in_it() {
    let whole = |resources: Value, of_container: Value| {
        merged(container(json!({"resources": of_container})), &json!({"resources": resources}))
    };
    assert_refused(
        "Pod",
        pod,
        &[
            (whole(json!({"limits": {"cpu": "2"}}), json!({"requests": {"cpu": "1"}, "limits": {"cpu": "2"}})), &[]),
            (
                whole(
                    json!({"requests": {"cpu": "1"}, "limits": {"cpu": "1"}}),
                    json!({"requests": {"cpu": "2"}, "limits": {"cpu": "3"}}),
                ),
                &[
                    "spec.resources.requests[cpu]: Invalid value: \"1\": must be greater than or equal to aggregate container \
                 requests of 2",
                    "spec.resources.containers[0][cpu].limits: Invalid value: \"3\": must be less than or equal to pod limits \
                 of 1",
                ],
            ),
            (
                whole(json!({"requests": {"ephemeral-storage": "1Gi"}}), json!({})),
                &[
                    "spec.resources.requests[ephemeral-storage]: Unsupported value: \"ephemeral-storage\": supported values: \
               \"cpu\", \"hugepages-\", \"memory\"",
                ],
            ),
        ],
    );
    let class = |resources: Value, of_container: Value| {
        let mut draft = draft("Pod", pod(whole(resources, of_container)));
        draft.before_create();
        draft.to_value()["status"]["qosClass"].clone()
    };
    let all = json!({"limits": {"cpu": "1", "memory": "1Gi"}});
    assert_eq!(class(all.clone(), json!({})), "Guaranteed");
    assert_eq!(class(json!({"requests": {"cpu": "1"}}), all), "Burstable");
}

#[test]
fn a_container_is_started_again_by_rules() {
    let rules = |change: Value| {
        container(merged(
            json!({"restartPolicy": "Never",
            "restartPolicyRules": [{"action": "Restart", "exitCodes": {"operator": "In", "values": [1]}}]}),
            &change,
        ))
    };
    assert_refused(
        "Pod",
        pod,
        &[
            (rules(json!({})), &[]),
            (
                rules(json!({"restartPolicy": null})),
                &[
                    "spec.containers[0].restartPolicy: Required value: must specify restartPolicy when restart rules are used",
                ],
            ),
            (
                rules(json!({"restartPolicyRules": [{"action": "Stop"}]})),
                &[
                    "spec.containers[0].restartPolicyRules[0].action: Unsupported value: \"Stop\": supported values: \
                 \"Restart\", \"RestartAllContainers\"",
                    "spec.containers[0].restartPolicyRules[0].exitCodes: Required value: must be specified",
                ],
            ),
        ],
    );
}
