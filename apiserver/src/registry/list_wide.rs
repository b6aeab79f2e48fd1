//! Tests that every kind of the list passes.

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{DeleteOptions, Preconditions};
use serde_json::{Value, json};

use crate::context::{Context, FieldValidation};
use crate::kinds::KINDS;
use crate::kinds::erased::KindRef;
use crate::kinds::strict::Search;
use crate::registry::Target;
use crate::registry::fixtures::{Fixture, sample, value};
use crate::registry::options::{Deleted, EventType, ListOptions, PatchType};
use crate::registry::samples::name_of;
use crate::registry::watch::WatchStream;

async fn next(stream: &mut WatchStream) -> (EventType, Value) {
    let event = stream.next().await.expect("the watch goes on").expect("the watch is healthy");
    (event.event_type, value(&event.object))
}

fn label_patch(kind: KindRef, patch_type: PatchType, key: &str) -> Value {
    match patch_type {
        PatchType::Json => json!([{"op": "add", "path": "/metadata/labels", "value": {key: "1"}}]),
        PatchType::Merge | PatchType::Strategic => json!({"metadata": {"labels": {key: "1"}}}),
        PatchType::Apply => json!({"apiVersion": kind.facts().api_version(), "kind": kind.facts().kind,
            "metadata": {"labels": {key: "1"}}}),
    }
}

/// The kinds whose objects clients make, and the server keeps.
fn stored() -> impl Iterator<Item = KindRef> {
    KINDS.iter().copied().filter(|kind| kind.facts().allows("create") && kind.facts().allows("watch"))
}

