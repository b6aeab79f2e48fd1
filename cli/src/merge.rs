//! The patch that `apply` sends: what the manifest changes, and what it no longer says, against what lives in the cluster.
//!
//! Three objects decide: the manifest as it was last applied, the manifest now, and the live object. What somebody else set and
//! the manifest never spoke of is left alone. With a schema the patch is a strategic merge patch; without one a JSON merge patch.

use api::schema::{Definition, Property, Shape, View};
use serde_json::{Map, Value, json};

/// The difference to send; empty when nothing is to be done.
pub fn three_way(
    original: &Value,
    modified: &Value,
    current: &Value,
    schema: Option<Definition>,
) -> Result<Value, String> {
    let schema = schema.map_or(Type::Unknown, Type::Known);
    let empty = Map::new();
    let of = |value: &'_ Value| value.as_object().cloned().unwrap_or_default();
    let original = original.as_object().unwrap_or(&empty);
    maps(original, &of(modified), &of(current), schema).map(Value::Object)
}

/// What is known of a value's type.
#[derive(Clone, Copy)]
enum Type {
    Known(Definition),
    MapOf(Shape),
    Unknown,
}

impl Type {
    fn of(shape: Shape) -> Self {
        match shape.view() {
            View::Reference(definition) => Self::Known(definition),
            View::Map(element) => Self::MapOf(element),
            _ => Self::Unknown,
        }
    }

    fn property(self, name: &str) -> Option<Property> {
        match self {
            Self::Known(definition) => definition.property(name),
            Self::MapOf(_) | Self::Unknown => None,
        }
    }

    fn child(self, name: &str) -> Self {
        match self {
            Self::Known(definition) => {
                definition.property(name).map_or(Self::Unknown, |property| Self::of(property.shape()))
            }
            Self::MapOf(element) => Self::of(element),
            Self::Unknown => Self::Unknown,
        }
    }

    /// The type of a list's elements.
    fn element(property: Property) -> Self {
        match property.shape().view() {
            View::List(element) => Self::of(element),
            _ => Self::Unknown,
        }
    }
}

type Object = Map<String, Value>;

fn maps(original: &Object, modified: &Object, current: &Object, schema: Type) -> Result<Object, String> {
    let mut patch = Object::new();
    for (key, wanted) in modified {
        let before = original.get(key).unwrap_or(&Value::Null);
        match (wanted, current.get(key).unwrap_or(&Value::Null)) {
            (wanted, live) if wanted == live => {}
            (Value::Object(wanted), Value::Object(live)) => {
                let empty = Object::new();
                let inner = field_maps(before.as_object().unwrap_or(&empty), wanted, live, schema, key)?;
                if !inner.is_empty() {
                    patch.insert(key.clone(), Value::Object(inner));
                }
            }
            (Value::Array(wanted), Value::Array(live)) => {
                let before = before.as_array().map(Vec::as_slice).unwrap_or_default();
                lists(&mut patch, key, Versions { before, wanted, live }, schema)?;
            }
            (wanted, _) => {
                patch.insert(key.clone(), wanted.clone());
            }
        }
    }
    delete_missing(&mut patch, original, modified);
    Ok(patch)
}

/// What was said and is said no more goes.
fn delete_missing(patch: &mut Object, original: &Object, modified: &Object) {
    for key in original.keys().filter(|key| !modified.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
}

/// A map that stands in a field, whose strategy may say that only the fields which are named shall stay.
fn field_maps(
    original: &Object,
    modified: &Object,
    current: &Object,
    schema: Type,
    key: &str,
) -> Result<Object, String> {
    let property = schema.property(key);
    if property.is_some_and(|property| property.patches_by("replace")) {
        return Ok(modified.clone());
    }
    let mut inner = maps(original, modified, current, schema.child(key))?;
    if property.is_some_and(|property| property.patches_by("retainKeys")) {
        let has_more = current.iter().any(|(key, value)| !value.is_null() && !modified.contains_key(key));
        let kept: Vec<&String> = modified.iter().filter(|(_, value)| !value.is_null()).map(|(key, _)| key).collect();
        if !kept.is_empty() && (!inner.is_empty() || has_more) {
            inner.insert("$retainKeys".to_owned(), json!(kept));
        }
    }
    Ok(inner)
}

/// A list as it was applied last, as it is wanted, and as it is.
#[derive(Clone, Copy)]
struct Versions<'a> {
    before: &'a [Value],
    wanted: &'a [Value],
    live: &'a [Value],
}

