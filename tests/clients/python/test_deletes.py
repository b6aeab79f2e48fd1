"""Deletion: its options, finalizers, owners."""

import json

import pytest
from kubernetes import client
from kubernetes.client import ApiException

from conftest import eventually
from objects import config_map, deployment, pod


def status_of(caught):
    return caught.value.status, json.loads(caught.value.body)["reason"]


def test_preconditions_hold(core, namespace):
    made = core.create_namespaced_config_map(namespace, config_map("a"))
    for wrong in ({"uid": "11111111-2222-3333-4444-555555555555"}, {"resourceVersion": "1"}):
        with pytest.raises(ApiException) as caught:
            core.delete_namespaced_config_map("a", namespace, body=client.V1DeleteOptions(
                preconditions=client.V1Preconditions(uid=wrong.get("uid"), resource_version=wrong.get("resourceVersion"))))
        assert status_of(caught) == (409, "Conflict")
        assert "in the precondition (" in json.loads(caught.value.body)["message"]
    done = core.delete_namespaced_config_map("a", namespace, body=client.V1DeleteOptions(
        preconditions=client.V1Preconditions(uid=made.metadata.uid)))
    assert (done.status, done.details.name, done.details.kind) == ("Success", "a", "configmaps")
    assert done.details.uid == made.metadata.uid


def test_a_finalizer_holds_an_object(core, namespace):
    held = config_map("held")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    core.create_namespaced_config_map(namespace, held)
    core.delete_namespaced_config_map("held", namespace, _preload_content=False)
    read = core.read_namespaced_config_map("held", namespace)
    assert read.metadata.deletion_timestamp and read.metadata.deletion_grace_period_seconds == 0
    with pytest.raises(ApiException) as caught:
        core.patch_namespaced_config_map("held", namespace, {
            "metadata": {"finalizers": ["example.com/hold", "example.com/more"]}})
    assert status_of(caught) == (422, "Invalid")
    assert "no new finalizers can be added if the object is being deleted" in caught.value.body
    core.patch_namespaced_config_map("held", namespace, [{"op": "remove", "path": "/metadata/finalizers"}])
    with pytest.raises(ApiException) as caught:
        core.read_namespaced_config_map("held", namespace)
    assert status_of(caught) == (404, "NotFound")


def sets(apps, namespace):
    return apps.list_namespaced_replica_set(namespace).items


@pytest.mark.parametrize("policy, stays", [("Background", False), ("Foreground", False), ("Orphan", True)])
def test_propagation(core, apps, namespace, policy, stays):
    apps.create_namespaced_deployment(namespace, deployment("ship", replicas=1))
    eventually("a pod is there", lambda: core.list_namespaced_pod(namespace).items)
    apps.delete_namespaced_deployment("ship", namespace, propagation_policy=policy)
    eventually("the deployment is gone", lambda: not apps.list_namespaced_deployment(namespace).items)
    if stays:
        [left] = sets(apps, namespace)
        eventually("it has no owner", lambda: not sets(apps, namespace)[0].metadata.owner_references)
        apps.delete_namespaced_replica_set(left.metadata.name, namespace)
    elif policy == "Foreground":
        assert not sets(apps, namespace), "what is owned goes first"
    eventually("nothing is left", lambda: not sets(apps, namespace) and not core.list_namespaced_pod(namespace).items)


def test_both_ways_to_say_orphan_are_one_too_many(core, namespace):
    core.create_namespaced_config_map(namespace, config_map("a"))
    with pytest.raises(ApiException) as caught:
        core.delete_namespaced_config_map("a", namespace, body={
            "kind": "DeleteOptions", "apiVersion": "v1", "orphanDependents": True, "propagationPolicy": "Orphan"})
    assert status_of(caught) == (422, "Invalid")


def test_a_pod_has_its_grace(core, namespace):
    core.create_namespaced_pod(namespace, pod("here"))
    eventually("it has a node", lambda: core.read_namespaced_pod("here", namespace).spec.node_name)
    answer = core.delete_namespaced_pod("here", namespace, grace_period_seconds=20, dry_run="All")
    assert answer.metadata.deletion_grace_period_seconds == 20
    assert core.read_namespaced_pod("here", namespace).metadata.deletion_timestamp is None
    answer = core.delete_namespaced_pod("here", namespace, grace_period_seconds=20)
    assert answer.metadata.name == "here" and answer.metadata.deletion_timestamp
    eventually("it is gone", lambda: not core.list_namespaced_pod(namespace).items)


def test_a_namespace_takes_all_with_it(core):
    made = core.create_namespace({"metadata": {"generateName": "python-"}})
    name = made.metadata.name
    core.create_namespaced_config_map(name, config_map("a"))
    core.create_namespaced_pod(name, pod("here"))
    left = core.delete_namespace(name)
    assert left.status
    eventually("it is gone", lambda: name not in [one.metadata.name for one in core.list_namespace().items])
    assert core.list_namespaced_config_map(name).items == []


def test_a_namespace_that_goes_takes_nothing_in(core):
    name = core.create_namespace({"metadata": {"generateName": "python-"}}).metadata.name
    held = config_map("held")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    core.create_namespaced_config_map(name, held)
    core.delete_namespace(name)
    with pytest.raises(ApiException) as caught:
        core.create_namespaced_config_map(name, config_map("late"))
    assert status_of(caught) == (403, "Forbidden")
    message = json.loads(caught.value.body)["message"]
    assert f"unable to create new content in namespace {name} because it is being terminated" in message
    eventually("it tells what holds it", lambda: [
        one for one in core.read_namespace(name).status.conditions or []
        if one.type == "NamespaceFinalizersRemaining" and one.status == "True"])
    core.patch_namespaced_config_map("held", name, {"metadata": {"finalizers": None}})
    eventually("it is gone", lambda: name not in [one.metadata.name for one in core.list_namespace().items])
