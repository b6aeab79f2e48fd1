//! Properties that hold for every configuration.

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::kinds::canonical::ManagedFields;
use crate::kinds::erased::KindRef;
use crate::registry::managed_fields::compare::{Comparison, compare};
use crate::registry::managed_fields::node::Tape;
use crate::registry::managed_fields::pipeline::{Applied, Writer, after_change, after_create, apply};
use crate::registry::managed_fields::types::Type;
use crate::registry::managed_fields::validate::complaints;
use crate::registry::managed_fields::walk::{claimed, remove};

fn deployments() -> KindRef {
    *crate::kinds::KINDS.iter().find(|kind| kind.facts().plural == "deployments").unwrap()
}

fn deployment() -> Type {
    Type::Struct(api::schema::of_kind("apps", "v1", "Deployment").unwrap())
}

fn compared(left: Option<&Value>, right: &Value) -> Comparison {
    let (left, right) = (left.map(Value::to_string), right.to_string());
    let (left, right) = (left.as_deref().and_then(Tape::read), Tape::read(&right));
    compare(deployment(), left.as_ref().map(Tape::root), right.as_ref().map(Tape::root))
}

fn writer(manager: &str, second: i64) -> Writer<'_> {
    Writer { kind: deployments(), manager, subresource: None, now: Timestamp::from_second(second).unwrap() }
}

fn forced(manager: &str, second: i64, live: &Value, known: &ManagedFields, config: &Value) -> Applied {
    apply(writer(manager, second), Some(live), known, config, true).unwrap()
}

/// The fields of a manager's entry, as JSON text.
fn fields_of(list: &ManagedFields, manager: &str) -> String {
    let found = entries(list).into_iter().find(|entry| entry["manager"] == manager);
    found.map(|entry| entry["fieldsV1"].to_string()).unwrap_or_default()
}

fn entries(list: &ManagedFields) -> Vec<Value> {
    list.as_deref().map(|list| serde_json::from_slice(list).unwrap()).unwrap_or_default()
}

fn small_map() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(prop::sample::select(vec!["a", "b", "c"]), prop::sample::select(vec!["1", "2"]), 0..3)
        .prop_map(|map| Value::Object(map.into_iter().map(|(key, value)| (key.to_owned(), json!(value))).collect()))
}

fn container() -> impl Strategy<Value = Value> {
    let ports = prop::collection::btree_map((80..83_i32, any::<bool>()), any::<bool>(), 0..3);
    let name = prop::sample::select(vec!["a", "b", "c"]);
    (name, prop::option::of(prop::sample::select(vec!["x", "y"])), ports).prop_map(|(name, image, ports)| {
        let mut container = json!({"name": name});
        if let Some(image) = image {
            container["image"] = json!(image);
        }
        if !ports.is_empty() {
            let port = |((number, is_udp), is_named): ((i32, bool), bool)| {
                let mut port = json!({"containerPort": number});
                if is_udp {
                    port["protocol"] = json!("UDP");
                }
                if is_named {
                    port["name"] = json!("web");
                }
                port
            };
            container["ports"] = ports.into_iter().map(port).collect();
        }
        container
    })
}

/// A configuration that says some of what a Deployment may say.
fn configuration() -> impl Strategy<Value = Value> {
    let containers = prop::collection::vec(container(), 0..3).prop_map(|mut list: Vec<Value>| {
        let mut seen = std::collections::BTreeSet::new();
        list.retain(|container| seen.insert(container["name"].to_string()));
        list
    });
    let replicas = prop::option::of(0..3_i32);
    let finalizers = prop::collection::btree_set(prop::sample::select(vec!["x/a", "x/b"]), 0..3);
    (small_map(), small_map(), replicas, containers, finalizers).prop_map(
        |(labels, selector, replicas, containers, finalizers)| {
            let mut config = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}});
            if labels != json!({}) {
                config["metadata"]["labels"] = labels;
            }
            if !finalizers.is_empty() {
                config["metadata"]["finalizers"] = json!(finalizers);
            }
            if let Some(replicas) = replicas {
                config["spec"]["replicas"] = json!(replicas);
            }
            if selector != json!({}) {
                config["spec"]["template"]["spec"]["nodeSelector"] = selector;
            }
            if !containers.is_empty() {
                config["spec"]["template"]["spec"]["containers"] = json!(containers);
            }
            config
        },
    )
}

fn nothing() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}})
}

