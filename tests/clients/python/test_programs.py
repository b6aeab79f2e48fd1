"""What programs are made of: leader election, counters that many change, reviews, and waiting for things."""

import contextlib
import json
import threading
import time

from kubernetes import client
from kubernetes.client import ApiException
from kubernetes.leaderelection import electionconfig, leaderelection
from kubernetes.leaderelection.resourcelock.configmaplock import ConfigMapLock

from conftest import eventually
from objects import config_map, deployment


class Candidate:
    """One who wants to lead until told to fall silent, as a process that died would."""

    def __init__(self, namespace, name):
        self.leads = threading.Event()
        self.silent = threading.Event()
        lock = ConfigMapLock("leader", namespace, name)
        update, get = lock.update, lock.get
        lock.update = lambda *arguments: not self.silent.is_set() and update(*arguments)
        lock.get = lambda *arguments: self.stop() if self.silent.is_set() else get(*arguments)
        config = electionconfig.Config(
            lock, lease_duration=2, renew_deadline=1.5, retry_period=1, onstarted_leading=self.leads.set,
            onstopped_leading=lambda: None)
        self.thread = threading.Thread(target=self.run, args=(config,), daemon=True)
        self.thread.start()

    @staticmethod
    def stop():
        raise SystemExit

    @staticmethod
    def run(config):
        with contextlib.suppress(SystemExit):
            leaderelection.LeaderElection(config).run()


def test_one_leads_and_another_follows_it(namespace):
    first = Candidate(namespace, "first")
    assert first.leads.wait(5)
    second = Candidate(namespace, "second")
    assert not second.leads.wait(1), "two lead at once"
    first.silent.set()
    assert second.leads.wait(10), "nobody leads"
    second.silent.set()


def test_many_change_one_object_and_none_is_lost(core, namespace):
    core.create_namespaced_config_map(namespace, config_map("counter", count="0"))

    def count():
        own = client.CoreV1Api(client.ApiClient())
        for _ in range(10):
            while True:
                read = own.read_namespaced_config_map("counter", namespace)
                read.data["count"] = str(int(read.data["count"]) + 1)
                try:
                    own.replace_namespaced_config_map("counter", namespace, read)
                    break
                except ApiException as error:
                    assert error.status == 409
                    time.sleep(0.002)

    threads = [threading.Thread(target=count) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert core.read_namespaced_config_map("counter", namespace).data["count"] == "60"


def test_a_rollout_is_waited_for(apps, core, namespace):
    apps.create_namespaced_deployment(namespace, deployment("ship", replicas=2))

    def done():
        read = apps.read_namespaced_deployment("ship", namespace)
        return (read.status.observed_generation or 0) >= read.metadata.generation and (
            read.status.updated_replicas == read.status.available_replicas == read.status.replicas == 2)

    eventually("the first rollout", done)
    before = {one.metadata.name for one in core.list_namespaced_pod(namespace).items}
    apps.patch_namespaced_deployment("ship", namespace, {"spec": {"template": {"metadata": {
        "annotations": {"restarted": "yes"}}}}})
    eventually("the second rollout", done)
    after = {one.metadata.name for one in core.list_namespaced_pod(namespace).items
             if not one.metadata.deletion_timestamp}
    assert len(after) == 2 and not after & before
    assert len(apps.list_namespaced_replica_set(namespace).items) == 2


def test_who_am_i():
    review = client.AuthenticationV1Api().create_self_subject_review({})
    assert review.status.user_info.username and "system:authenticated" in review.status.user_info.groups


def test_what_may_i(namespace):
    review = client.AuthorizationV1Api().create_self_subject_access_review({"spec": {
        "resourceAttributes": {"namespace": namespace, "verb": "create", "resource": "pods"}}})
    assert review.status.allowed
    rules = client.AuthorizationV1Api().create_self_subject_rules_review({"spec": {"namespace": namespace}})
    assert rules.status.resource_rules


def test_events_are_one_store_with_two_faces(core, namespace):
    core.create_namespaced_event(namespace, {
        "metadata": {"name": "seen"}, "reason": "Tested", "message": "hello", "type": "Normal", "count": 2,
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": namespace}, "source": {"component": "test"}})
    # Raw: the typed client of the newer face insists on a time that older events lack, in any cluster.
    answer = client.EventsV1Api().read_namespaced_event("seen", namespace, _preload_content=False)
    read = json.loads(answer.data)
    assert (read["note"], read["regarding"]["name"], read["deprecatedCount"]) == ("hello", "p", 2)
    assert read["deprecatedSource"]["component"] == "test" and read.get("eventTime") is None
    core.patch_namespaced_event("seen", namespace, {"message": "changed", "count": 3})
    answer = client.EventsV1Api().read_namespaced_event("seen", namespace, _preload_content=False)
    assert json.loads(answer.data)["note"] == "changed"
    recorded = client.EventsV1Api().create_namespaced_event(namespace, {
        "metadata": {"name": "recorded"}, "regarding": {"kind": "Pod", "name": "p", "namespace": namespace},
        "reason": "Tested", "note": "new", "type": "Normal", "action": "Test", "eventTime": "2026-01-02T03:04:05.000006Z",
        "reportingController": "example.com/test", "reportingInstance": "test-1"})
    assert recorded.event_time.microsecond == 6
    assert core.read_namespaced_event("recorded", namespace).message == "new"
