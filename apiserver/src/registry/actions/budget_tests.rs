//! Evictions, with and without budgets.

use api::failure::Failure;
use api::names::GroupResource;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::DeleteOptions;
use serde_json::{Value, json};

use crate::context::Context;
use crate::kinds::canonical;
use crate::registry::Target;
use crate::registry::fixtures::{Fixture, sample, value};
use crate::storage::Write;
use crate::storage::object::Key;

const BUDGETS: GroupResource = GroupResource { group: "policy", resource: "poddisruptionbudgets" };

/// A pod that runs on a node, labelled `app=web`.
async fn running(fixture: &Fixture, name: &str, status: Value) -> Value {
    let mut pod = sample(fixture.kind("pods"), name);
    pod["metadata"]["labels"] = json!({"app": "web"});
    pod["spec"]["nodeName"] = json!("n1");
    let mut pod = fixture.create("pods", pod).await.unwrap();
    pod["status"] = status;
    fixture.update_at("pods", Some("status"), pod).await.unwrap()
}

fn ready() -> Value {
    json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]})
}

fn unready() -> Value {
    json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]})
}

/// A budget over `app=web`.
async fn budget(fixture: &Fixture, name: &str, spec: Value, status: Value) {
    let mut budget = json!({"metadata": {"name": name, "namespace": "default", "uid": name, "generation": 1},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}},
        "status": {"currentHealthy": 2, "desiredHealthy": 1, "expectedPods": 2, "disruptionsAllowed": 1,
            "observedGeneration": 1}});
    for (part, wanted) in [("spec", spec), ("status", status)] {
        for (field, wanted) in wanted.as_object().unwrap() {
            budget[part][field] = wanted.clone();
        }
    }
    write(fixture, name, budget).await;
}

/// Stores a budget as its controller leaves it.
async fn write(fixture: &Fixture, name: &str, budget: Value) {
    let mut budget: PodDisruptionBudget = serde_json::from_value(budget).unwrap();
    budget.metadata.resource_version = None;
    let key = Key::new(BUDGETS, "default", name);
    let bytes = canonical::encode(&budget).unwrap().into();
    let current = fixture.registry.storage.snapshot().get(&key).map(|object| object.revision);
    let write = match current {
        None => Write::create(key, bytes),
        Some(revision) => Write::update(key, revision, bytes),
    };
    fixture.registry.storage.commit(write).await.unwrap();
}

fn seen(fixture: &Fixture, name: &str) -> Value {
    value(fixture.registry.storage.snapshot().find(BUDGETS, "default", name).unwrap())
}

async fn evict_with(fixture: &Fixture, context: &Context, name: &str, body: Value) -> Result<Value, Failure> {
    let target = Target { namespace: Some("default"), name, subresource: Some("eviction") };
    let answer = fixture.registry.act(context, fixture.kind("pods"), target, body.to_string().into()).await?;
    Ok(serde_json::from_slice(&answer).unwrap())
}

async fn evict(fixture: &Fixture, name: &str) -> Result<Value, Failure> {
    let body = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}});
    evict_with(fixture, &fixture.context, name, body).await
}

fn cause(failure: &Failure) -> (&str, &str) {
    let cause = &failure.details.as_ref().unwrap().causes[0];
    (&cause.reason, &cause.message)
}

#[tokio::test(start_paused = true)]
async fn an_eviction_marks_the_pod_and_deletes_it_gracefully() {
    let fixture = Fixture::new().await;
    running(&fixture, "p", ready()).await;
    let answer = evict(&fixture, "p").await.unwrap();
    assert_eq!(answer, json!({"apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Success", "code": 201}));
    let pod = fixture.get("pods", "p").await.unwrap();
    assert_eq!(pod["metadata"]["deletionGracePeriodSeconds"], 30);
    let condition = &pod["status"]["conditions"][1];
    assert_eq!(
        (&condition["type"], &condition["status"], &condition["reason"], &condition["message"]),
        (&json!("DisruptionTarget"), &json!("True"), &json!("EvictionByEvictionAPI"), &json!("Eviction API: evicting"))
    );
    assert!(condition["lastTransitionTime"].is_string());
    assert_eq!(evict(&fixture, "none").await.unwrap_err().message, "pods \"none\" not found");
}

