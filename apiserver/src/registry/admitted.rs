//! Tests of what a cluster begins with, and of what admission makes of pods, classes and requests.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::context::{Context, User};
use crate::registry::fixtures::{Fixture, pod_spec, sample, value};
use crate::registry::options::ListOptions;

async fn pod(fixture: &Fixture, name: &str, change: impl FnOnce(&mut Value)) -> Result<Value, String> {
    let mut spec = pod_spec();
    change(&mut spec);
    let made = fixture.create("pods", json!({"metadata": {"name": name}, "spec": spec})).await;
    made.map(|pod| pod["spec"].clone()).map_err(|failure| failure.message)
}

fn class(name: &str, value: i32, is_default: bool) -> Value {
    json!({"metadata": {"name": name}, "value": value, "globalDefault": is_default, "preemptionPolicy": "Never"})
}

#[tokio::test(start_paused = true)]
async fn classes_and_flows_of_the_system_are_there_from_the_start() {
    let fixture = Fixture::new().await;
    let names = async |plural: &str| -> Vec<String> {
        let page = fixture.list(plural, ListOptions::default()).await.unwrap();
        page.objects.iter().map(|object| object.meta.name.to_string()).collect()
    };
    assert_eq!(names("priorityclasses").await, ["system-cluster-critical", "system-node-critical"]);
    assert_eq!(
        names("prioritylevelconfigurations").await,
        [
            "catch-all",
            "exempt",
            "global-default",
            "leader-election",
            "node-high",
            "system",
            "workload-high",
            "workload-low"
        ]
    );
    assert_eq!(names("flowschemas").await.len(), 13);
    let before = fixture.registry.storage.revision();
    fixture.registry.bootstrap().await.unwrap();
    assert_eq!(fixture.registry.storage.revision(), before, "a second start finds them there");
}

#[tokio::test(start_paused = true)]
async fn a_pod_has_the_priority_of_its_class() {
    let fixture = Fixture::new().await;
    let plain = pod(&fixture, "plain", |_| ()).await.unwrap();
    assert_eq!((&plain["priority"], &plain["preemptionPolicy"]), (&json!(0), &json!("PreemptLowerPriority")));
    assert_eq!(plain["priorityClassName"], Value::Null);
    let critical = pod(&fixture, "critical", |spec| spec["priorityClassName"] = json!("system-node-critical")).await;
    assert_eq!(critical.unwrap()["priority"], 2_000_001_000);
    assert_eq!(
        pod(&fixture, "odd", |spec| spec["priorityClassName"] = json!("none")).await.unwrap_err(),
        "pods \"odd\" is forbidden: no PriorityClass with name none was found"
    );
    fixture.create("priorityclasses", class("usual", 5, true)).await.unwrap();
    let usual = pod(&fixture, "usual", |_| ()).await.unwrap();
    assert_eq!((&usual["priorityClassName"], &usual["priority"]), (&json!("usual"), &json!(5)));
    assert_eq!(usual["preemptionPolicy"], "Never");
    assert_eq!(
        pod(&fixture, "own", |spec| spec["priority"] = json!(6)).await.unwrap_err(),
        "pods \"own\" is forbidden: the integer value of priority (6) must not be provided in pod spec; priority admission \
         controller computed 5 from the given PriorityClass name"
    );
}

#[tokio::test(start_paused = true)]
async fn one_class_is_the_default() {
    let fixture = Fixture::new().await;
    fixture.create("priorityclasses", class("a", 5, true)).await.unwrap();
    fixture.create("priorityclasses", class("b", 6, false)).await.unwrap();
    let told = fixture.create("priorityclasses", class("c", 7, true)).await.unwrap_err().message;
    let why = "PriorityClass a is already marked as default. Only one default can exist";
    assert_eq!(told, format!("priorityclasses.scheduling.k8s.io \"c\" is forbidden: {why}"));
    let told = fixture.patch("priorityclasses", "b", json!({"globalDefault": true})).await.unwrap_err().message;
    assert_eq!(told, format!("priorityclasses.scheduling.k8s.io \"b\" is forbidden: {why}"));
    fixture.patch("priorityclasses", "a", json!({"description": "usual"})).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_for_a_certificate_says_who_asks() {
    let fixture = Fixture::new().await;
    let kind = fixture.kind("certificatesigningrequests");
    let mut object = sample(kind, "mine");
    object["spec"]["username"] = json!("somebody-else");
    let ada = Context::new(Arc::new(User::new("ada", &["system:authenticated"])));
    let made = fixture.registry.create(&ada, kind, None, object.to_string().into()).await.unwrap();
    let made = value(&made);
    assert_eq!((&made["spec"]["username"], &made["spec"]["groups"]), (&json!("ada"), &json!(["system:authenticated"])));
    let mut approved = made.clone();
    approved["status"]["conditions"] = json!([{"type": "Approved", "status": "True", "reason": "r"}]);
    approved["spec"]["username"] = json!("somebody-else");
    let left = fixture.update_at("certificatesigningrequests", Some("approval"), approved).await.unwrap();
    assert_eq!(left["spec"], made["spec"]);
    assert!(left["status"]["conditions"][0]["lastUpdateTime"].is_string());
}
