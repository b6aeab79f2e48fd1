//! Pods from a folder, and the mirrors that show them.

use std::time::Duration;

use lifecycle::tasks::Tasks;
use serde_json::{Value, json};

use crate::agent::Options;
use crate::fake_api::pod_path;
use crate::life_tests::{Setup, condition};
use crate::runtime::RuntimeKind;

const NAME: &str = "web-node-1";

fn manifest(word: &str) -> String {
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web", "labels": { "app": "web" } },
        "spec": { "terminationGracePeriodSeconds": 1, "containers": [
            { "name": "main", "image": "host", "command": ["sh", "-c", format!("echo {word}; sleep 1000")] }] } })
    .to_string()
}

fn options(setup: &Setup) -> Options {
    Options { static_pods: Some(setup.folder.path().join("manifests")), ..setup.options() }
}

fn is_ready(pod: &Value) -> bool {
    condition(pod, "Ready")["status"] == "True"
}

#[tokio::test]
async fn a_static_pod_runs_before_the_api_answers_and_is_mirrored_when_it_does() {
    let mut setup = Setup::new(RuntimeKind::Process);
    let folder = setup.folder.path().join("manifests");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("web.json"), manifest("one")).unwrap();
    setup.api.set_silent(true);
    let agent = setup.start_with(options(&setup)).await;
    let log = |word: &str| {
        let pods = std::fs::read_dir(setup.folder.path().join("pods")).into_iter().flatten().flatten();
        let logs = pods.filter_map(|pod| std::fs::read_to_string(pod.path().join("logs/main/0.log")).ok());
        logs.filter(|text| text.trim_end().ends_with(word)).count()
    };
    setup.until("it runs without an API", || log("one") == 1).await;
    assert!(setup.api.pod(NAME).is_none());
    setup.api.set_silent(false);
    let mirror = setup.eventually("it is mirrored", NAME, is_ready).await;
    let annotations = &mirror["metadata"]["annotations"];
    assert_eq!(annotations["kubernetes.io/config.mirror"], annotations["kubernetes.io/config.hash"]);
    assert_eq!(mirror["metadata"]["ownerReferences"][0]["kind"], "Node");
    assert_eq!((&mirror["metadata"]["labels"]["app"], &mirror["status"]["phase"]), (&json!("web"), &json!("Running")));
    let uid = mirror["metadata"]["uid"].clone();
    setup.api.remove(&pod_path(NAME));
    setup.eventually("it is mirrored again", NAME, |pod| is_ready(pod) && pod["metadata"]["uid"] != uid).await;
    assert_eq!(log("one"), 1);
    // A changed file is another pod in the same place.
    std::fs::write(folder.join("web.json"), manifest("two")).unwrap();
    setup.until("the other runs", || log("two") == 1 && log("one") == 0).await;
    let changed = |pod: &Value| is_ready(pod) && pod["metadata"]["annotations"] != *annotations;
    setup.eventually("the other is mirrored", NAME, changed).await;
    drop(agent);
    // The next agent finds it running; one that finds no file ends it.
    setup.tasks.stop(Duration::from_secs(5)).await;
    let before = setup.api.pod(NAME).unwrap();
    setup.tasks = Tasks::new();
    setup.start_with(options(&setup)).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(setup.api.pod(NAME).unwrap()["status"], before["status"]);
    setup.tasks.stop(Duration::from_secs(5)).await;
    std::fs::remove_file(folder.join("web.json")).unwrap();
    setup.tasks = Tasks::new();
    setup.start_with(options(&setup)).await;
    setup.eventually("the mirror is gone", NAME, Value::is_null).await;
    let pods = setup.folder.path().join("pods");
    setup.until("nothing is left", || std::fs::read_dir(&pods).unwrap().count() == 0).await;
}
