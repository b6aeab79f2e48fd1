"""The dynamic client: what it discovers, and what it does with it."""

import json
import pathlib
import time

import pytest
from kubernetes import client, utils
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ConflictError, NotFoundError, ResourceNotFoundError

from conftest import eventually

EXAMPLES = pathlib.Path(__file__).parents[3] / "examples"


@pytest.fixture
def dynamic(tmp_path):
    return DynamicClient(client.ApiClient(), cache_file=str(tmp_path / "discovery"))


def test_life(dynamic, namespace):
    maps = dynamic.resources.get(api_version="v1", kind="ConfigMap")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "1"}}
    made = maps.create(body=body, namespace=namespace)
    assert made.data.x == "1"
    assert [one.metadata.name for one in maps.get(namespace=namespace, field_selector="metadata.name=a").items] == ["a"]
    changed = maps.patch(name="a", namespace=namespace, body={"data": {"y": "2"}},
                         content_type="application/merge-patch+json")
    assert changed.data.to_dict() == {"x": "1", "y": "2"}
    with pytest.raises(ConflictError):
        maps.replace(body=made.to_dict() | {"data": {}}, namespace=namespace)
    events = maps.watch(namespace=namespace, name="a", resource_version=made.metadata.resourceVersion, timeout=5)
    assert next(events)["type"] == "MODIFIED"
    maps.delete(name="a", namespace=namespace)
    assert next(events)["type"] == "DELETED"
    with pytest.raises(NotFoundError) as caught:
        maps.get(name="a", namespace=namespace)
    assert json.loads(caught.value.body)["message"] == 'configmaps "a" not found'


def test_short_names_and_categories(dynamic):
    assert dynamic.resources.get(short_names=["deploy"]).kind == "Deployment"
    assert dynamic.resources.get(api_version="apps/v1", name="deployments").namespaced
    everything = {one.kind for one in dynamic.resources.search(categories=["all"])}
    assert {"Pod", "Service", "Deployment", "ReplicaSet"} <= everything
    with pytest.raises(ResourceNotFoundError):
        dynamic.resources.get(api_version="v1", kind="Wibble")


def test_subresources(dynamic, namespace):
    deployments = dynamic.resources.get(api_version="apps/v1", kind="Deployment")
    from objects import deployment
    body = {"apiVersion": "apps/v1", "kind": "Deployment"} | deployment("ship", replicas=0)
    deployments.create(body=body, namespace=namespace)
    scaled = deployments.scale.patch(name="ship", namespace=namespace, body={"spec": {"replicas": 1}},
                                     content_type="application/merge-patch+json")
    assert (scaled.kind, scaled.spec.replicas) == ("Scale", 1)
    assert deployments.status.get(name="ship", namespace=namespace).kind == "Deployment"


def test_server_side_apply(dynamic, namespace):
    maps = dynamic.resources.get(api_version="v1", kind="ConfigMap")

    def apply(manager, value, **options):
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": value}}
        return dynamic.server_side_apply(maps, body=body, namespace=namespace, field_manager=manager, **options)

    assert apply("red", "1").data.x == "1"
    with pytest.raises(ConflictError) as caught:
        apply("blue", "2")
    assert "conflict with \\\"red\\\"" in str(caught.value.body)
    assert apply("blue", "2", force_conflicts=True).data.x == "2"


def test_all_that_is_discovered_can_be_listed(dynamic):
    """Every resource with the verb `list` answers with a list of its kind; those with `watch` end in time."""
    listed = 0
    for resource in dynamic.resources.search():
        if "list" not in (resource.verbs or []) or resource.kind.endswith("List"):
            continue
        found = resource.get().to_dict()
        assert found["kind"] == f"{resource.kind}List", resource
        assert found["apiVersion"] == resource.group_version, resource
        assert found["metadata"]["resourceVersion"], resource
        listed += 1
    assert listed >= 14


def test_discovery_of_groups_by_the_typed_client():
    groups = {group.name: group for group in client.ApisApi().get_api_versions().groups}
    assert groups["apps"].preferred_version.group_version == "apps/v1"
    assert client.AppsApi().get_api_group().name == "apps"
    resources = {one.name: one for one in client.AppsV1Api().get_api_resources().resources}
    assert resources["deployments"].short_names == ["deploy"] and "watch" in resources["deployments"].verbs
    assert (resources["deployments/scale"].group, resources["deployments/scale"].kind) == ("autoscaling", "Scale")
    assert client.CoreApi().get_api_versions().versions == ["v1"]
    version = client.VersionApi().get_code()
    assert (version.major, version.minor) == ("1", "36") and version.git_version.startswith("v1.36.")


def test_every_client_group_is_there():
    """The groups that this client is generated for, in the versions that are generally available."""
    for api in (client.AdmissionregistrationV1Api, client.ApiextensionsV1Api, client.ApiregistrationV1Api,
                client.AppsV1Api, client.AuthenticationV1Api, client.AuthorizationV1Api, client.AutoscalingV1Api,
                client.AutoscalingV2Api, client.BatchV1Api, client.CertificatesV1Api, client.CoordinationV1Api,
                client.DiscoveryV1Api, client.EventsV1Api, client.FlowcontrolApiserverV1Api, client.NetworkingV1Api,
                client.NodeV1Api, client.PolicyV1Api, client.RbacAuthorizationV1Api, client.ResourceV1Api,
                client.SchedulingV1Api, client.StorageV1Api):
        assert api().get_api_resources().resources, api


def test_manifests_are_created_from_files(core, namespace):
    made = utils.create_from_yaml(client.ApiClient(), str(EXAMPLES / "web.yaml"), namespace=namespace)
    assert [one.kind for [one] in made] == ["Deployment", "Service"]
    with pytest.raises(utils.FailToCreateError) as caught:
        utils.create_from_yaml(client.ApiClient(), str(EXAMPLES / "web.yaml"), namespace=namespace)
    assert len(caught.value.api_exceptions) == 2
    applied = utils.create_from_yaml(client.ApiClient(), str(EXAMPLES / "web.yaml"), namespace=namespace, apply=True)
    assert applied


def test_custom_resources(dynamic, namespace):
    """A new kind is discovered, used, and gone again."""
    definitions = client.ApiextensionsV1Api()
    definitions.create_custom_resource_definition({
        "metadata": {"name": "ships.dynamic.example.com"},
        "spec": {"group": "dynamic.example.com", "scope": "Namespaced", "names": {"plural": "ships", "kind": "Ship"},
                 "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
                     "type": "object", "properties": {"spec": {
                         "type": "object", "properties": {"masts": {"type": "integer"}}}}}}}]}})
    try:
        objects = client.CustomObjectsApi()
        place = ("dynamic.example.com", "v1", namespace, "ships")

        def create():
            try:
                return objects.create_namespaced_custom_object(*place, {
                    "apiVersion": "dynamic.example.com/v1", "kind": "Ship", "metadata": {"name": "a"},
                    "spec": {"masts": 3}})
            except client.ApiException as error:
                return error.status != 404 and json.loads(error.body)

        assert eventually("the kind is served", create)["spec"] == {"masts": 3}
        assert objects.list_namespaced_custom_object(*place)["items"][0]["metadata"]["name"] == "a"
    finally:
        definitions.delete_custom_resource_definition("ships.dynamic.example.com")
