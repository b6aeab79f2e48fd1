//! `describe`: one object at length, with what belongs to it. A file per kind; all others are shown field by field.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::object;
use crate::output::describe::page::Page;

mod config_map;
mod containers;
mod deployment;
mod endpoint_slice;
mod endpoints;
mod events;
mod generic;
mod namespace;
mod node;
mod node_resources;
pub mod page;
mod pod;
mod pod_template;
mod replica_set;
mod secret;
mod service;
mod service_account;
mod volumes;

/// How one kind is described.
pub struct Describer {
    pub group: &'static str,
    pub kind: &'static str,
    /// What must be read besides the object.
    pub needs: fn(&Value) -> Vec<Need>,
    pub write: fn(&mut Page, &Value, &Related),
}

const DESCRIBERS: &[Describer] = &[
    config_map::DESCRIBER,
    deployment::DESCRIBER,
    endpoint_slice::DESCRIBER,
    endpoints::DESCRIBER,
    namespace::DESCRIBER,
    node::DESCRIBER,
    pod::DESCRIBER,
    replica_set::DESCRIBER,
    secret::DESCRIBER,
    service::DESCRIBER,
    service_account::DESCRIBER,
];

/// The describer of an object's kind.
pub fn describer_of(object: &Value) -> &'static Describer {
    let (group, _) = api::names::split_api_version(object::api_version(object));
    let is_it = |describer: &&Describer| describer.group == group && describer.kind == object::kind(object);
    DESCRIBERS.iter().find(is_it).unwrap_or(&generic::DESCRIBER)
}

/// A read that a description needs: which name it is given, and where it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    pub name: &'static str,
    pub path: String,
    pub label_selector: String,
    pub field_selector: String,
}

impl Need {
    pub fn new(name: &'static str, path: impl Into<String>) -> Self {
        Self { name, path: path.into(), label_selector: String::new(), field_selector: String::new() }
    }

    pub fn labels(mut self, selector: impl Into<String>) -> Self {
        self.label_selector = selector.into();
        self
    }

    pub fn fields(mut self, selector: impl Into<String>) -> Self {
        self.field_selector = selector.into();
        self
    }

    /// All objects of a core type in the object's namespace.
    pub fn in_namespace(name: &'static str, object: &Value, group_version: &str, plural: &str) -> Self {
        Self::new(name, format!("{group_version}/namespaces/{}/{plural}", object::namespace(object)))
    }
}

/// What was read, or why it could not be. What is missing was not asked for.
pub struct Related {
    pub answers: BTreeMap<&'static str, Result<Value, String>>,
    pub now: Timestamp,
}

impl Related {
    pub fn answer(&self, name: &str) -> Option<&Value> {
        self.answers.get(name)?.as_ref().ok()
    }

    pub fn error(&self, name: &str) -> Option<&str> {
        self.answers.get(name)?.as_ref().err().map(String::as_str)
    }

    pub fn items(&self, name: &str) -> &[Value] {
        self.answer(name).map(|answer| object::items(answer, "items")).unwrap_or_default()
    }
}

/// The whole description.
pub fn describe(object: &Value, related: &Related) -> String {
    let mut page = Page::default();
    (describer_of(object).write)(&mut page, object, related);
    page.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each file holds the object, what was read with it, and the description that kubectl 1.32 gave of them, with what 1.36
    /// does otherwise: maps in order, names of ports, fields of events.
    fn check(name: &str, given: &str, expected: &str) {
        let given: Value = serde_json::from_str(given).unwrap();
        let answers = given["related"].as_object().cloned().unwrap_or_default();
        let known = ["events", "events-by-name", "pods", "slices", "replica-sets", "lease", "quotas", "limits"];
        let answers = known.into_iter().filter_map(|name| Some((name, Ok(answers.get(name)?.clone()))));
        let related = Related { answers: answers.collect(), now: given["now"].as_str().unwrap().parse().unwrap() };
        let described = describe(&given["object"], &related);
        for (line, (ours, theirs)) in described.lines().zip(expected.lines()).enumerate() {
            assert_eq!(ours, theirs, "{name}, line {}", line + 1);
        }
        assert_eq!(described, expected, "{name}");
    }

    macro_rules! golden {
        ($($name:ident)*) => { $(
            #[test]
            fn $name() {
                check(
                    stringify!($name),
                    include_str!(concat!("testdata/", stringify!($name), ".json")),
                    include_str!(concat!("testdata/", stringify!($name), ".txt")),
                );
            }
        )* };
    }

    golden! {
        config_map deployment endpoint_slice endpoint_slice_empty endpoints generic namespace namespace_plain node pod pod_bare
        pod_terminating replica_set secret service service_account service_headless
    }
}
