"""The four kinds of patches."""

import json

import pytest
from kubernetes import client
from kubernetes.client import ApiException

from objects import IMAGE, config_map, deployment

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


@pytest.fixture
def ship(apps, namespace):
    """A Deployment without pods, which only the test changes."""
    apps.create_namespaced_deployment(namespace, deployment("ship", replicas=0))
    return "ship"


def containers(one):
    return {container.name: container for container in one.spec.template.spec.containers}


def test_json_patch(core, namespace):
    core.create_namespaced_config_map(namespace, config_map("a", {"x": "1"}, key="value"))
    patched = core.patch_namespaced_config_map("a", namespace, [
        {"op": "test", "path": "/data/key", "value": "value"},
        {"op": "replace", "path": "/data/key", "value": "other"},
        {"op": "add", "path": "/data/new", "value": "one"},
        {"op": "copy", "from": "/data/new", "path": "/data/copied"},
        {"op": "move", "from": "/data/copied", "path": "/data/moved"},
        {"op": "remove", "path": "/metadata/labels/x"},
    ])
    assert patched.data == {"key": "other", "new": "one", "moved": "one"}
    assert not patched.metadata.labels


@pytest.mark.parametrize("patch, status, text", [
    ([{"op": "test", "path": "/data/key", "value": "else"}], 422, "the server rejected our request"),
    ([{"op": "remove", "path": "/data/nothing"}], 422, "the server rejected our request"),
    ([{"op": "replace", "path": "/metadata/name", "value": "b"}], 400, "the name of the object"),
])
def test_json_patches_that_fail_change_nothing(core, namespace, patch, status, text):
    made = core.create_namespaced_config_map(namespace, config_map("a", key="value"))
    with pytest.raises(ApiException) as caught:
        core.patch_namespaced_config_map("a", namespace, patch)
    assert caught.value.status == status
    assert text in json.loads(caught.value.body)["message"]
    assert core.read_namespaced_config_map("a", namespace).metadata.resource_version == made.metadata.resource_version


def test_merge_patch_replaces_lists_and_removes_by_null(apps, namespace, ship):
    patched = apps.patch_namespaced_deployment(ship, namespace, {
        "metadata": {"labels": {"x": "1"}},
        "spec": {"template": {"spec": {"containers": [{"name": "other", "image": IMAGE}]}}},
    }, _content_type=MERGE)
    assert list(containers(patched)) == ["other"]
    patched = apps.patch_namespaced_deployment(ship, namespace, {"metadata": {"labels": {"x": None}}},
                                               _content_type=MERGE)
    assert not patched.metadata.labels


