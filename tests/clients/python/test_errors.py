"""What programs are told when something is wrong: codes, reasons, texts, warnings."""

import json

import pytest
from kubernetes import client
from kubernetes.client import ApiException

from objects import config_map, deployment, pod


def failure(call, *arguments, **options):
    with pytest.raises(ApiException) as caught:
        call(*arguments, **options)
    status = json.loads(caught.value.body)
    assert (status["kind"], status["apiVersion"], status["status"]) == ("Status", "v1", "Failure")
    assert status["code"] == caught.value.status
    return caught.value, status


def raw(method, path, body=None, content="application/json", accept="application/json"):
    api = client.ApiClient()
    response = api.rest_client.pool_manager.request(
        method, api.configuration.host + path, body=body, headers={"Content-Type": content, "Accept": accept})
    return response.status, response.headers, response.data


def test_what_is_not_there(core, namespace):
    error, status = failure(core.read_namespaced_pod, "nobody", namespace)
    assert (error.status, error.reason) == (404, "Not Found")
    assert (status["reason"], status["message"]) == ("NotFound", 'pods "nobody" not found')
    assert status["details"] == {"name": "nobody", "kind": "pods"}
    error, status = failure(core.create_namespaced_config_map, "no-such-place", config_map("a"))
    assert (error.status, status["message"]) == (404, 'namespaces "no-such-place" not found')


def test_what_is_there_already(apps, namespace):
    apps.create_namespaced_deployment(namespace, deployment("ship", replicas=0))
    error, status = failure(apps.create_namespaced_deployment, namespace, deployment("ship"))
    assert (error.status, status["reason"]) == (409, "AlreadyExists")
    assert status["message"] == 'deployments.apps "ship" already exists'
    assert status["details"] == {"name": "ship", "group": "apps", "kind": "deployments"}


def test_all_that_is_invalid_is_told_at_once(core, namespace):
    wrong = pod("Wrong_Name") | {"spec": {"restartPolicy": "Sometimes", "containers": [{"image": "x"}]}}
    error, status = failure(core.create_namespaced_pod, namespace, wrong)
    assert (error.status, error.reason, status["reason"]) == (422, "Unprocessable Entity", "Invalid")
    assert status["message"].startswith('Pod "Wrong_Name" is invalid: [')
    causes = {(cause["field"], cause["reason"]) for cause in status["details"]["causes"]}
    assert {("metadata.name", "FieldValueInvalid"), ("spec.restartPolicy", "FieldValueNotSupported"),
            ("spec.containers[0].name", "FieldValueRequired")} <= causes


def test_names_are_made_up(core, namespace):
    names = {core.create_namespaced_config_map(
        namespace, {"metadata": {"generateName": "map-"}}).metadata.name for _ in range(20)}
    assert len(names) == 20
    assert all(len(name) == 9 and set(name[4:]) <= set("bcdfghjklmnpqrstvwxz2456789") for name in names)


def test_unknown_fields_are_told_as_strictly_as_asked(core, namespace):
    def create(name, **options):
        body = {"metadata": {"name": name, "colour": "red"}, "dat": {}}
        return core.create_namespaced_config_map_with_http_info(namespace, body, **options)

    _, _, headers = create("warned")
    assert '299 - "unknown field \\"dat\\""' in headers["Warning"]
    assert '299 - "unknown field \\"metadata.colour\\""' in headers["Warning"]
    _, _, headers = create("ignored", field_validation="Ignore")
    assert "Warning" not in headers
    error, status = failure(create, "strict", field_validation="Strict")
    assert (error.status, status["reason"]) == (400, "BadRequest")
    assert 'strict decoding error: unknown field "metadata.colour", unknown field "dat"' in status["message"]
    error, _ = failure(create, "loud", field_validation="Loud")
    assert error.status == 422


def test_duplicate_fields_are_told(namespace):
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    twice = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"x":"1"},"data":{"x":"2"}}'
    status, headers, _ = raw("POST", f"{path}?dryRun=All", twice)
    assert status == 201 and 'duplicate field \\"data\\"' in headers["Warning"]
    status, _, data = raw("POST", f"{path}?fieldValidation=Strict", twice)
    assert status == 400 and 'duplicate field "data"' in json.loads(data)["message"]


