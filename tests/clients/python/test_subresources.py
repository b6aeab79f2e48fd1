"""Scale, status, eviction and the other parts of objects that have an address of their own."""

import json

import pytest
from kubernetes.client import ApiException

from conftest import eventually
from objects import IMAGE, deployment, pod


def running(core, namespace, name):
    return core.read_namespaced_pod(name, namespace).status.phase == "Running"


def test_scale_is_read_and_written(apps, namespace):
    apps.create_namespaced_deployment(namespace, deployment("ship", replicas=1))
    scale = apps.read_namespaced_deployment_scale("ship", namespace)
    assert (scale.api_version, scale.kind) == ("autoscaling/v1", "Scale")
    assert (scale.spec.replicas, scale.status.selector) == (1, "app=ship")
    patched = apps.patch_namespaced_deployment_scale("ship", namespace, {"spec": {"replicas": 3}})
    assert patched.spec.replicas == 3
    eventually("three replicas run", lambda: apps.read_namespaced_deployment(
        "ship", namespace).status.ready_replicas == 3)
    assert apps.read_namespaced_deployment_scale("ship", namespace).status.replicas == 3
    fresh = apps.read_namespaced_deployment_scale("ship", namespace)
    fresh.spec.replicas = 0
    assert apps.replace_namespaced_deployment_scale("ship", namespace, fresh).spec.replicas == 0
    stale = {"metadata": {"name": "ship", "namespace": namespace, "resourceVersion": scale.metadata.resource_version},
             "spec": {"replicas": 1}}
    with pytest.raises(ApiException) as caught:
        apps.replace_namespaced_deployment_scale("ship", namespace, stale)
    assert caught.value.status == 409
    with pytest.raises(ApiException) as caught:
        apps.patch_namespaced_deployment_scale("ship", namespace, {"spec": {"replicas": -1}})
    assert caught.value.status == 422
    assert "spec.replicas: Invalid value: -1" in json.loads(caught.value.body)["message"]


def test_status_and_spec_are_written_apart(core, namespace):
    spec = pod("here")["spec"] | {"schedulerName": "none"}
    core.create_namespaced_pod(namespace, pod("here") | {"spec": spec, "status": {"message": "mine"}})
    read = core.read_namespaced_pod_status("here", namespace)
    assert read.status.message is None and read.status.phase == "Pending"
    changed = core.patch_namespaced_pod_status("here", namespace, {
        "metadata": {"labels": {"x": "1"}},
        "spec": {"activeDeadlineSeconds": 7},
        "status": {"message": "waiting", "conditions": [{"type": "example.com/Own", "status": "True"}]}})
    assert changed.status.message == "waiting" and changed.spec.active_deadline_seconds is None
    assert [one.type for one in changed.status.conditions if one.type.startswith("example")] == ["example.com/Own"]
    changed = core.patch_namespaced_pod("here", namespace, {
        "spec": {"activeDeadlineSeconds": 7}, "status": {"message": "else"}})
    assert changed.status.message == "waiting" and changed.spec.active_deadline_seconds == 7


def test_status_does_not_raise_the_generation(apps, namespace):
    made = apps.create_namespaced_deployment(namespace, deployment("ship", replicas=0))
    assert made.metadata.generation == 1
    changed = apps.patch_namespaced_deployment_status("ship", namespace, {"status": {"conditions": [
        {"type": "Own", "status": "True", "reason": "Tested", "message": ""}]}})
    assert changed.metadata.generation == 1
    changed = apps.patch_namespaced_deployment("ship", namespace, {"spec": {"paused": True}})
    assert changed.metadata.generation == 2


def test_a_pod_is_evicted(core, namespace):
    core.create_namespaced_pod(namespace, pod("here"))
    eventually("it runs", lambda: running(core, namespace, "here"))
    eviction = {"metadata": {"name": "here"}, "deleteOptions": {"gracePeriodSeconds": 0}}
    answer = json.loads(core.create_namespaced_pod_eviction("here", namespace, eviction,
                                                            _preload_content=False).data)
    assert (answer["kind"], answer["status"], answer["code"]) == ("Status", "Success", 201)
    eventually("it is gone", lambda: not core.list_namespaced_pod(namespace).items)


