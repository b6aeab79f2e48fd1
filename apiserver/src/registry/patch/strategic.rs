//! Strategic merge: a merge that knows by which key the entries of each list are told apart.
//!
//! The rules and their order are those of upstream's `apimachinery/pkg/util/strategicpatch/patch.go`.

use std::collections::{HashMap, HashSet};

use api::failure::{Failure, Reason};
use api::schema::{Definition, Shape, View};
use serde_json::{Map, Value};

use crate::registry::patch::unprocessable;
use crate::registry::printed;

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM_LIST: &str = "$deleteFromPrimitiveList/";
const ELEMENT_ORDER: &str = "$setElementOrder/";

type Object = Map<String, Value>;

pub fn apply(patch: &Value, definition: Option<Definition>, target: &mut Value) -> Result<(), Failure> {
    let (Value::Object(patch), Value::Object(target)) = (patch, target) else { return Err(unprocessable()) };
    merge_objects(target, patch.clone(), definition.map_or(Type::Unknown, Type::Struct))
}

/// What is known of a value's type.
#[derive(Clone, Copy)]
enum Type {
    Struct(Definition),
    MapOf(Shape),
    Unknown,
}

impl Type {
    fn of(shape: Shape) -> Self {
        match shape.view() {
            View::Reference(definition) => Self::Struct(definition),
            View::Map(element) => Self::MapOf(element),
            View::List(element) => Self::of(element),
            _ => Self::Unknown,
        }
    }
}

/// How a field is merged. For a list, `inner` is the type of its elements.
struct Field {
    inner: Type,
    merges: bool,
    replaces: bool,
    key: Option<&'static str>,
}

fn field(outer: Type, name: &str) -> Field {
    let plain = |inner| Field { inner, merges: false, replaces: false, key: None };
    match outer {
        Type::Unknown => plain(Type::Unknown),
        Type::MapOf(element) => plain(Type::of(element)),
        Type::Struct(definition) => definition.property(name).map_or_else(
            || plain(Type::Unknown),
            |property| Field {
                inner: Type::of(property.shape()),
                merges: property.patches_by("merge"),
                replaces: property.patches_by("replace"),
                key: property.patch_merge_key(),
            },
        ),
    }
}

fn malformed(why: &str) -> Failure {
    Failure::bad_request(why)
}

/// A patch that is well formed and cannot be carried out, with the reason.
fn refused(why: impl Into<String>) -> Failure {
    Failure::new(Reason::Invalid, why)
}

fn merge_objects(original: &mut Object, mut patch: Object, outer: Type) -> Result<(), Failure> {
    match patch.remove(DIRECTIVE) {
        None => {}
        Some(Value::String(directive)) if directive == "replace" => {
            *original = clean_object(patch);
            return Ok(());
        }
        Some(Value::String(directive)) if directive == "delete" => {
            original.clear();
            return Ok(());
        }
        Some(directive) => {
            return Err(refused(format!(
                "unknown patch type: {} in map: {}",
                printed::plain(&directive),
                printed::plain(&Value::Object(patch))
            )));
        }
    }
    retain_keys(original, &mut patch)?;
    merge_ordered_lists(original, &mut patch, outer)?;
    for (name, value) in patch {
        if let Some(list) = name.strip_prefix(DELETE_FROM_LIST) {
            delete_from_list(original, list, value)?;
        } else if value.is_null() {
            original.remove(&name);
        } else {
            merge_field(original, name, value, outer)?;
        }
    }
    Ok(())
}

fn merge_field(original: &mut Object, name: String, value: Value, outer: Type) -> Result<(), Failure> {
    let how = field(outer, &name);
    match (original.get_mut(&name), value) {
        (Some(Value::Object(old)), Value::Object(new)) if !how.replaces => merge_objects(old, new, how.inner),
        (Some(Value::Array(old)), Value::Array(new)) if how.merges => {
            let merged = merge_lists(std::mem::take(old), new, &how)?;
            *old = merged;
            Ok(())
        }
        (_, value) => {
            if let Some(value) = clean(value) {
                original.insert(name, value);
            }
            Ok(())
        }
    }
}

