//! Tests of what the kinds refuse, and in which words.

use api::field::FieldErrors;
use serde_json::{Value, json};

use crate::kinds::KINDS;
use crate::kinds::erased::Draft;
use crate::kinds::strict::Search;

pub fn draft(kind: &str, object: Value) -> Box<dyn Draft> {
    let entry = KINDS.iter().find(|entry| entry.facts().kind == kind).unwrap();
    let mut draft = entry.decode_value(object, Search::Silence).unwrap().draft;
    draft.fill_defaults();
    draft
}

/// Everything that is wrong with a new object.
pub fn refusals(kind: &str, object: Value) -> Vec<String> {
    let mut draft = draft(kind, object);
    draft.before_create();
    let mut errors = FieldErrors::default();
    draft.validate(&mut errors);
    draft.validate_create(&mut errors);
    errors.0.iter().map(ToString::to_string).collect()
}

/// Everything that is wrong with a write of `/status`.
pub fn status_refusals(kind: &str, old: Value, new: Value) -> Vec<String> {
    let (old, mut new) = (draft(kind, old), draft(kind, new));
    new.before_subresource_update("status", &*old);
    let mut errors = FieldErrors::default();
    new.validate_subresource_update("status", &*old, &mut errors);
    errors.0.iter().map(ToString::to_string).collect()
}

/// Everything that is wrong with a change.
pub fn update_refusals(kind: &str, old: Value, new: Value) -> Vec<String> {
    let (old, mut new) = (draft(kind, old), draft(kind, new));
    new.before_update(&*old);
    let mut errors = FieldErrors::default();
    new.validate(&mut errors);
    new.validate_update(&*old, &mut errors);
    errors.0.iter().map(ToString::to_string).collect()
}

/// `target` with `change` merged into it.
pub fn merged(mut target: Value, change: &Value) -> Value {
    json_patch::merge(&mut target, change);
    target
}

/// Each change of an object that is right, and what is wrong with it then.
pub fn assert_refused(kind: &str, object: impl Fn(Value) -> Value, cases: &[(Value, &[&str])]) {
    assert_eq!(refusals(kind, object(json!({}))), [""; 0], "{kind}");
    for (change, expected) in cases {
        assert_eq!(refusals(kind, object(change.clone())), *expected, "{kind}: {change}");
    }
}

/// `object` with another value at a place in it.
pub fn changed(object: &Value, path: &str, value: Value) -> Value {
    let mut object = object.clone();
    *object.pointer_mut(path).unwrap_or_else(|| panic!("there is no {path}")) = value;
    object
}

/// Each change of a good object, and what it is refused for.
pub fn each(kind: &str, good: &Value, changes: &[(&str, Value, &str)]) {
    assert_eq!(refusals(kind, good.clone()), [""; 0], "{kind}");
    for (path, value, told) in changes {
        assert_eq!(refusals(kind, changed(good, path, value.clone())), [*told], "{kind} {path}");
    }
}

fn pod(change: impl FnOnce(&mut Value)) -> Value {
    let mut spec = json!({"containers": [{"name": "web", "image": "web:1"}]});
    change(&mut spec);
    json!({"spec": spec})
}

fn container(change: impl FnOnce(&mut Value)) -> Vec<String> {
    refusals("Pod", pod(|spec| change(&mut spec["containers"][0])))
}

