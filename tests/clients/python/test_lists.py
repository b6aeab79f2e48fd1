"""Lists: selectors, pages, and which state they show."""

import json

import pytest
from kubernetes.client import ApiException

from objects import config_map, pod


@pytest.fixture
def fleet(core, namespace):
    """Seven maps, labelled by their number."""
    for number in range(7):
        labels = {"number": str(number), "parity": ("even", "odd")[number % 2]}
        if number == 3:
            labels["special"] = ""
        core.create_namespaced_config_map(namespace, config_map(f"map-{number}", labels))
    return namespace


@pytest.mark.parametrize("selector, expected", [
    ("number=3", [3]),
    ("number==3", [3]),
    ("number", [0, 1, 2, 3, 4, 5, 6]),
    ("number!=3,number", [0, 1, 2, 4, 5, 6]),
    ("number in (1, 2, 9)", [1, 2]),
    ("number,number notin (0,1,2,3)", [4, 5, 6]),
    ("special", [3]),
    ("number,!special,parity=odd", [1, 5]),
    ("number>4", [5, 6]),
    ("number<2", [0, 1]),
    ("number=3,parity=even", []),
])
def test_label_selectors(core, fleet, selector, expected):
    found = core.list_namespaced_config_map(fleet, label_selector=selector)
    assert [int(one.metadata.name.removeprefix("map-")) for one in found.items] == expected


def test_pages_are_of_one_moment(core, fleet):
    """What happens between two pages is not seen in them."""
    page = core.list_namespaced_config_map(fleet, label_selector="number", limit=3)
    revision, seen = page.metadata.resource_version, [one.metadata.name for one in page.items]
    assert len(seen) == 3
    core.create_namespaced_config_map(fleet, config_map("map-9", {"number": "9"}))
    core.delete_namespaced_config_map("map-5", fleet)
    while page.metadata._continue:
        page = core.list_namespaced_config_map(
            fleet, label_selector="number", limit=3, _continue=page.metadata._continue)
        assert page.metadata.resource_version == revision
        seen += [one.metadata.name for one in page.items]
    assert seen == [f"map-{number}" for number in range(7)]


def test_the_rest_is_counted_where_nothing_is_selected(core, fleet):
    whole = len(core.list_namespaced_config_map(fleet).items)
    page = core.list_namespaced_config_map(fleet, limit=2)
    assert page.metadata.remaining_item_count == whole - 2
    page = core.list_namespaced_config_map(fleet, limit=2, label_selector="number")
    assert page.metadata.remaining_item_count is None and page.metadata._continue


def test_a_past_state_can_be_listed_exactly(core, fleet):
    before = core.list_namespaced_config_map(fleet, label_selector="number").metadata.resource_version
    core.delete_namespaced_config_map("map-0", fleet)
    past = core.list_namespaced_config_map(
        fleet, label_selector="number", resource_version=before, resource_version_match="Exact")
    assert len(past.items) == 7 and past.metadata.resource_version == before
    now = core.list_namespaced_config_map(
        fleet, label_selector="number", resource_version=before, resource_version_match="NotOlderThan")
    assert len(now.items) == 6
    assert len(core.list_namespaced_config_map(fleet, label_selector="number", resource_version="0").items) == 6


@pytest.mark.parametrize("options, status, text", [
    ({"label_selector": "a in (b"}, 400, "unable to parse requirement"),
    ({"field_selector": "data.key=value"}, 400, '"data.key" is not a known field selector: only "metadata.name", "metadata.namespace"'),
    ({"field_selector": "metadata.name"}, 400, "invalid selector"),
    ({"_continue": "!"}, 400, "continue key is not valid"),
    ({"resource_version_match": "Exact"}, 422, "resourceVersionMatch is forbidden unless resourceVersion is provided"),
    ({"resource_version": "1", "resource_version_match": "Nearly"}, 422, "supported values"),
    ({"resource_version": "banana"}, 400, 'resourceVersion: Invalid value: "banana"'),
    ({"resource_version": "4000000000", "resource_version_match": "NotOlderThan"}, 504, "Too large resource version"),
])
def test_bad_lists(core, namespace, options, status, text):
    with pytest.raises(ApiException) as caught:
        core.list_namespaced_config_map(namespace, **options)
    assert caught.value.status == status
    assert text in json.loads(caught.value.body)["message"]


def test_field_selectors_of_some_kinds(core, namespace):
    core.create_namespaced_pod(namespace, pod("here") | {"spec": pod("here")["spec"] | {"schedulerName": "none"}})
    core.create_namespaced_secret(namespace, {"metadata": {"name": "opaque"}, "type": "Opaque"})
    core.create_namespaced_secret(namespace, {"metadata": {"name": "own"}, "type": "example.com/own"})
    core.create_namespaced_service(namespace, {"metadata": {"name": "none"}, "spec": {
        "clusterIP": "None", "ports": [{"port": 80}]}})
    core.create_namespaced_event(namespace, {
        "metadata": {"name": "of-here"}, "reason": "Tested", "type": "Warning",
        "involvedObject": {"kind": "Pod", "name": "here", "namespace": namespace}})

    def names(listed):
        return [one.metadata.name for one in listed.items]

    selectors = ["spec.nodeName=", "status.phase=Pending", "spec.schedulerName=none", "metadata.name!=other",
                 "spec.restartPolicy=Always,status.phase!=Running"]
    for selector in selectors:
        assert names(core.list_namespaced_pod(namespace, field_selector=selector)) == ["here"], selector
    assert names(core.list_namespaced_pod(namespace, field_selector="spec.nodeName=elsewhere")) == []
    assert names(core.list_namespaced_secret(namespace, field_selector="type=example.com/own")) == ["own"]
    assert names(core.list_namespaced_service(namespace, field_selector="spec.clusterIP=None")) == ["none"]
    selector = f"involvedObject.name=here,involvedObject.namespace={namespace},type=Warning"
    assert names(core.list_namespaced_event(namespace, field_selector=selector)) == ["of-here"]
    assert namespace in names(core.list_namespace(field_selector="status.phase=Active"))
    found = core.list_pod_for_all_namespaces(field_selector=f"metadata.namespace={namespace}")
    assert names(found) == ["here"]