fn anything() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(vec![
        "metadata",
        "labels",
        "spec",
        "template",
        "containers",
        "name",
        "ports",
        "containerPort",
        "finalizers",
        "replicas",
        "selector",
        "managedFields",
        "odd",
        "status",
        "conditions",
        "type",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i8>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        prop::sample::select(vec!["a", "b"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(7, 48, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn to_apply_twice_is_to_apply_once(live in configuration(), config in configuration()) {
        let known = after_create(writer("creator", 1), live.to_string().as_bytes(), None).unwrap();
        let once = forced("me", 2, &live, &known, &config);
        let twice = forced("me", 3, &once.object, &once.managed_fields, &config);
        prop_assert_eq!(&twice.object, &once.object);
        prop_assert_eq!(&twice.managed_fields, &once.managed_fields, "also its time");
        // And without force, since nobody else manages any of it otherwise.
        prop_assert!(apply(writer("me", 3), Some(&once.object), &once.managed_fields, &config, false).is_ok());
    }

    #[test]
    fn what_is_applied_stands_in_the_object(live in configuration(), config in configuration()) {
        let applied = forced("me", 2, &live, &None, &config);
        let missing = compared(Some(&applied.object), &config);
        // The configuration may leave out what the object has, and no more than that.
        let wrong: Vec<String> = missing.added.paths().into_iter().chain(missing.modified.paths()).collect();
        prop_assert!(wrong.is_empty(), "{:?}", wrong);
    }

    #[test]
    fn what_is_not_applied_any_more_goes_and_the_rest_stays(live in configuration(), config in configuration()) {
        let known = after_create(writer("creator", 1), live.to_string().as_bytes(), None).unwrap();
        let before = fields_of(&known, "creator");
        // One who takes nothing from others leaves them everything by letting go.
        let Ok(applied) = apply(writer("me", 2), Some(&live), &known, &config, false) else { return Ok(()) };
        prop_assert_eq!(fields_of(&applied.managed_fields, "creator"), before.clone());
        let left = forced("me", 3, &applied.object, &applied.managed_fields, &nothing());
        let difference = compared(Some(&live), &left.object);
        prop_assert!(difference.removed.is_empty() && difference.modified.is_empty(), "{:?}", difference);
        // Parents that came with what was applied may stay behind empty, and nothing else.
        let behind = remove(deployment(), left.object.clone(), &difference.added);
        prop_assert!(claimed(deployment(), &left.object).without(&claimed(deployment(), &behind)).paths().iter()
            .all(|path| !path.contains('[')), "{:?}", left.object);
        prop_assert_eq!(fields_of(&left.managed_fields, "me"), "");
    }

    #[test]
    fn two_appliers_own_together_what_both_name(config in configuration()) {
        let live = nothing();
        let one = forced("one", 1, &live, &None, &config);
        let both = apply(writer("two", 2), Some(&one.object), &one.managed_fields, &config, false).unwrap();
        prop_assert_eq!(fields_of(&both.managed_fields, "one"), fields_of(&both.managed_fields, "two"));
        let left = apply(writer("one", 3), Some(&both.object), &both.managed_fields, &nothing(), false).unwrap();
        prop_assert_eq!(&left.object, &both.object);
        prop_assert_eq!(fields_of(&left.managed_fields, "one"), "");
    }

    #[test]
    fn nobody_manages_what_is_not_there(mut first in configuration(), mut second in configuration()) {
        // An object that nobody manages is left so.
        first["metadata"]["annotations"] = json!({"is": "managed"});
        second["metadata"]["annotations"] = json!({"is": "managed"});
        let known = after_create(writer("creator", 1), first.to_string().as_bytes(), None).unwrap();
        let bytes = |value: &Value| bytes::Bytes::from(value.to_string());
        let noted = after_change(writer("updater", 2), &bytes(&first), &bytes(&second), &known, None).unwrap();
        let mut all = super::set::Set::default();
        for entry in entries(&noted) {
            all.unite(&super::set::Set::parse(&entry["fieldsV1"]).unwrap());
        }
        let there = compared(None, &second).added;
        prop_assert!(all.without(&there).is_empty(), "{:?}", all.without(&there).paths());
        let mut claims = claimed(deployment(), &second);
        claims.subtract(super::reset::never_managed());
        prop_assert!(claims.without(&all).is_empty(), "{:?}", claims.without(&all).paths());
    }

    #[test]
    fn no_input_breaks_the_server(live in anything(), config in anything()) {
        // Refused or carried out: both are fine, a panic is not.
        let _ = complaints(deployment(), &config);
        let mut config = if let Value::Object(config) = config { config } else { Map::new() };
        config.insert("apiVersion".into(), json!("apps/v1"));
        config.insert("kind".into(), json!("Deployment"));
        let _ = apply(writer("me", 1), Some(&live), &None, &Value::Object(config), false);
        let _ = after_create(writer("me", 1), live.to_string().as_bytes(), None);
    }
}
