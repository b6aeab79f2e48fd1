"""Every GA kind that the typed client can create, list and delete: its API, its method's name, and the least of a body.

A body is made from the object's name, since some kinds name themselves again inside or prescribe how they are called.
"""

from dataclasses import dataclass
from typing import Callable

from kubernetes import client

from objects import IMAGE, pod_spec, template

REQUEST = (
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlHaU1GWUNBUUF3SXpFUE1BMEdBMVVFQXd3R2NtVmhaR1Z5TVJBd0RnWURWUVFL"
    "REFkeVpXRmtaWEp6TUNvdwpCUVlESzJWd0F5RUFXcVpoWDZWTFpjUWhXTG5Ld1RlYmRHekxWbXdFWFRIUkl1UzlKK2NOYVZtZ0FEQUZCZ01yClpY"
    "QURRUURmdVFzVkdTOEYwUG92WjAwQVd2OE9IWFpVdnpvLzFCTkRjcW1RRTdYTkowdTVaa2FzOUJKS1VNbEkKWHlDaDU1MmVrLzdCbVZxYmVTVVdT"
    "cHlCeTBNQwotLS0tLUVORCBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0K"
)
"""A certificate request of `reader` in the group `readers`."""


@dataclass
class Kind:
    api: type
    method: str
    model: str
    body: Callable[[str], dict]
    namespaced: bool = True
    named: Callable[[str], str] = lambda name: name

    def client(self):
        return self.api()

    def call(self, verb, namespace, *arguments, **options):
        """`create`, `read`, `list`, `replace`, `patch`, `delete`, `delete_collection`."""
        name = f"{verb}_namespaced_{self.method}" if self.namespaced else f"{verb}_{self.method}"
        function = getattr(self.client(), name)
        place = [namespace] if self.namespaced else []
        if verb in ("read", "replace", "patch", "delete"):
            return function(arguments[0], *place, *arguments[1:], **options)
        return function(*place, *arguments, **options)

    def lister(self):
        return getattr(self.client(), f"list_namespaced_{self.method}" if self.namespaced else f"list_{self.method}")


def spec(**fields):
    return lambda _: {"spec": fields}


def plain(**fields):
    return lambda _: fields


def workload(name):
    return {"spec": {"selector": {"matchLabels": {"app": name}}, "template": template(name)}}


def job_template():
    return {"spec": {"template": {"spec": {"restartPolicy": "Never", **pod_spec()}}}}


