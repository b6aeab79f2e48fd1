//! Whether a configuration fits its type: every field is declared, and the items of its lists can be told apart.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::registry::managed_fields::types::{Atom, ListType, MapType, Scalar, Standing, Type, fields};
use crate::registry::printed;

/// All complaints, in upstream's words.
pub fn complaints(of: Type, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(of, value, "", &mut found);
    found
}

/// As upstream prints several errors of one value.
pub fn joined(complaints: &[String]) -> String {
    match complaints {
        [one] => one.clone(),
        _ => complaints.iter().fold("errors:".to_owned(), |text, complaint| format!("{text}\n  {complaint}")),
    }
}

fn check(of: Type, value: &Value, path: &str, found: &mut Vec<String>) {
    if value.is_null() {
        return;
    }
    let mut complain = |complaint: String| {
        found.push(if path.is_empty() { complaint } else { format!("{path}: {complaint}") });
    };
    match of.atom(value) {
        Atom::Scalar(scalar) => check_scalar(scalar, value).into_iter().for_each(complain),
        Atom::List(list) => match value {
            Value::Array(items) => check_items(&list, items, path, found),
            other => complain(format!("expected list, got {}", shown(other))),
        },
        Atom::Map(map) => match value {
            Value::Object(_) => check_fields(&map, value, path, found),
            other => complain(format!("expected map, got {}", shown(other))),
        },
    }
}

fn check_scalar(scalar: Scalar, value: &Value) -> Option<String> {
    let is_scalar = !value.is_array() && !value.is_object();
    match scalar {
        Scalar::Text if !value.is_string() => {
            Some(format!("expected string, got &value.valueUnstructured{{Value:{}}}", printed::literal(value)))
        }
        Scalar::Number if !value.is_number() => {
            Some(format!("expected numeric (int or float), got {}", printed::type_name(value)))
        }
        Scalar::Boolean if !value.is_boolean() => Some(format!("expected boolean, got {}", shown(value))),
        Scalar::Any if !is_scalar => Some(format!("expected any scalar, got {}", shown(value))),
        _ => None,
    }
}

fn check_items(list: &ListType, items: &[Value], path: &str, found: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        if list.is_atomic() {
            check(list.items, item, &format!("{path}[{index}]"), found);
            continue;
        }
        let element = match list.element(item) {
            Ok(element) => element,
            Err(why) => {
                // The rest of the list is not looked at.
                found.push(format!("{path}: element {index}: {why}"));
                return;
            }
        };
        let below = format!("{path}{element}");
        if !seen.insert(element.clone()) {
            found.push(format!("{path}: duplicate entries for key {element}"));
        }
        check(list.items, item, &below, found);
    }
}

fn check_fields(map: &MapType, value: &Value, path: &str, found: &mut Vec<String>) {
    map.each(fields(value), &mut |name, of, standing, value| {
        let path = format!("{path}.{name}");
        match standing {
            Standing::Undeclared => found.push(format!("{path}: field not declared in schema")),
            _ => check(of, value, &path, found),
        }
    });
}

/// A value as Go prints one that it knows nothing of.
fn shown(value: &Value) -> String {
    format!("&{{{}}}", printed::plain(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_does_not_fit_is_told_with_its_place() {
        let deployment = Type::Struct(api::schema::of_kind("apps", "v1", "Deployment").unwrap());
        let containers = |list: Value| json!({"spec": {"template": {"spec": {"containers": list}}}});
        let place = ".spec.template.spec.containers";
        for (config, expected) in [
            (json!({"spec": {"foo": 1}}), ".spec.foo: field not declared in schema".to_owned()),
            (json!({"foo": null}), ".foo: field not declared in schema".to_owned()),
            (json!({"spec": {"replicas": "3"}}), ".spec.replicas: expected numeric (int or float), got string".into()),
            (json!({"spec": {"paused": "yes"}}), ".spec.paused: expected boolean, got &{yes}".into()),
            (
                json!({"metadata": {"labels": {"a": true}}}),
                ".metadata.labels.a: expected string, got &value.valueUnstructured{Value:true}".into(),
            ),
            (json!({"spec": [1]}), ".spec: expected map, got &{[1]}".into()),
            (containers(json!({"a": 1})), format!("{place}: expected list, got &{{map[a:1]}}")),
            (
                containers(json!([null])),
                format!("{place}: element 0: associative list with keys may not have a null element"),
            ),
            (
                containers(json!([{"name": "a"}, {"name": "a"}])),
                format!("{place}: duplicate entries for key [name=\"a\"]"),
            ),
            (
                containers(json!([{"name": "a", "args": [1]}])),
                format!("{place}[name=\"a\"].args[0]: expected string, got &value.valueUnstructured{{Value:1}}"),
            ),
        ] {
            assert_eq!(complaints(deployment, &config), [expected], "{config}");
        }
        let fine = json!({"spec": {"replicas": null, "template": {"spec": {"containers": [
            {"name": "a", "resources": {"limits": {"cpu": 1, "memory": "1Gi"}},
             "livenessProbe": {"httpGet": {"port": "http"}}}]}}}});
        assert!(complaints(deployment, &fine).is_empty());
    }

    #[test]
    fn several_complaints_are_listed() {
        assert_eq!(joined(&["a".into(), "b".into()]), "errors:\n  a\n  b");
    }
}
