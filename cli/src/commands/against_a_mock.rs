//! The commands against a server of fixed answers: what they ask, what they print, how they fail.

use std::path::PathBuf;

use clap::Parser;
use serde_json::{Value, json};

use crate::commands::apply::{Apply, with_last_applied};
use crate::commands::delete::Delete;
use crate::commands::get::Get;
use crate::commands::patch::Patch;
use crate::commands::scale::Scale;
use crate::error::CliError;
use crate::mock::Mock;

const PODS: &str = "/api/v1/namespaces/default/pods";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

fn parse<C: Parser>(words: &[&str]) -> C {
    C::parse_from(std::iter::once(&"command").chain(words))
}

async fn get(mock: &Mock, words: &[&str]) -> Result<(), CliError> {
    parse::<Get>(words).execute(&mock.session()).await
}

fn table(names: &[&str], next: &str) -> Value {
    let rows: Vec<Value> =
        names.iter().map(|name| json!({"cells": [name], "object": {"metadata": {"name": name}}})).collect();
    json!({
        "kind": "Table", "metadata": {"resourceVersion": "7", "continue": next},
        "columnDefinitions": [{"name": "Name", "type": "string", "format": "name", "priority": 0}], "rows": rows,
    })
}

/// A file that is gone when the test is over.
struct File {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn file(text: &str) -> File {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    std::fs::write(&path, text).unwrap();
    File { _folder: folder, path }
}

#[tokio::test]
async fn long_lists_are_read_in_chunks_and_printed_as_one() {
    let mock = Mock::default().answer(&format!("GET {PODS}"), 200, &table(&["a-long-name", "b"], "next")).answer(
        &format!("GET {PODS}"),
        200,
        &table(&["c"], ""),
    );
    get(&mock, &["pods"]).await.unwrap();
    assert_eq!(mock.out.text(), "NAME\na-long-name\nb\nc\n");
    let asked = mock.asked.all();
    assert_eq!(asked[0].what, format!("GET {PODS}?limit=500"));
    assert_eq!(asked[1].what, format!("GET {PODS}?limit=500&continue=next"));
}

#[tokio::test]
async fn nothing_found_is_told_on_standard_error() {
    let mock = Mock::default().answer(&format!("GET {PODS}"), 200, &table(&[], ""));
    get(&mock, &["pods"]).await.unwrap();
    assert_eq!(
        (mock.out.text().as_str(), mock.err.text().as_str()),
        ("", "No resources found in default namespace.\n")
    );
}

#[tokio::test]
async fn several_types_are_told_apart_and_what_is_missing_is_an_error() {
    let mock = Mock::default().answer(&format!("GET {PODS}/a"), 200, &table(&["a"], "")).answer(
        &format!("GET {DEPLOYMENTS}/b"),
        200,
        &table(&["b"], ""),
    );
    let error = get(&mock, &["pod/a", "deploy/b", "svc/c"]).await.unwrap_err();
    assert_eq!(mock.out.text(), "NAME\npod/a\n\nNAME\ndeployment.apps/b\n");
    assert_eq!(error.report(), "Error from server (NotFound): services \"c\" not found");
    let mock = Mock::default();
    get(&mock, &["svc", "c", "--ignore-not-found"]).await.unwrap();
    assert_eq!(mock.out.text(), "");
}

#[tokio::test]
async fn a_watch_prints_rows_as_they_change() {
    let event = |what: &str, name: &str| {
        let mut table = table(&[name], "");
        table["columnDefinitions"] = Value::Null;
        format!("{}\n", json!({"type": what, "object": table}))
    };
    let events =
        event("ADDED", "b") + &json!({"type": "BOOKMARK", "object": {}}).to_string() + "\n" + &event("DELETED", "a");
    let mock = Mock::default().answer(&format!("GET {PODS}"), 200, &table(&["a"], "")).answer_text(
        &format!("GET {PODS}"),
        200,
        &events,
    );
    get(&mock, &["pods", "-w", "--output-watch-events"]).await.unwrap();
    assert_eq!(mock.out.text(), "EVENT      NAME\nADDED      a\nADDED      b\nDELETED    a\n");
    assert!(mock.asked.all()[1].what.ends_with("?watch=true&resourceVersion=7"));
}

#[tokio::test]
async fn objects_are_printed_complete_and_without_bookkeeping() {
    let list = json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [
        {"metadata": {"name": "a", "managedFields": [{"manager": "x"}]}},
    ]});
    let mock = Mock::default().answer(&format!("GET {PODS}"), 200, &list);
    get(&mock, &["pods", "-o", "yaml"]).await.unwrap();
    let expected = "\
apiVersion: v1
items:
- apiVersion: v1
  kind: Pod
  metadata:
    name: a