#[tokio::test(start_paused = true)]
async fn bodies_of_evictions_are_checked_and_the_old_version_is_taken() {
    let fixture = Fixture::new().await;
    running(&fixture, "p", ready()).await;
    let context = &fixture.context;
    for (body, code, message) in [
        (json!({"metadata": {"name": "q"}}), 400, "name in URL does not match name in Eviction object"),
        (json!({}), 400, "name in URL does not match name in Eviction object"),
        (
            json!({"metadata": {"name": "p", "namespace": "other"}}),
            400,
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
        (
            json!({"apiVersion": "policy/v2", "kind": "Eviction", "metadata": {"name": "p"}}),
            400,
            "the API version in the data (policy/v2) does not match the expected API version (policy/v1)",
        ),
        (
            json!({"metadata": {"name": "p"}, "deleteOptions": {"propagationPolicy": "Never"}}),
            422,
            "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported value: \"Never\": supported \
             values: \"Foreground\", \"Background\", \"Orphan\", \"nil\"",
        ),
        (
            json!({"metadata": {"name": "p"}, "deleteOptions": {"preconditions": {"uid": "other"}}}),
            409,
            "Operation cannot be fulfilled on Pod \"p\": the UID in the precondition (other) does not match the UID in \
             record (UID). The object might have been deleted and then recreated",
        ),
    ] {
        let failure = evict_with(&fixture, context, "p", body).await.unwrap_err();
        let uid = fixture.get("pods", "p").await.unwrap()["metadata"]["uid"].as_str().unwrap().to_owned();
        assert_eq!((failure.code(), failure.message.replace(&uid, "UID").as_str()), (code, message));
    }
    let old = json!({"apiVersion": "policy/v1beta1", "kind": "Eviction", "metadata": {"name": "p"},
        "deleteOptions": {"gracePeriodSeconds": 0}});
    evict_with(&fixture, context, "p", old).await.unwrap();
    assert_eq!(fixture.get("pods", "p").await.unwrap_err().code(), 404);
}

#[tokio::test(start_paused = true)]
async fn a_budget_allows_so_many_and_then_refuses() {
    let fixture = Fixture::new().await;
    for name in ["a", "b"] {
        running(&fixture, name, ready()).await;
    }
    budget(&fixture, "budget", json!({}), json!({})).await;
    let before = seen(&fixture, "budget");
    evict(&fixture, "a").await.unwrap();
    let after = seen(&fixture, "budget");
    assert_eq!(after["status"]["disruptionsAllowed"].as_i64().unwrap_or(0), 0);
    assert!(after["status"]["disruptedPods"]["a"].is_string());
    assert_eq!(after["status"]["conditions"][0]["reason"], "InsufficientPods");
    assert_eq!(after["metadata"]["generation"], before["metadata"]["generation"]);
    let mut status = after.clone();
    status["status"]["currentHealthy"] = json!(1);
    write(&fixture, "budget", status).await;
    let failure = evict(&fixture, "b").await.unwrap_err();
    assert_eq!(
        (failure.code(), failure.message.as_str()),
        (429, "Cannot evict pod as it would violate the pod's disruption budget.")
    );
    assert_eq!(
        cause(&failure),
        ("DisruptionBudget", "The disruption budget budget needs 1 healthy pods and has 1 currently")
    );
    assert!(fixture.get("pods", "b").await.unwrap()["metadata"]["deletionTimestamp"].is_null());
}

#[tokio::test(start_paused = true)]
async fn a_budget_says_why_it_refuses() {
    let told = |reason: &str| {
        json!([{"type": "DisruptionAllowed", "status": "False", "reason": reason, "message": "oh",
            "lastTransitionTime": "2026-01-01T00:00:00Z"}])
    };
    let start = "The disruption budget b does not allow evicting pods currently";
    let (negative, zero) = (json!({"disruptionsAllowed": -1}), json!({"disruptionsAllowed": 0}));
    let failed = json!({"disruptionsAllowed": 0, "conditions": told("SyncFailed")});
    let other = json!({"disruptionsAllowed": 0, "conditions": told("Other")});
    for (status, code, seconds, why) in [
        (
            json!({"observedGeneration": 0}),
            429,
            10,
            "The disruption budget b is still being processed by the server.".into(),
        ),
        (negative, 403, 0, format!("{start}: pdb disruptions allowed is negative")),
        (zero, 429, 0, start.to_owned()),
        (failed, 429, 0, format!("{start} because it failed sync: oh")),
        (other, 429, 0, format!("{start} (Other): oh")),
    ] {
        let fixture = Fixture::new().await;
        running(&fixture, "p", ready()).await;
        budget(&fixture, "b", json!({}), status).await;
        let failure = evict(&fixture, "p").await.unwrap_err();
        assert_eq!((failure.code(), cause(&failure)), (code, ("DisruptionBudget", why.as_str())));
        assert_eq!(failure.details.unwrap().retry_after_seconds, seconds);
    }
}

#[tokio::test(start_paused = true)]
async fn two_budgets_are_one_too_many_and_those_of_others_do_not_count() {
    let fixture = Fixture::new().await;
    running(&fixture, "p", ready()).await;
    budget(&fixture, "other", json!({"selector": {"matchLabels": {"app": "other"}}}), json!({"disruptionsAllowed": 0}))
        .await;
    budget(&fixture, "one", json!({}), json!({})).await;
    budget(&fixture, "two", json!({}), json!({})).await;
    let failure = evict(&fixture, "p").await.unwrap_err();
    let why = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
    assert_eq!((failure.code(), failure.message.as_str()), (500, why));
    let two = Key::new(BUDGETS, "default", "two");
    let revision = fixture.registry.storage.snapshot().get(&two).unwrap().revision;
    fixture.registry.storage.commit(Write::delete(two, revision)).await.unwrap();
    evict(&fixture, "p").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn pods_that_do_not_run_pass_by_their_budgets() {
    let fixture = Fixture::new().await;
    budget(&fixture, "b", json!({}), json!({"disruptionsAllowed": 0})).await;
    for phase in ["Pending", "Succeeded", "Failed"] {
        running(&fixture, "p", json!({"phase": phase})).await;
        evict(&fixture, "p").await.unwrap();
        let options = DeleteOptions { grace_period_seconds: Some(0), ..DeleteOptions::default() };
        // One that ended is gone; one that waits on its node has its grace period.
        assert_eq!(fixture.delete_with("pods", "p", options).await.is_ok(), phase == "Pending", "{phase}");
    }
    running(&fixture, "p", ready()).await;
    fixture.delete("pods", "p").await.unwrap();
    evict(&fixture, "p").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn pods_that_are_not_ready_are_spared_a_budget_that_has_enough() {
    for (policy, current, is_let_go) in
        [(json!({}), 1, true), (json!({}), 0, false), (json!({"unhealthyPodEvictionPolicy": "AlwaysAllow"}), 0, true)]
    {
        let fixture = Fixture::new().await;
        running(&fixture, "p", unready()).await;
        budget(&fixture, "b", policy, json!({"disruptionsAllowed": 0, "currentHealthy": current})).await;
        assert_eq!(evict(&fixture, "p").await.is_ok(), is_let_go);
        assert!(seen(&fixture, "b")["status"]["disruptedPods"].is_null());
    }
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_of_an_eviction_changes_nothing() {
    let fixture = Fixture::new().await;
    let pod = running(&fixture, "p", ready()).await;
    budget(&fixture, "b", json!({}), json!({})).await;
    let before = fixture.registry.storage.revision();
    let body = json!({"metadata": {"name": "p"}});
    let dry = Context { dry_run: true, ..fixture.context.clone() };
    evict_with(&fixture, &dry, "p", body.clone()).await.unwrap();
    let in_body = json!({"metadata": {"name": "p"}, "deleteOptions": {"dryRun": ["All"]}});
    evict_with(&fixture, &fixture.context, "p", in_body).await.unwrap();
    assert_eq!(fixture.registry.storage.revision(), before);
    assert_eq!(fixture.get("pods", "p").await.unwrap(), pod);
}

#[tokio::test(start_paused = true)]
async fn no_more_pods_go_at_once_than_a_budget_allows() {
    let fixture = Fixture::new().await;
    let names = ["a", "b", "c", "d", "e", "f"];
    for name in names {
        running(&fixture, name, ready()).await;
    }
    budget(&fixture, "budget", json!({}), json!({"disruptionsAllowed": 2})).await;
    let all = futures::future::join_all(names.map(|name| evict(&fixture, name))).await;
    assert_eq!(all.iter().filter(|answer| answer.is_ok()).count(), 2);
    assert!(all.iter().flat_map(|answer| answer.as_ref().err()).all(|failure| failure.code() == 429));
    assert_eq!(seen(&fixture, "budget")["status"]["disruptedPods"].as_object().unwrap().len(), 2);
}
