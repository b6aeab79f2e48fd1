//! The way from client-side apply, which kept its last configuration in an annotation, to server-side apply.

use api::well_known::annotation;
use serde_json::Value;

use crate::registry::managed_fields::compare::compare;
use crate::registry::managed_fields::node::Tape;
use crate::registry::managed_fields::set::Set;
use crate::registry::managed_fields::types::Type;
use crate::registry::managed_fields::validate;
use crate::registry::managed_fields::walk::claimed;

/// The manager that may take over what client-side apply wrote, and that keeps the annotation fresh.
pub const KUBECTL: &str = "kubectl";
/// How much all annotations of an object may hold.
const MOST_BYTES: usize = 256 * 1024;

fn annotations(object: &Value) -> Option<&serde_json::Map<String, Value>> {
    object.get("metadata")?.get("annotations")?.as_object()
}

/// The fields that client-side apply wrote the last time and that are still as it wrote them.
pub fn still_as_applied(of: Type, version: &str, live: &Value) -> Option<Set> {
    let text = annotations(live)?.get(annotation::LAST_APPLIED)?.as_str()?;
    let last: Value = serde_json::from_str(text).ok()?;
    if last.get("apiVersion")?.as_str() != Some(version) || !validate::complaints(of, &last).is_empty() {
        return None;
    }
    let texts = (last.to_string(), live.to_string());
    let (applied, live) = (Tape::read(&texts.0)?, Tape::read(&texts.1)?);
    let comparison = compare(of, Some(applied.root()), Some(live.root()));
    let mut set = claimed(of, &last);
    for differs in [&comparison.modified, &comparison.added, &comparison.removed] {
        set.subtract(differs);
    }
    Some(set)
}

/// Writes a new configuration into the annotation, where there is one.
pub fn keep_fresh(object: &mut Value, config: &Value) {
    let has_one = annotations(object).and_then(|all| all.get(annotation::LAST_APPLIED)).and_then(Value::as_str);
    if has_one.is_none_or(str::is_empty) {
        return;
    }
    let mut config = config.clone();
    if let Some(all) = config.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        all.remove(annotation::LAST_APPLIED);
    }
    let mut text = format!("{config}\n");
    if let Some(all) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        let others: usize = all
            .iter()
            .filter(|(name, _)| *name != annotation::LAST_APPLIED)
            .map(|(name, value)| name.len() + value.as_str().unwrap_or_default().len())
            .sum();
        if others + annotation::LAST_APPLIED.len() + text.len() > MOST_BYTES {
            text.clear();
        }
        all.insert(annotation::LAST_APPLIED.to_owned(), Value::String(text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map() -> Type {
        Type::Struct(api::schema::of_kind("", "v1", "ConfigMap").unwrap())
    }

    fn live(last: &Value, data: Value) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "data": data,
            "metadata": {"name": "a", "annotations": {annotation::LAST_APPLIED: last.to_string()}}})
    }

    #[test]
    fn only_fields_that_nobody_changed_since_may_be_taken() {
        let last = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1", "b": "1", "c": "1"}});
        let set = still_as_applied(map(), "v1", &live(&last, json!({"a": "1", "b": "2"}))).unwrap();
        assert_eq!(set.paths(), [".apiVersion", ".kind", ".data.a"]);
        assert!(still_as_applied(map(), "v2", &live(&last, json!({}))).is_none());
        assert!(still_as_applied(map(), "v1", &json!({"metadata": {}})).is_none());
        let odd = json!({"apiVersion": "v1", "foo": 1});
        assert!(still_as_applied(map(), "v1", &live(&odd, json!({}))).is_none());
    }

    #[test]
    fn the_annotation_is_kept_fresh_where_it_is() {
        let config = json!({"data": {"a": "2"}, "metadata": {"annotations": {annotation::LAST_APPLIED: "old"}}});
        let mut object = live(&json!({}), json!({}));
        keep_fresh(&mut object, &config);
        let text = object["metadata"]["annotations"][annotation::LAST_APPLIED].as_str().unwrap();
        assert_eq!(text, "{\"data\":{\"a\":\"2\"},\"metadata\":{\"annotations\":{}}}\n");
        let mut plain = json!({"metadata": {"annotations": {"a": "b"}}});
        keep_fresh(&mut plain, &config);
        assert_eq!(plain, json!({"metadata": {"annotations": {"a": "b"}}}));
        let large = json!({"data": {"a": "x".repeat(MOST_BYTES)}});
        keep_fresh(&mut object, &large);
        assert_eq!(object["metadata"]["annotations"][annotation::LAST_APPLIED], "");
    }
}