#[test]
fn every_kind_is_named_as_upstream_names_it() {
    let mut names = BTreeSet::new();
    for kind in KINDS {
        let facts = kind.facts();
        assert!(names.insert((facts.group, facts.version, facts.plural)), "{} is listed twice", facts.plural);
        assert!(facts.allows("create") || facts.allows("list"), "{} cannot be used", facts.plural);
        let columns = kind.columns();
        // What only does something, or is only answered, is shown in no table.
        if facts.verbs == ["create"] {
            continue;
        }
        assert_eq!(facts.allows("create"), facts.allows("watch"), "{}", facts.plural);
        assert!(columns.iter().any(|column| column.name == "Name"), "{} shows no name", facts.plural);
        assert!(columns.iter().all(|column| !column.description.is_empty()));
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_of_every_kind_is_made_read_changed_watched_and_deleted() {
    for kind in stored() {
        lifetime(kind).await;
    }
}

async fn lifetime(kind: KindRef) {
    let what = kind.facts().plural;
    let fixture = Fixture::new().await;
    let (registry, context) = (&fixture.registry, &fixture.context);
    let one = &*name_of(kind, "one");
    let target = Fixture::target(kind, one);
    let namespace = Fixture::namespace(kind);
    let options = ListOptions { field_selector: format!("metadata.name={one}"), ..ListOptions::default() };
    let mut watch = registry.watch(kind, namespace, &options).unwrap();

    let created = fixture.create_as(kind, sample(kind, one)).await.unwrap();
    assert_eq!(created["metadata"]["uid"].as_str().unwrap().len(), 36, "{what}");
    assert_eq!(next(&mut watch).await, (EventType::Added, created.clone()), "{what}");
    let read = registry.get(kind, target, "").unwrap();
    assert_eq!(value(&read), created, "{what}");

    let again = fixture.create_as(kind, sample(kind, one)).await.unwrap_err();
    assert_eq!(again.message, format!("{} {one:?} already exists", kind.facts().resource()));

    let page = registry.list(kind, namespace, &options).unwrap();
    assert_eq!(page.objects.len(), 1, "{what}");
    assert!(page.revision >= read.revision);
    let cells = kind.cells(&page.objects[0].bytes(), Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(cells.len(), kind.columns().len(), "{what}");
    let name = kind.columns().iter().position(|column| column.name == "Name").unwrap();
    assert_eq!(cells[name], one, "{what}");

    let mut last = created;
    for patch_type in PatchType::ALL {
        let key = format!("by-{patch_type:?}").to_lowercase();
        let patched = fixture.patch_as(kind, one, patch_type, label_patch(kind, patch_type, &key)).await.unwrap();
        assert_eq!(patched["metadata"]["labels"][&key], "1", "{what}");
        assert_eq!(next(&mut watch).await, (EventType::Modified, patched.clone()), "{what}");
        let same = fixture.patch_as(kind, one, patch_type, label_patch(kind, patch_type, &key)).await.unwrap();
        assert_eq!(same, patched, "a patch that changes nothing writes nothing: {what}");
        last = patched;
    }

    let mut changed = last.clone();
    changed["metadata"]["annotations"] = json!({"a": "b"});
    let body = changed.to_string().into();
    let updated = registry.update(context, kind, target, body).await.unwrap();
    assert!(!updated.created);
    assert_eq!(next(&mut watch).await.1["metadata"]["annotations"]["a"], "b", "{what}");
    let stale = registry.update(context, kind, target, last.to_string().into()).await.unwrap_err();
    assert_eq!(stale.code(), 409, "{what}");
    assert!(stale.message.contains("the object has been modified"), "{what}");

    let wrong = Preconditions { uid: Some("other".into()), resource_version: None };
    let wrong = DeleteOptions { preconditions: Some(wrong), ..DeleteOptions::default() };
    assert_eq!(registry.delete(context, kind, target, &wrong).await.unwrap_err().code(), 409, "{what}");
    let deleted = registry.delete(context, kind, target, &DeleteOptions::default()).await.unwrap();
    let pending = matches!(deleted, Deleted::Object { pending: true, .. });
    if kind.facts().kind == "Namespace" {
        assert!(pending);
        assert_eq!(next(&mut watch).await.1["status"]["phase"], "Terminating");
        return;
    }
    assert_eq!(pending, kind.facts().flags.orphans_by_default, "{what}");
    if pending {
        assert_eq!(next(&mut watch).await.1["metadata"]["finalizers"], json!(["orphan"]), "{what}");
        let let_go = json!({"metadata": {"finalizers": null}});
        fixture.patch_as(kind, "one", PatchType::Merge, let_go).await.unwrap();
        assert_eq!(next(&mut watch).await.0, EventType::Deleted, "{what}");
        return;
    }
    assert_eq!(matches!(deleted, Deleted::Object { .. }), kind.facts().flags.returns_deleted, "{what}");
    let (event_type, last) = next(&mut watch).await;
    assert_eq!(event_type, EventType::Deleted, "{what}");
    assert_ne!(last["metadata"]["resourceVersion"], json!(updated.object.revision.to_string()), "{what}");
    assert_eq!(registry.get(kind, target, "").unwrap_err().code(), 404, "{what}");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_of_every_kind_changes_nothing() {
    let fixture = Fixture::new().await;
    let dry = Context { dry_run: true, ..fixture.context.clone() };
    for (index, kind) in stored().enumerate() {
        let (what, name) = (kind.facts().plural, name_of(kind, &format!("dry{index}")));
        let (namespace, target) = (Fixture::namespace(kind), Fixture::target(kind, &name));
        let body = || sample(kind, &name).to_string().into();
        let before = fixture.registry.storage.revision();
        let made = fixture.registry.create(&dry, kind, namespace, body()).await.unwrap();
        assert!(value(&made)["metadata"]["uid"].is_string(), "{what}");
        assert_eq!(fixture.registry.storage.revision(), before, "{what}");
        fixture.create_as(kind, sample(kind, &name)).await.unwrap();
        let before = fixture.registry.storage.revision();
        let patch = label_patch(kind, PatchType::Merge, "x").to_string().into();
        let patched = fixture.registry.patch(&dry, kind, target, PatchType::Merge, patch).await.unwrap();
        assert_eq!(value(&patched.object)["metadata"]["labels"]["x"], "1", "{what}");
        fixture.registry.delete(&dry, kind, target, &DeleteOptions::default()).await.unwrap();
        assert_eq!(fixture.registry.storage.revision(), before, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_fields_are_refused_told_or_ignored() {
    let fixture = Fixture::new().await;
    for kind in stored() {
        let mut object = sample(kind, &name_of(kind, "odd"));
        object["foo"] = json!({"bar": 1});
        let namespace = Fixture::namespace(kind);
        let context = |field_validation| Context { field_validation, ..Context::default() };
        let strict = context(FieldValidation::Strict);
        let body = || object.to_string().into();
        let failure = fixture.registry.create(&strict, kind, namespace, body()).await.unwrap_err();
        assert_eq!(failure.code(), 400);
        assert!(failure.message.ends_with("strict decoding error: unknown field \"foo\""), "{}", failure.message);
        let warn = Context { dry_run: true, ..context(FieldValidation::Warn) };
        fixture.registry.create(&warn, kind, namespace, body()).await.unwrap();
        assert_eq!(warn.warnings.take(), ["unknown field \"foo\""]);
    }
}

#[test]
fn what_has_a_scale_shows_it() {
    for kind in KINDS {
        let facts = kind.facts();
        let object = json!({"apiVersion": facts.api_version(), "kind": facts.kind});
        // Kinds with fields that they cannot be without have no scale.
        let scaled =
            kind.decode_value(object, Search::Silence).is_ok_and(|mut decoded| decoded.draft.scaled().is_some());
        assert_eq!(scaled, facts.subresource("scale").is_some(), "{}", facts.plural);
    }
}

#[tokio::test(start_paused = true)]
async fn every_scale_can_be_read_and_set() {
    let fixture = Fixture::new().await;
    for kind in stored().filter(|kind| kind.facts().subresource("scale").is_some()) {
        let what = kind.facts().plural;
        fixture.create_as(kind, sample(kind, "scaled")).await.unwrap();
        let target = Target { subresource: Some("scale"), ..Fixture::target(kind, "scaled") };
        let scale = value(&fixture.registry.get(kind, target, "").unwrap());
        assert_eq!(
            (&scale["spec"]["replicas"], &scale["status"]["selector"]),
            (&json!(2), &json!("app=web")),
            "{what}"
        );
        let patch = json!({"spec": {"replicas": 5}}).to_string().into();
        fixture.registry.patch(&fixture.context, kind, target, PatchType::Merge, patch).await.unwrap();
        let read = fixture.registry.get(kind, Fixture::target(kind, "scaled"), "").unwrap();
        assert_eq!(value(&read)["spec"]["replicas"], 5, "{what}");
        assert_eq!(value(&read)["metadata"]["generation"], 2, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_collection_of_every_kind_is_deleted_as_namespaces_are_emptied() {
    for kind in stored().filter(|kind| kind.facts().allows("deletecollection")) {
        let (what, namespace) = (kind.facts().plural, Fixture::namespace(kind));
        let fixture = Fixture::new().await;
        let (registry, context) = (&fixture.registry, &fixture.context);
        let (one, two) = (name_of(kind, "one"), name_of(kind, "two"));
        for name in [&one, &two] {
            fixture.create_as(kind, sample(kind, name)).await.unwrap();
        }
        let chosen = ListOptions { field_selector: format!("metadata.name!={two}"), ..ListOptions::default() };
        let background = || DeleteOptions { propagation_policy: Some("Background".into()), ..DeleteOptions::default() };
        let gone = registry.delete_collection(context, kind, namespace, &chosen, &background()).await.unwrap();
        assert!(gone.objects.iter().any(|object| *object.key.name == one), "{what}");
        assert!(gone.objects.iter().all(|object| *object.key.name != two), "{what}");
        assert_eq!(registry.get(kind, Fixture::target(kind, &one), "").unwrap_err().code(), 404, "{what}");
        assert!(registry.get(kind, Fixture::target(kind, &two), "").is_ok(), "{what}");
    }
}
