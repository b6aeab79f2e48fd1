//! The object that upstream compares a new one with: what Go writes of a struct in which nothing is set.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use api::schema::{Definition, View};
use serde_json::{Map, Value};

/// Structs in structs are there, required lists are null: what stands here is nothing that the creator of an object added.
pub fn zero(definition: Definition) -> Arc<str> {
    static KNOWN: OnceLock<Mutex<HashMap<Definition, Arc<str>>>> = OnceLock::new();
    let mut known = KNOWN.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    known.entry(definition).or_insert_with(|| of_struct(definition).to_string().into()).clone()
}

fn of_struct(definition: Definition) -> Value {
    let mut fields = Map::new();
    for property in definition.properties() {
        let default = property.default().and_then(|text| serde_json::from_str(text).ok());
        let value = match (property.shape().view(), default) {
            (View::Reference(inner), Some(Value::Object(_))) => of_struct(inner),
            (View::List(_) | View::Map(_), _) if property.is_required() => Value::Null,
            (_, Some(default)) if property.is_required() => default,
            _ => continue,
        };
        fields.insert(property.name().to_owned(), value);
    }
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn structs_are_there_and_required_lists_are_null() {
        let of = |group, kind| -> Value {
            serde_json::from_str(&zero(api::schema::of_kind(group, "v1", kind).unwrap())).unwrap()
        };
        assert_eq!(of("", "Pod"), json!({"metadata": {}, "spec": {"containers": null}, "status": {}}));
        let deployment = of("apps", "Deployment");
        assert_eq!(
            deployment["spec"],
            json!({"strategy": {}, "template": {"metadata": {}, "spec": {"containers": null}}})
        );
        assert_eq!(of("", "ConfigMap"), json!({"metadata": {}}));
    }
}
