//! Pods whose containers are real processes.

use std::path::Path;
use std::time::Duration;

use lifecycle::tasks::Tasks;
use serde_json::{Value, json};

use crate::fake_api::pod_path;
use crate::life_tests::{Setup, condition, is_running, marked, shell};
use crate::runtime::RuntimeKind;

fn container(pod: &Value) -> &Value {
    &pod["status"]["containerStatuses"][0]
}

/// What the first run of the container wrote, without times.
fn log(folder: &Path, uid: &str) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join(format!("pods/{uid}/logs/main/0.log"))).unwrap_or_default();
    text.lines().map(|line| line.splitn(4, ' ').nth(3).unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn a_pod_finishes_and_says_how() {
    let setup = Setup::new(RuntimeKind::Process);
    setup.start().await;
    let mut spec = shell("echo $WHO in $POD on $(hostname >/dev/null; echo $HOSTNAME); exit 3");
    spec["restartPolicy"] = json!("Never");
    spec["containers"][0]["env"] = json!([
        { "name": "WHO", "value": "me" },
        { "name": "POD", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } }
    ]);
    setup.api.create_pod("job", "node-1", spec);
    let pod = setup.eventually("the pod fails", "job", |pod| pod["status"]["phase"] == "Failed").await;
    let ended = &container(&pod)["state"]["terminated"];
    assert_eq!((&ended["exitCode"], &ended["reason"]), (&json!(3), &json!("Error")));
    assert_eq!(log(setup.folder.path(), "uid-job"), ["me in job on job"]);
    setup.api.delete_pod("job", 30, setup.clock.now());
    setup.eventually("the pod is gone", "job", Value::is_null).await;
    setup.until("its folder is gone", || !setup.folder.path().join("pods/uid-job").exists()).await;
}

#[tokio::test]
async fn a_container_that_fails_is_restarted_with_a_wait() {
    let setup = Setup::new(RuntimeKind::Process);
    setup.start().await;
    setup.api.create_pod("crash", "node-1", shell("exit 1"));
    let waiting = |pod: &Value| container(pod)["state"]["waiting"]["reason"] == "CrashLoopBackOff";
    let pod = setup.eventually("it waits", "crash", waiting).await;
    assert_eq!((&container(&pod)["restartCount"], &pod["status"]["phase"]), (&json!(1), &json!("Running")));
    assert_eq!(container(&pod)["lastState"]["terminated"]["exitCode"], 1);
    setup.api.delete_pod("crash", 1, setup.clock.now());
    setup.eventually("the pod is gone", "crash", Value::is_null).await;
}

#[tokio::test]
async fn pods_go_on_without_an_agent_and_are_adopted_or_ended() {
    let mut setup = Setup::new(RuntimeKind::Process);
    setup.start().await;
    for name in ["kept", "ended", "gone"] {
        let mut spec = shell("while :; do sleep 0.05; done");
        spec["containers"][0]["env"] = json!([{ "name": "MARK", "value": format!("adopt-{name}") }]);
        setup.api.create_pod(name, "node-1", spec);
        setup.eventually("the pod runs", name, is_running).await;
    }
    setup.tasks.stop(Duration::from_secs(5)).await;
    let before = setup.api.pod("kept").unwrap();
    assert!(marked("MARK=adopt-kept") > 0);
    // One pod is deleted, and another's object goes altogether, while nobody looks.
    setup.api.delete_pod("ended", 1, setup.clock.now());
    setup.api.remove(&pod_path("gone"));
    setup.tasks = Tasks::new();
    setup.start().await;
    setup.eventually("the deleted pod is gone", "ended", Value::is_null).await;
    setup.until("no process is left", || marked("MARK=adopt-ended") + marked("MARK=adopt-gone") == 0).await;
    setup.until("no folder is left", || !setup.folder.path().join("pods/uid-gone").exists()).await;
    assert_eq!(setup.api.pod("kept").unwrap(), before);
    setup.api.delete_pod("kept", 1, setup.clock.now());
    setup.eventually("the last pod is gone", "kept", Value::is_null).await;
    assert_eq!(marked("MARK=adopt-kept"), 0);
}

