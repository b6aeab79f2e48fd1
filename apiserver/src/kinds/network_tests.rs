//! Tests of what kinds of networks, rights, storage and certificates refuse, fill in and show.

use api::field::FieldErrors;
use serde_json::{Value, json};

use crate::kinds::certificates::sample_request;
use crate::kinds::rules_tests::{draft, merged, refusals, status_refusals, update_refusals};
use crate::kinds::table_tests::cells;

fn one(kind: &str, object: Value) -> String {
    let told = refusals(kind, object);
    assert_eq!(told.len(), 1, "{told:?}");
    told.into_iter().next().unwrap()
}

fn ingress(change: impl FnOnce(&mut Value)) -> Value {
    let backend = json!({"service": {"name": "web", "port": {"number": 80}}});
    let path = json!({"path": "/a", "pathType": "Prefix", "backend": backend});
    let mut object = json!({"spec": {"rules": [{"host": "a.example.com", "http": {"paths": [path]}}]}});
    change(&mut object);
    object
}

#[test]
fn an_ingress_says_where_requests_go() {
    assert_eq!(refusals("Ingress", ingress(|_| ())), [""; 0]);
    let path = "spec.rules[0].http.paths[0]";
    for (change, told) in [
        (
            json!({"spec": {}}),
            "spec: Invalid value: null: either `defaultBackend` or `rules` must be specified".to_owned(),
        ),
        (
            ingress(|object| object["spec"]["rules"][0]["http"]["paths"][0]["path"] = json!("a")),
            format!("{path}.path: Invalid value: \"a\": must be an absolute path"),
        ),
        (
            ingress(|object| object["spec"]["rules"][0]["http"]["paths"][0]["path"] = json!("/a/../b")),
            format!("{path}.path: Invalid value: \"/a/../b\": must not contain '/../'"),
        ),
        (
            ingress(|object| object["spec"]["rules"][0]["http"]["paths"][0]["pathType"] = json!("")),
            format!("{path}.pathType: Required value: pathType must be specified"),
        ),
        (
            ingress(|object| object["spec"]["rules"][0]["http"]["paths"][0]["pathType"] = json!("Regex")),
            format!(
                "{path}.pathType: Unsupported value: \"Regex\": supported values: \"Exact\", \
                 \"ImplementationSpecific\", \"Prefix\""
            ),
        ),
        (
            ingress(|object| object["spec"]["rules"][0]["http"]["paths"][0]["backend"] = json!({})),
            format!("{path}.backend: Invalid value: \"\": resource or service backend is required"),
        ),
        (
            ingress(|object| object["spec"]["defaultBackend"] = json!({"service": {"name": "web"}})),
            "spec.defaultBackend: Required value: port name or number is required".to_owned(),
        ),
        (
            ingress(|object| {
                object["metadata"]["annotations"]["kubernetes.io/ingress.class"] = json!("a");
                object["spec"]["ingressClassName"] = json!("b");
            }),
            "annotations.kubernetes.io/ingress.class: Invalid value: \"a\": must match `ingressClassName` when both are \
             specified"
                .to_owned(),
        ),
    ] {
        assert_eq!(one("Ingress", change), told);
    }
    for host in ["*.example.com", "example.com"] {
        assert_eq!(refusals("Ingress", ingress(|object| object["spec"]["rules"][0]["host"] = json!(host))), [""; 0]);
    }
    for (host, told) in
        [("a.*.com", "a wildcard DNS-1123 subdomain must start with '*.'"), ("A", "a lowercase RFC 1123 subdomain")]
    {
        let refusal = one("Ingress", ingress(|object| object["spec"]["rules"][0]["host"] = json!(host)));
        assert!(refusal.starts_with(&format!("spec.rules[0].host: Invalid value: \"{host}\": {told}")), "{refusal}");
    }
    let address = refusals("Ingress", ingress(|object| object["spec"]["rules"][0]["host"] = json!("10.0.0.1")));
    assert_eq!(address, ["spec.rules[0].host: Invalid value: \"10.0.0.1\": must be a DNS name, not an IP address"]);
}

