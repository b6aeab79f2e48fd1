//! Tests of server-side apply and of managed fields, through the registry.

use std::time::Duration;

use api::well_known::annotation;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::registry::Target;
use crate::registry::fixtures::{Fixture, sample, value};
use crate::registry::managed_fields::client::Client;
use crate::registry::options::PatchType;

/// What the entry of a manager names; null if there is none.
fn managed(object: &Value, manager: &str, subresource: Option<&str>) -> Value {
    let entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let found = entries
        .into_iter()
        .find(|entry| entry["manager"] == manager && entry.get("subresource").and_then(Value::as_str) == subresource);
    found.map(|entry| entry["fieldsV1"].clone()).unwrap_or_default()
}

fn managers(object: &Value) -> Vec<String> {
    let entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    entries.iter().map(|entry| format!("{} {}", text(entry, "operation"), text(entry, "manager"))).collect()
}

fn config_map(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "map"}, "data": data})
}

fn deployment(spec: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec})
}

async fn a_while() {
    tokio::time::sleep(Duration::from_secs(5)).await;
}

#[tokio::test(start_paused = true)]
async fn a_creator_manages_what_it_sent_and_what_was_defaulted() {
    let fixture = Fixture::new().await;
    let object = sample(fixture.kind("deployments"), "web");
    let created = Client::new(&fixture, "kubectl-create").create("deployments", object).await;
    let entry = &created["metadata"]["managedFields"][0];
    assert_eq!(
        (&entry["operation"], &entry["apiVersion"], &entry["fieldsType"], &entry["time"]),
        (&json!("Update"), &json!("apps/v1"), &json!("FieldsV1"), &created["metadata"]["creationTimestamp"])
    );
    assert_eq!(
        managed(&created, "kubectl-create", None),
        json!({"f:spec": {
            "f:progressDeadlineSeconds": {}, "f:replicas": {}, "f:revisionHistoryLimit": {}, "f:selector": {},
            "f:strategy": {"f:rollingUpdate": {".": {}, "f:maxSurge": {}, "f:maxUnavailable": {}}, "f:type": {}},
            "f:template": {
                "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
                "f:spec": {
                    "f:containers": {"k:{\"name\":\"web\"}": {
                        ".": {}, "f:image": {}, "f:imagePullPolicy": {}, "f:name": {},
                        "f:ports": {".": {}, "k:{\"containerPort\":8080,\"protocol\":\"TCP\"}": {
                            ".": {}, "f:containerPort": {}, "f:protocol": {}}},
                        "f:resources": {}, "f:terminationMessagePath": {}, "f:terminationMessagePolicy": {}}},
                    "f:dnsPolicy": {}, "f:restartPolicy": {}, "f:schedulerName": {}, "f:securityContext": {},
                    "f:terminationGracePeriodSeconds": {}}}}})
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_server_decides_is_nobodys() {
    let fixture = Fixture::new().await;
    let mut pod = sample(fixture.kind("pods"), "p");
    pod["status"] = json!({"phase": "Running"});
    let client = Client::new(&fixture, "me");
    let created = client.create("pods", pod).await;
    assert!(created["spec"]["tolerations"].is_array(), "admission added them");
    let fields = managed(&created, "me", None);
    assert!(fields["f:spec"].get("f:tolerations").is_none() && fields.get("f:status").is_none(), "{fields}");
    let target = Target { subresource: Some("binding"), ..Fixture::target(fixture.kind("pods"), "p") };
    let binding = json!({"target": {"kind": "Node", "name": "n1"}}).to_string();
    fixture.registry.act(&client.context, fixture.kind("pods"), target, binding.into()).await.unwrap();
    let bound = fixture.get("pods", "p").await.unwrap();
    assert_eq!(bound["metadata"]["managedFields"], created["metadata"]["managedFields"]);
}

#[tokio::test(start_paused = true)]
async fn whoever_changes_a_field_manages_it() {
    let fixture = Fixture::new().await;
    let client = |name| Client::new(&fixture, name);
    client("one").create("configmaps", config_map(json!({"a": "1", "b": "1", "c": "1"}))).await;
    a_while().await;
    let merge = (("configmaps", None), PatchType::Merge);
    let patched =
        client("two").patch(merge.0, merge.1, "map", json!({"data": {"a": "2", "c": null, "d": "2"}})).await.unwrap();
    assert_eq!(managed(&patched, "one", None), json!({"f:data": {".": {}, "f:b": {}}}));
    assert_eq!(managed(&patched, "two", None), json!({"f:data": {"f:a": {}, "f:d": {}}}));
    assert_eq!(managers(&patched), ["Update one", "Update two"]);
    // A write by the first one again: what it writes comes back to it, and its entry is the newer.
    a_while().await;
    let mut whole = patched.clone();
    whole["data"]["a"] = json!("3");
    whole["metadata"].as_object_mut().unwrap().remove("managedFields");
    let updated = client("one").update("configmaps", None, whole).await.unwrap();
    assert_eq!(managed(&updated, "one", None), json!({"f:data": {".": {}, "f:a": {}, "f:b": {}}}));
    assert_eq!(managed(&updated, "two", None), json!({"f:data": {"f:d": {}}}));
    assert_eq!(managers(&updated), ["Update two", "Update one"]);
}

#[tokio::test(start_paused = true)]
async fn a_status_is_managed_apart() {
    let fixture = Fixture::new().await;
    let object = sample(fixture.kind("deployments"), "web");
    let mut created = Client::new(&fixture, "one").create("deployments", object).await;
    created["status"] = json!({"replicas": 2, "conditions": [
        {"type": "Available", "status": "True"}, {"type": "Progressing", "status": "True"}]});
    created["spec"]["replicas"] = json!(7);
    created["metadata"]["managedFields"] = json!([{}]);
    let updated = Client::new(&fixture, "one").update("deployments", Some("status"), created).await.unwrap();
    assert_eq!(managers(&updated), ["Update one", "Update one"]);
    assert_eq!(
        managed(&updated, "one", Some("status")),
        json!({"f:status": {"f:replicas": {}, "f:conditions": {".": {},
            "k:{\"type\":\"Available\"}": {".": {}, "f:status": {}, "f:type": {}},
            "k:{\"type\":\"Progressing\"}": {".": {}, "f:status": {}, "f:type": {}}}}})
    );
    assert!(managed(&updated, "one", None)["f:spec"]["f:replicas"].is_object());
}

#[tokio::test(start_paused = true)]
async fn applying_creates_and_then_changes() {
    let fixture = Fixture::new().await;
    let client = Client::new(&fixture, "me");
    let kind = fixture.kind("configmaps");
    let apply = async |data: Value| {
        let body = Bytes::from(config_map(data).to_string());
        let target = Fixture::target(kind, "map");
        let written = fixture.registry.patch(&client.context, kind, target, PatchType::Apply, body).await.unwrap();
        (value(&written.object), written.created)
    };
    let (first, created) = apply(json!({"a": "1", "b": "1"})).await;
    assert!(created && first["metadata"]["uid"].is_string());
    assert_eq!(managers(&first), ["Apply me"]);
    assert_eq!(managed(&first, "me", None), json!({"f:data": {"f:a": {}, "f:b": {}}}));
    a_while().await;
    let (second, created) = apply(json!({"a": "1", "b": "1"})).await;
    assert!(!created);
    assert_eq!(second, first, "nothing is written and no time moves");
    let (third, _) = apply(json!({"b": "2", "c": "2"})).await;
    assert_eq!(third["data"], json!({"b": "2", "c": "2"}));
    assert_ne!(third["metadata"]["managedFields"][0]["time"], first["metadata"]["managedFields"][0]["time"]);
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_told_and_force_decides_it() {
    let fixture = Fixture::new().await;
    let client = |name| Client::new(&fixture, name);
    client("mgr").create("deployments", sample(fixture.kind("deployments"), "web")).await;
    let wish = || deployment(json!({"replicas": 5}));
    let failure = client("me").apply("deployments", wish()).await.unwrap_err();
    assert_eq!(failure.message, "Apply failed with 1 conflict: conflict with \"mgr\" using apps/v1: .spec.replicas");
    assert_eq!((failure.code(), failure.reason), (409, api::failure::Reason::Conflict));
    let cause = &failure.details.as_ref().unwrap().causes[0];
    assert_eq!((&*cause.reason, &*cause.field), ("FieldManagerConflict", ".spec.replicas"));
    let forced = client("me").forcing().apply("deployments", wish()).await.unwrap();
    assert_eq!(forced["spec"]["replicas"], 5);
    assert_eq!(managed(&forced, "me", None), json!({"f:spec": {"f:replicas": {}}}));
    assert!(managed(&forced, "mgr", None)["f:spec"].get("f:replicas").is_none());
    let failure = client("other").apply("deployments", deployment(json!({"replicas": 6}))).await.unwrap_err();
    assert_eq!(failure.message, "Apply failed with 1 conflict: conflict with \"me\": .spec.replicas");
    // Who wants the same is no rival.
    let shared = client("other").apply("deployments", wish()).await.unwrap();
    assert_eq!(managed(&shared, "other", None), managed(&shared, "me", None));
    // An update asks nobody.
    let patch = json!({"spec": {"replicas": 1}});
    let updated = client("mgr").patch(("deployments", None), PatchType::Merge, "web", patch).await.unwrap();
    assert_eq!((managed(&updated, "other", None), managed(&updated, "me", None)), (Value::Null, Value::Null));
}

#[tokio::test(start_paused = true)]
async fn several_conflicts_are_listed() {
    let fixture = Fixture::new().await;
    let client = |name| Client::new(&fixture, name);
    client("one").create("configmaps", config_map(json!({"a": "1", "b": "1"}))).await;
    client("two").apply("configmaps", config_map(json!({"c": "1"}))).await.unwrap();
    let failure =
        client("me").apply("configmaps", config_map(json!({"a": "2", "b": "2", "c": "2"}))).await.unwrap_err();
    assert_eq!(
        failure.message,
        "Apply failed with 3 conflicts: conflicts with \"one\" using v1:\n- .data.a\n- .data.b\n\
         conflicts with \"two\":\n- .data.c"
    );
}

#[tokio::test(start_paused = true)]
async fn what_two_appliers_own_goes_with_the_last_of_them() {
    let fixture = Fixture::new().await;
    let client = |name| Client::new(&fixture, name);
    client("one").apply("configmaps", config_map(json!({"x": "1", "y": "1"}))).await.unwrap();
    client("two").apply("configmaps", config_map(json!({"x": "1"}))).await.unwrap();
    let left = client("one").apply("configmaps", config_map(json!({"y": "1"}))).await.unwrap();
    assert_eq!(left["data"], json!({"x": "1", "y": "1"}));
    let gone = client("two").apply("configmaps", config_map(json!({}))).await.unwrap();
    assert_eq!(gone["data"], json!({"y": "1"}));
    // What an update added stays, whoever lets go.
    client("three").patch(("configmaps", None), PatchType::Merge, "map", json!({"data": {"z": "1"}})).await.unwrap();
    let rest = client("one").apply("configmaps", config_map(json!({}))).await.unwrap();
    assert_eq!(rest["data"], json!({"z": "1"}));
}

#[tokio::test(start_paused = true)]
async fn ports_are_told_apart_by_number_and_protocol() {
    let fixture = Fixture::new().await;
    let with_ports = |ports: Value| {
        deployment(json!({"selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "skiff.dev/echo:1", "ports": ports}]}}}))
    };
    let ports = |object: &Value| object["spec"]["template"]["spec"]["containers"][0]["ports"].clone();
    let client = |name| Client::new(&fixture, name);
    client("one").apply("deployments", with_ports(json!([{"containerPort": 80}]))).await.unwrap();
    let udp = json!([{"containerPort": 80, "protocol": "UDP", "name": "dns"}]);
    let mut two = with_ports(udp);
    two["spec"].as_object_mut().unwrap().remove("selector");
    two["spec"]["template"].as_object_mut().unwrap().remove("metadata");
    let both = client("two").apply("deployments", two).await.unwrap();
    assert_eq!(
        ports(&both),
        json!([{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 80, "name": "dns", "protocol": "UDP"}])
    );
    let container = |object: &Value, manager| {
        managed(object, manager, None)["f:spec"]["f:template"]["f:spec"]["f:containers"]["k:{\"name\":\"web\"}"].clone()
    };
    assert_eq!(
        container(&both, "one")["f:ports"],
        json!({"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}})
    );
    // Named by its protocol, it is the same port.
    let tcp = with_ports(json!([{"containerPort": 80, "protocol": "TCP"}]));
    let same = client("one").apply("deployments", tcp).await.unwrap();
    assert_eq!(ports(&same), ports(&both));
    let without = client("one").apply("deployments", with_ports(json!([]))).await.unwrap();
    assert_eq!(ports(&without), json!([{"containerPort": 80, "name": "dns", "protocol": "UDP"}]));
    let twice = with_ports(json!([{"containerPort": 80}, {"containerPort": 80, "protocol": "TCP"}]));
    let failure = client("one").apply("deployments", twice).await.unwrap_err();
    assert_eq!(
        failure.message,
        "failed to create typed patch object (/web; apps/v1, Kind=Deployment): \
         .spec.template.spec.containers[name=\"web\"].ports: duplicate entries for key [containerPort=80,protocol=\"TCP\"]"
    );
}

#[tokio::test(start_paused = true)]
async fn a_status_is_applied_apart() {
    let fixture = Fixture::new().await;
    Client::new(&fixture, "one").create("deployments", sample(fixture.kind("deployments"), "web")).await;
    let mut config = deployment(json!({"replicas": 9}));
    config["status"] = json!({"conditions": [{"type": "Mine", "status": "True"}]});
    let client = Client::new(&fixture, "controller");
    let applied = client.apply_at("deployments", Some("status"), config).await.unwrap();
    assert_eq!(
        (&applied["spec"]["replicas"], &applied["status"]["conditions"][0]["type"]),
        (&json!(2), &json!("Mine"))
    );
    assert_eq!(
        managed(&applied, "controller", Some("status")),
        json!({"f:status": {"f:conditions": {"k:{\"type\":\"Mine\"}": {".": {}, "f:status": {}, "f:type": {}}}}})
    );
    // Through the object, a status is not applied.
    let mut whole = deployment(json!({"paused": true}));
    whole["status"] = json!({"replicas": 3});
    let applied = client.apply("deployments", whole).await.unwrap();
    assert_eq!((&applied["spec"]["paused"], &applied["status"]["replicas"]), (&json!(true), &Value::Null));
    assert_eq!(managed(&applied, "controller", None), json!({"f:spec": {"f:paused": {}}}));
    let gone = client.apply_at("deployments", Some("status"), deployment(json!({}))).await.unwrap();
    assert_eq!(gone["status"].get("conditions"), None);
    let missing = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "none"}});
    assert_eq!(client.apply_at("deployments", Some("status"), missing).await.unwrap_err().code(), 404);
}

#[tokio::test(start_paused = true)]
async fn a_scale_is_written_and_applied_as_a_part() {
    let fixture = Fixture::new().await;
    let client = |name| Client::new(&fixture, name);
    client("one").create("deployments", sample(fixture.kind("deployments"), "web")).await;
    let patch = json!({"spec": {"replicas": 3}});
    client("scaler").patch(("deployments", Some("scale")), PatchType::Merge, "web", patch).await.unwrap();
    let scaled = fixture.get("deployments", "web").await.unwrap();
    assert_eq!(managed(&scaled, "scaler", Some("scale")), json!({"f:spec": {"f:replicas": {}}}));
    assert!(managed(&scaled, "one", None)["f:spec"].get("f:replicas").is_none());
    let scale = |replicas: i32| json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": replicas}});
    let failure = client("me").apply_at("deployments", Some("scale"), scale(4)).await.unwrap_err();
    assert!(
        failure
            .message
            .starts_with("Apply failed with 1 conflict: conflict with \"scaler\" with subresource \"scale\"")
    );
    let applied = client("me").forcing().apply_at("deployments", Some("scale"), scale(4)).await.unwrap();
    assert_eq!((&applied["kind"], &applied["spec"]["replicas"]), (&json!("Scale"), &json!(4)));
    let whole = fixture.get("deployments", "web").await.unwrap();
    assert_eq!(managed(&whole, "me", Some("scale")), json!({"f:spec": {"f:replicas": {}}}));
    assert_eq!(whole["spec"]["replicas"], 4);
    let mut odd = scale(4);
    odd["spec"]["foo"] = json!(1);
    let failure = client("me").apply_at("deployments", Some("scale"), odd).await.unwrap_err();
    assert!(failure.message.ends_with(".spec.foo: field not declared in schema"), "{}", failure.message);
}

/// An object as client-side apply left it.
async fn applied_by_the_client(fixture: &Fixture, data: Value) -> Value {
    let mut object = config_map(data);
    let last = format!("{object}\n");
    object["metadata"]["annotations"] = json!({annotation::LAST_APPLIED: last});
    Client::new(fixture, "kubectl-client-side-apply").create("configmaps", object).await
}

#[tokio::test(start_paused = true)]
async fn kubectl_takes_over_what_it_applied_by_itself_before() {
    let fixture = Fixture::new().await;
    applied_by_the_client(&fixture, json!({"a": "1", "b": "1"})).await;
    let wish = || config_map(json!({"a": "2", "b": "1"}));
    let failure = Client::new(&fixture, "other").apply("configmaps", wish()).await.unwrap_err();
    assert_eq!(
        failure.message,
        "Apply failed with 1 conflict: conflict with \"kubectl-client-side-apply\" using v1: .data.a"
    );
    let taken = Client::new(&fixture, "kubectl").apply("configmaps", wish()).await.unwrap();
    assert_eq!(taken["data"], json!({"a": "2", "b": "1"}));
    let last = taken["metadata"]["annotations"][annotation::LAST_APPLIED].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(last).unwrap(), wish());
    assert_eq!(managed(&taken, "kubectl", None), json!({"f:data": {"f:a": {}, "f:b": {}}}));
}

#[tokio::test(start_paused = true)]
async fn kubectl_does_not_take_over_what_somebody_changed_since() {
    let fixture = Fixture::new().await;
    applied_by_the_client(&fixture, json!({"a": "1", "b": "1"})).await;
    let patch = json!({"data": {"a": "9"}});
    Client::new(&fixture, "editor").patch(("configmaps", None), PatchType::Merge, "map", patch).await.unwrap();
    let wish = config_map(json!({"a": "2", "b": "2"}));
    let failure = Client::new(&fixture, "kubectl").apply("configmaps", wish).await.unwrap_err();
    assert_eq!(failure.message, "Apply failed with 1 conflict: conflict with \"editor\" using v1: .data.a");
}

#[tokio::test(start_paused = true)]
async fn a_client_may_rewrite_the_managed_fields() {
    let fixture = Fixture::new().await;
    let created = applied_by_the_client(&fixture, json!({"a": "1"})).await;
    // What kubectl sends to make one manager of the two.
    let mut entry = created["metadata"]["managedFields"][0].clone();
    entry["manager"] = json!("kubectl");
    entry["operation"] = json!("Apply");
    let patch = json!([
        {"op": "replace", "path": "/metadata/managedFields", "value": [entry]},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": created["metadata"]["resourceVersion"]}]);
    let client = Client::new(&fixture, "kubectl");
    let migrated = client.patch(("configmaps", None), PatchType::Json, "map", patch).await.unwrap();
    assert_eq!(managers(&migrated), ["Apply kubectl"]);
    let emptied = client.apply("configmaps", config_map(json!({"b": "1"}))).await.unwrap();
    assert_eq!(emptied["data"], json!({"b": "1"}), "what client-side apply had written goes now");
    assert_eq!(managers(&emptied), ["Apply kubectl"]);
}

#[tokio::test(start_paused = true)]
async fn managed_fields_are_reset_on_purpose_only() {
    let fixture = Fixture::new().await;
    for reset in [json!([{}]), json!([])] {
        let client = Client::new(&fixture, "me");
        let created = client.create("configmaps", config_map(json!({"a": "1"}))).await;
        let mut object = created.clone();
        for kept in [Value::Null, json!([{"manager": "x", "operation": "Nonsense"}])] {
            object["metadata"]["managedFields"] = kept;
            let updated = client.update("configmaps", None, object.clone()).await.unwrap();
            assert_eq!(updated, created, "a client that knows nothing of them takes nothing away");
        }
        object["metadata"]["managedFields"] = reset;
        let emptied = client.update("configmaps", None, object).await.unwrap();
        assert_eq!(managers(&emptied), Vec::<String>::new());
        let patch = json!({"data": {"b": "1"}});
        let patched = client.patch(("configmaps", None), PatchType::Strategic, "map", patch).await.unwrap();
        assert_eq!(managers(&patched), Vec::<String>::new(), "nobody is noted until somebody applies");
        let applied = client.apply("configmaps", config_map(json!({"a": "1"}))).await.unwrap();
        assert_eq!(managers(&applied), ["Apply me", "Update before-first-apply"]);
        assert_eq!(managed(&applied, "before-first-apply", None), json!({"f:data": {".": {}, "f:a": {}, "f:b": {}}}));
        fixture.delete("configmaps", "map").await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_of_nothing_moves_no_time() {
    let fixture = Fixture::new().await;
    let client = Client::new(&fixture, "me");
    let created = client.create("deployments", sample(fixture.kind("deployments"), "web")).await;
    a_while().await;
    assert_eq!(client.update("deployments", None, created.clone()).await.unwrap(), created);
    let patch = json!({"spec": {"replicas": 2}});
    let other = Client::new(&fixture, "other");
    let same = other.patch(("deployments", None), PatchType::Strategic, "web", patch).await.unwrap();
    assert_eq!(same, created);
    // Written otherwise, it is the same quantity.
    let with_cpu = |cpu: Value| {
        deployment(json!({"template": {"spec": {"containers": [
            {"name": "web", "resources": {"limits": {"cpu": cpu}}}]}}}))
    };
    let applied = client.apply("deployments", with_cpu(json!("1"))).await.unwrap();
    a_while().await;
    assert_eq!(client.apply("deployments", with_cpu(json!("1"))).await.unwrap(), applied);
}

#[tokio::test(start_paused = true)]
async fn a_configuration_must_be_one_of_this_object() {
    let fixture = Fixture::new().await;
    let client = Client::new(&fixture, "me");
    let kind = fixture.kind("configmaps");
    let changed = |change: fn(&mut Value)| {
        let mut config = config_map(json!({"a": "1"}));
        change(&mut config);
        config
    };
    for (config, code, text) in [
        (changed(|c| c["metadata"]["managedFields"] = json!([])), 400, "metadata.managedFields must be nil"),
        (changed(|c| c["kind"] = json!("Secret")), 400, "invalid object type: /v1, Kind=Secret"),
        (changed(|c| c["apiVersion"] = Value::Null), 400, "invalid object type: , Kind=ConfigMap"),
        (
            changed(|c| c["metadata"]["name"] = json!("other")),
            400,
            "the name of the object (other) does not match the name on the URL (map)",
        ),
        (
            changed(|c| c["metadata"]["namespace"] = json!("elsewhere")),
            400,
            "the namespace of the object (elsewhere) does not match the namespace on the request (default)",
        ),
        (
            changed(|c| c["foo"] = json!(1)),
            400,
            "failed to create typed patch object (/map; /v1, Kind=ConfigMap): .foo: field not declared in schema",
        ),
        (
            changed(|c| c["metadata"]["uid"] = json!("u")),
            409,
            "Operation cannot be fulfilled on configmaps \"map\": uid mismatch: the provided object specified uid u, and \
             no existing object was found",
        ),
        (json!([1]), 400, "error decoding YAML: a configuration is an object"),
    ] {
        let body = Bytes::from(config.to_string());
        let target = Fixture::target(kind, "map");
        let failure = fixture.registry.patch(&client.context, kind, target, PatchType::Apply, body).await.unwrap_err();
        assert_eq!((failure.code(), failure.message.as_str()), (code, text));
    }
    client.apply("configmaps", config_map(json!({"a": "1"}))).await.unwrap();
    let stale = changed(|c| c["metadata"]["resourceVersion"] = json!("1"));
    assert_eq!(client.apply("configmaps", stale).await.unwrap_err().code(), 409);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_applies_nothing() {
    let fixture = Fixture::new().await;
    let mut client = Client::new(&fixture, "me");
    client.context.dry_run = true;
    let applied = client.apply("configmaps", config_map(json!({"a": "1"}))).await.unwrap();
    assert_eq!(managers(&applied), ["Apply me"]);
    assert_eq!(fixture.get("configmaps", "map").await.unwrap_err().code(), 404);
}

#[tokio::test(start_paused = true)]
async fn managers_of_another_version_lose_the_same_field() {
    let fixture = Fixture::new().await;
    let [core, new] = ["", "events.k8s.io"].map(|group| {
        let found =
            crate::kinds::KINDS.iter().find(|kind| kind.facts().plural == "events" && kind.facts().group == group);
        *found.unwrap()
    });
    let client = Client::new(&fixture, "new");
    let body = Bytes::from(sample(new, "e").to_string());
    fixture.registry.create(&client.context, new, Some("default"), body).await.unwrap();
    let old = Client::new(&fixture, "old");
    let patch = Bytes::from(json!({"message": "Said otherwise"}).to_string());
    let target = Fixture::target(core, "e");
    let written = fixture.registry.patch(&old.context, core, target, PatchType::Merge, patch).await.unwrap();
    let event = value(&written.object);
    assert_eq!(managed(&event, "old", None), json!({"f:message": {}}));
    let fields = managed(&event, "new", None);
    assert!(fields.get("f:note").is_none() && fields.get("f:regarding").is_some(), "{fields}");
}

#[tokio::test(start_paused = true)]
async fn two_appliers_at_once_are_both_heard() {
    let fixture = Fixture::new().await;
    let clients: Vec<Client<'_>> = (0..8).map(|number| Client::new(&fixture, &format!("m{number}"))).collect();
    let applies = clients
        .iter()
        .enumerate()
        .map(|(number, client)| client.apply("configmaps", config_map(json!({format!("k{number}"): "1"}))));
    for applied in futures::future::join_all(applies).await {
        applied.unwrap();
    }
    let map = fixture.get("configmaps", "map").await.unwrap();
    assert_eq!((map["data"].as_object().unwrap().len(), managers(&map).len()), (8, 8));
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_is_still_no_news() {
    let fixture = Fixture::new().await;
    let kind = fixture.kind("nodes");
    let client = Client::new(&fixture, "agent");
    let mut node = sample(kind, "n1");
    node["metadata"]["labels"] = json!({"kubernetes.io/os": "linux"});
    client.create("nodes", node).await;
    let beat = async |second: u8| {
        let condition = json!({"type": "Ready", "status": "True",
            "lastHeartbeatTime": format!("2026-01-01T00:00:{second:02}Z"), "lastTransitionTime": "2026-01-01T00:00:00Z"});
        let mut node = fixture.get("nodes", "n1").await.unwrap();
        node["status"]["conditions"] = json!([condition]);
        a_while().await;
        client.update("nodes", Some("status"), node).await.unwrap()
    };
    let (first, second) = (beat(1).await, beat(11).await);
    let fields = managed(&second, "agent", Some("status"));
    assert!(fields["f:status"]["f:conditions"]["k:{\"type\":\"Ready\"}"]["f:lastHeartbeatTime"].is_object());
    assert_eq!(managed(&first, "agent", Some("status")), fields);
    assert_ne!(first["metadata"]["managedFields"], second["metadata"]["managedFields"], "the time is the newer");
    assert_eq!(first.to_string().len(), second.to_string().len(), "nothing grows");
    let draft = |object: &Value| {
        let mut draft = kind.decode_kept(object.to_string().as_bytes()).unwrap();
        draft.metadata_mut().resource_version = None;
        draft
    };
    assert!(draft(&second).is_volatile_update(&*draft(&first)));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_object_keeps_its_managers() {
    let fixture = Fixture::new().await;
    let client = Client::new(&fixture, "me");
    let mut object = config_map(json!({"a": "1"}));
    object["metadata"]["finalizers"] = json!(["example.com/wait"]);
    let created = client.create("configmaps", object).await;
    fixture.delete("configmaps", "map").await.unwrap();
    let deleted = fixture.get("configmaps", "map").await.unwrap();
    assert!(deleted["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(deleted["metadata"]["managedFields"], created["metadata"]["managedFields"]);
    assert_eq!(
        managed(&created, "me", None)["f:metadata"],
        json!({"f:finalizers": {".": {}, "v:\"example.com/wait\"": {}}})
    );
}
