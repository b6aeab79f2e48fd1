"""Watches: order, starts, ends, and what is told to those who come too late."""

import threading
import time

import pytest
from kubernetes import client, watch
from kubernetes.client import ApiException
from kubernetes.informer import ADDED, DELETED, MODIFIED, SharedInformer

from conftest import eventually
from objects import config_map

SOON = 5
WHOLE = 200_000
"""The bytes of a value, of which a few dozen are more than the server keeps for those who are behind."""


def told(events):
    return [(event["type"], event["object"].metadata.name) for event in events]


def change(core, namespace, name, **labels):
    return core.patch_namespaced_config_map(name, namespace, {"metadata": {"labels": labels}})


def until(stream, kind, name):
    """Reads to an event, and gives all up to it."""
    events = []
    for event in stream:
        events.append(event)
        if (event["type"], event["object"].metadata.name) == (kind, name):
            return events
    raise AssertionError(f"the stream ended without {kind} {name}: {told(events)}")


def test_a_watch_tells_what_comes_after_its_list(core, namespace):
    core.create_namespaced_config_map(namespace, config_map("before"))
    revision = core.list_namespaced_config_map(namespace).metadata.resource_version
    core.create_namespaced_config_map(namespace, config_map("a"))
    change(core, namespace, "a", x="1")
    core.delete_namespaced_config_map("a", namespace)
    stream = watch.Watch().stream(
        core.list_namespaced_config_map, namespace, resource_version=revision, timeout_seconds=SOON)
    events = until(stream, "DELETED", "a")
    assert told(events) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    revisions = [int(event["object"].metadata.resource_version) for event in events]
    assert revisions == sorted(set(revisions)) and revisions[0] > int(revision)
    assert events[2]["object"].metadata.labels == {"x": "1"}


def test_a_watch_from_nothing_begins_with_what_is_there(core, namespace):
    core.create_namespaced_config_map(namespace, config_map("a"))
    for start in ({}, {"resource_version": "0"}):
        stream = watch.Watch().stream(
            core.list_namespaced_config_map, namespace, timeout_seconds=SOON, field_selector="metadata.name=a", **start)
        assert told([next(stream)]) == [("ADDED", "a")]


def test_a_timeout_ends_a_watch_well(core, namespace):
    start = time.monotonic()
    stream = watch.Watch().stream(
        core.list_namespaced_config_map, namespace, timeout_seconds=1, label_selector="none=such")
    assert list(stream) == []
    assert 0.9 < time.monotonic() - start < 4


def test_what_leaves_a_selection_is_told_as_deleted(core, namespace):
    revision = core.list_namespaced_config_map(namespace).metadata.resource_version
    core.create_namespaced_config_map(namespace, config_map("a", {"team": "red"}))
    change(core, namespace, "a", team="blue")
    change(core, namespace, "a", team="red")
    core.delete_namespaced_config_map("a", namespace)
    core.create_namespaced_config_map(namespace, config_map("end", {"team": "red"}))
    stream = watch.Watch().stream(
        core.list_namespaced_config_map, namespace, resource_version=revision, label_selector="team=red",
        timeout_seconds=SOON)
    events = until(stream, "ADDED", "end")
    assert told(events)[:-1] == [("ADDED", "a"), ("DELETED", "a"), ("ADDED", "a"), ("DELETED", "a")]
    assert events[1]["object"].metadata.labels == {"team": "red"}, "the object is shown as it was in the selection"
    assert events[1]["object"].metadata.resource_version > events[0]["object"].metadata.resource_version


