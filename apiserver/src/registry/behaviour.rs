//! Tests of what verbs do, each on the kind that shows it best.

use std::time::Duration;

use api::failure::Failure;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::DeleteOptions;
use serde_json::{Value, json};

use crate::kinds::erased::KindRef;
use crate::registry::fixtures::{Fixture, pod_spec, sample, value};
use crate::registry::options::{Deleted, EventType, ListOptions, PatchType};
use crate::registry::{Registry, Target};
use crate::storage::limits::Limits;

async fn made(fixture: &Fixture, plural: &str, name: &str) -> Value {
    fixture.create(plural, sample(fixture.kind(plural), name)).await.unwrap()
}

fn deletion(change: impl FnOnce(&mut DeleteOptions)) -> DeleteOptions {
    let mut options = DeleteOptions::default();
    change(&mut options);
    options
}

fn field_selector(selector: &str) -> ListOptions {
    ListOptions { field_selector: selector.into(), ..ListOptions::default() }
}

fn paged(limit: u64, token: &str) -> ListOptions {
    ListOptions { limit, continue_token: token.into(), ..ListOptions::default() }
}

#[tokio::test(start_paused = true)]
async fn a_generated_name_is_new_each_time() {
    let fixture = Fixture::new().await;
    let mut pod = sample(fixture.kind("pods"), "");
    pod["metadata"] = json!({"generateName": "web-"});
    let one = fixture.create("pods", pod.clone()).await.unwrap();
    let two = fixture.create("pods", pod).await.unwrap();
    assert_ne!(one["metadata"]["name"], two["metadata"]["name"]);
    assert!(one["metadata"]["name"].as_str().unwrap().starts_with("web-"));
}