def test_a_disruption_budget_stops_evictions(core, namespace):
    from kubernetes import client
    budgets = client.PolicyV1Api()
    budgets.create_namespaced_pod_disruption_budget(namespace, {
        "metadata": {"name": "all"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "x"}}}})
    for name in ("here", "there"):
        core.create_namespaced_pod(namespace, pod(name, app="x"))

    def allowed():
        return budgets.read_namespaced_pod_disruption_budget_status("all", namespace).status.disruptions_allowed

    eventually("one of two may go", lambda: allowed() == 1)
    core.create_namespaced_pod_eviction("here", namespace, {"metadata": {"name": "here"}}, _preload_content=False)
    eventually("none may go", lambda: allowed() == 0 and len(core.list_namespaced_pod(namespace).items) == 1)
    with pytest.raises(ApiException) as caught:
        core.create_namespaced_pod_eviction("there", namespace, {"metadata": {"name": "there"}})
    status = json.loads(caught.value.body)
    assert (caught.value.status, status["reason"]) == (429, "TooManyRequests")
    assert status["message"] == "Cannot evict pod as it would violate the pod's disruption budget."
    assert [(cause["reason"], cause["message"]) for cause in status["details"]["causes"]] == [
        ("DisruptionBudget", "The disruption budget all needs 1 healthy pods and has 1 currently")]


def test_a_pod_is_bound(core, namespace):
    spec = pod("here")["spec"] | {"schedulerName": "none"}
    core.create_namespaced_pod(namespace, pod("here") | {"spec": spec})
    node = core.list_node().items[0].metadata.name
    binding = {"metadata": {"name": "here"}, "target": {"apiVersion": "v1", "kind": "Node", "name": node}}
    core.create_namespaced_pod_binding("here", namespace, binding, _preload_content=False)
    bound = core.read_namespaced_pod("here", namespace)
    assert bound.spec.node_name == node
    assert {one.type: one.status for one in bound.status.conditions}["PodScheduled"] == "True"
    with pytest.raises(ApiException) as caught:
        core.create_namespaced_pod_binding("here", namespace, binding)
    assert caught.value.status == 409
    assert f"is already assigned to node \\\"{node}\\\"" in caught.value.body


def test_a_debug_container_is_added(core, namespace):
    core.create_namespaced_pod(namespace, pod("here"))
    changed = core.patch_namespaced_pod_ephemeralcontainers("here", namespace, {"spec": {
        "ephemeralContainers": [{"name": "debug", "image": IMAGE}]}})
    assert [one.name for one in changed.spec.ephemeral_containers] == ["debug"]
    with pytest.raises(ApiException) as caught:
        core.patch_namespaced_pod("here", namespace, {"spec": {
            "ephemeralContainers": [{"name": "more", "image": IMAGE}]}})
    assert caught.value.status == 422


def test_a_pod_is_resized(core, namespace):
    containers = [{"name": "main", "image": IMAGE, "resources": {"requests": {"cpu": "10m"}}}]
    # On a node, it depends on whether the node can.
    core.create_namespaced_pod(namespace, pod("here") | {"spec": {"schedulerName": "nobody", "containers": containers}})
    larger = {"spec": {"containers": [{"name": "main", "resources": {"requests": {"cpu": "20m"}}}]}}
    with pytest.raises(ApiException) as caught:
        core.patch_namespaced_pod("here", namespace, larger)
    assert caught.value.status == 422
    changed = core.patch_namespaced_pod_resize("here", namespace, larger)
    assert changed.spec.containers[0].resources.requests == {"cpu": "20m"}


def test_a_certificate_is_approved():
    from kubernetes import client
    from kinds import REQUEST
    certificates = client.CertificatesV1Api()
    made = certificates.create_certificate_signing_request({
        "metadata": {"generateName": "python-"},
        "spec": {"request": REQUEST, "signerName": "example.com/own", "usages": ["client auth"]}})
    assert made.spec.username and made.spec.groups, "who asked is noted"
    made.status.conditions = [{"type": "Approved", "status": "True", "reason": "Tested", "message": "by hand"}]
    certificates.replace_certificate_signing_request_approval(made.metadata.name, made)
    read = certificates.read_certificate_signing_request(made.metadata.name)
    assert [one.type for one in read.status.conditions] == ["Approved"]
    certificates.delete_certificate_signing_request(made.metadata.name)


def test_a_token_is_given(core, namespace):
    eventually("the account is there", lambda: core.list_namespaced_service_account(
        namespace, field_selector="metadata.name=default").items)
    token = core.create_namespaced_service_account_token("default", namespace, {
        "spec": {"audiences": [], "expirationSeconds": 600}})
    assert token.status.token.count(".") == 2 and token.status.expiration_timestamp