kind: List
metadata:
  resourceVersion: \"\"
";
    assert_eq!(mock.out.text(), expected);
}

const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 2}\n";

/// The object as `apply` would have made it, with what the server added.
fn live(replicas: u32) -> Value {
    let manifest = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": replicas},
    });
    let mut object = with_last_applied(manifest);
    object["metadata"]["resourceVersion"] = "7".into();
    object["spec"]["paused"] = false.into();
    object
}

async fn apply(mock: &Mock, flags: &[&str]) -> Result<(), CliError> {
    let file = file(DEPLOYMENT);
    let path = file.path.display().to_string();
    let words: Vec<&str> = ["-f", &path].into_iter().chain(flags.iter().copied()).collect();
    parse::<Apply>(&words).execute(&mock.session()).await
}

#[tokio::test]
async fn apply_makes_what_is_not_there() {
    let mock = Mock::default().answer(&format!("POST {DEPLOYMENTS}"), 201, &live(2));
    apply(&mock, &[]).await.unwrap();
    assert_eq!(mock.out.text(), "deployment.apps/web created\n");
    let [write] = &mock.writes()[..] else { panic!("one write") };
    assert_eq!(write.what, format!("POST {DEPLOYMENTS}?fieldValidation=Strict&fieldManager=kubectl-client-side-apply"));
    let annotation = write.body["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"].as_str();
    assert!(annotation.unwrap().ends_with("\"spec\":{\"replicas\":2}}\n"));
}

#[tokio::test]
async fn apply_changes_what_differs_and_leaves_the_rest() {
    let mock = Mock::default().answer(&format!("GET {DEPLOYMENTS}/web"), 200, &live(1)).answer(
        &format!("PATCH {DEPLOYMENTS}/web"),
        200,
        &live(2),
    );
    apply(&mock, &[]).await.unwrap();
    assert_eq!(mock.out.text(), "deployment.apps/web configured\n");
    let [write] = &mock.writes()[..] else { panic!("one write") };
    assert_eq!(write.content_type, "application/strategic-merge-patch+json");
    assert_eq!(write.body["spec"], json!({"replicas": 2}));

    let mock = Mock::default().answer(&format!("GET {DEPLOYMENTS}/web"), 200, &live(2));
    apply(&mock, &[]).await.unwrap();
    assert_eq!(mock.out.text(), "deployment.apps/web unchanged\n");
    assert!(mock.writes().is_empty());
}

#[tokio::test]
async fn apply_tries_again_when_somebody_was_faster() {
    let conflict =
        json!({"kind": "Status", "status": "Failure", "reason": "Conflict", "code": 409, "message": "changed"});
    let mock = Mock::default()
        .answer(&format!("GET {DEPLOYMENTS}/web"), 200, &live(1))
        .answer(&format!("PATCH {DEPLOYMENTS}/web"), 409, &conflict)
        .answer(&format!("GET {DEPLOYMENTS}/web"), 200, &live(3))
        .answer(&format!("PATCH {DEPLOYMENTS}/web"), 200, &live(2));
    apply(&mock, &[]).await.unwrap();
    assert_eq!((mock.out.text().as_str(), mock.writes().len()), ("deployment.apps/web configured\n", 2));
}

#[tokio::test]
async fn a_trial_on_this_side_writes_nothing() {
    let mock = Mock::default();
    apply(&mock, &["--dry-run=client"]).await.unwrap();
    assert_eq!(mock.out.text(), "deployment.apps/web created (dry run)\n");
    assert!(mock.writes().is_empty());
}

#[tokio::test]
async fn a_refused_manifest_is_told_with_its_file() {
    let exists = json!({"kind": "Status", "status": "Failure", "reason": "BadRequest", "code": 400, "message": "no"});
    let mock = Mock::default().answer(&format!("POST {DEPLOYMENTS}"), 400, &exists);
    let report = apply(&mock, &[]).await.unwrap_err().report();
    assert!(report.starts_with("Error from server (BadRequest): error when creating \""), "{report}");
    assert!(report.ends_with("a.yaml\": no"), "{report}");
}