#[tokio::test(start_paused = true)]
async fn only_a_change_of_the_spec_counts_a_generation() {
    let fixture = Fixture::new().await;
    let created = made(&fixture, "deployments", "web").await;
    assert_eq!(created["metadata"]["generation"], 1);
    let labelled = fixture.patch("deployments", "web", json!({"metadata": {"labels": {"a": "b"}}})).await.unwrap();
    assert_eq!(labelled["metadata"]["generation"], 1);
    let scaled = fixture.patch("deployments", "web", json!({"spec": {"replicas": 5}})).await.unwrap();
    assert_eq!(scaled["metadata"]["generation"], 2);
    let mut status = scaled.clone();
    status["status"] = json!({"replicas": 5, "observedGeneration": 2});
    status["spec"]["replicas"] = json!(9);
    let reported = fixture.update_at("deployments", Some("status"), status).await.unwrap();
    assert_eq!((&reported["spec"]["replicas"], &reported["status"]["replicas"]), (&json!(5), &json!(5)));
    assert_eq!(reported["metadata"]["generation"], 2);
    let mut spec = reported.clone();
    spec["status"] = json!({"replicas": 100});
    spec["metadata"]["generation"] = json!(77);
    let updated = fixture.update("deployments", spec).await.unwrap();
    assert_eq!(updated, reported, "an update that changes nothing it may change writes nothing");
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_an_object_is_said_all_at_once() {
    let fixture = Fixture::new().await;
    let mut deployment = sample(fixture.kind("deployments"), "Web_1");
    deployment["spec"]["template"]["metadata"]["labels"] = json!({"app": "other"});
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = json!("");
    let failure = fixture.create("deployments", deployment).await.unwrap_err();
    assert_eq!(failure.code(), 422);
    for part in [
        "Deployment.apps \"Web_1\" is invalid: [metadata.name: Invalid value: \"Web_1\": a lowercase RFC 1123 subdomain",
        "spec.template.metadata.labels: Invalid value: {\"app\":\"other\"}: `selector` does not match template `labels`",
        "spec.template.spec.containers[0].image: Required value",
    ] {
        assert!(failure.message.contains(part), "{part} is not in {}", failure.message);
    }
    let mut pod = sample(fixture.kind("pods"), "p");
    pod["metadata"]["resourceVersion"] = json!("3");
    assert_eq!(fixture.create("pods", pod).await.unwrap_err().code(), 400);
    let mut service = sample(fixture.kind("pods"), "p");
    service["kind"] = json!("Service");
    let failure = fixture.create("pods", service).await.unwrap_err();
    assert!(failure.message.starts_with("Service in version \"v1\" cannot be handled as a Pod"), "{}", failure.message);
}

#[tokio::test(start_paused = true)]
async fn the_namespace_must_be_there_and_stay() {
    let fixture = Fixture::new().await;
    let (registry, context, kind) = (&fixture.registry, &fixture.context, fixture.kind("configmaps"));
    let create = |namespace| registry.create(context, kind, Some(namespace), "{\"metadata\":{\"name\":\"a\"}}".into());
    let failure = create("nowhere").await.unwrap_err();
    assert_eq!(failure.message, "namespaces \"nowhere\" not found");
    made(&fixture, "namespaces", "going").await;
    create("going").await.unwrap();
    let deleted = fixture.delete("namespaces", "going").await.unwrap();
    let Deleted::Object { object, pending: true } = deleted else { panic!("it waits for its finalizer") };
    let namespace = value(&object);
    assert_eq!(namespace["status"]["phase"], "Terminating");
    assert_eq!(namespace["metadata"]["labels"]["kubernetes.io/metadata.name"], "going");
    fixture.delete("namespaces", "going").await.unwrap();
    assert_eq!(fixture.get("namespaces", "going").await.unwrap(), namespace, "a second deletion changes nothing");
    let failure = create("going").await.unwrap_err();
    assert!(failure.code() == 403 && failure.has_cause("NamespaceTerminating"), "{failure:?}");
    let mut finalized = namespace.clone();
    finalized["spec"]["finalizers"] = json!([]);
    fixture.update_at("namespaces", Some("finalize"), finalized).await.unwrap();
    assert_eq!(fixture.get("namespaces", "going").await.unwrap_err().code(), 404);
    let failure = fixture.delete("namespaces", "default").await.unwrap_err();
    assert_eq!(failure.message, "namespaces \"default\" is forbidden: this namespace may not be deleted");
}

#[tokio::test(start_paused = true)]
async fn a_finalizer_keeps_an_object_until_it_is_taken_off() {
    let fixture = Fixture::new().await;
    let mut map = sample(fixture.kind("configmaps"), "kept");
    map["metadata"]["finalizers"] = json!(["example.com/wait"]);
    fixture.create("configmaps", map).await.unwrap();
    let Deleted::Object { object, pending: true } = fixture.delete("configmaps", "kept").await.unwrap() else {
        panic!("it is kept")
    };
    let kept = value(&object);
    assert_eq!(kept["metadata"]["deletionGracePeriodSeconds"], 0);
    let again = fixture.create("configmaps", sample(fixture.kind("configmaps"), "kept")).await.unwrap_err();
    assert_eq!(again.message, "object is being deleted: configmaps \"kept\" already exists");
    let failure = fixture
        .patch("configmaps", "kept", json!({"metadata": {"finalizers": ["example.com/more"]}}))
        .await
        .unwrap_err();
    assert!(failure.message.contains(
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, \
         found new finalizers []string{\"example.com/more\"}"
    ));
    let mut watch = fixture.watch("configmaps", ListOptions::default()).unwrap();
    watch.next().await.unwrap().unwrap();
    fixture.patch("configmaps", "kept", json!({"metadata": {"finalizers": null}})).await.unwrap();
    assert_eq!(watch.next().await.unwrap().unwrap().event_type, EventType::Deleted);
    assert_eq!(fixture.get("configmaps", "kept").await.unwrap_err().code(), 404);
}

#[tokio::test(start_paused = true)]
async fn propagation_is_left_to_the_garbage_collector() {
    let fixture = Fixture::new().await;
    for (policy, finalizer) in [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")] {
        made(&fixture, "replicasets", "owner").await;
        let options = deletion(|options| options.propagation_policy = Some(policy.into()));
        fixture.delete_with("replicasets", "owner", options).await.unwrap();
        let owner = fixture.get("replicasets", "owner").await.unwrap();
        assert_eq!(owner["metadata"]["finalizers"], json!([finalizer]));
        assert_eq!(owner["metadata"]["generation"], 2);
        let background = deletion(|options| options.propagation_policy = Some("Background".into()));
        fixture.delete_with("replicasets", "owner", background).await.unwrap();
        assert_eq!(fixture.get("replicasets", "owner").await.unwrap_err().code(), 404);
    }
    let both = deletion(|options| {
        options.propagation_policy = Some("Orphan".into());
        options.orphan_dependents = Some(true);
    });
    made(&fixture, "replicasets", "owner").await;
    assert_eq!(fixture.delete_with("replicasets", "owner", both).await.unwrap_err().code(), 422);
}

async fn bound(fixture: &Fixture, name: &str) -> Result<(), Failure> {
    let target = Target { namespace: Some("default"), name, subresource: Some("binding") };
    let body = json!({"target": {"kind": "Node", "name": "n1"}, "metadata": {"annotations": {"by": "us"}}});
    fixture.registry.act(&fixture.context, fixture.kind("pods"), target, body.to_string().into()).await.map(drop)
}

#[tokio::test(start_paused = true)]
async fn a_pod_is_bound_once() {
    let fixture = Fixture::new().await;
    let created = made(&fixture, "pods", "p").await;
    assert_eq!(
        (&created["status"]["phase"], &created["status"]["qosClass"]),
        (&json!("Pending"), &json!("BestEffort"))
    );
    assert_eq!(created["spec"]["serviceAccountName"], "default");
    assert_eq!(created["spec"]["tolerations"].as_array().unwrap().len(), 2);
    bound(&fixture, "p").await.unwrap();
    let pod = fixture.get("pods", "p").await.unwrap();
    assert_eq!((&pod["spec"]["nodeName"], &pod["metadata"]["annotations"]["by"]), (&json!("n1"), &json!("us")));
    assert_eq!(pod["status"]["conditions"][0]["type"], "PodScheduled");
    let failure = bound(&fixture, "p").await.unwrap_err();
    assert_eq!(
        failure.message,
        "Operation cannot be fulfilled on pods \"p\": pod p is already assigned to node \"n1\""
    );
    let page = fixture.list("pods", field_selector("spec.nodeName=n1,status.phase!=Running")).await.unwrap();
    assert_eq!(page.objects.len(), 1);
    let failure = fixture.list("pods", field_selector("spec.nonsense=n1")).await.unwrap_err();
    assert_eq!((failure.code(), failure.message.as_str()), (400, "field label not supported: spec.nonsense"));
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_runs_is_deleted_with_grace_that_can_only_shrink() {
    let fixture = Fixture::new().await;
    made(&fixture, "pods", "p").await;
    let Deleted::Object { pending: false, .. } = fixture.delete("pods", "p").await.unwrap() else {
        panic!("a pod without a node goes at once")
    };
    made(&fixture, "pods", "p").await;
    bound(&fixture, "p").await.unwrap();
    let grace = |seconds| deletion(|options| options.grace_period_seconds = Some(seconds));
    let Deleted::Object { object, pending: true } = fixture.delete("pods", "p").await.unwrap() else {
        panic!("it has 30 seconds")
    };
    let first = value(&object);
    assert_eq!(
        (&first["metadata"]["deletionGracePeriodSeconds"], &first["metadata"]["generation"]),
        (&json!(30), &json!(2))
    );
    fixture.delete_with("pods", "p", grace(60)).await.unwrap();
    assert_eq!(fixture.get("pods", "p").await.unwrap(), first);
    fixture.delete_with("pods", "p", grace(5)).await.unwrap();
    let sooner = fixture.get("pods", "p").await.unwrap();
    assert_eq!(sooner["metadata"]["deletionGracePeriodSeconds"], 5);
    let time = |pod: &Value| pod["metadata"]["deletionTimestamp"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!((time(&first) - time(&sooner)).get_seconds(), 25);
    fixture.delete_with("pods", "p", grace(0)).await.unwrap();
    assert_eq!(fixture.get("pods", "p").await.unwrap_err().code(), 404);
}

#[tokio::test(start_paused = true)]
async fn little_may_be_changed_of_a_pod() {
    let fixture = Fixture::new().await;
    made(&fixture, "pods", "p").await;
    let image = json!({"spec": {"containers": [{"name": "web", "image": "skiff.dev/echo:2"}]}});
    assert_eq!(fixture.patch("pods", "p", image).await.unwrap()["metadata"]["generation"], 2);
    let command = json!({"spec": {"containers": [{"name": "web", "command": ["x"]}]}});
    let failure = fixture.patch("pods", "p", command).await.unwrap_err();
    let start = "Pod \"p\" is invalid: spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`";
    assert!(failure.message.starts_with(start), "{}", failure.message);
    let status =
        json!({"metadata": {"name": "p"}, "spec": pod_spec(), "status": {"phase": "Running", "podIP": "127.64.1.2"}});
    let updated = fixture.update_at("pods", Some("status"), status).await.unwrap();
    assert_eq!(
        (&updated["status"]["phase"], &updated["status"]["qosClass"]),
        (&json!("Running"), &json!("BestEffort"))
    );
    assert_eq!(updated["spec"]["containers"][0]["image"], "skiff.dev/echo:2");
}

async fn scale(registry: &Registry, fixture: &Fixture, kind: KindRef, patch: Value) -> Result<Value, Failure> {
    let target = Target { subresource: Some("scale"), ..Fixture::target(kind, "web") };
    let patch = patch.to_string().into();
    registry.patch(&fixture.context, kind, target, PatchType::Merge, patch).await.map(|written| value(&written.object))
}

#[tokio::test(start_paused = true)]
async fn a_scale_is_a_view_of_replicas() {
    let fixture = Fixture::new().await;
    for plural in ["deployments", "replicasets"] {
        let kind = fixture.kind(plural);
        made(&fixture, plural, "web").await;
        let target = Target { subresource: Some("scale"), ..Fixture::target(kind, "web") };
        let mut seen = value(&fixture.registry.get(kind, target, "").unwrap());
        assert_eq!((&seen["apiVersion"], &seen["kind"]), (&json!("autoscaling/v1"), &json!("Scale")));
        assert_eq!((&seen["spec"]["replicas"], &seen["status"]["selector"]), (&json!(2), &json!("app=web")));
        let scaled = scale(&fixture.registry, &fixture, kind, json!({"spec": {"replicas": 3}})).await.unwrap();
        assert_eq!(scaled["spec"]["replicas"], 3);
        assert_eq!(fixture.get(plural, "web").await.unwrap()["metadata"]["generation"], 2);
        seen["spec"]["replicas"] = json!(4);
        let stale = fixture.registry.update(&fixture.context, kind, target, seen.to_string().into()).await.unwrap_err();
        assert_eq!(stale.code(), 409);
        let negative = scale(&fixture.registry, &fixture, kind, json!({"spec": {"replicas": -1}})).await.unwrap_err();
        assert_eq!(negative.code(), 422);
    }
}

#[tokio::test(start_paused = true)]
async fn all_pages_of_a_list_show_one_moment() {
    let fixture = Fixture::with(|_| {}, Limits { kept_snapshots: 0, history_batches: 2, ..Limits::default() }).await;
    for name in ["a", "b", "c", "d", "e"] {
        made(&fixture, "configmaps", name).await;
    }
    let first = fixture.list("configmaps", paged(2, "")).await.unwrap();
    assert_eq!((first.objects.len(), first.remaining), (2, Some(3)));
    fixture.delete("configmaps", "c").await.unwrap();
    let second = fixture.list("configmaps", paged(2, &first.continue_token)).await.unwrap();
    assert_eq!((&*second.objects[0].key.name, second.remaining, second.revision), ("c", Some(1), first.revision));
    for name in ["f", "g", "h", "i"] {
        made(&fixture, "configmaps", name).await;
    }
    let failure = fixture.list("configmaps", paged(2, &second.continue_token)).await.unwrap_err();
    assert_eq!(failure.code(), 410);
    let rest = fixture.list("configmaps", paged(0, &failure.continue_token.unwrap())).await.unwrap();
    let names: String = rest.objects.iter().map(|object| &*object.key.name).collect();
    assert_eq!((names.as_str(), rest.continue_token.as_str()), ("efghi", ""));
}

#[tokio::test(start_paused = true)]
async fn options_that_do_not_fit_together_are_refused() {
    let fixture = Fixture::new().await;
    let matching = |resource_version: &str, matching: &str| ListOptions {
        resource_version: resource_version.into(),
        resource_version_match: matching.into(),
        ..ListOptions::default()
    };
    for (options, code) in [
        (matching("", "Exact"), 422),
        (matching("0", "Exact"), 422),
        (matching("1", "Nonsense"), 422),
        (matching("x", ""), 400),
        (matching("99999999", "NotOlderThan"), 504),
        (ListOptions { continue_token: "x".into(), ..matching("5", "") }, 400),
        (ListOptions { label_selector: "a b".into(), ..ListOptions::default() }, 400),
    ] {
        let failure = fixture.list("pods", options.clone()).await.unwrap_err();
        assert_eq!(failure.code(), code, "{options:?}");
    }
    let no_match = ListOptions { send_initial_events: Some(true), ..ListOptions::default() };
    assert_eq!(fixture.watch("pods", no_match).err().unwrap().code(), 422);
}

#[tokio::test(start_paused = true)]
async fn a_watcher_sees_what_enters_and_leaves_its_selection() {
    let fixture = Fixture::new().await;
    let options = ListOptions { label_selector: "show=yes".into(), ..ListOptions::default() };
    let mut watch = fixture.watch("configmaps", options).unwrap();
    made(&fixture, "configmaps", "a").await;
    let label = |value: &str| json!({"metadata": {"labels": {"show": value}}});
    fixture.patch("configmaps", "a", label("yes")).await.unwrap();
    let inside = fixture.patch("configmaps", "a", json!({"data": {"x": "1"}})).await.unwrap();
    let outside = fixture.patch("configmaps", "a", label("no")).await.unwrap();
    fixture.delete("configmaps", "a").await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let event = watch.next().await.unwrap().unwrap();
        seen.push((event.event_type, value(&event.object)));
    }
    let types: Vec<EventType> = seen.iter().map(|(event_type, _)| *event_type).collect();
    assert_eq!(types, [EventType::Added, EventType::Modified, EventType::Deleted]);
    let mut last_seen = inside;
    last_seen["metadata"]["resourceVersion"] = outside["metadata"]["resourceVersion"].clone();
    assert_eq!(seen[2].1, last_seen, "the state that was seen, at the revision at which it left");
}

#[tokio::test(start_paused = true)]
async fn a_watch_may_begin_with_the_state_and_a_bookmark() {
    let fixture = Fixture::new().await;
    made(&fixture, "configmaps", "a").await;
    let options = ListOptions {
        send_initial_events: Some(true),
        resource_version_match: "NotOlderThan".into(),
        allow_watch_bookmarks: true,
        ..ListOptions::default()
    };
    let mut watch = fixture.watch("configmaps", options).unwrap();
    assert_eq!(watch.next().await.unwrap().unwrap().event_type, EventType::Added);
    let bookmark = watch.next().await.unwrap().unwrap();
    assert_eq!(bookmark.event_type, EventType::Bookmark);
    assert_eq!(value(&bookmark.object)["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    made(&fixture, "pods", "elsewhere").await;
    let began = tokio::time::Instant::now();
    let bookmark = watch.next().await.unwrap().unwrap();
    assert_eq!(bookmark.event_type, EventType::Bookmark);
    assert!(began.elapsed() >= Duration::from_secs(59));
    let told = value(&bookmark.object)["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    assert_eq!(told, fixture.registry.storage.revision().to_string());
}

#[tokio::test(start_paused = true)]
async fn both_event_groups_show_the_same_events() {
    let fixture = Fixture::new().await;
    let both: Vec<KindRef> =
        crate::kinds::KINDS.iter().copied().filter(|kind| kind.facts().plural == "events").collect();
    let (core, new) = (both[0], both[1]);
    fixture.create_as(new, sample(new, "e")).await.unwrap();
    let old = value(&fixture.registry.get(core, Fixture::target(core, "e"), "").unwrap());
    assert_eq!((&old["involvedObject"]["name"], &old["message"]), (&json!("p"), &json!("Started it")));
    let options = field_selector("regarding.name=p,reason=Started");
    let page = fixture.registry.list(new, Some("default"), &options).unwrap();
    assert_eq!(value(&page.objects[0])["note"], "Started it");
    let series = json!({"series": {"count": 2, "lastObservedTime": "2026-01-01T00:01:00.000000Z"}});
    let patched = fixture.patch_as(new, "e", PatchType::Merge, series).await.unwrap();
    assert_eq!((&patched["apiVersion"], &patched["series"]["count"]), (&json!("events.k8s.io/v1"), &json!(2)));
    let failure = fixture.patch_as(new, "e", PatchType::Merge, json!({"note": "Again"})).await.unwrap_err();
    assert!(failure.message.ends_with("message: Invalid value: \"Again\": field is immutable"), "{}", failure.message);
    let mut lax = sample(new, "lax");
    lax.as_object_mut().unwrap().remove("reportingInstance");
    assert_eq!(fixture.create_as(new, lax).await.unwrap_err().code(), 422);
}

#[tokio::test(start_paused = true)]
async fn both_versions_show_the_same_autoscalers() {
    let fixture = Fixture::new().await;
    let plural = "horizontalpodautoscalers";
    let both: Vec<KindRef> = crate::kinds::KINDS.iter().copied().filter(|kind| kind.facts().plural == plural).collect();
    let (new, old) = (both[0], both[1]);
    fixture.create_as(old, sample(old, "a")).await.unwrap();
    let seen = value(&fixture.registry.get(new, Fixture::target(new, "a"), "").unwrap());
    assert_eq!(seen["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 80);
    let memory = json!({"type": "Resource", "resource": {"name": "memory",
        "target": {"type": "Utilization", "averageUtilization": 60}}});
    let metrics = json!({"spec": {"metrics": [memory, seen["spec"]["metrics"][0]]}});
    fixture.patch_as(new, "a", PatchType::Merge, metrics).await.unwrap();
    // A change in the old form keeps what only the new one has a field for.
    let patched = fixture.patch_as(old, "a", PatchType::Merge, json!({"spec": {"maxReplicas": 9}})).await.unwrap();
    assert_eq!(patched["spec"]["targetCPUUtilizationPercentage"], 80);
    assert!(patched["metadata"]["annotations"]["autoscaling.alpha.kubernetes.io/metrics"].is_string());
    let seen = value(&fixture.registry.get(new, Fixture::target(new, "a"), "").unwrap());
    assert_eq!((&seen["spec"]["maxReplicas"], &seen["spec"]["metrics"][0]), (&json!(9), &memory));
    assert_eq!(seen["metadata"].get("annotations"), None);
    let status = json!({"metadata": {"name": "a"}, "status": {"desiredReplicas": 2, "conditions": [
        {"type": "AbleToScale", "status": "True"}]}, "spec": seen["spec"]});
    fixture.update_at_kind(new, Some("status"), status).await.unwrap();
    fixture.patch_as(old, "a", PatchType::Merge, json!({"metadata": {"annotations": null}})).await.unwrap();
    let seen = value(&fixture.registry.get(new, Fixture::target(new, "a"), "").unwrap());
    assert_eq!(seen["status"]["conditions"][0]["type"], "AbleToScale", "a status is not the client's to take away");
}

#[tokio::test(start_paused = true)]
async fn jobs_and_controllers_leave_their_pods_unless_told_otherwise() {
    let fixture = Fixture::new().await;
    let background = DeleteOptions { propagation_policy: Some("Background".to_owned()), ..DeleteOptions::default() };
    for (plural, options, finalizers) in [
        ("jobs", DeleteOptions::default(), json!(["orphan"])),
        ("replicationcontrollers", DeleteOptions::default(), json!(["orphan"])),
        ("jobs", background.clone(), json!(null)),
        ("cronjobs", DeleteOptions::default(), json!(null)),
        ("statefulsets", DeleteOptions::default(), json!(null)),
    ] {
        fixture.create(plural, sample(fixture.kind(plural), "x")).await.unwrap();
        let deleted = fixture.delete_with(plural, "x", options).await.unwrap();
        let left = fixture.get(plural, "x").await.ok();
        let found = left.map_or(json!(null), |object| object["metadata"]["finalizers"].clone());
        assert_eq!(found, finalizers, "{plural}");
        assert_eq!(matches!(deleted, Deleted::Object { pending: true, .. }), !finalizers.is_null(), "{plural}");
        if !finalizers.is_null() {
            let let_go = json!({"metadata": {"finalizers": null}});
            fixture.patch_as(fixture.kind(plural), "x", PatchType::Merge, let_go).await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_range_without_a_name_is_named_after_itself() {
    let fixture = Fixture::new().await;
    let mut range = sample(fixture.kind("limitranges"), "x");
    range["metadata"] = json!({});
    let made = fixture.create("limitranges", range).await.unwrap();
    assert_eq!(made["metadata"]["name"], made["metadata"]["uid"]);
}

#[tokio::test(start_paused = true)]
async fn component_statuses_are_none_and_none_can_be_made() {
    let fixture = Fixture::new().await;
    let kind = fixture.kind("componentstatuses");
    assert_eq!(fixture.list("componentstatuses", ListOptions::default()).await.unwrap().objects.len(), 0);
    assert_eq!(fixture.registry.get(kind, Fixture::target(kind, "etcd-0"), "").unwrap_err().code(), 404);
    assert!(!kind.facts().allows("create") && kind.facts().allows("list"));
}

#[tokio::test(start_paused = true)]
async fn a_put_creates_where_the_kind_says_so() {
    let fixture = Fixture::new().await;
    for plural in ["leases", "services", "endpoints"] {
        let object = sample(fixture.kind(plural), "new");
        assert!(fixture.update(plural, object).await.unwrap()["metadata"]["uid"].is_string());
    }
    let failure = fixture.update("configmaps", sample(fixture.kind("configmaps"), "new")).await.unwrap_err();
    assert_eq!(failure.code(), 404);
    let failure = fixture.update("leases", sample(fixture.kind("leases"), "new")).await.unwrap_err();
    assert!(failure.message.contains("metadata.resourceVersion: Invalid value: 0x0: must be specified for an update"));
    let renamed = json!({"metadata": {"name": "other"}});
    let target = Fixture::target(fixture.kind("configmaps"), "new");
    let kind = fixture.kind("configmaps");
    let failure =
        fixture.registry.update(&fixture.context, kind, target, renamed.to_string().into()).await.unwrap_err();
    assert_eq!(failure.message, "the name of the object (other) does not match the name on the URL (new)");
}

#[tokio::test(start_paused = true)]
async fn patches_that_race_are_all_applied() {
    let fixture = Fixture::new().await;
    made(&fixture, "configmaps", "shared").await;
    let patches =
        (0..20).map(|number| fixture.patch("configmaps", "shared", json!({"data": {format!("k{number}"): "x"}})));
    for result in futures::future::join_all(patches).await {
        result.unwrap();
    }
    let map = fixture.get("configmaps", "shared").await.unwrap();
    assert_eq!(map["data"].as_object().unwrap().len(), 21);
}

#[tokio::test(start_paused = true)]
async fn a_collection_is_deleted_by_its_selector() {
    let fixture = Fixture::new().await;
    for name in ["a", "b", "c"] {
        made(&fixture, "configmaps", name).await;
    }
    fixture.patch("configmaps", "b", json!({"metadata": {"labels": {"keep": "yes"}}})).await.unwrap();
    let kind = fixture.kind("configmaps");
    let list = ListOptions { label_selector: "!keep".into(), ..ListOptions::default() };
    let options = DeleteOptions::default();
    let registry = &fixture.registry;
    let gone = registry.delete_collection(&fixture.context, kind, Some("default"), &list, &options).await.unwrap();
    assert_eq!(gone.objects.len(), 2);
    let left = fixture.list("configmaps", ListOptions::default()).await.unwrap();
    assert_eq!((left.objects.len(), &*left.objects[0].key.name), (1, "b"));
}

#[tokio::test(start_paused = true)]
async fn an_event_lives_for_an_hour_after_its_last_change() {
    let fixture = Fixture::new().await;
    let kind = fixture.kind("events");
    for name in ["old", "renewed"] {
        made(&fixture, "events", name).await;
    }
    tokio::time::sleep(Duration::from_secs(40 * 60)).await;
    fixture.patch_as(kind, "renewed", PatchType::Merge, json!({"count": 2})).await.unwrap();
    tokio::time::sleep(Duration::from_secs(30 * 60)).await;
    assert_eq!(fixture.get("events", "old").await.unwrap_err().code(), 404);
    assert!(fixture.get("events", "renewed").await.is_ok());
    tokio::time::sleep(Duration::from_secs(40 * 60)).await;
    assert_eq!(fixture.get("events", "renewed").await.unwrap_err().code(), 404);
}

#[tokio::test(start_paused = true)]
async fn addresses_of_a_pod_are_said_in_both_ways() {
    let fixture = Fixture::new().await;
    let mut pod = made(&fixture, "pods", "p").await;
    pod["status"]["podIP"] = json!("127.64.1.2");
    let pod = fixture.update_at("pods", Some("status"), pod).await.unwrap();
    assert_eq!(pod["status"]["podIPs"], json!([{"ip": "127.64.1.2"}]));
    let page = fixture.list("pods", field_selector("status.podIP=127.64.1.2")).await.unwrap();
    let cells = fixture.kind("pods").cells(&page.objects[0].bytes(), jiff::Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(cells[5], "127.64.1.2");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_out_empty_values_changes_nothing() {
    let fixture = Fixture::new().await;
    let mut pod = sample(fixture.kind("pods"), "p");
    pod["spec"]["hostNetwork"] = json!(false);
    pod["spec"]["containers"][0]["args"] = json!([]);
    pod["spec"]["volumes"] = json!([]);
    let created = fixture.create("pods", pod).await.unwrap();
    assert_eq!((&created["spec"]["hostNetwork"], &created["spec"]["volumes"]), (&Value::Null, &Value::Null));
    let mut again = created.clone();
    again["spec"]["hostNetwork"] = json!(false);
    again["metadata"]["labels"] = json!({});
    assert_eq!(fixture.update("pods", again).await.unwrap(), created);
}
