"""What every kind can do, through the typed client."""

import json

import pytest
from kubernetes import watch
from kubernetes.client import ApiException

from conftest import eventually
from kinds import KINDS

LABEL = "test.skiff.dev/of"


def named(kind):
    return kind.model.removeprefix("V1")


def body(kind, name, namespace):
    """With `NAMESPACE` replaced wherever an object has to name its own."""
    whole = json.loads(json.dumps(kind.body(name)).replace("NAMESPACE", namespace))
    whole["metadata"] = {"name": kind.named(name), "labels": {LABEL: name}}
    return whole


def gone(kind, namespace, name):
    try:
        kind.call("read", namespace, name)
        return False
    except ApiException as error:
        return error.status == 404


@pytest.mark.parametrize("kind", KINDS, ids=named)
def test_life(kind, namespace):
    """Created, read, found, watched, patched, replaced, refused when stale, and deleted."""
    unique = f"{namespace}-own"
    name = kind.named(unique)
    created = kind.call("create", namespace, body(kind, unique, namespace), field_validation="Strict")
    assert type(created).__name__ == kind.model
    assert created.metadata.name == name
    assert created.metadata.uid and created.metadata.creation_timestamp and created.metadata.resource_version

    with pytest.raises(ApiException) as caught:
        kind.call("create", namespace, body(kind, unique, namespace))
    assert (caught.value.status, json.loads(caught.value.body)["reason"]) == (409, "AlreadyExists")

    assert kind.call("read", namespace, name).metadata.uid == created.metadata.uid
    found = kind.call("list", namespace, label_selector=f"{LABEL}={unique}")
    assert type(found).__name__.endswith(f"{kind.model.split('V1')[-1]}List")
    assert [one.metadata.name for one in found.items] == [name]
    found = kind.call("list", namespace, field_selector=f"metadata.name={name}")
    assert [one.metadata.uid for one in found.items] == [created.metadata.uid]

    patched = kind.call("patch", namespace, name, {"metadata": {"labels": {"patched": "yes"}}})
    assert patched.metadata.labels["patched"] == "yes" and patched.metadata.labels[LABEL] == unique

    stale, replaced = replace(kind, namespace, name)
    assert replaced.metadata.annotations["replaced"] == "yes"
    with pytest.raises(ApiException) as caught:
        stale.metadata.annotations = {"late": "yes"}
        kind.call("replace", namespace, name, stale)
    assert caught.value.status == 409
    assert "the object has been modified; please apply your changes to the latest version" in caught.value.body

    kind.call("delete", namespace, name, dry_run="All")
    kind.call("read", namespace, name)
    kind.call("delete", namespace, name, grace_period_seconds=0)
    eventually(f"{name} is gone", lambda: gone(kind, namespace, name))
    assert_was_told(kind, namespace, created)


def replace(kind, namespace, name):
    """Read and written back, again where a controller was faster: what was read, and what came of it."""
    for _ in range(20):
        read = kind.call("read", namespace, name)
        changed = kind.call("read", namespace, name)
        changed.metadata.annotations = {**(changed.metadata.annotations or {}), "replaced": "yes"}
        try:
            return read, kind.call("replace", namespace, name, changed)
        except ApiException as error:
            assert error.status == 409
    raise AssertionError("somebody else was faster each time")


def assert_was_told(kind, namespace, created):
    """A watch from where the object was created tells of the rest of its life."""
    place = [namespace] if kind.namespaced else []
    told = []
    for event in watch.Watch(kind.model).stream(
        kind.lister(), *place, resource_version=created.metadata.resource_version, timeout_seconds=5,
        field_selector=f"metadata.name={created.metadata.name}",
    ):
        assert event["object"].metadata.uid == created.metadata.uid
        told.append(event["type"])
        if told[-1] == "DELETED":
            break
    assert len(told) >= 3 and set(told[:-1]) == {"MODIFIED"} and told[-1] == "DELETED"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.model != "V1Namespace"], ids=named)
def test_collection(kind, namespace):
    """What a selector finds is deleted at once, and nothing else."""
    unique = f"{namespace}-own"
    name = kind.named(unique)
    kind.call("create", namespace, body(kind, unique, namespace), dry_run="All")
    assert gone(kind, namespace, name)
    kind.call("create", namespace, body(kind, unique, namespace))
    kind.call("delete_collection", namespace, label_selector=f"{LABEL}=other", grace_period_seconds=0)
    kind.call("read", namespace, name)
    kind.call("delete_collection", namespace, label_selector=f"{LABEL}={unique}", grace_period_seconds=0)
    eventually(f"{name} is gone", lambda: gone(kind, namespace, name))