/// `$retainKeys`: what is not named goes.
fn retain_keys(original: &mut Object, patch: &mut Object) -> Result<(), Failure> {
    let Some(keys) = patch.remove(RETAIN_KEYS) else { return Ok(()) };
    let bad = || malformed("invalid patch format of retainKeys");
    let Value::Array(keys) = keys else { return Err(bad()) };
    let is_kept = |name: &str| keys.iter().any(|key| key == name);
    if patch.iter().any(|(name, value)| !value.is_null() && !is_kept(name)) {
        return Err(bad());
    }
    original.retain(|name, _| is_kept(name));
    Ok(())
}

fn delete_from_list(original: &mut Object, list: &str, gone: Value) -> Result<(), Failure> {
    let Value::Array(gone) = gone else {
        return Err(malformed("invalid patch format of primitive list"));
    };
    if let Some(Value::Array(values)) = original.get_mut(list) {
        let gone: HashSet<Value> = gone.into_iter().collect();
        values.retain(|value| !gone.contains(value));
    }
    Ok(())
}

/// Lists whose order the patch gives: they are merged, and then ordered.
fn merge_ordered_lists(original: &mut Object, patch: &mut Object, outer: Type) -> Result<(), Failure> {
    let directives: Vec<String> = patch.keys().filter(|name| name.starts_with(ELEMENT_ORDER)).cloned().collect();
    for directive in directives {
        let bad = || malformed("invalid patch format of setElementOrder list");
        let Some(Value::Array(order)) = patch.remove(&directive) else { return Err(bad()) };
        let name = &directive[ELEMENT_ORDER.len()..];
        let how = field(outer, name);
        let old = match original.get(name) {
            Some(Value::Array(old)) => Some(old.clone()),
            None | Some(Value::Null) => None,
            Some(_) => return Err(bad()),
        };
        let new = match patch.remove(name) {
            Some(Value::Array(new)) => Some(new),
            None => None,
            // Deleted or of another type: the plain way.
            Some(other) => {
                patch.insert(name.to_owned(), other);
                continue;
            }
        };
        if let Some(new) = &new {
            check_order(new, &order, how.key)?;
        }
        let server_order = old.clone().unwrap_or_default();
        let merged = match (old, new) {
            (None, None) => continue,
            (Some(old), None) => old,
            (None, Some(new)) => clean_list(new),
            (Some(old), Some(new)) if how.merges => merge_lists(old, new, &how)?,
            (Some(_), Some(new)) => clean_list(new),
        };
        original.insert(name.to_owned(), Value::Array(in_order(merged, &order, &server_order, how.key)));
    }
    Ok(())
}

/// The elements of a patch must stand in the order that it gives, or be deletions.
fn check_order(elements: &[Value], order: &[Value], key: Option<&str>) -> Result<(), Failure> {
    if elements.is_empty() || order.is_empty() {
        return Ok(());
    }
    let mut rest = order.iter();
    for element in elements.iter().filter(|element| element.get(DIRECTIVE).is_none()) {
        let wanted = identity(element, key).ok_or_else(|| no_merge_key(element, key.unwrap_or_default()))?;
        if !rest.any(|place| identity(place, key) == Some(wanted)) {
            return Err(refused(format!(
                "The order in patch list:\n{}\n doesn't match $setElementOrder list:\n{}\n",
                printed::list(elements),
                printed::list(order)
            )));
        }
    }
    Ok(())
}