#[tokio::test]
async fn pods_end_with_their_agent_where_that_is_asked_for() {
    let setup = Setup::new(RuntimeKind::Process);
    let options = crate::agent::Options { stop_pods_on_exit: true, ..setup.options() };
    setup.start_with(options).await;
    let mut spec = shell("while :; do sleep 0.05; done");
    spec["containers"][0]["env"] = json!([{ "name": "MARK", "value": "stop-on-exit" }]);
    setup.api.create_pod("web", "node-1", spec);
    setup.eventually("the pod runs", "web", is_running).await;
    setup.tasks.stop(Duration::from_secs(20)).await;
    assert_eq!(marked("MARK=stop-on-exit"), 0);
    let pod = setup.api.pod("web").unwrap();
    assert_eq!(condition(&pod, "Ready")["status"], "False");
    assert_eq!(container(&pod)["state"]["terminated"]["exitCode"], 143);
}

#[tokio::test]
async fn a_volume_follows_its_config_map() {
    let setup = Setup::new(RuntimeKind::Process);
    setup.start().await;
    let mut spec = shell("while :; do cat $SKIFF_VOLUME_CONF/key; echo; sleep 0.05; done");
    spec["volumes"] = json!([{ "name": "conf", "configMap": { "name": "settings" } }]);
    spec["containers"][0]["volumeMounts"] = json!([{ "name": "conf", "mountPath": "/no-such-place" }]);
    setup.api.create_pod("web", "node-1", spec);
    setup
        .eventually("it waits", "web", |pod| container(pod)["state"]["waiting"]["reason"] == "ContainerCreating")
        .await;
    let put = |value: &str| {
        let meta = json!({ "name": "settings", "namespace": "default" });
        let path = "/api/v1/namespaces/default/configmaps/settings";
        setup.api.put(path, json!({ "metadata": meta, "data": { "key": value } }));
    };
    put("one");
    setup.eventually("the pod runs", "web", is_running).await;
    let says = |word: &'static str| log(setup.folder.path(), "uid-web").iter().any(|line| line == word);
    setup.until("the first value is read", || says("one")).await;
    put("two");
    setup.until("the next value is read", || says("two")).await;
    setup.api.delete_pod("web", 1, setup.clock.now());
    setup.eventually("the pod is gone", "web", Value::is_null).await;
}

#[tokio::test]
async fn a_container_waits_for_what_its_environment_refers_to() {
    let setup = Setup::new(RuntimeKind::Process);
    setup.start().await;
    let mut spec = shell("echo $KEY; sleep 1000");
    let from = json!({ "secretKeyRef": { "name": "keys", "key": "a" } });
    spec["containers"][0]["env"] = json!([{ "name": "KEY", "valueFrom": from }]);
    setup.api.create_pod("web", "node-1", spec);
    let waiting = |pod: &Value| container(pod)["state"]["waiting"]["reason"] == "CreateContainerConfigError";
    let pod = setup.eventually("it waits", "web", waiting).await;
    assert_eq!(container(&pod)["state"]["waiting"]["message"], "secret \"keys\" not found");
    let meta = json!({ "name": "keys", "namespace": "default" });
    setup.api.put("/api/v1/namespaces/default/secrets/keys", json!({ "metadata": meta, "data": { "a": "c2VjcmV0" } }));
    setup.eventually("the pod runs", "web", is_running).await;
    setup.until("it has the value", || log(setup.folder.path(), "uid-web") == ["secret"]).await;
    setup.api.delete_pod("web", 1, setup.clock.now());
    setup.eventually("the pod is gone", "web", Value::is_null).await;
}