def test_bodies_that_cannot_be_read(namespace):
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    assert raw("POST", path, b"{")[0] == 400
    assert raw("POST", path, b"")[0] == 400
    assert raw("POST", path, b'{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"}}')[0] == 400
    assert raw("POST", path, b'{"apiVersion":"v2","kind":"ConfigMap","metadata":{"name":"a"}}')[0] == 400
    assert raw("POST", path, b"{}", content="text/plain")[0] == 415
    status, _, data = raw("POST", path, b'{"apiVersion":"v1","kind":"ConfigMap","metadata":"no"}')
    assert status == 400 and json.loads(data)["reason"] == "BadRequest"
    yaml = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: from-yaml}\ndata: {on: 'yes'}\n"
    assert raw("POST", path, yaml, content="application/yaml")[0] == 201


def test_what_cannot_be_done(namespace):
    for method, path in [("POST", f"/api/v1/namespaces/{namespace}"), ("DELETE", "/version"),
                         ("PUT", f"/api/v1/namespaces/{namespace}/configmaps")]:
        assert raw(method, path, b"{}")[0] == 405, path
    assert raw("GET", "/api/v1/wibbles")[0] == 404
    assert raw("GET", "/apis/no.such.group/v1")[0] == 404
    status, _, data = raw("GET", f"/api/v1/namespaces/{namespace}/configmaps", accept="text/csv")
    assert (status, json.loads(data)["reason"]) == (406, "NotAcceptable")


def test_an_object_is_of_the_place_it_is_put_to(core, namespace):
    body = config_map("a")
    body["metadata"]["namespace"] = "elsewhere"
    error, status = failure(core.create_namespaced_config_map, namespace, body)
    assert error.status == 400
    assert status["message"] == "the namespace of the provided object does not match the namespace sent on the request"
    core.create_namespaced_config_map(namespace, config_map("a"))
    error, _ = failure(core.replace_namespaced_config_map, "a", namespace, config_map("b"))
    assert error.status == 400


def test_server_owned_metadata_is_the_servers(core, namespace):
    body = config_map("a")
    body["metadata"] |= {"uid": "11111111-2222-3333-4444-555555555555", "creationTimestamp": "2001-01-01T00:00:00Z",
                         "generation": 77, "deletionTimestamp": "2001-01-01T00:00:00Z", "selfLink": "/x"}
    made = core.create_namespaced_config_map(namespace, body).metadata
    assert made.uid != body["metadata"]["uid"] and made.creation_timestamp.year > 2001
    assert made.deletion_timestamp is None and made.self_link is None
    body = config_map("b")
    body["metadata"]["resourceVersion"] = "7"
    error, status = failure(core.create_namespaced_config_map, namespace, body)
    assert "resourceVersion should not be set on objects to be created" in status["message"]


def test_absent_objects_are_created_by_put_where_upstream_does(core, namespace):
    error, _ = failure(core.replace_namespaced_config_map, "absent", namespace, config_map("absent"))
    assert error.status == 404
    lease = client.CoordinationV1Api().replace_namespaced_lease_with_http_info(
        "absent", namespace, {"metadata": {"name": "absent"}, "spec": {"holderIdentity": "me"}})
    assert lease[1] == 201
    made = core.replace_namespaced_endpoints_with_http_info("absent", namespace, {"metadata": {"name": "absent"}})
    assert made[1] == 201


def test_too_much_is_refused(core, namespace):
    error, status = failure(core.create_namespaced_config_map, namespace, config_map("large", text="x" * 3_200_000))
    assert (error.status, status["reason"]) == (413, "RequestEntityTooLarge")
    error, status = failure(core.create_namespaced_config_map, namespace, config_map("large", text="x" * 1_100_000))
    assert error.status == 422 and "Too long: may not be more than 1048576 bytes" in status["message"]