fn merge_lists(original: Vec<Value>, patch: Vec<Value>, how: &Field) -> Result<Vec<Value>, Failure> {
    if patch.iter().chain(&original).any(|value| !value.is_object()) {
        return merge_scalars(original, patch);
    }
    let no_key = || refused("cannot merge lists without merge key for type struct");
    let key = how.key.ok_or_else(no_key)?;
    let server_order = original.clone();
    let (mut merged, patch) = special_elements(original, patch, key)?;
    let mut found: HashMap<Value, usize> =
        places(&merged, Some(key)).into_iter().map(|(value, at)| (value.clone(), at)).collect();
    for element in patch.clone() {
        let wanted = element.get(key).ok_or_else(|| no_merge_key(&element, key))?.clone();
        let Value::Object(element) = element else { return Err(unprocessable()) };
        match found.get(&wanted).and_then(|at| merged[*at].as_object_mut()) {
            Some(old) => merge_objects(old, element, how.inner)?,
            None => {
                found.insert(wanted, merged.len());
                merged.push(Value::Object(clean_object(element)));
            }
        }
    }
    Ok(in_order(merged, &patch, &server_order, Some(key)))
}

fn no_merge_key(element: &Value, key: &str) -> Failure {
    malformed(&format!("map: {} does not contain declared merge key: {key}", printed::plain(element)))
}

fn merge_scalars(original: Vec<Value>, patch: Vec<Value>) -> Result<Vec<Value>, Failure> {
    if patch.iter().chain(&original).any(|value| value.is_object() || value.is_array()) {
        return Err(unprocessable());
    }
    let mut seen = HashSet::new();
    let merged = original.iter().chain(&patch).filter(|value| seen.insert(*value)).cloned().collect();
    Ok(in_order(merged, &patch, &original, None))
}

/// Carries out the elements that are directives, and gives back what is left on both sides.
fn special_elements(
    mut original: Vec<Value>,
    patch: Vec<Value>,
    key: &str,
) -> Result<(Vec<Value>, Vec<Value>), Failure> {
    let mut plain = Vec::with_capacity(patch.len());
    let mut deleted = HashSet::new();
    let mut replaces = false;
    for element in patch {
        match element.get(DIRECTIVE).map(|directive| directive.as_str().unwrap_or_default()) {
            None => plain.push(element),
            Some("delete") => {
                deleted.insert(element.get(key).ok_or_else(|| no_merge_key(&element, key))?.clone());
            }
            Some("replace") => replaces = true,
            Some("merge") => return Err(refused("merging lists cannot yet be specified in the patch")),
            Some(directive) => {
                let element = printed::plain(&element);
                return Err(refused(format!("unknown patch type: {directive} in map: {element}")));
            }
        }
    }
    if replaces {
        return Ok((Vec::new(), plain));
    }
    original.retain(|old| old.get(key).is_none_or(|value| !deleted.contains(value)));
    Ok((original, plain))
}

/// What an element is told apart by: the value of its key, or itself.
fn identity<'a>(value: &'a Value, key: Option<&str>) -> Option<&'a Value> {
    key.map_or(Some(value), |key| value.get(key))
}

/// Where each element first stands.
fn places<'a>(list: &'a [Value], key: Option<&str>) -> HashMap<&'a Value, usize> {
    let mut places = HashMap::with_capacity(list.len());
    for (at, value) in list.iter().enumerate() {
        if let Some(identity) = identity(value, key) {
            places.entry(identity).or_insert(at);
        }
    }
    places
}

/// Puts the elements that `order` names in its order, and weaves the rest in where the server had them.
fn in_order(merged: Vec<Value>, order: &[Value], server_order: &[Value], key: Option<&str>) -> Vec<Value> {
    let (order, server_order) = (places(order, key), places(server_order, key));
    let place = |order: &HashMap<&Value, usize>, value: &Value| order.get(identity(value, key)?).copied();
    let (mut named, mut rest): (Vec<Value>, Vec<Value>) =
        merged.into_iter().partition(|value| place(&order, value).is_some());
    named.sort_by_key(|value| place(&order, value));
    rest.sort_by_key(|value| place(&server_order, value).unwrap_or(usize::MAX));
    let mut woven = Vec::with_capacity(named.len() + rest.len());
    let (mut named, mut rest) = (named.into_iter().peekable(), rest.into_iter().peekable());
    loop {
        let rest_is_next = match (rest.peek(), named.peek()) {
            (None, None) => return woven,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(left), Some(right)) => {
                matches!((place(&server_order, left), place(&server_order, right)), (Some(l), Some(r)) if l < r)
            }
        };
        woven.extend(if rest_is_next { rest.next() } else { named.next() });
    }
}

