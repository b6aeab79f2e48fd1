//! An applied configuration laid onto the live object.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Map, Value};

use crate::registry::managed_fields::element::Element;
use crate::registry::managed_fields::types::{Atom, ListType, MapType, Type, fields, items};

/// What stands in the configuration wins; what does not stays as it is.
pub fn merge(of: Type, live: Option<&Value>, config: Option<&Value>) -> Option<Value> {
    match (live, config) {
        (Some(live), Some(config)) => merge_values(of, live, config),
        (one, other) => other.or(one).cloned(),
    }
}

fn merge_values(of: Type, live: &Value, config: &Value) -> Option<Value> {
    match of.atom(config) {
        Atom::Map(map) if !map.is_atomic => merge_maps(&map, live, config),
        Atom::List(list) if !list.is_atomic() => merge_lists(&list, live, config),
        _ => Some(config.clone()),
    }
}

fn merge_maps(map: &MapType, live: &Value, config: &Value) -> Option<Value> {
    if fields(live).chain(fields(config)).next().is_none() {
        return Some(config.clone());
    }
    let mut merged = Map::new();
    map.zip(fields(live), fields(config), &mut |pair| {
        if let Some(value) = merge(pair.of, pair.left, pair.right) {
            merged.insert(pair.name.to_owned(), value);
        }
    });
    (!merged.is_empty()).then_some(Value::Object(merged))
}

fn merge_lists(list: &ListType, live: &Value, config: &Value) -> Option<Value> {
    let (live, wanted) = (items(live), items(config));
    if live.is_empty() && wanted.is_empty() {
        return Some(config.clone());
    }
    let merged = Weave::new(list, live, wanted).weave();
    (!merged.is_empty()).then_some(Value::Array(merged))
}

/// Two lists on their way into one: the items of both in the order of the configuration, and those that only the live list
/// has where they stood between the others.
struct Weave<'a> {
    list: &'a ListType,
    live: Vec<(Element, &'a Value)>,
    config: Vec<(Element, &'a Value)>,
    /// By element: the live item, unless there are several of it.
    live_by_element: BTreeMap<Element, Option<&'a Value>>,
    config_elements: BTreeSet<Element>,
    done: BTreeSet<Element>,
}

impl<'a> Weave<'a> {
    fn new(list: &'a ListType, live: &'a [Value], config: &'a [Value]) -> Self {
        let indexed = |items: &'a [Value]| -> Vec<(Element, &'a Value)> {
            items.iter().filter_map(|item| Some((list.element(item).ok()?, item))).collect()
        };
        let (live, config) = (indexed(live), indexed(config));
        let mut live_by_element = BTreeMap::new();
        for (element, item) in &live {
            live_by_element.entry(element.clone()).and_modify(|known| *known = None).or_insert(Some(*item));
        }
        let config_elements = config.iter().map(|(element, _)| element.clone()).collect();
        Self { list, live, config, live_by_element, config_elements, done: BTreeSet::new() }
    }

    fn merged(&mut self, element: &Element, item: &Value) -> Option<Value> {
        self.done.insert(element.clone());
        let live = self.live_by_element.get(element).copied().flatten();
        merge(self.list.items, live, Some(item))
    }

    fn weave(mut self) -> Vec<Value> {
        let (live, config) = (std::mem::take(&mut self.live), std::mem::take(&mut self.config));
        let mut shared: VecDeque<&Element> =
            config.iter().map(|(element, _)| element).filter(|e| self.live_by_element.contains_key(e)).collect();
        let mut next_shared = shared.pop_front();
        let (mut live, mut config) = (live.iter().peekable(), config.iter().peekable());
        let mut woven = Vec::new();
        while live.peek().is_some() || config.peek().is_some() {
            if let (Some((left, _)), Some((right, item))) = (live.peek(), config.peek()) {
                if left == right {
                    woven.extend(self.merged(right, item));
                    live.next();
                    config.next();
                    next_shared = shared.pop_front();
                    continue;
                }
                let is_for_later = next_shared.is_some_and(|next| next != left);
                if self.config_elements.contains(left) && is_for_later {
                    live.next();
                    continue;
                }
            }
            if let Some((element, item)) = live.peek() {
                if !self.config_elements.contains(element) {
                    woven.push((*item).clone());
                    live.next();
                    continue;
                }
                if self.done.contains(element) {
                    live.next();
                }
            }
            if let Some((element, item)) = config.next() {
                woven.extend(self.merged(element, item));
                if next_shared == Some(element) {
                    next_shared = shared.pop_front();
                }
            }
        }
        woven
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn merged(live: Value, config: Value) -> Value {
        let pod = Type::Struct(api::schema::of_kind("", "v1", "Pod").unwrap());
        merge(pod, Some(&live), Some(&config)).unwrap()
    }

    fn names(live: &[&str], config: &[&str]) -> String {
        let containers = |names: &[&str]| {
            let list: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
            json!({"spec": {"containers": list}})
        };
        let merged = merged(containers(live), containers(config));
        merged["spec"]["containers"].as_array().unwrap().iter().filter_map(|c| c["name"].as_str()).collect()
    }

    #[test]
    fn items_keep_the_order_of_the_configuration() {
        for (live, config, expected) in [
            (&["a", "b", "c"][..], &["b"][..], "abc"),
            (&["a", "b"], &["b", "a"], "ba"),
            (&["a", "b", "c"], &["c", "a"], "bca"),
            (&["a", "x", "b"], &["b", "n", "a"], "xbna"),
            (&[], &["a", "b"], "ab"),
            (&["a"], &[], "a"),
            (&["a", "b"], &["c"], "abc"),
            (&["a", "b"], &["c", "b"], "acb"),
        ] {
            assert_eq!(names(live, config), expected, "{live:?} with {config:?}");
        }
    }

    #[test]
    fn the_configuration_wins_and_the_rest_stays() {
        let live = json!({"metadata": {"labels": {"a": "1", "b": "1"}}, "spec": {
            "nodeSelector": {"x": "1"}, "hostname": "h",
            "containers": [{"name": "c", "image": "1", "ports": [{"containerPort": 80, "protocol": "TCP"}]}]}});
        let config = json!({"metadata": {"labels": {"b": "2"}, "annotations": null}, "spec": {
            "nodeSelector": {"y": "1"},
            "containers": [{"name": "c", "ports": [{"containerPort": 80, "name": "web"}]}]}});
        assert_eq!(
            merged(live, config),
            json!({"metadata": {"labels": {"a": "1", "b": "2"}, "annotations": null}, "spec": {
                "nodeSelector": {"y": "1"}, "hostname": "h",
                "containers": [{"name": "c", "image": "1", "ports": [
                    {"containerPort": 80, "protocol": "TCP", "name": "web"}]}]}})
        );
    }

    #[test]
    fn a_null_does_not_empty_a_map() {
        let live = json!({"metadata": {"labels": {"a": "1"}}, "spec": {"hostname": "h"}});
        let config = json!({"metadata": {"labels": null}, "spec": {"hostname": null}});
        assert_eq!(merged(live, config), json!({"metadata": {"labels": {"a": "1"}}, "spec": {"hostname": null}}));
    }
}