#[test]
fn a_class_names_its_controller_for_ever() {
    let class = |controller: &str| json!({"spec": {"controller": controller}});
    assert_eq!(refusals("IngressClass", class("example.com/a")), [""; 0]);
    assert_eq!(one("IngressClass", class("")), "spec.controller: Required value");
    assert_eq!(
        one("IngressClass", class("nginx")),
        "spec.controller: Invalid value: \"nginx\": must be a domain-prefixed path (such as \"acme.io/foo\")"
    );
    assert_eq!(
        update_refusals("IngressClass", class("example.com/a"), class("example.com/b")),
        ["spec.controller: Invalid value: \"example.com/b\": field is immutable"]
    );
    let parameters = |scope: Value| {
        let parameters = json!({"kind": "K", "name": "n", "scope": scope});
        json!({"spec": {"controller": "example.com/a", "parameters": parameters}})
    };
    assert_eq!(draft("IngressClass", parameters(json!(null))).to_value()["spec"]["parameters"]["scope"], "Cluster");
    assert_eq!(
        one("IngressClass", parameters(json!("Namespace"))),
        "spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'"
    );
}

#[test]
fn a_network_policy_knows_ports_and_peers() {
    let policy = |rule: Value| json!({"spec": {"ingress": [rule]}});
    let filled = draft("NetworkPolicy", json!({"spec": {"egress": [{"ports": [{"port": 53}]}]}})).to_value();
    assert_eq!(filled["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
    assert_eq!(filled["spec"]["egress"][0]["ports"][0]["protocol"], "TCP");
    for (rule, told) in [
        (
            json!({"ports": [{"port": 70000}]}),
            "ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive",
        ),
        (
            json!({"ports": [{"port": 90, "endPort": 80}]}),
            "ports[0].endPort: Invalid value: 80: must be greater than or equal to `port`",
        ),
        (
            json!({"ports": [{"endPort": 80}]}),
            "ports[0].endPort: Invalid value: 80: may not be specified when `port` is not specified",
        ),
        (
            json!({"ports": [{"port": "http", "endPort": 80}]}),
            "ports[0].endPort: Invalid value: 80: may not be specified when `port` is non-numeric",
        ),
        (json!({"from": [{}]}), "from[0]: Required value: must specify a peer"),
        (
            json!({"from": [{"podSelector": {}, "ipBlock": {"cidr": "10.0.0.0/8"}}]}),
            "from[0]: Forbidden: may not specify both ipBlock and another peer",
        ),
        (json!({"from": [{"ipBlock": {"cidr": ""}}]}), "from[0].ipBlock.cidr: Required value"),
        (
            json!({"from": [{"ipBlock": {"cidr": "x"}}]}),
            "from[0].ipBlock.cidr: Invalid value: \"x\": must be a valid CIDR value, (e.g. 10.9.8.0/24 or \
             2001:db8::/64)",
        ),
        (
            json!({"from": [{"ipBlock": {"cidr": "10.0.0.1/8"}}]}),
            "from[0].ipBlock.cidr: Invalid value: \"10.0.0.1/8\": must not have bits set beyond the prefix length",
        ),
        (
            json!({"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}}]}),
            "from[0].ipBlock.except[0]: Invalid value: \"11.0.0.0/16\": must be a strict subset of `cidr`",
        ),
    ] {
        assert_eq!(one("NetworkPolicy", policy(rule)), format!("spec.ingress[0].{told}"));
    }
}

#[test]
fn ranges_of_services_may_gain_a_family() {
    let range = |cidrs: &[&str]| json!({"spec": {"cidrs": cidrs}});
    assert_eq!(one("ServiceCIDR", range(&[])), "spec.cidrs: Required value: at least one CIDR required");
    assert_eq!(refusals("ServiceCIDR", range(&["10.0.0.0/16", "2001:db8::/64"])), [""; 0]);
    assert!(
        one("ServiceCIDR", range(&["10.0.0.0/16", "10.1.0.0/16"])).contains("no more than one IP for each IP family")
    );
    let change = |new: &[&str]| update_refusals("ServiceCIDR", range(&["10.0.0.0/16"]), range(new));
    assert_eq!(change(&["10.0.0.0/16", "2001:db8::/64"]), [""; 0]);
    assert_eq!(change(&["10.1.0.0/16"]), ["spec.cidrs[0]: Invalid value: \"10.1.0.0/16\": field is immutable"]);
}

#[test]
fn roles_say_verbs_and_resources() {
    let role = |rule: Value| json!({"rules": [rule]});
    for (rule, told) in [
        (
            json!({"apiGroups": [""], "resources": ["pods"], "verbs": []}),
            "rules[0].verbs: Required value: verbs must contain at least one value",
        ),
        (
            json!({"resources": ["pods"], "verbs": ["get"]}),
            "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
        ),
        (
            json!({"apiGroups": [""], "verbs": ["get"]}),
            "rules[0].resources: Required value: resource rules must supply at least one resource",
        ),
        (
            json!({"nonResourceURLs": ["/x"], "verbs": ["get"]}),
            "rules[0].nonResourceURLs: Invalid value: [\"/x\"]: namespaced rules cannot apply to non-resource URLs",
        ),
    ] {
        assert_eq!(one("Role", role(rule)), told);
    }
    let binding = |name: &str, subject: Value| {
        let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name});
        json!({"roleRef": role, "subjects": [subject]})
    };
    let user = || json!({"kind": "User", "name": "ada"});
    assert_eq!(
        draft("RoleBinding", binding("view", user())).to_value()["subjects"][0]["apiGroup"],
        "rbac.authorization.k8s.io"
    );
    let account = || json!({"kind": "ServiceAccount", "name": "default"});
    assert_eq!(refusals("RoleBinding", binding("view", account())), [""; 0]);
    assert_eq!(one("ClusterRoleBinding", binding("view", account())), "subjects[0].namespace: Required value");
    assert_eq!(
        one("RoleBinding", binding("view", json!({"kind": "Robot", "name": "r"}))),
        "subjects[0].kind: Unsupported value: \"Robot\": supported values: \"ServiceAccount\", \"User\", \"Group\""
    );
    let change = update_refusals("RoleBinding", binding("view", user()), binding("edit", user()));
    assert_eq!(change.len(), 1);
    assert!(change[0].starts_with("roleRef: Invalid value: {") && change[0].ends_with("cannot change roleRef"));
}

#[test]
fn classes_of_storage_do_not_change() {
    let class = |parameters: Value| json!({"provisioner": "example.com/disks", "parameters": parameters});
    let filled = draft("StorageClass", class(json!({}))).to_value();
    assert_eq!((&filled["reclaimPolicy"], &filled["volumeBindingMode"]), (&json!("Delete"), &json!("Immediate")));
    assert_eq!(one("StorageClass", json!({})), "provisioner: Required value");
    assert_eq!(
        update_refusals("StorageClass", class(json!({"a": "1"})), class(json!({"a": "2"}))),
        ["parameters: Forbidden: updates to parameters are forbidden."]
    );
    let attachment =
        |source: Value| json!({"spec": {"attacher": "disks.example.com", "nodeName": "n1", "source": source}});
    assert_eq!(
        one("VolumeAttachment", attachment(json!({}))),
        "spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName"
    );
    let old = attachment(json!({"persistentVolumeName": "a"}));
    let change = update_refusals("VolumeAttachment", old.clone(), attachment(json!({"persistentVolumeName": "b"})));
    assert!(change[0].starts_with("spec: Invalid value:") && change[0].ends_with("field is immutable"));
    let inline = |addition: Value| {
        let csi = json!({"driver": "disks.example.com", "volumeHandle": "h"});
        let volume = json!({"csi": csi, "accessModes": ["ReadWriteOnce"]});
        attachment(json!({"inlineVolumeSpec": merged(volume, &addition)}))
    };
    let why = "may not be specified in the context of inline volumes";
    for (addition, field, told) in [
        (json!({"capacity": {"storage": "1Gi"}}), "capacity", format!("Forbidden: {why}")),
        (json!({"claimRef": {"name": "c"}}), "claimRef", format!("Forbidden: {why}")),
        (json!({"nodeAffinity": {}}), "nodeAffinity", format!("Forbidden: {why}")),
        (json!({"storageClassName": "s"}), "storageClassName", format!("Forbidden: {why}")),
        (
            json!({"persistentVolumeReclaimPolicy": "Delete"}),
            "persistentVolumeReclaimPolicy",
            "Forbidden: may only be Retain in the context of inline volumes".to_owned(),
        ),
        (
            json!({"volumeMode": "Block"}),
            "volumeMode",
            "Forbidden: may not specify volumeMode other than Filesystem in the context of inline volumes".to_owned(),
        ),
        (json!({"csi": {"volumeHandle": ""}}), "csi.volumeHandle", "Required value".to_owned()),
    ] {
        assert_eq!(one("VolumeAttachment", inline(addition)), format!("spec.source.inlineVolumeSpec.{field}: {told}"));
    }
    assert_eq!(refusals("VolumeAttachment", inline(json!({}))), [""; 0]);
    let told = |error: Value| {
        status_refusals(
            "VolumeAttachment",
            old.clone(),
            merged(old.clone(), &json!({"status": {"detachError": error}})),
        )
    };
    assert_eq!(
        told(json!({"message": "m".repeat(1025), "errorCode": -1})),
        [
            "status.detachError.message: Too long: may not be more than 262144 bytes",
            "status.detachError.errorCode: Invalid value: -1: must be between 0 and 2147483647, inclusive",
        ]
    );
    let driver = |required: bool| json!({"spec": {"attachRequired": required}});
    assert_eq!(
        update_refusals("CSIDriver", driver(true), driver(false)),
        ["spec.attachedRequired: Invalid value: false: field is immutable"]
    );
    let secrets = json!({"spec": {"serviceAccountTokenInSecrets": true}});
    assert!(
        one("CSIDriver", secrets).ends_with("serviceAccountTokenInSecrets is set but no tokenRequests are specified")
    );
    let node = |id: &str| json!({"spec": {"drivers": [{"name": "disks.example.com", "nodeID": id}]}});
    assert_eq!(one("CSINode", node("")), "spec.drivers[0].nodeID: Required value");
    assert!(update_refusals("CSINode", node("a"), node("b"))[0].starts_with("CSINodeDriver: Invalid value:"));
}

#[test]
fn priorities_of_the_system_are_the_systems() {
    let class = |name: &str, value: i32| json!({"metadata": {"name": name}, "value": value});
    assert_eq!(refusals("PriorityClass", class("system-node-critical", 2_000_001_000)), [""; 0]);
    assert_eq!(
        one("PriorityClass", class("system-x", 1)),
        "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: \
         system-x is not a known system priority class"
    );
    assert_eq!(
        one("PriorityClass", class("x", 1_000_000_001)),
        "value: Forbidden: maximum allowed value of a user defined priority is 1000000000"
    );
    assert_eq!(
        update_refusals("PriorityClass", class("x", 1), class("x", 2)),
        ["value: Forbidden: may not be changed in an update."]
    );
}

fn request() -> Value {
    json!({"spec": {"request": sample_request(), "signerName": "example.com/signer", "usages": ["client auth"]}})
}

#[test]
fn a_request_for_a_certificate_is_signed_with_its_own_key() {
    assert_eq!(refusals("CertificateSigningRequest", request()), [""; 0]);
    let mut wrong = request();
    wrong["spec"]["request"] = json!("eA==");
    assert_eq!(
        one("CertificateSigningRequest", wrong),
        "spec.request: Invalid value: \"eA==\": PEM block type must be CERTIFICATE REQUEST"
    );
    for (field, value, told) in [
        ("usages", json!([]), "spec.usages: Required value"),
        ("usages", json!(["any", "any"]), "spec.usages[1]: Duplicate value: \"any\""),
        (
            "signerName",
            json!("signer"),
            "spec.signerName: Invalid value: \"signer\": must be a fully qualified domain and path of the form \
             'example.com/signer-name'",
        ),
        (
            "signerName",
            json!("-a.-b.com/signer"),
            "spec.signerName: Invalid value: \"-a.-b.com\": validating label \"-a\": a lowercase RFC 1123 label must \
             consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character \
             (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
        ),
        (
            "expirationSeconds",
            json!(60),
            "spec.expirationSeconds: Invalid value: 60: may not specify a duration less than 600 seconds (10 minutes)",
        ),
    ] {
        let mut wrong = request();
        wrong["spec"][field] = value;
        assert_eq!(one("CertificateSigningRequest", wrong), told);
    }
}

/// What a write of a part is refused for, and what it leaves.
fn part_written(kind: &str, part: &str, old: Value, new: Value) -> (Vec<String>, Value) {
    let (old, mut new) = (draft(kind, old), draft(kind, new));
    new.before_subresource_update(part, &*old);
    new.set_times(Some(&*old), "2026-01-01T00:00:00Z".parse().unwrap());
    let mut errors = FieldErrors::default();
    new.validate_subresource_update(part, &*old, &mut errors);
    (errors.0.iter().map(ToString::to_string).collect(), new.to_value())
}

#[test]
fn who_approves_does_not_sign_and_who_signs_does_not_approve() {
    let kind = "CertificateSigningRequest";
    let old = request();
    let with = |status: Value| {
        let mut new = old.clone();
        new["status"] = status;
        new
    };
    let decided = |name: &str| json!([{"type": name, "status": "True", "reason": "r", "message": "m"}]);
    let (refused, approved) =
        part_written(kind, "approval", old.clone(), with(json!({"conditions": decided("Approved")})));
    assert_eq!(refused, [""; 0]);
    assert_eq!(approved["status"]["conditions"][0]["lastUpdateTime"], "2026-01-01T00:00:00Z");
    assert_eq!(approved["status"]["conditions"][0]["lastTransitionTime"], "2026-01-01T00:00:00Z");
    let (refused, _) = part_written(kind, "status", old.clone(), with(json!({"conditions": decided("Approved")})));
    assert_eq!(refused, ["status.conditions: Forbidden: updates may not add a condition of type \"Approved\""]);
    let (refused, _) = part_written(kind, "approval", approved.clone(), old.clone());
    assert_eq!(refused, ["status.conditions: Forbidden: updates may not remove a condition of type \"Approved\""]);
    let mut reworded = approved.clone();
    reworded["status"]["conditions"][0]["message"] = json!("n");
    let (refused, _) = part_written(kind, "status", approved.clone(), reworded);
    let told = "status.conditions: Forbidden: updates may not modify a condition of type \"Approved\"\n@@ -";
    assert!(refused[0].starts_with(told) && refused[0].contains("-  \"message\": \"m\""), "{refused:?}");
    let certificate = json!({"certificate": "eA==", "conditions": approved["status"]["conditions"]});
    let (refused, left) = part_written(kind, "approval", approved.clone(), with(certificate.clone()));
    assert_eq!((refused.len(), &left["status"]["certificate"]), (0, &Value::Null));
    let (refused, _) = part_written(kind, "status", approved, with(certificate));
    assert_eq!(
        refused,
        ["status.certificate: Invalid value: \"<certificate data>\": must contain at least one CERTIFICATE PEM block"]
    );
    let both = json!([decided("Approved")[0], decided("Denied")[0]]);
    let (refused, _) = part_written(kind, "approval", old.clone(), with(json!({"conditions": both})));
    assert_eq!(
        refused,
        ["status.conditions: Invalid value: \"Denied\": Approved and Denied conditions are mutually exclusive"]
    );
}

#[test]
fn rows_are_upstreams() {
    let spec = json!({"rules": [{"host": "a"}, {}], "tls": [{}], "ingressClassName": "c"});
    let status = json!({"loadBalancer": {"ingress": [{"ip": "10.0.0.2"}, {"hostname": "h"}]}});
    let ingress = cells("Ingress", json!({"spec": spec, "status": status}));
    assert_eq!(ingress, ["x", "c", "a", "10.0.0.2,h", "80, 443", "5m"]);
    assert_eq!(cells("Ingress", json!({}))[1..5], ["<none>", "*", "", "80"]);
    let reference = json!({"kind": "ClusterRole", "name": "view"});
    let subjects = json!([{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "namespace": "n", "name": "s"}]);
    assert_eq!(
        cells("RoleBinding", json!({"roleRef": reference, "subjects": subjects})),
        ["x", "ClusterRole/view", "5m", "u", "", "n/s"]
    );
    assert_eq!(cells("Role", json!({})), ["x", "2026-01-01T00:00:00Z"]);
    let parent = json!({"resource": "services", "namespace": "default", "name": "web"});
    assert_eq!(cells("IPAddress", json!({"spec": {"parentRef": parent}})), ["x", "services/default/web"]);
    let default = json!({"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}});
    assert_eq!(
        cells("StorageClass", json!({"metadata": default, "provisioner": "p"})),
        ["x (default)", "p", "Delete", "Immediate", "false", "5m"]
    );
    assert_eq!(
        cells("CSIDriver", json!({"spec": {}})),
        ["x", "true", "false", "false", "<unset>", "false", "<none>", "5m"]
    );
    assert_eq!(
        cells("PriorityClass", json!({"value": 7, "preemptionPolicy": "Never"})),
        ["x", "7", "false", "5m", "Never"]
    );
    let conditions = json!([{"type": "Approved", "status": "True"}]);
    let spec = json!({"request": "", "signerName": "a/b", "username": "ada", "expirationSeconds": 3600});
    assert_eq!(
        cells(
            "CertificateSigningRequest",
            json!({"spec": spec, "status": {"conditions": conditions, "certificate": "eA=="}})
        ),
        ["x", "5m", "a/b", "ada", "60m", "Approved,Issued"]
    );
}