fn lists(patch: &mut Object, key: &str, versions: Versions<'_>, schema: Type) -> Result<(), String> {
    let property = schema.property(key).filter(|property| property.patches_by("merge"));
    match property.map(|property| (property.patch_merge_key(), property)) {
        Some((Some(merge_key), property)) => {
            let (items, order) = lists_of_maps(versions, merge_key, Type::element(property))?;
            if !items.is_empty() {
                patch.insert(key.to_owned(), Value::Array(items));
            }
            if !order.is_empty() {
                patch.insert(format!("$setElementOrder/{key}"), Value::Array(order));
            }
        }
        Some((None, _)) => lists_of_scalars(patch, key, versions),
        None => {
            patch.insert(key.to_owned(), Value::Array(versions.wanted.to_vec()));
        }
    }
    Ok(())
}

/// The changed elements with the directives for those to delete, and the order to bring all into.
fn lists_of_maps(versions: Versions<'_>, merge_key: &str, element: Type) -> Result<(Vec<Value>, Vec<Value>), String> {
    let Versions { before, wanted, live } = versions;
    let wanted = keyed(wanted, merge_key)?;
    let (before, live) = (keyed(before, merge_key)?, keyed(live, merge_key)?);
    let empty = Object::new();
    let mut items = Vec::new();
    for (at, (key, item)) in wanted.iter().enumerate() {
        // Of several elements with one key, the first belongs to the first, the second to the second.
        let nth = wanted[..at].iter().filter(|(other, _)| other == key).count();
        let find = |list: &[(&'_ Value, &'_ Object)]| {
            list.iter().filter(|(other, _)| other == key).nth(nth).map(|(_, found)| (*found).clone())
        };
        let Some(found) = find(&live) else {
            items.push(Value::Object((*item).clone()));
            continue;
        };
        let mut change = maps(find(&before).as_ref().unwrap_or(&empty), item, &found, element)?;
        if !change.is_empty() {
            change.insert(merge_key.to_owned(), (*key).clone());
            items.push(Value::Object(change));
        }
    }
    for (key, _) in before.iter().filter(|(key, _)| !wanted.iter().any(|(other, _)| other == key)) {
        items.push(json!({ "$patch": "delete", merge_key: key }));
    }
    let in_order = wanted.len() == live.len() && wanted.iter().zip(&live).all(|((a, _), (b, _))| a == b);
    let needs_order = !live.is_empty() && (!items.is_empty() || !in_order);
    let order = wanted.iter().filter(|_| needs_order).map(|(key, _)| json!({ merge_key: key }));
    let order = order.collect();
    Ok((items, order))
}

/// Each element with the value that tells it from the others.
fn keyed<'a>(list: &'a [Value], merge_key: &str) -> Result<Vec<(&'a Value, &'a Object)>, String> {
    let pairs = list.iter().map(|item| {
        let map = item.as_object()?;
        Some((map.get(merge_key)?, map))
    });
    pairs
        .collect::<Option<_>>()
        .ok_or_else(|| format!("an element of a list does not contain declared merge key: {merge_key}"))
}