#[test]
fn a_pod_that_is_right_is_let_in() {
    let all = json!({"spec": {
        "initContainers": [{"name": "init", "image": "i", "restartPolicy": "Always"}],
        "containers": [{"name": "web", "image": "web:1", "command": ["x"],
            "ports": [{"name": "http", "containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}],
            "env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}},
                {"name": "D", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}}],
            "envFrom": [{"secretRef": {"name": "s"}}],
            "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}},
            "livenessProbe": {"tcpSocket": {"port": "http"}}, "readinessProbe": {"exec": {"command": ["true"]}},
            "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
        "volumes": [{"name": "v"}, {"name": "h", "hostPath": {"path": "/tmp"}},
            {"name": "s", "secret": {"secretName": "s"}}],
        "tolerations": [{"operator": "Exists"}], "nodeSelector": {"a": "b"}}});
    assert_eq!(refusals("Pod", all), [""; 0]);
}

#[test]
fn containers_are_told_apart_and_have_images() {
    assert_eq!(refusals("Pod", json!({"spec": {}})), ["spec.containers: Required value"]);
    let twice = pod(|spec| spec["initContainers"] = json!([{"name": "web", "image": "x"}]));
    assert_eq!(refusals("Pod", twice), ["spec.initContainers[0].name: Duplicate value: \"web\""]);
    assert_eq!(container(|web| web["image"] = json!("")), ["spec.containers[0].image: Required value"]);
    assert_eq!(container(|web| web["name"] = json!("")), ["spec.containers[0].name: Required value"]);
    assert_eq!(
        container(|web| web["imagePullPolicy"] = json!("Sometimes")),
        ["spec.containers[0].imagePullPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \
          \"IfNotPresent\", \"Never\""]
    );
}

#[test]
fn ports_and_probes_are_checked() {
    assert_eq!(
        container(|web| web["ports"] = json!([{"containerPort": 70000}, {"containerPort": 1, "protocol": "X"}])),
        [
            "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
            "spec.containers[0].ports[1].protocol: Unsupported value: \"X\": supported values: \"SCTP\", \"TCP\", \"UDP\"",
        ]
    );
    assert_eq!(
        container(|web| web["livenessProbe"] = json!({"successThreshold": 2})),
        [
            "spec.containers[0].livenessProbe: Required value: must specify a handler type",
            "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
        ]
    );
    assert_eq!(
        container(|web| web["readinessProbe"] = json!({"exec": {"command": ["x"]}, "tcpSocket": {"port": 0}})),
        ["spec.containers[0].readinessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type",]
    );
}

#[test]
fn environments_mounts_and_amounts_are_checked() {
    assert_eq!(
        container(|web| web["env"] = json!([{"name": "A=B"}, {"name": "C", "value": "x", "valueFrom": {}}])),
        [
            "spec.containers[0].env[0].name: Invalid value: \"A=B\": a valid environment variable name must consist only \
             of printable ASCII characters other than '='",
            "spec.containers[0].env[1].valueFrom: Invalid value: \"\": must specify one of: `fieldRef`, \
             `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
        ]
    );
    assert_eq!(
        container(|web| web["volumeMounts"] = json!([{"name": "v", "mountPath": "/a", "subPath": "../b"}])),
        [
            "spec.containers[0].volumeMounts[0].name: Not found: \"v\"",
            "spec.containers[0].volumeMounts.subPath: Invalid value: \"../b\": must not contain '..'",
        ]
    );
    assert_eq!(
        container(|web| web["resources"] = json!({"requests": {"cpu": "2", "memory": "x"}, "limits": {"cpu": "1"}})),
        [
            "spec.containers[0].resources.requests[memory]: Invalid value: \"x\": quantities must match the regular \
             expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
            "spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1",
        ]
    );
    let both = pod(|spec| spec["volumes"] = json!([{"name": "v", "emptyDir": {}, "hostPath": {"path": "/"}}]));
    assert_eq!(refusals("Pod", both), ["spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"]);
}

#[test]
fn a_template_must_fit_its_selector_and_run_for_ever() {
    let set = |selector: Value, template: Value| json!({"spec": {"selector": selector, "template": template}});
    let spec = json!({"containers": [{"name": "a", "image": "a"}], "restartPolicy": "Never"});
    let template = json!({"metadata": {"labels": {"app": "x"}}, "spec": spec});
    for kind in ["Deployment", "ReplicaSet"] {
        assert_eq!(
            refusals(kind, set(json!({"matchLabels": {"app": "web"}}), template.clone())),
            [
                "spec.template.metadata.labels: Invalid value: {\"app\":\"x\"}: `selector` does not match template `labels`",
                "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\"",
            ]
        );
        let empty = refusals(kind, set(json!({}), template.clone()));
        assert_eq!(empty[0], "spec.selector: Required value");
    }
    let fits = |labels: Value| {
        let template = json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "a"}]}});
        set(json!({"matchLabels": labels}), template)
    };
    assert_eq!(
        update_refusals("Deployment", fits(json!({"a": "b"})), fits(json!({"a": "c"}))),
        ["spec.selector: Invalid value: {\"matchLabels\":{\"a\":\"c\"}}: field is immutable"]
    );
}