def test_strategic_merge_patch_knows_the_keys_of_lists(apps, namespace, ship):
    def patch(**spec):
        return apps.patch_namespaced_deployment(
            ship, namespace, {"spec": {"template": {"spec": spec}}}, _content_type=STRATEGIC)

    patched = patch(containers=[{"name": "side", "image": IMAGE, "env": [{"name": "A", "value": "1"}]}])
    assert set(containers(patched)) == {"main", "side"}
    patched = patch(containers=[{"name": "side", "env": [{"name": "B", "value": "2"}]}])
    assert {one.name: one.value for one in containers(patched)["side"].env} == {"A": "1", "B": "2"}
    patched = patch(**{"$setElementOrder/containers": [{"name": "main"}, {"name": "side"}]},
                    containers=[{"name": "side", "env": [{"name": "A", "$patch": "delete"}]}])
    assert [one.name for one in patched.spec.template.spec.containers] == ["main", "side"]
    assert [one.name for one in containers(patched)["side"].env] == ["B"]
    patched = patch(containers=[{"$patch": "replace"}, {"name": "alone", "image": IMAGE}])
    assert list(containers(patched)) == ["alone"]
    patched = apps.patch_namespaced_deployment(ship, namespace, {
        "spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}, _content_type=STRATEGIC)
    assert patched.spec.strategy.type == "Recreate" and patched.spec.strategy.rolling_update is None


def test_a_patch_that_changes_nothing_writes_nothing(core, namespace):
    before = core.create_namespaced_config_map(namespace, config_map("a", {"x": "1"}))
    after = core.patch_namespaced_config_map("a", namespace, {"metadata": {"labels": {"x": "1"}}})
    assert after.metadata.resource_version == before.metadata.resource_version


def test_a_patch_with_a_stale_revision_conflicts(core, namespace):
    made = core.create_namespaced_config_map(namespace, config_map("a"))
    core.patch_namespaced_config_map("a", namespace, {"data": {"x": "1"}})
    stale = {"metadata": {"resourceVersion": made.metadata.resource_version}, "data": {"x": "2"}}
    with pytest.raises(ApiException) as caught:
        core.patch_namespaced_config_map("a", namespace, stale)
    assert caught.value.status == 409


def test_an_unknown_sort_of_patch_is_refused(core, namespace):
    core.create_namespaced_config_map(namespace, config_map("a"))
    with pytest.raises(ApiException) as caught:
        core.patch_namespaced_config_map("a", namespace, {}, _content_type="application/json")
    assert (caught.value.status, json.loads(caught.value.body)["reason"]) == (415, "UnsupportedMediaType")


def applied(core, namespace, manager, data, **options):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shared"}, "data": data}
    return core.patch_namespaced_config_map_with_http_info(
        "shared", namespace, body, field_manager=manager, _content_type=APPLY, **options)


def test_apply_creates_and_updates(core, namespace):
    made, status, _ = applied(core, namespace, "red", {"a": "1", "b": "1"})
    assert status == 201 and made.data == {"a": "1", "b": "1"}
    changed, status, _ = applied(core, namespace, "red", {"a": "2"})
    assert status == 200 and changed.data == {"a": "2"}, "what its only owner leaves out goes"
    [entry] = changed.metadata.managed_fields
    assert (entry.manager, entry.operation, entry.api_version) == ("red", "Apply", "v1")
    assert entry.fields_type == "FieldsV1" and entry.fields_v1 == {"f:data": {"f:a": {}}}
    again, _, _ = applied(core, namespace, "red", {"a": "2"})
    assert again.metadata.resource_version == changed.metadata.resource_version


def test_apply_conflicts_name_the_fields(core, namespace):
    applied(core, namespace, "red", {"a": "1"})
    with pytest.raises(ApiException) as caught:
        applied(core, namespace, "blue", {"a": "2", "b": "2"})
    status = json.loads(caught.value.body)
    assert (caught.value.status, status["reason"]) == (409, "Conflict")
    assert status["message"] == 'Apply failed with 1 conflict: conflict with "red": .data.a'
    assert status["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "red"', "field": ".data.a"}]
    forced, _, _ = applied(core, namespace, "blue", {"a": "2", "b": "2"}, force=True)
    assert forced.data == {"a": "2", "b": "2"}
    assert [one.manager for one in forced.metadata.managed_fields] == ["blue"], "red owns nothing any more"


def test_equal_values_are_owned_together(core, namespace):
    applied(core, namespace, "red", {"a": "1"})
    applied(core, namespace, "blue", {"a": "1"})
    left, _, _ = applied(core, namespace, "red", {"b": "1"})
    assert left.data == {"a": "1", "b": "1"}, "blue still wants it"


def test_an_update_takes_fields_from_an_applier(core, namespace):
    applied(core, namespace, "red", {"a": "1"})
    read = core.read_namespaced_config_map("shared", namespace)
    read.data = {"a": "2"}
    core.replace_namespaced_config_map("shared", namespace, read, field_manager="editor")
    managers = core.read_namespaced_config_map("shared", namespace).metadata.managed_fields
    assert {(one.manager, one.operation) for one in managers} == {("red", "Apply"), ("editor", "Update")} or {
        (one.manager, one.operation) for one in managers} == {("editor", "Update")}
    with pytest.raises(ApiException) as caught:
        applied(core, namespace, "red", {"a": "1"})
    assert 'conflict with "editor" using v1: .data.a' in json.loads(caught.value.body)["message"]


@pytest.mark.parametrize("options, change, status, text", [
    ({}, {}, 422, "fieldManager: Required value: is required for apply patch"),
    ({"field_manager": "red"}, {"managedFields": [{"manager": "x"}]}, 400, "metadata.managedFields must be nil"),
], ids=["nobody", "managed"])
def test_bad_applies(core, namespace, options, change, status, text):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", **change}}
    with pytest.raises(ApiException) as caught:
        core.patch_namespaced_config_map("a", namespace, body, _content_type=APPLY, **options)
    assert caught.value.status == status
    assert text in json.loads(caught.value.body)["message"]


def test_force_is_for_applies_only(core, namespace):
    core.create_namespaced_config_map(namespace, config_map("a"))
    with pytest.raises(ApiException) as caught:
        core.patch_namespaced_config_map("a", namespace, {"data": {"x": "1"}}, force=True, _content_type=MERGE)
    assert caught.value.status == 422
    assert "force: Forbidden: may not be specified for non-apply patch" in json.loads(caught.value.body)["message"]


def test_apply_merges_lists_by_their_keys(apps, namespace):
    def apply(manager, *names):
        body = deployment("ship", replicas=0) | {"apiVersion": "apps/v1", "kind": "Deployment"}
        body["spec"]["template"]["spec"] = {"containers": [{"name": name, "image": IMAGE} for name in names]}
        return apps.patch_namespaced_deployment(
            "ship", namespace, body, field_manager=manager, _content_type=APPLY)

    apply("red", "main")
    assert set(containers(apply("blue", "side"))) == {"main", "side"}
    assert set(containers(apply("red", "main", "third"))) == {"main", "side", "third"}
    assert set(containers(apply("red", "main"))) == {"main", "side"}


def test_managed_fields_name_the_program(core, namespace):
    own = client.ApiClient()
    own.user_agent = "harbour/1.2 (test)"
    made = client.CoreV1Api(own).create_namespaced_config_map(namespace, config_map("a", key="value"))
    [entry] = made.metadata.managed_fields
    assert (entry.manager, entry.operation) == ("harbour", "Update")
    assert entry.fields_v1 == {"f:data": {".": {}, "f:key": {}}}