def test_a_watch_list_says_when_all_is_told(core, namespace):
    for name in "abc":
        core.create_namespaced_config_map(namespace, config_map(name, {"team": "red"}))
    events = []
    for event in watch.Watch().stream(
        core.list_namespaced_config_map, namespace, label_selector="team=red", send_initial_events=True,
        resource_version_match="NotOlderThan", allow_watch_bookmarks=True, timeout_seconds=SOON,
    ):
        events.append(event)
        if event["type"] == "BOOKMARK":
            break
    assert told(events[:-1]) == [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "c")]
    last = events[-1]["raw_object"]
    assert last["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert (last["apiVersion"], last["kind"]) == ("v1", "ConfigMap")


def test_a_bookmark_comes_before_the_end(core, namespace):
    events = list(watch.Watch().stream(
        core.list_namespaced_config_map, namespace, label_selector="none=such", allow_watch_bookmarks=True,
        timeout_seconds=3))
    assert events and {event["type"] for event in events} == {"BOOKMARK"}


def test_who_is_too_late_is_told_so(core, namespace):
    """A watch from a revision that is not kept any more: 410, in the stream or before it."""
    revision = core.list_namespaced_config_map(namespace).metadata.resource_version
    core.create_namespaced_config_map(namespace, config_map("large"))
    for number in range(120):
        core.patch_namespaced_config_map("large", namespace, {"data": {"text": str(number).ljust(WHOLE)}})
    with pytest.raises(ApiException) as caught:
        list(watch.Watch().stream(
            core.list_namespaced_config_map, namespace, resource_version=revision, timeout_seconds=SOON))
    assert caught.value.status == 410
    assert "too old resource version" in str(caught.value)
    # Who lists again goes on from there.
    revision = core.list_namespaced_config_map(namespace).metadata.resource_version
    core.delete_namespaced_config_map("large", namespace)
    stream = watch.Watch().stream(
        core.list_namespaced_config_map, namespace, resource_version=revision, timeout_seconds=SOON)
    assert told([next(stream)]) == [("DELETED", "large")]


def test_all_watchers_see_one_order(core, namespace):
    revision = core.list_namespaced_config_map(namespace).metadata.resource_version
    seen = [[] for _ in range(8)]

    def follow(mine):
        own = client.CoreV1Api(client.ApiClient())
        stream = watch.Watch().stream(
            own.list_namespaced_config_map, namespace, resource_version=revision, timeout_seconds=20)
        for event in stream:
            if event["object"].metadata.name == "end":
                return
            mine.append((event["type"], event["object"].metadata.resource_version))

    def write(number):
        own = client.CoreV1Api(client.ApiClient())
        for turn in range(10):
            own.create_namespaced_config_map(namespace, config_map(f"of-{number}-{turn}"))
            own.delete_namespaced_config_map(f"of-{number}-{turn}", namespace)

    readers = [threading.Thread(target=follow, args=(mine,)) for mine in seen]
    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in readers + writers:
        thread.start()
    for thread in writers:
        thread.join()
    core.create_namespaced_config_map(namespace, config_map("end"))
    for thread in readers:
        thread.join()
    assert len(seen[0]) >= 80
    assert all(mine == seen[0] for mine in seen)


def test_an_informer_holds_what_is_there(core, namespace):
    core.create_namespaced_config_map(namespace, config_map("first"))
    informer = SharedInformer(core.list_namespaced_config_map, namespace=namespace)
    seen = []
    for kind in (ADDED, MODIFIED, DELETED):
        informer.add_event_handler(kind, lambda one, kind=kind: seen.append((kind, one.metadata.name)))
    informer.start()
    try:
        eventually("the first is in the cache", lambda: informer.cache.get_by_key(f"{namespace}/first"))
        core.create_namespaced_config_map(namespace, config_map("second"))
        change(core, namespace, "second", x="1")
        core.delete_namespaced_config_map("first", namespace)
        eventually("the last event", lambda: (DELETED, "first") in seen)
        mine = [one for one in seen if one[1] in ("first", "second")]
        assert mine == [(ADDED, "first"), (ADDED, "second"), (MODIFIED, "second"), (DELETED, "first")]
        assert informer.cache.get_by_key(f"{namespace}/second").metadata.labels == {"x": "1"}
        assert informer.cache.get_by_key(f"{namespace}/first") is None
    finally:
        informer.stop()


def test_an_informer_that_reconnects_misses_nothing(core, namespace):
    """With a resync each second the stream ends and begins anew while objects come and go."""
    informer = SharedInformer(core.list_namespaced_config_map, namespace=namespace, resync_period=1)
    informer.start()
    try:
        for number in range(30):
            core.create_namespaced_config_map(namespace, config_map(f"map-{number}"))
            if number % 3 == 0:
                core.delete_namespaced_config_map(f"map-{number}", namespace)
            time.sleep(0.08)
        expected = {one.metadata.name for one in core.list_namespaced_config_map(namespace).items}
        eventually("cache and cluster agree", lambda: {
            one.metadata.name for one in informer.cache.list()} == expected)
    finally:
        informer.stop()