#[test]
fn a_rolling_update_must_be_able_to_move() {
    let deployment = |strategy: Value| {
        let template =
            json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "a", "image": "a"}]}});
        json!({"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template, "strategy": strategy}})
    };
    let rolling = |unavailable: Value, surge: Value| {
        let rolling = json!({"maxUnavailable": unavailable, "maxSurge": surge});
        refusals("Deployment", deployment(json!({"type": "RollingUpdate", "rollingUpdate": rolling})))
    };
    assert_eq!(rolling(json!(1), json!("50%")), [""; 0]);
    assert_eq!(
        rolling(json!(0), json!("0%")),
        ["spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0"]
    );
    assert_eq!(
        rolling(json!("150%"), json!(1)),
        ["spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"150%\": must not be greater than 100%"]
    );
    assert!(rolling(json!("x"), json!(1))[0].contains("a valid percent string"));
    assert_eq!(
        refusals("Deployment", deployment(json!({"type": "Recreate", "rollingUpdate": {}}))),
        ["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"]
    );
    assert_eq!(
        refusals("Deployment", deployment(json!({"type": "Later"}))),
        ["spec.strategy: Unsupported value: \"Later\": supported values: \"Recreate\", \"RollingUpdate\""]
    );
}

#[test]
fn a_service_says_what_its_type_needs() {
    let service = |spec: Value| refusals("Service", json!({"spec": spec}));
    assert_eq!(service(json!({})), ["spec.ports: Required value"]);
    assert_eq!(service(json!({"clusterIP": "None"})), [""; 0]);
    assert_eq!(service(json!({"type": "ExternalName"})), ["spec.externalName: Required value"]);
    assert_eq!(
        service(json!({"type": "Odd", "ports": [{"port": 80}]})),
        [
            "spec.type: Unsupported value: \"Odd\": supported values: \"ClusterIP\", \"ExternalName\", \"LoadBalancer\", \
          \"NodePort\""
        ]
    );
    assert_eq!(
        service(json!({"type": "NodePort", "clusterIP": "None", "ports": [{"port": 80}]})),
        ["spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"]
    );
    assert_eq!(
        service(json!({"ports": [{"port": 80, "nodePort": 30000}]})),
        ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"]
    );
    assert_eq!(
        service(json!({"ports": [{"port": 80}, {"port": 0, "name": "B_"}]})),
        [
            "spec.ports[0].name: Required value".to_owned(),
            format!("spec.ports[1].name: Invalid value: \"B_\": {}", api::names::dns_label("B_").unwrap_err()),
            "spec.ports[1].port: Invalid value: 0: must be between 1 and 65535, inclusive".to_owned(),
            "spec.ports[1].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive".to_owned(),
        ]
    );
    assert_eq!(
        service(json!({"ports": [{"port": 80}], "externalTrafficPolicy": "Local"})),
        ["spec.externalTrafficPolicy: Invalid value: \"Local\": may only be set for externally-accessible services"]
    );
    for (spec, told) in [
        (
            json!({"type": "ExternalName", "externalName": "a.b.", "ipFamilyPolicy": "SingleStack"}),
            "spec.ipFamilyPolicy: Forbidden: may not be set for ExternalName services",
        ),
        (
            json!({"ports": [{"name": "a", "port": 80}, {"name": "b", "port": 80}]}),
            "spec.ports[1]: Duplicate value: {\"Name\":\"\",\"Protocol\":\"TCP\",\"AppProtocol\":null,\"Port\":80,\
             \"TargetPort\":0,\"NodePort\":0}",
        ),
        (
            json!({"ports": [{"port": 80}], "loadBalancerSourceRanges": ["10.0.0.0/8"]}),
            "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
        ),
        (
            json!({"ports": [{"port": 80}], "externalIPs": ["169.254.1.1"]}),
            "spec.externalIPs[0]: Invalid value: \"169.254.1.1\": may not be in the link-local range (169.254.0.0/16, \
             fe80::/10)",
        ),
        (
            json!({"ports": [{"port": 80}], "trafficDistribution": "Near"}),
            "spec.trafficDistribution: Unsupported value: \"Near\": supported values: \"PreferClose\", \
             \"PreferSameZone\", \"PreferSameNode\"",
        ),
        (
            json!({"ports": [{"port": 80}], "clusterIP": "None", "clusterIPs": ["None", "10.0.0.1"]}),
            "spec.clusterIPs: Invalid value: [\"None\",\"10.0.0.1\"]: 'None' must be the first and only value",
        ),
    ] {
        assert_eq!(service(spec), [told]);
    }
}