fn lists_of_scalars(patch: &mut Object, key: &str, versions: Versions<'_>) {
    let Versions { before, wanted, live } = versions;
    let added: Vec<&Value> = wanted.iter().filter(|item| !live.contains(item)).collect();
    let deleted: Vec<&Value> = before.iter().filter(|item| !wanted.contains(item)).collect();
    if !added.is_empty() {
        patch.insert(key.to_owned(), json!(added));
    }
    if !deleted.is_empty() {
        patch.insert(format!("$deleteFromPrimitiveList/{key}"), json!(deleted));
    }
    if !wanted.is_empty() {
        patch.insert(format!("$setElementOrder/{key}"), json!(wanted));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment() -> Option<Definition> {
        api::schema::of_kind("apps", "v1", "Deployment")
    }

    fn pod() -> Option<Definition> {
        api::schema::of_kind("", "v1", "Pod")
    }

    #[test]
    fn what_others_set_stays() {
        let original = json!({"spec": {"replicas": 1}});
        let modified = json!({"spec": {"replicas": 2}});
        let current = json!({"spec": {"replicas": 1, "paused": true}, "status": {"replicas": 1}});
        assert_eq!(three_way(&original, &modified, &current, deployment()).unwrap(), json!({"spec": {"replicas": 2}}));
        assert_eq!(three_way(&original, &original, &current, deployment()).unwrap(), json!({}));
    }

    #[test]
    fn what_is_said_no_more_is_deleted() {
        let original = json!({"metadata": {"labels": {"a": "1", "b": "2"}}});
        let modified = json!({"metadata": {"labels": {"a": "1"}}});
        let current = json!({"metadata": {"labels": {"a": "1", "b": "2", "c": "3"}}});
        let expected = json!({"metadata": {"labels": {"b": null}}});
        assert_eq!(three_way(&original, &modified, &current, deployment()).unwrap(), expected);
    }

    #[test]
    fn lists_are_merged_by_their_keys() {
        let original = json!({"spec": {"containers": [{"name": "a", "image": "x", "env": [{"name": "E", "value": "1"}]}, {"name": "b", "image": "y"}]}});
        let modified = json!({"spec": {"containers": [{"name": "c", "image": "z"}, {"name": "a", "image": "x2"}]}});
        let current = json!({"spec": {"containers": [
            {"name": "a", "image": "x", "imagePullPolicy": "Always", "env": [{"name": "E", "value": "1"}]},
            {"name": "b", "image": "y"},
            {"name": "injected", "image": "i"},
        ]}});
        let expected = json!({"spec": {
            "containers": [
                {"name": "c", "image": "z"},
                {"name": "a", "image": "x2", "env": null},
                {"$patch": "delete", "name": "b"},
            ],
            "$setElementOrder/containers": [{"name": "c"}, {"name": "a"}],
        }});
        assert_eq!(three_way(&original, &modified, &current, pod()).unwrap(), expected);
    }

    #[test]
    fn scalars_in_a_list_are_merged_too() {
        let original = json!({"metadata": {"finalizers": ["a", "b"]}});
        let modified = json!({"metadata": {"finalizers": ["c", "a"]}});
        let current = json!({"metadata": {"finalizers": ["a", "b", "other"]}});
        let expected = json!({"metadata": {
            "finalizers": ["c"],
            "$deleteFromPrimitiveList/finalizers": ["b"],
            "$setElementOrder/finalizers": ["c", "a"],
        }});
        assert_eq!(three_way(&original, &modified, &current, pod()).unwrap(), expected);
    }

    #[test]
    fn a_strategy_that_retains_keys_clears_the_others() {
        let modified = json!({"spec": {"strategy": {"type": "Recreate"}}});
        let current = json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}});
        let expected = json!({"spec": {"strategy": {"type": "Recreate", "$retainKeys": ["type"]}}});
        assert_eq!(three_way(&Value::Null, &modified, &current, deployment()).unwrap(), expected);
    }

    #[test]
    fn lists_without_a_strategy_and_unknown_kinds_are_replaced_whole() {
        let modified = json!({"spec": {"containers": [{"name": "a", "args": ["x"]}]}});
        let current = json!({"spec": {"containers": [{"name": "a", "args": ["x", "y"]}, {"name": "b"}]}});
        assert_eq!(three_way(&Value::Null, &modified, &current, None).unwrap(), modified);
        let expected = json!({"spec": {
            "containers": [{"name": "a", "args": ["x"]}],
            "$setElementOrder/containers": [{"name": "a"}],
        }});
        assert_eq!(three_way(&Value::Null, &modified, &current, pod()).unwrap(), expected);
    }

    #[test]
    fn elements_need_their_key() {
        let modified = json!({"spec": {"containers": [{"image": "a"}]}});
        let current = json!({"spec": {"containers": [{"name": "a"}]}});
        assert!(three_way(&Value::Null, &modified, &current, pod()).unwrap_err().contains("merge key: name"));
    }

    #[test]
    fn ports_with_the_same_number_are_told_apart_by_their_place() {
        let service = api::schema::of_kind("", "v1", "Service");
        let modified = json!({"spec": {"ports": [{"port": 53, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]}});
        let current = json!({"spec": {"ports": [
            {"port": 53, "protocol": "TCP", "targetPort": 53},
            {"port": 53, "protocol": "UDP", "targetPort": 53},
        ]}});
        assert_eq!(three_way(&modified, &modified, &current, service).unwrap(), json!({}));
    }
}