/// A value of a patch where there was none: without its nulls and directives. `None` if it asks for deletion.
fn clean(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Object(object) if object.get(DIRECTIVE).is_some_and(|directive| directive == "delete") => None,
        Value::Object(object) => Some(Value::Object(clean_object(object))),
        Value::Array(list) => Some(Value::Array(clean_list(list))),
        scalar => Some(scalar),
    }
}

fn clean_list(list: Vec<Value>) -> Vec<Value> {
    let is_directive =
        |value: &Value| value.as_object().is_some_and(|object| object.len() == 1 && object.contains_key(DIRECTIVE));
    list.into_iter().filter(|value| !is_directive(value)).filter_map(clean).collect()
}

fn clean_object(object: Object) -> Object {
    let is_directive = |name: &str| {
        name == DIRECTIVE
            || name == RETAIN_KEYS
            || name.starts_with(ELEMENT_ORDER)
            || name.starts_with(DELETE_FROM_LIST)
    };
    object
        .into_iter()
        .filter(|(name, _)| !is_directive(name))
        .filter_map(|(name, value)| Some((name, clean(value)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn patched(kind: &str, target: Value, patch: Value) -> Result<Value, Failure> {
        let group = if kind == "Deployment" { "apps" } else { "" };
        let mut target = target;
        apply(&patch, api::schema::of_kind(group, "v1", kind), &mut target)?;
        Ok(target)
    }

    fn containers(list: Value) -> Value {
        json!({"spec": {"containers": list}})
    }

    #[test]
    fn containers_are_merged_by_name_and_a_new_one_comes_first() {
        let pod = containers(json!([{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]));
        let patch = containers(json!([{"name": "c", "image": "3"}, {"name": "b", "image": "2", "args": null}]));
        assert_eq!(
            patched("Pod", pod, patch).unwrap(),
            containers(json!([{"name": "c", "image": "3"}, {"name": "a", "image": "1"}, {"name": "b", "image": "2"}]))
        );
    }

    #[test]
    fn elements_are_deleted_replaced_and_ordered() {
        let pod = || containers(json!([{"name": "a"}, {"name": "b"}, {"name": "c"}]));
        let names = |pod: Value| -> String {
            let list = pod["spec"]["containers"].as_array().unwrap();
            list.iter().filter_map(|container| container["name"].as_str()).collect()
        };
        let deleted = patched("Pod", pod(), containers(json!([{"name": "b", "$patch": "delete"}])));
        assert_eq!(names(deleted.unwrap()), "ac");
        let replaced = patched("Pod", pod(), containers(json!([{"name": "x"}, {"$patch": "replace"}])));
        assert_eq!(names(replaced.unwrap()), "x");
        let order = json!({"spec": {"$setElementOrder/containers": [{"name": "c"}, {"name": "d"}, {"name": "a"}],
            "containers": [{"name": "d"}]}});
        assert_eq!(names(patched("Pod", pod(), order).unwrap()), "bcda");
    }

    #[test]
    fn elements_stand_in_the_order_that_the_patch_gives() {
        let pod = || containers(json!([{"name": "a"}, {"name": "b"}]));
        let order =
            |order: Value, list: Value| json!({"spec": {"$setElementOrder/containers": order, "containers": list}});
        let names = json!([{"name": "a"}, {"name": "b"}]);
        let wrong = order(names.clone(), json!([{"name": "b"}, {"name": "a"}]));
        let failure = patched("Pod", pod(), wrong).unwrap_err();
        assert_eq!(
            (failure.code(), failure.message.as_str()),
            (
                422,
                "The order in patch list:\n[map[name:b] map[name:a]]\n doesn't match $setElementOrder list:\n\
                 [map[name:a] map[name:b]]\n"
            )
        );
        let unnamed = order(names.clone(), json!([{"name": "c"}]));
        assert_eq!(patched("Pod", pod(), unnamed).unwrap_err().code(), 422);
        let deletion =
            order(json!([{"name": "b"}]), json!([{"name": "a", "$patch": "delete"}, {"name": "b", "image": "x"}]));
        let left = patched("Pod", pod(), deletion).unwrap();
        assert_eq!(left, containers(json!([{"name": "b", "image": "x"}])));
        let order = json!({"metadata": {"$setElementOrder/finalizers": ["b", "a"], "finalizers": ["b"]}});
        let target = json!({"metadata": {"finalizers": ["a", "x"]}});
        assert_eq!(patched("Pod", target, order).unwrap()["metadata"]["finalizers"], json!(["b", "a", "x"]));
    }

    #[test]
    fn directives_that_are_none_are_named() {
        for (patch, text) in [
            (json!({"spec": {"$patch": "merge", "a": 1}}), "unknown patch type: merge in map: map[a:1]"),
            (
                containers(json!([{"name": "a", "$patch": "keep"}])),
                "unknown patch type: keep in map: map[$patch:keep name:a]",
            ),
            (
                containers(json!([{"name": "a", "$patch": "merge"}])),
                "merging lists cannot yet be specified in the patch",
            ),
        ] {
            let failure = patched("Pod", containers(json!([{"name": "a"}])), patch).unwrap_err();
            assert_eq!((failure.code(), failure.message.as_str()), (422, text));
        }
    }

    #[test]
    fn nulls_delete_where_something_is_and_vanish_where_nothing_is() {
        let pod = || json!({"metadata": {"labels": {"a": "1"}}, "spec": {"hostname": "h", "nodeSelector": {"x": "1"}}});
        let patch = json!({"metadata": {"labels": {"a": null, "b": null}, "annotations": {"c": null, "d": "1"}},
            "spec": {"hostname": null, "subdomain": null, "nodeSelector": null, "containers": [{"name": "c", "args": null}]}});
        assert_eq!(
            patched("Pod", pod(), patch).unwrap(),
            json!({"metadata": {"labels": {}, "annotations": {"d": "1"}}, "spec": {"containers": [{"name": "c"}]}})
        );
    }

    #[test]
    fn a_field_that_is_replaced_is_not_merged() {
        let budget = json!({"spec": {"selector": {"matchLabels": {"a": "1"}}}});
        let patch = json!({"spec": {"selector": {"matchLabels": {"b": "1"}}}});
        let mut target = budget;
        let definition = api::schema::of_kind("policy", "v1", "PodDisruptionBudget");
        apply(&patch, definition, &mut target).unwrap();
        assert_eq!(target, patch);
    }

    #[test]
    fn volumes_are_merged_by_name_with_the_source_that_is_retained() {
        let pod =
            json!({"spec": {"volumes": [{"name": "a", "emptyDir": {}}, {"name": "b", "hostPath": {"path": "/x"}}]}});
        let patch = json!({"spec": {"volumes": [
            {"name": "a", "configMap": {"name": "m"}, "$retainKeys": ["name", "configMap"]}]}});
        assert_eq!(
            patched("Pod", pod, patch).unwrap(),
            json!({"spec": {"volumes": [
                {"name": "a", "configMap": {"name": "m"}}, {"name": "b", "hostPath": {"path": "/x"}}]}})
        );
    }

    #[test]
    fn ports_of_a_service_are_told_apart_by_number() {
        let service = json!({"spec": {"ports": [{"port": 80, "nodePort": 30001}, {"port": 81}]}});
        let patch = json!({"spec": {"type": "NodePort", "ports": [{"port": 80, "targetPort": 8080}]}});
        assert_eq!(
            patched("Service", service, patch).unwrap(),
            json!({"spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30001, "targetPort": 8080}, {"port": 81}]}})
        );
    }

    #[test]
    fn lists_without_a_strategy_are_replaced() {
        let pod = json!({"spec": {"tolerations": [{"key": "a"}]}});
        let patch = json!({"spec": {"tolerations": [{"key": "b"}]}});
        assert_eq!(patched("Pod", pod, patch.clone()).unwrap(), patch);
    }

    #[test]
    fn primitive_lists_are_united_and_taken_from() {
        let pod = || json!({"metadata": {"finalizers": ["a", "b"]}});
        let patch = json!({"metadata": {"finalizers": ["c", "a"]}});
        assert_eq!(patched("Pod", pod(), patch).unwrap()["metadata"]["finalizers"], json!(["c", "a", "b"]));
        let patch = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}});
        assert_eq!(patched("Pod", pod(), patch).unwrap()["metadata"]["finalizers"], json!(["b"]));
    }

    #[test]
    fn retained_keys_are_all_that_is_left() {
        let deployment = json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}});
        let patch = json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}});
        let expected = json!({"spec": {"strategy": {"type": "Recreate"}}});
        assert_eq!(patched("Deployment", deployment.clone(), patch).unwrap(), expected);
        let patch = json!({"spec": {"strategy": {"$retainKeys": ["other"], "type": "Recreate"}}});
        assert_eq!(patched("Deployment", deployment, patch).unwrap_err().code(), 400);
    }

    #[test]
    fn maps_are_merged_replaced_and_emptied() {
        let config = || json!({"data": {"a": "1", "b": "2"}});
        let merged = patched("ConfigMap", config(), json!({"data": {"a": null, "c": "3"}})).unwrap();
        assert_eq!(merged, json!({"data": {"b": "2", "c": "3"}}));
        let replaced = patched("ConfigMap", config(), json!({"data": {"$patch": "replace", "c": "3"}})).unwrap();
        assert_eq!(replaced, json!({"data": {"c": "3"}}));
        let deleted = patched("ConfigMap", config(), json!({"data": {"$patch": "delete"}})).unwrap();
        assert_eq!(deleted, json!({"data": {}}));
        assert_eq!(patched("ConfigMap", config(), json!({"data": {"$patch": "nonsense"}})).unwrap_err().code(), 422);
    }

    #[test]
    fn an_element_without_its_key_is_refused() {
        let failure =
            patched("Pod", containers(json!([{"name": "a"}])), containers(json!([{"image": "x"}]))).unwrap_err();
        assert!(failure.message.contains("does not contain declared merge key: name"));
    }

    fn anything() -> impl proptest::strategy::Strategy<Value = Value> {
        use proptest::prelude::*;
        let key = prop::sample::select(vec![
            "spec",
            "metadata",
            "containers",
            "env",
            "name",
            "finalizers",
            "labels",
            "$patch",
            "$retainKeys",
            "$setElementOrder/containers",
            "$deleteFromPrimitiveList/finalizers",
            "strategy",
        ]);
        let text = prop::sample::select(vec!["a", "b", "delete", "replace", "merge", "name"]);
        let leaf = prop_oneof![Just(Value::Null), any::<i8>().prop_map(Value::from), text.prop_map(Value::from)];
        leaf.prop_recursive(6, 48, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest::proptest! {
        #[test]
        fn no_patch_breaks_the_server(target in anything(), patch in anything()) {
            // Refused or carried out: both are fine, a panic is not.
            let _ = patched("Pod", target, patch);
        }
    }
}