#[tokio::test]
async fn the_way_back_leads_to_logs_and_pods() {
    let setup = Setup::new(RuntimeKind::Process);
    setup.start().await;
    let mut spec = shell("echo one; while [ ! -e $GO ]; do sleep 0.02; done; echo two");
    spec["restartPolicy"] = json!("Never");
    let go = setup.folder.path().join("go");
    spec["containers"][0]["env"] = json!([{ "name": "GO", "value": go.display().to_string() }]);
    setup.api.create_pod("talker", "node-1", spec);
    setup.eventually("the pod runs", "talker", is_running).await;
    let mut client = setup.way_back().await;
    let pods = client.ask("/pods").await;
    assert!(pods.contains("\"kind\":\"PodList\"") && pods.contains("uid-talker"), "{pods}");
    let logs = "/containerLogs/default/talker/main";
    setup.until("the log has begun", || !log(setup.folder.path(), "uid-talker").is_empty()).await;
    assert_eq!(client.ask(logs).await, "one\n");
    let mut follower = client.clone();
    let followed = async { follower.ask(&format!("{logs}?follow=true")).await };
    let finish = async { std::fs::write(&go, "").unwrap() };
    let (text, ()) = tokio::join!(followed, finish);
    assert_eq!(text, "one\ntwo\n");
    assert!(client.ask("/containerLogs/default/talker/other").await.contains("container \"other\" not found"));
    assert!(client.ask("/containerLogs/default/nobody/main").await.contains("pod \"nobody\" not found"));
    assert!(client.ask("/metrics").await.contains("kubelet_started_containers_total"));
    setup.api.delete_pod("talker", 1, setup.clock.now());
    setup.eventually("the pod is gone", "talker", Value::is_null).await;
}

#[tokio::test]
async fn probes_decide_when_a_container_is_started_ready_and_dead() {
    let setup = Setup::new(RuntimeKind::Process);
    setup.start().await;
    let file = |name: &str| setup.folder.path().join(name).display().to_string();
    let test = |name: &str| json!({ "exec": { "command": ["test", "-e", file(name)] }, "periodSeconds": 1, "failureThreshold": 1 });
    let mut spec = shell("sleep 1000");
    spec["containers"][0]["startupProbe"] = test("up");
    spec["containers"][0]["startupProbe"]["failureThreshold"] = json!(100);
    spec["containers"][0]["readinessProbe"] = test("ready");
    spec["containers"][0]["livenessProbe"] = test("alive");
    setup.api.create_pod("web", "node-1", spec);
    let started = |pod: &Value| container(pod)["state"]["running"].is_object();
    let pod = setup.eventually("it runs", "web", started).await;
    assert_eq!((&container(&pod)["started"], &container(&pod)["ready"]), (&json!(false), &json!(false)));
    for name in ["alive", "up"] {
        std::fs::write(file(name), "").unwrap();
    }
    let pod = setup.eventually("it is up", "web", |pod| container(pod)["started"] == true).await;
    assert_eq!(container(&pod)["ready"], false);
    std::fs::write(file("ready"), "").unwrap();
    setup.eventually("it is ready", "web", is_running).await;
    std::fs::remove_file(file("ready")).unwrap();
    setup.eventually("it is not ready", "web", |pod| container(pod)["ready"] == false).await;
    std::fs::remove_file(file("alive")).unwrap();
    let pod = setup.eventually("it is restarted", "web", |pod| container(pod)["restartCount"] == 1).await;
    assert_eq!(container(&pod)["lastState"]["terminated"]["exitCode"], 143);
    setup.api.delete_pod("web", 1, setup.clock.now());
    setup.eventually("the pod is gone", "web", Value::is_null).await;
}

#[tokio::test]
async fn hooks_run_after_the_start_and_before_the_stop() {
    let setup = Setup::new(RuntimeKind::Process);
    setup.start().await;
    let mark = |name: &str| {
        let file = setup.folder.path().join(name).display().to_string();
        json!({ "exec": { "command": ["sh", "-c", format!("sleep 0.1; echo $POD_NAME > {file}")] } })
    };
    let mut spec = shell("sleep 1000");
    spec["containers"][0]["lifecycle"] = json!({ "postStart": mark("began"), "preStop": mark("ended") });
    setup.api.create_pod("web", "node-1", spec);
    setup.eventually("the pod runs", "web", is_running).await;
    let read = |name: &str| std::fs::read_to_string(setup.folder.path().join(name)).unwrap_or_default();
    assert_eq!((read("began").as_str(), read("ended").as_str()), ("web\n", ""));
    setup.api.delete_pod("web", 5, setup.clock.now());
    setup.eventually("the pod is gone", "web", Value::is_null).await;
    assert_eq!(read("ended"), "web\n");
}
