//! The paths of a value, and a value without some of its paths.

use serde_json::{Map, Value};

use crate::registry::managed_fields::compare::of_items;
use crate::registry::managed_fields::element::Element;
use crate::registry::managed_fields::set::Set;
use crate::registry::managed_fields::types::{Atom, Standing, Type, fields, items, step};

/// The paths that somebody who applies this value lays claim to: its leaves, the items of its lists, the entries of its maps.
pub fn claimed(of: Type, value: &Value) -> Set {
    match of.atom(value) {
        Atom::Scalar(_) => Set::member(),
        Atom::Map(map) if map.is_atomic => Set::member(),
        Atom::List(list) if list.is_atomic() => Set::member(),
        Atom::List(list) => {
            let mut set = Set::default();
            for (element, mut below) in of_items(&list, items(value), claimed) {
                below.is_member = true;
                set.add(element, below);
            }
            set
        }
        Atom::Map(map) => {
            let mut set = Set::default();
            map.each(fields(value), &mut |name, of, standing, value| {
                let mut below = claimed(of, value);
                let is_empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
                below.is_member |= is_empty || standing != Standing::Declared;
                set.add(step(name, of), below);
            });
            set
        }
    }
}

/// The value without the fields and items that the set names. What loses all it has becomes null.
pub fn remove(of: Type, value: Value, gone: &Set) -> Value {
    match (of.atom(&value), value) {
        (Atom::Scalar(_), value) => value,
        (Atom::List(list), Value::Array(items)) if !list.is_atomic() => {
            let kept = items.into_iter().filter_map(|item| {
                let Ok(element) = list.element(&item) else { return Some(item) };
                remove_child(list.items, item, gone.child(&element))
            });
            let kept: Vec<Value> = kept.collect();
            if kept.is_empty() { Value::Null } else { Value::Array(kept) }
        }
        (Atom::Map(map), Value::Object(fields)) if !map.is_atomic => {
            let mut kept = Map::new();
            for (name, value) in fields {
                let below = gone.child(&Element::field(&name));
                let of = if below.is_some() { map.field(&name).0 } else { Type::Deduced };
                if let Some(value) = remove_child(of, value, below) {
                    kept.insert(name, value);
                }
            }
            if kept.is_empty() { Value::Null } else { Value::Object(kept) }
        }
        _ => Value::Null,
    }
}

fn remove_child(of: Type, value: Value, gone: Option<&Set>) -> Option<Value> {
    match gone {
        None => Some(value),
        Some(gone) if gone.is_member => None,
        Some(gone) => Some(remove(of, value, gone)),
    }
}

/// The set with each declared field on the way to one of its paths. Claims leave those out: they belong to all who claim
/// something below.
pub fn with_declared(of: Type, set: &Set) -> Set {
    let mut wider = Set::default();
    wider.is_member = set.is_member;
    let atom = of.declared_atom();
    for (element, below) in set.children() {
        let (of, is_declared) = match (&atom, element) {
            (Atom::Map(map), Element::Field(name)) => {
                let (of, standing) = map.field(name);
                (of, standing == Standing::Declared)
            }
            (Atom::List(list), Element::Key(_)) => (list.items, false),
            _ => (Type::Deduced, false),
        };
        let mut below = with_declared(of, below);
        below.is_member |= is_declared;
        wider.add(element.clone(), below);
    }
    wider
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment() -> Type {
        Type::Struct(api::schema::of_kind("apps", "v1", "Deployment").unwrap())
    }

    #[test]
    fn claims_are_leaves_items_and_entries() {
        let config = json!({
            "metadata": {"labels": {"a": "1"}, "annotations": {}, "finalizers": ["x/y"]},
            "spec": {"replicas": null, "selector": {"matchLabels": {"a": "1"}}, "strategy": {}, "template": {"spec": {
                "containers": [{"name": "c", "ports": [{"containerPort": 80}], "args": []}], "volumes": []}}}});
        assert_eq!(
            claimed(deployment(), &config).to_fields(),
            json!({
                "f:metadata": {"f:labels": {"f:a": {}}, "f:annotations": {}, "f:finalizers": {"v:\"x/y\"": {}}},
                "f:spec": {"f:replicas": {}, "f:selector": {}, "f:strategy": {}, "f:template": {"f:spec": {
                    "f:containers": {"k:{\"name\":\"c\"}": {".": {}, "f:name": {}, "f:args": {}, "f:ports": {
                        "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}}}}}}}})
        );
    }

    #[test]
    fn removal_takes_fields_items_and_entries() {
        let value = json!({
            "metadata": {"labels": {"a": "1", "b": "2"}, "finalizers": ["x/y"]},
            "spec": {"replicas": 3, "template": {"spec": {"containers": [{"name": "c", "image": "i"}, {"name": "d"}]}}}});
        let gone = Set::parse(&json!({
            "f:metadata": {"f:labels": {"f:a": {}}, "f:finalizers": {"v:\"x/y\"": {}}},
            "f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {
                "k:{\"name\":\"c\"}": {"f:image": {}}, "k:{\"name\":\"d\"}": {}}}}}}))
        .unwrap();
        assert_eq!(
            remove(deployment(), value, &gone),
            json!({"metadata": {"labels": {"b": "2"}, "finalizers": null},
                "spec": {"template": {"spec": {"containers": [{"name": "c"}]}}}})
        );
    }

    #[test]
    fn only_declared_fields_are_put_in_on_the_way() {
        let set = Set::parse(&json!({"f:metadata": {"f:labels": {"f:a": {}}},
            "f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"c\"}": {"f:image": {}}}}}}}))
        .unwrap();
        assert_eq!(
            with_declared(deployment(), &set).to_fields(),
            json!({"f:metadata": {".": {}, "f:labels": {".": {}, "f:a": {}}},
                "f:spec": {".": {}, "f:template": {".": {}, "f:spec": {".": {},
                    "f:containers": {".": {}, "k:{\"name\":\"c\"}": {"f:image": {}}}}}}})
        );
    }
}