#[test]
fn a_service_keeps_its_first_address() {
    let service = |addresses: Value, families: Value, policy: &str| {
        json!({"spec": {"ports": [{"port": 80}], "clusterIP": addresses[0], "clusterIPs": addresses,
            "ipFamilies": families, "ipFamilyPolicy": policy}})
    };
    let one = |policy: &str| service(json!(["10.0.0.1"]), json!(["IPv4"]), policy);
    let both = || service(json!(["10.0.0.1", "2001:db8::1"]), json!(["IPv4", "IPv6"]), "PreferDualStack");
    assert_eq!(update_refusals("Service", one("SingleStack"), both()), [""; 0]);
    assert_eq!(update_refusals("Service", both(), one("SingleStack")), [""; 0]);
    assert_eq!(
        update_refusals("Service", both(), one("PreferDualStack")),
        [
            "spec.ipFamilyPolicy: Invalid value: \"PreferDualStack\": must be set to 'SingleStack' when releasing the \
             secondary clusterIP",
            "spec.ipFamilyPolicy: Invalid value: \"PreferDualStack\": must be set to 'SingleStack' when releasing the \
             secondary ipFamily",
        ]
    );
    let moved = service(json!(["10.0.0.2"]), json!(["IPv4"]), "SingleStack");
    assert_eq!(
        update_refusals("Service", one("SingleStack"), moved),
        ["spec.clusterIPs[0]: Invalid value: [\"10.0.0.2\"]: may not change once set"]
    );
}

#[test]
fn endpoints_may_be_on_loopback_and_nowhere_unreal() {
    let slice = |address: &str| json!({"addressType": "IPv4", "endpoints": [{"addresses": [address]}]});
    let endpoints = |address: &str| json!({"subsets": [{"addresses": [{"ip": address}], "ports": [{"port": 80}]}]});
    assert_eq!(refusals("EndpointSlice", slice("127.64.1.2")), [""; 0]);
    assert_eq!(refusals("Endpoints", endpoints("127.64.1.2")), [""; 0]);
    assert_eq!(
        refusals("EndpointSlice", slice("x")),
        ["endpoints[0].addresses[0]: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 or \
          2001:db8::ffff)"]
    );
    assert_eq!(
        refusals("Endpoints", endpoints("0.0.0.0")),
        ["subsets[0].addresses[0].ip: Invalid value: \"0.0.0.0\": may not be unspecified (0.0.0.0)"]
    );
    assert_eq!(
        refusals("Endpoints", endpoints("10.0.0.08")),
        [
            "subsets[0].addresses[0].ip: Invalid value: \"10.0.0.08\": must not have leading 0s",
            "subsets[0].addresses[0].ip: Invalid value: \"10.0.0.08\": must be a valid IP address",
        ]
    );
    let changed = json!({"addressType": "IPv6", "endpoints": []});
    assert_eq!(
        update_refusals("EndpointSlice", slice("127.64.1.2"), changed),
        ["addressType: Invalid value: \"IPv6\": field is immutable"]
    );
    let many = json!({"addressType": "IPv4", "endpoints": vec![json!({"addresses": ["1.2.3.4"]}); 1001]});
    assert_eq!(refusals("EndpointSlice", many), ["endpoints: Too many: 1001: must have at most 1000 items"]);
}

#[test]
fn what_is_set_for_ever_stays() {
    let map = |immutable: Value, value: &str| json!({"immutable": immutable, "data": {"a": value}});
    assert_eq!(update_refusals("ConfigMap", map(json!(true), "1"), map(json!(true), "1")), [""; 0]);
    assert_eq!(
        update_refusals("ConfigMap", map(json!(true), "1"), map(json!(null), "2")),
        [
            "immutable: Forbidden: field is immutable when `immutable` is set",
            "data: Forbidden: field is immutable when `immutable` is set",
        ]
    );
    let secret = |kind: &str| json!({"type": kind, "data": {"a": "MQ=="}});
    assert_eq!(update_refusals("Secret", secret("a"), secret("b")), ["type: Invalid value: \"b\": field is immutable"]);
    assert_eq!(
        refusals("Secret", secret("kubernetes.io/tls")),
        ["data[tls.crt]: Required value", "data[tls.key]: Required value"]
    );
}