RULES = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]
ROLE = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reader"}
SUBJECTS = [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "jane"}]
WEBHOOK = {
    "name": "check.example.com",
    "clientConfig": {"url": "https://check.example.com/"},
    "admissionReviewVersions": ["v1"],
    "sideEffects": "None",
    "rules": [{"apiGroups": ["example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["ships"]}],
}
MATCH = {
    "resourceRules": [
        {"apiGroups": ["example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["ships"]}
    ]
}
MICRO = "2026-01-02T03:04:05.000006Z"

CORE = client.CoreV1Api
APPS = client.AppsV1Api
RBAC = client.RbacAuthorizationV1Api
NETWORKING = client.NetworkingV1Api
STORAGE = client.StorageV1Api
ADMISSION = client.AdmissionregistrationV1Api
RESOURCE = client.ResourceV1Api
FLOW = client.FlowcontrolApiserverV1Api

KINDS = [
    Kind(CORE, "config_map", "V1ConfigMap", plain(data={"key": "value"})),
    Kind(CORE, "endpoints", "V1Endpoints",
         plain(subsets=[{"addresses": [{"ip": "192.0.2.7"}], "ports": [{"port": 80}]}])),
    Kind(CORE, "event", "CoreV1Event",
         plain(involvedObject={"kind": "Pod", "name": "p", "namespace": "NAMESPACE"}, reason="Tested", type="Normal")),
    Kind(CORE, "limit_range", "V1LimitRange", spec(limits=[{"type": "Pod", "max": {"cpu": "100"}}])),
    Kind(CORE, "persistent_volume_claim", "V1PersistentVolumeClaim",
         spec(accessModes=["ReadWriteOnce"], resources={"requests": {"storage": "1Gi"}})),
    Kind(CORE, "pod", "V1Pod", lambda _: {"spec": pod_spec()}),
    Kind(CORE, "pod_template", "V1PodTemplate", lambda name: {"template": template(name)}),
    Kind(CORE, "replication_controller", "V1ReplicationController",
         lambda name: {"spec": {"selector": {"app": name}, "template": template(name)}}),
    Kind(CORE, "resource_quota", "V1ResourceQuota", spec(hard={"pods": "100"})),
    Kind(CORE, "secret", "V1Secret", plain(type="Opaque", stringData={"key": "value"})),
    Kind(CORE, "service_account", "V1ServiceAccount", plain()),
    Kind(CORE, "service", "V1Service", spec(ports=[{"port": 80}], selector={"app": "x"})),
    Kind(CORE, "namespace", "V1Namespace", plain(), namespaced=False),
    Kind(CORE, "node", "V1Node", plain(), namespaced=False),
    Kind(CORE, "persistent_volume", "V1PersistentVolume",
         spec(capacity={"storage": "1Gi"}, accessModes=["ReadWriteOnce"], hostPath={"path": "/tmp/x"}),
         namespaced=False),
    Kind(APPS, "controller_revision", "V1ControllerRevision", plain(revision=1, data={"spec": {}})),
    Kind(APPS, "daemon_set", "V1DaemonSet", workload),
    Kind(APPS, "deployment", "V1Deployment", workload),
    Kind(APPS, "replica_set", "V1ReplicaSet", workload),
    Kind(APPS, "stateful_set", "V1StatefulSet", lambda name: {"spec": {"serviceName": name, **workload(name)["spec"]}}),
    Kind(client.AutoscalingV1Api, "horizontal_pod_autoscaler", "V1HorizontalPodAutoscaler",
         spec(maxReplicas=3, scaleTargetRef={"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"})),
    Kind(client.AutoscalingV2Api, "horizontal_pod_autoscaler", "V2HorizontalPodAutoscaler",
         spec(maxReplicas=3, scaleTargetRef={"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"})),
    Kind(client.BatchV1Api, "job", "V1Job", lambda _: job_template()),
    Kind(client.BatchV1Api, "cron_job", "V1CronJob", lambda _: {
        "spec": {"schedule": "0 0 29 2 *", "jobTemplate": job_template()}}),
    Kind(client.CertificatesV1Api, "certificate_signing_request", "V1CertificateSigningRequest",
         spec(request=REQUEST, signerName="example.com/own", usages=["client auth"]), namespaced=False),
    Kind(client.CoordinationV1Api, "lease", "V1Lease",
         spec(holderIdentity="me", leaseDurationSeconds=15, renewTime=MICRO)),
    Kind(client.DiscoveryV1Api, "endpoint_slice", "V1EndpointSlice",
         plain(addressType="IPv4", endpoints=[{"addresses": ["192.0.2.7"]}], ports=[{"name": "a", "port": 80}])),
    Kind(client.EventsV1Api, "event", "EventsV1Event",
         plain(regarding={"kind": "Pod", "name": "p", "namespace": "NAMESPACE"}, reason="Tested", type="Normal",
               action="Test", eventTime=MICRO, reportingController="example.com/test", reportingInstance="test-1")),
    Kind(FLOW, "flow_schema", "V1FlowSchema",
         spec(priorityLevelConfiguration={"name": "global-default"}, matchingPrecedence=9000), namespaced=False),
    Kind(FLOW, "priority_level_configuration", "V1PriorityLevelConfiguration",
         spec(type="Limited", limited={"nominalConcurrencyShares": 2, "limitResponse": {"type": "Reject"}}),
         namespaced=False),
    Kind(NETWORKING, "ingress", "V1Ingress",
         spec(defaultBackend={"service": {"name": "x", "port": {"number": 80}}})),
    Kind(NETWORKING, "ingress_class", "V1IngressClass", spec(controller="example.com/own"), namespaced=False),
    Kind(NETWORKING, "network_policy", "V1NetworkPolicy", spec(podSelector={}, policyTypes=["Ingress"])),
    Kind(NETWORKING, "ip_address", "V1IPAddress",
         spec(parentRef={"resource": "services", "namespace": "default", "name": "nobody"}), namespaced=False,
         named=lambda _: "198.51.100.7"),
    Kind(NETWORKING, "service_cidr", "V1ServiceCIDR", spec(cidrs=["198.51.100.0/24"]), namespaced=False),
    Kind(client.NodeV1Api, "runtime_class", "V1RuntimeClass", plain(handler="own"), namespaced=False),
    Kind(client.PolicyV1Api, "pod_disruption_budget", "V1PodDisruptionBudget",
         spec(minAvailable=1, selector={"matchLabels": {"app": "x"}})),
    Kind(RBAC, "role", "V1Role", plain(rules=RULES)),
    Kind(RBAC, "role_binding", "V1RoleBinding", plain(roleRef=ROLE, subjects=SUBJECTS)),
    Kind(RBAC, "cluster_role", "V1ClusterRole", plain(rules=RULES), namespaced=False),
    Kind(RBAC, "cluster_role_binding", "V1ClusterRoleBinding", plain(roleRef=ROLE, subjects=SUBJECTS),
         namespaced=False),
    Kind(RESOURCE, "device_class", "V1DeviceClass",
         spec(selectors=[{"cel": {"expression": 'device.driver == "own.example.com"'}}]), namespaced=False),
    Kind(RESOURCE, "resource_claim", "ResourceV1ResourceClaim",
         spec(devices={"requests": [{"name": "one", "exactly": {"deviceClassName": "own.example.com"}}]})),
    Kind(RESOURCE, "resource_claim_template", "V1ResourceClaimTemplate",
         spec(spec={"devices": {"requests": [{"name": "one", "exactly": {"deviceClassName": "own.example.com"}}]}})),
    Kind(RESOURCE, "resource_slice", "V1ResourceSlice",
         spec(driver="own.example.com", nodeName="nowhere", devices=[{"name": "one"}],
              pool={"name": "pool", "generation": 1, "resourceSliceCount": 1}), namespaced=False),
    Kind(client.SchedulingV1Api, "priority_class", "V1PriorityClass", plain(value=7), namespaced=False),
    Kind(STORAGE, "csi_driver", "V1CSIDriver", spec(attachRequired=False), namespaced=False),
    Kind(STORAGE, "csi_node", "V1CSINode", spec(drivers=[]), namespaced=False),
    Kind(STORAGE, "csi_storage_capacity", "V1CSIStorageCapacity", plain(storageClassName="own", capacity="1Gi")),
    Kind(STORAGE, "storage_class", "V1StorageClass", plain(provisioner="example.com/own"), namespaced=False),
    Kind(STORAGE, "volume_attachment", "V1VolumeAttachment",
         spec(attacher="own.example.com", nodeName="nowhere", source={"persistentVolumeName": "none"}),
         namespaced=False),
    Kind(STORAGE, "volume_attributes_class", "V1VolumeAttributesClass",
         plain(driverName="own.example.com", parameters={"speed": "low"}), namespaced=False),
    Kind(ADMISSION, "validating_webhook_configuration", "V1ValidatingWebhookConfiguration",
         plain(webhooks=[WEBHOOK]), namespaced=False),
    Kind(ADMISSION, "mutating_webhook_configuration", "V1MutatingWebhookConfiguration",
         plain(webhooks=[WEBHOOK]), namespaced=False),
    Kind(ADMISSION, "validating_admission_policy", "V1ValidatingAdmissionPolicy",
         spec(matchConstraints=MATCH, validations=[{"expression": "true"}]), namespaced=False),
    Kind(ADMISSION, "validating_admission_policy_binding", "V1ValidatingAdmissionPolicyBinding",
         spec(policyName="own", validationActions=["Audit"]), namespaced=False),
    Kind(ADMISSION, "mutating_admission_policy", "V1MutatingAdmissionPolicy",
         spec(matchConstraints=MATCH, reinvocationPolicy="Never", failurePolicy="Fail", mutations=[
             {"patchType": "JSONPatch", "jsonPatch": {"expression": "[]"}}]), namespaced=False),
    Kind(ADMISSION, "mutating_admission_policy_binding", "V1MutatingAdmissionPolicyBinding",
         spec(policyName="own"), namespaced=False),
    Kind(client.ApiregistrationV1Api, "api_service", "V1APIService",
         spec(group="own.example.com", version="v1", groupPriorityMinimum=1000, versionPriority=15,
              insecureSkipTLSVerify=True, service={"namespace": "default", "name": "nobody"}),
         namespaced=False, named=lambda _: "v1.own.example.com"),
    Kind(client.ApiextensionsV1Api, "custom_resource_definition", "V1CustomResourceDefinition",
         spec(group="python.example.com", scope="Namespaced", names={"plural": "boats", "kind": "Boat"}, versions=[
             {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}]),
         namespaced=False, named=lambda _: "boats.python.example.com"),
]