#[tokio::test]
async fn delete_waits_until_the_object_is_gone() {
    let pod = json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "a", "uid": "u", "resourceVersion": "7"}});
    let gone = format!("{}\n", json!({"type": "DELETED", "object": pod}));
    let mock = Mock::default()
        .answer(&format!("DELETE {PODS}/a"), 200, &pod)
        .answer(&format!("GET {PODS}/a"), 200, &pod)
        .answer_text(&format!("GET {PODS}"), 200, &gone);
    parse::<Delete>(&["pod", "a", "--now"]).execute(&mock.session()).await.unwrap();
    assert_eq!(mock.out.text(), "pod \"a\" deleted\n");
    let writes = mock.writes();
    assert_eq!(writes[0].body["propagationPolicy"], "Background");
    assert_eq!(writes[0].body["gracePeriodSeconds"], 1);
    let watch = "watch=true&fieldSelector=metadata.name%3Da&resourceVersion=7";
    assert!(mock.asked.all().last().unwrap().what.ends_with(watch));
}

#[tokio::test]
async fn delete_refuses_what_names_nothing() {
    let refused = |words: &'static [&str]| async move {
        parse::<Delete>(words).execute(&Mock::default().session()).await.unwrap_err().report()
    };
    assert_eq!(refused(&["pods"]).await, "error: resource(s) were provided, but no name was specified");
    assert!(refused(&["pod", "a", "--force", "--grace-period=5"]).await.contains("--force and --grace-period"));
    assert_eq!(refused(&["pod", "a"]).await, "Error from server (NotFound): pods \"a\" not found");
}

#[tokio::test]
async fn force_warns_and_asks_for_no_grace() {
    let mock =
        Mock::default().answer(&format!("DELETE {PODS}/a"), 200, &json!({"kind": "Status", "status": "Success"}));
    parse::<Delete>(&["pod/a", "--force"]).execute(&mock.session()).await.unwrap();
    assert!(mock.err.text().starts_with("Warning: Immediate deletion does not wait"));
    assert_eq!(mock.out.text(), "pod \"a\" force deleted\n");
    assert_eq!(mock.writes()[0].body["gracePeriodSeconds"], 0);
}

#[tokio::test]
async fn scale_checks_what_it_was_told_to_expect() {
    let scale = json!({"kind": "Scale", "metadata": {"name": "web", "resourceVersion": "7"}, "spec": {"replicas": 2}});
    let mock = Mock::default().answer(&format!("GET {DEPLOYMENTS}/web"), 200, &live(2)).answer(
        &format!("GET {DEPLOYMENTS}/web/scale"),
        200,
        &scale,
    );
    let command = parse::<Scale>(&["deploy", "web", "--replicas=3", "--current-replicas=1"]);
    let error = command.execute(&mock.session()).await.unwrap_err();
    assert_eq!(error.report(), "error: Expected replicas to be 1, was 2");

    let mock = Mock::default().answer(&format!("GET {DEPLOYMENTS}/web"), 200, &live(2)).answer(
        &format!("PATCH {DEPLOYMENTS}/web/scale"),
        200,
        &scale,
    );
    parse::<Scale>(&["deploy/web", "--replicas=3"]).execute(&mock.session()).await.unwrap();
    assert_eq!(mock.out.text(), "deployment.apps/web scaled\n");
    assert_eq!(mock.writes()[0].body, json!({"spec": {"replicas": 3}}));
}

#[tokio::test]
async fn a_patch_may_be_yaml_and_may_change_nothing() {
    let mock = Mock::default().answer(&format!("GET {DEPLOYMENTS}/web"), 200, &live(2)).answer(
        &format!("PATCH {DEPLOYMENTS}/web"),
        200,
        &live(2),
    );
    let command = parse::<Patch>(&["deploy", "web", "--type=merge", "-p", "spec: {replicas: 2}"]);
    command.execute(&mock.session()).await.unwrap();
    assert_eq!(mock.out.text(), "deployment.apps/web patched (no change)\n");
    let writes = mock.writes();
    assert_eq!(writes[0].content_type, "application/merge-patch+json");
    assert_eq!(writes[0].body, json!({"spec": {"replicas": 2}}));
}
