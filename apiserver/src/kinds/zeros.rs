//! Values that say nothing: empty lists, maps and texts, and zeros that upstream's types cannot tell from nothing.
//!
//! Clients written in Go leave them out when they write an object back. They are left out here too, so that such a write
//! does not look like a change of what may not be changed.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use api::protobuf::{self, Message};
use api::schema::{self, Definition, Shape, View};
use serde_json::{Map, Value};

/// The names of fields whose `false` or `0` may say nothing.
fn zero_names() -> &'static BTreeSet<&'static str> {
    static NAMES: OnceLock<BTreeSet<&'static str>> = OnceLock::new();
    NAMES.get_or_init(|| protobuf::names_of_silent_zeros().collect())
}

/// The names of all fields that hold maps.
fn map_names() -> &'static BTreeSet<&'static str> {
    static NAMES: OnceLock<BTreeSet<&'static str>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let properties = schema::definitions().flat_map(Definition::properties);
        let maps = properties.filter(|property| matches!(property.shape().view(), View::Map(_)));
        maps.map(|property| property.name()).collect()
    })
}

/// A value that is empty.
#[derive(Clone, Copy)]
pub enum Blank {
    List,
    Object,
    Text,
    /// `false` or `0`.
    Zero,
}

impl Blank {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Array(list) => list.is_empty().then_some(Self::List),
            Value::Object(object) => object.is_empty().then_some(Self::Object),
            Value::String(text) => text.is_empty().then_some(Self::Text),
            Value::Bool(is_true) => (!is_true).then_some(Self::Zero),
            Value::Number(number) => (number.as_i64() == Some(0)).then_some(Self::Zero),
            Value::Null => None,
        }
    }

    /// Whether it may say nothing, by the name of its field alone.
    pub fn may_say_nothing(self, name: &str) -> bool {
        match self {
            // Of the managed fields, no entries at all means that they shall go.
            Self::List => name != "managedFields",
            Self::Object => map_names().contains(name),
            Self::Text => true,
            Self::Zero => zero_names().contains(name),
        }
    }
}

/// Leaves out what says nothing, where the type is known and the field is not required.
pub fn leave_out(value: &mut Value, definition: Definition) {
    if let Value::Object(object) = value {
        leave_out_of_object(object, definition);
    }
}

fn leave_out_of_object(object: &mut Map<String, Value>, definition: Definition) {
    let message = Message::of_schema(definition.name());
    // Of texts and numbers, their type in Go decides.
    let says_nothing = |name: &str, value: &Value| match value {
        Value::String(_) | Value::Bool(_) | Value::Number(_) => {
            message.is_some_and(|message| message.zero_is_nothing(name))
        }
        _ => true,
    };
    object.retain(|name, value| {
        // What is not known is kept, to be told of.
        let Some(property) = definition.property(name) else { return true };
        let may_go = !property.is_required() && !holds_anything(property.shape());
        let may_say_nothing = Blank::of(value).is_some_and(|blank| blank.may_say_nothing(name));
        if may_say_nothing && may_go && says_nothing(name, value) {
            return false;
        }
        leave_out_inside(value, property.shape());
        true
    });
}

/// Whether the client's own JSON stands here: the default of a schema, say. There, nothing is a value too.
fn holds_anything(shape: Shape) -> bool {
    match shape.view() {
        View::Any => true,
        View::Reference(definition) => definition.shape().view() == View::Any,
        _ => false,
    }
}

fn leave_out_inside(value: &mut Value, shape: Shape) {
    match (shape.view(), value) {
        (View::Reference(definition), Value::Object(object)) => leave_out_of_object(object, definition),
        (View::List(element), Value::Array(list)) => {
            list.iter_mut().for_each(|value| leave_out_inside(value, element));
        }
        (View::Map(element), Value::Object(map)) => {
            // A field that is null is left out by its type; an entry of a map has none that could.
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(|value| leave_out_inside(value, element));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(spec: Value) -> Value {
        json!({"metadata": {"name": "p", "labels": {}, "annotations": {"a": ""}}, "spec": spec})
    }

    #[test]
    fn what_go_leaves_out_is_left_out() {
        let mut value = pod(json!({
            "hostNetwork": false, "automountServiceAccountToken": false, "nodeName": "", "volumes": [], "unknown": [],
            "securityContext": {}, "terminationGracePeriodSeconds": 0, "nodeSelector": {},
            "containers": [{"name": "", "image": "x", "command": [], "volumeMounts": [{"name": "v", "mountPath": "/", "readOnly": false}],
                "env": [{"name": "A", "value": ""}]}],
        }));
        leave_out(&mut value, schema::of_kind("", "v1", "Pod").unwrap());
        assert_eq!(
            value,
            json!({"metadata": {"name": "p", "annotations": {"a": ""}}, "spec": {
                "automountServiceAccountToken": false, "unknown": [], "securityContext": {},
                "terminationGracePeriodSeconds": 0,
                "containers": [{"name": "", "image": "x", "volumeMounts": [{"name": "v", "mountPath": "/"}], "env": [{"name": "A"}]}],
            }})
        );
    }

    #[test]
    fn a_zero_that_gos_type_can_tell_from_nothing_is_kept() {
        let mut slice = json!({"addressType": "IPv4", "endpoints": [], "ports": [{"name": "", "port": 0}]});
        leave_out(&mut slice, schema::of_kind("discovery.k8s.io", "v1", "EndpointSlice").unwrap());
        assert_eq!(slice["ports"], json!([{"name": "", "port": 0}]));
        let mut endpoints = json!({"subsets": [{"ports": [{"name": "", "port": 0}]}]});
        leave_out(&mut endpoints, schema::of_kind("", "v1", "Endpoints").unwrap());
        assert_eq!(endpoints["subsets"], json!([{"ports": [{"port": 0}]}]));
        let mut probe = pod(json!({"containers": [{"name": "a", "livenessProbe": {"timeoutSeconds": 0}}]}));
        leave_out(&mut probe, schema::of_kind("", "v1", "Pod").unwrap());
        assert_eq!(probe["spec"]["containers"][0]["livenessProbe"], json!({}));
    }

    #[test]
    fn an_entry_that_is_null_is_none() {
        let mut value = json!({"metadata": {"name": "p", "annotations": {"a": null, "b": "c"}}, "spec": null});
        leave_out(&mut value, schema::of_kind("", "v1", "Pod").unwrap());
        assert_eq!(value["metadata"]["annotations"], json!({"b": "c"}));
    }
}