#[test]
fn defaults_make_an_object_complete() {
    let service = draft(
        "Service",
        json!({"spec": {"type": "LoadBalancer", "ports": [{"port": 80}],
        "sessionAffinity": "ClientIP"}}),
    );
    assert_eq!(
        service.to_value()["spec"],
        json!({"type": "LoadBalancer", "ports": [{"port": 80, "targetPort": 80, "protocol": "TCP"}],
            "sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}},
            "externalTrafficPolicy": "Cluster", "internalTrafficPolicy": "Cluster",
            "allocateLoadBalancerNodePorts": true})
    );
    let deployment = draft("Deployment", json!({"spec": {"template": {"spec": {}}}})).to_value();
    let mut spec = deployment["spec"].clone();
    spec.as_object_mut().unwrap().remove("template");
    assert_eq!(
        spec,
        json!({"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600, "selector": {},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}})
    );
    assert_eq!(deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"], 30);
    let secret = draft("Secret", json!({"stringData": {"a": "1"}})).to_value();
    assert_eq!(
        (&secret["type"], &secret["data"]["a"], &secret["stringData"]),
        (&json!("Opaque"), &json!("MQ=="), &Value::Null)
    );
    let node = draft("Node", json!({"spec": {"podCIDR": "127.64.1.0/24"}, "status": {"capacity": {"cpu": "2000m"}}}));
    let node = node.to_value();
    assert_eq!(
        (&node["spec"]["podCIDRs"], &node["status"]["allocatable"]["cpu"]),
        (&json!(["127.64.1.0/24"]), &json!("2"))
    );
}

#[test]
fn credentials_are_what_they_claim_to_be() {
    let secret = |kind: &str, data: Value| refusals("Secret", json!({"type": kind, "stringData": data}));
    let config = "kubernetes.io/dockerconfigjson";
    assert_eq!(secret(config, json!({".dockerconfigjson": "{\"auths\": {}}"})), [""; 0]);
    let refused = secret(config, json!({".dockerconfigjson": "hunter2"}));
    assert!(refused[0].starts_with("data[.dockerconfigjson]: Invalid value: \"<secret contents redacted>\": "));
    assert!(!refused[0].contains("hunter2"));
    assert_eq!(secret("kubernetes.io/basic-auth", json!({"password": "p"})), [""; 0]);
    assert_eq!(
        secret("kubernetes.io/basic-auth", json!({})),
        ["data[username]: Required value", "data[password]: Required value"]
    );
    assert_eq!(secret("kubernetes.io/ssh-auth", json!({})), ["data[ssh-privatekey]: Required value"]);
    let large = json!({"data": {"a": "x".repeat((1 << 20) + 1)}});
    assert_eq!(refusals("ConfigMap", large), ["[]: Too long: may not be more than 1048576 bytes"]);
}

#[test]
fn nodes_keep_their_ranges_and_their_provider() {
    let node = |spec: Value| json!({"metadata": {"name": "n"}, "spec": spec});
    assert_eq!(
        refusals("Node", node(json!({"podCIDRs": ["10.0.0.0/24", "10.0.1.0/24"]}))),
        [
            "spec.podCIDRs: Invalid value: [\"10.0.0.0/24\",\"10.0.1.0/24\"]: may specify no more than one CIDR for each IP \
          family"
        ]
    );
    assert_eq!(
        refusals("Node", node(json!({"podCIDRs": ["10.0.0.1/24"]}))),
        ["spec.podCIDRs[0]: Invalid value: \"10.0.0.1/24\": must not have bits set beyond the prefix length"]
    );
    let taint = json!({"key": "a", "effect": "NoSchedule"});
    assert_eq!(
        refusals("Node", node(json!({"taints": [taint, taint]}))),
        [
            "metadata.taints[1]: Duplicate value: {\"effect\":\"NoSchedule\",\"key\":\"a\"}: taints must be unique by key \
          and effect pair"
        ]
    );
    let change = |old: Value, new: Value| update_refusals("Node", node(old), node(new));
    assert_eq!(change(json!({}), json!({"providerID": "a", "podCIDR": "10.0.0.0/24"})), [""; 0]);
    assert_eq!(
        change(json!({"providerID": "a"}), json!({"providerID": "b"})),
        ["spec.providerID: Forbidden: node updates may not change providerID except from \"\" to valid"]
    );
    let address = json!({"type": "InternalIP", "address": "127.0.0.1"});
    let with = |addresses: Value| json!({"metadata": {"name": "n"}, "status": {"addresses": addresses, "capacity": {"pods": "1.5"}}});
    let refused = status_refusals("Node", node(json!({})), with(json!([address, address])));
    assert_eq!(
        refused,
        [
            "status.addresses[1]: Duplicate value: {\"address\":\"127.0.0.1\",\"type\":\"InternalIP\"}",
            "status.capacity.pods: Invalid value: \"1500m\": must be an integer",
            "status.allocatable.pods: Invalid value: \"1500m\": must be an integer",
        ]
    );
}

#[test]
fn services_are_told_what_has_no_effect() {
    let warnings = |spec: Value| draft("Service", json!({"spec": spec})).warnings();
    assert_eq!(warnings(json!({"ports": [{"port": 80}]})), [""; 0]);
    assert_eq!(
        warnings(json!({"clusterIP": "None", "sessionAffinity": "ClientIP", "externalName": "x"})),
        [
            "spec.externalName is ignored when spec.type is not \"ExternalName\"",
            "spec.SessionAffinity is ignored for headless services",
        ]
    );
    let service = |kind: &str, ingress: Value| {
        let spec = json!({"type": kind, "ports": [{"port": 80}]});
        json!({"metadata": {"name": "s"}, "spec": spec, "status": {"loadBalancer": {"ingress": ingress}}})
    };
    let status =
        |kind: &str, ingress: Value| status_refusals("Service", service(kind, json!([])), service(kind, ingress));
    assert_eq!(status("LoadBalancer", json!([{"ip": "127.0.0.1"}])), [""; 0]);
    assert_eq!(
        status("ClusterIP", json!([{"hostname": "127.0.0.1"}])),
        ["status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'"]
    );
    assert_eq!(
        status("LoadBalancer", json!([{"hostname": "127.0.0.1"}])),
        [
            "status.loadBalancer.ingress[0].hostname: Invalid value: \"127.0.0.1\": must be a DNS name, not an IP address"
        ]
    );
}

#[test]
fn events_are_about_something_and_counted_once() {
    let event = |change: Value| merged(json!({"metadata": {"name": "e", "namespace": "n"}}), &change);
    let exact = json!({"eventTime": "2026-01-01T00:00:00.000000Z", "reportingComponent": "example.com/a",
        "reportingInstance": "i", "action": "A", "reason": "R", "involvedObject": {"namespace": "n"}});
    let about = |namespace: &str| event(json!({"involvedObject": {"namespace": namespace}}));
    assert_eq!(refusals("Event", about("n")), [""; 0]);
    assert_eq!(
        refusals("Event", about("m")),
        ["involvedObject.namespace: Invalid value: \"m\": does not match event.namespace"]
    );
    assert_eq!(refusals("Event", event(exact.clone())), [""; 0]);
    assert_eq!(
        refusals("Event", event(merged(exact, &json!({"reportingComponent": "", "action": "x".repeat(129)})))),
        [
            "reportingController: Required value".to_owned(),
            format!("reportingController: Invalid value: \"\": {}", api::names::qualified_name("").unwrap_err()),
            "action: Invalid value: \"\": can have at most 128 characters".to_owned(),
        ]
    );
    assert_eq!(refusals("Lease", json!({"spec": {"holderIdentity": ""}})), [""; 0]);
}

#[test]
fn hints_name_each_zone_once() {
    let slice = |zones: Value| {
        let endpoint = json!({"addresses": ["127.64.1.2"], "hints": {"forZones": zones}});
        refusals("EndpointSlice", json!({"addressType": "IPv4", "endpoints": [endpoint]}))
    };
    assert_eq!(slice(json!([{"name": "a"}, {"name": "b"}])), [""; 0]);
    assert_eq!(
        slice(json!([{"name": "a"}, {"name": "a"}])),
        ["endpoints[0].hints.forZones[1].name: Duplicate value: \"a\""]
    );
    let port = json!({"addressType": "IPv4", "endpoints": [], "ports": [{"port": 0}]});
    assert_eq!(refusals("EndpointSlice", port), [""; 0]);
    let domain = json!({"addressType": "FQDN", "endpoints": [{"addresses": ["localhost"]}]});
    assert_eq!(
        refusals("EndpointSlice", domain),
        ["endpoints[0].addresses[0]: Invalid value: \"localhost\": should be a domain with at least two segments \
          separated by dots"]
    );
    let many: Vec<Value> = (0..9).map(|number| json!({"name": number.to_string()})).collect();
    assert_eq!(slice(json!(many)), ["endpoints[0].hints.forZones: Too many: 9: must have at most 8 items"]);
}
