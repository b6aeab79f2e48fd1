//! The least that is needed to create an object of a kind, for the groups around the workloads.

use serde_json::{Value, json};

use crate::kinds::certificates::sample_request;
use crate::kinds::erased::KindRef;

/// The name for an object that a test calls `name`, for kinds whose names mean something.
pub fn name_of(kind: KindRef, name: &str) -> String {
    match kind.facts().kind {
        "IPAddress" => {
            let number = name.bytes().fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
            format!("192.0.2.{number}")
        }
        "APIService" => format!("v1.{name}.example.com"),
        "CustomResourceDefinition" => format!("{name}s.example.com"),
        _ => name.to_owned(),
    }
}

pub fn of(kind: &str, name: &str) -> Value {
    match kind {
        "IPAddress" => json!({"spec": {"parentRef": {"resource": "services", "namespace": "default", "name": "web"}}}),
        "ServiceCIDR" => json!({"spec": {"cidrs": ["10.0.0.0/16"]}}),
        "Ingress" => json!({"spec": {"defaultBackend": backend()}}),
        "IngressClass" => json!({"spec": {"controller": "example.com/ingress"}}),
        "NetworkPolicy" => json!({"spec": {"podSelector": {}}}),
        "Role" | "ClusterRole" => json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}),
        "RoleBinding" | "ClusterRoleBinding" => json!({
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
            "subjects": [{"kind": "User", "name": "ada"}]}),
        "CertificateSigningRequest" => json!({"spec": {
            "request": sample_request(), "signerName": "example.com/signer", "usages": ["client auth"]}}),
        "StorageClass" => json!({"provisioner": "example.com/disks"}),
        "VolumeAttachment" => json!({"spec": {
            "attacher": "disks.example.com", "nodeName": "n1", "source": {"persistentVolumeName": "pv"}}}),
        "CSINode" => json!({"spec": {"drivers": [{"name": "disks.example.com", "nodeID": "n1"}]}}),
        "CSIStorageCapacity" => json!({"storageClassName": "fast", "capacity": "1Gi"}),
        "VolumeAttributesClass" => json!({"driverName": "disks.example.com", "parameters": {"iops": "100"}}),
        "PriorityClass" => json!({"value": 1000}),
        "RuntimeClass" => json!({"handler": "runc"}),
        "FlowSchema" => json!({"spec": {"priorityLevelConfiguration": {"name": "workload-low"}}}),
        "PriorityLevelConfiguration" => {
            json!({"spec": {"type": "Limited", "limited": {"limitResponse": {"type": "Reject"}}}})
        }
        "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => json!({"webhooks": [{
            "name": "pods.example.com", "clientConfig": {"url": "https://example.com/check"}, "rules": [rule()],
            "sideEffects": "None", "admissionReviewVersions": ["v1"]}]}),
        "ValidatingAdmissionPolicy" => json!({"spec": {
            "matchConstraints": {"resourceRules": [rule()]}, "validations": [{"expression": "true"}]}}),
        "ValidatingAdmissionPolicyBinding" => json!({"spec": {"policyName": "p", "validationActions": ["Deny"]}}),
        "MutatingAdmissionPolicy" => json!({"spec": {
            "matchConstraints": {"resourceRules": [rule()]}, "reinvocationPolicy": "Never",
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": "[]"}}]}}),
        "MutatingAdmissionPolicyBinding" => json!({"spec": {"policyName": "p"}}),
        "DeviceClass" => json!({"spec": {}}),
        "ResourceClaim" => json!({"spec": claim()}),
        "ResourceClaimTemplate" => json!({"spec": {"spec": claim()}}),
        "ResourceSlice" => json!({"spec": {
            "driver": "gpu.example.com", "nodeName": "n1", "devices": [{"name": "gpu-0"}],
            "pool": {"name": "n1", "generation": 1, "resourceSliceCount": 1}}}),
        "APIService" => {
            let group = name.strip_prefix("v1.").unwrap_or(name);
            json!({"spec": {"group": group, "version": "v1", "groupPriorityMinimum": 1000, "versionPriority": 15}})
        }
        "CustomResourceDefinition" => definition(name),
        _ => json!({}),
    }
}

fn backend() -> Value {
    json!({"service": {"name": "web", "port": {"number": 80}}})
}

fn rule() -> Value {
    json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]})
}

fn claim() -> Value {
    json!({"devices": {"requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu"}}]}})
}

fn definition(name: &str) -> Value {
    let plural = name.split('.').next().unwrap_or_default();
    let schema = json!({"openAPIV3Schema": {"type": "object"}});
    json!({"spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": plural, "kind": "Sample"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}]}})
}
