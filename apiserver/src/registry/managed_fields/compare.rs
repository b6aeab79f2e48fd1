//! Where two states of an object differ.

use std::borrow::Cow;

use crate::registry::managed_fields::element::Element;
use crate::registry::managed_fields::node::{Node, Text};
use crate::registry::managed_fields::set::Set;
use crate::registry::managed_fields::types::{Atom, ListType, MapType, Type, step};

/// The paths at which a new state differs from an old one.
#[derive(Debug, Default, PartialEq)]
pub struct Comparison {
    pub added: Set,
    pub modified: Set,
    pub removed: Set,
}

impl Comparison {
    fn add(&mut self, element: Element, below: Self) {
        let sets = [&mut self.added, &mut self.modified, &mut self.removed];
        let changed = sets.into_iter().zip([below.added, below.modified, below.removed]);
        // An element is copied only where there is more than one to keep it.
        let mut changed = changed.filter(|(_, below)| !below.is_empty());
        if let Some((first, below)) = changed.next() {
            changed.for_each(|(set, below)| set.add(element.clone(), below));
            first.add(element, below);
        }
    }

    fn modified() -> Self {
        Self { modified: Set::member(), ..Self::default() }
    }
}

/// Compares two states of one value. Both may be missing, but not at once.
pub fn compare(of: Type, left: Option<Text<'_>>, right: Option<Text<'_>>) -> Comparison {
    match (left, right) {
        (Some(left), Some(right)) if left == right => Comparison::default(),
        (Some(left), Some(right)) => compare_values(of, left, right),
        (None, Some(value)) => Comparison { added: everything(of, value), ..Comparison::default() },
        (Some(value), None) => Comparison { removed: everything(of, value), ..Comparison::default() },
        (None, None) => Comparison::default(),
    }
}

fn compare_values(of: Type, left: Text<'_>, right: Text<'_>) -> Comparison {
    match of.atom(right) {
        Atom::Map(map) if !map.is_atomic => compare_maps(&map, left, right),
        Atom::List(list) if !list.is_atomic() => compare_lists(&list, left, right),
        _ => Comparison::modified(),
    }
}

fn compare_maps(map: &MapType, left: Text<'_>, right: Text<'_>) -> Comparison {
    let (left, right) = (left.fields(), right.fields());
    if left.is_empty() && right.is_empty() {
        // Null is not the same as empty.
        return Comparison::modified();
    }
    let mut comparison = Comparison::default();
    map.zip(by_name(&left), by_name(&right), &mut |pair| {
        comparison.add(pair.element(), compare(pair.of, pair.left, pair.right));
    });
    comparison
}

fn by_name<'a>(fields: &'a [(Cow<'a, str>, Text<'a>)]) -> impl Iterator<Item = (&'a str, Text<'a>)> {
    fields.iter().map(|(name, value)| (&**name, *value))
}

fn compare_lists<'a>(list: &ListType, left: Text<'a>, right: Text<'a>) -> Comparison {
    let (left, right) = (left.items(), right.items());
    if left.is_empty() && right.is_empty() {
        return Comparison::modified();
    }
    // What is told apart alike stands together, the left before the right.
    let both = left.into_iter().map(|item| (false, item)).chain(right.into_iter().map(|item| (true, item)));
    let mut both: Vec<(Element, bool, Text<'a>)> =
        both.filter_map(|(is_right, item)| Some((list.element(item).ok()?, is_right, item))).collect();
    both.sort_by(|(one, ..), (other, ..)| one.cmp(other));
    let mut comparison = Comparison::default();
    for alike in both.chunk_by(|(one, ..), (other, ..)| one == other) {
        let (left, right) = alike.split_at(alike.partition_point(|(_, is_right, _)| !is_right));
        let items = |side: &[(Element, bool, Text<'a>)]| side.iter().map(|(.., item)| *item).collect::<Vec<_>>();
        let below = compare_items(list, &items(left), &items(right));
        if let (Some((element, ..)), false) = (alike.first(), below == Comparison::default()) {
            comparison.add(element.clone(), below);
        }
    }
    comparison
}

/// Items that cannot be told apart are one value together.
fn compare_items(list: &ListType, left: &[Text<'_>], right: &[Text<'_>]) -> Comparison {
    let (first_left, first_right) = (left.first().copied(), right.first().copied());
    match (left.len(), right.len()) {
        (0 | 1, 0 | 1) => compare(list.items, first_left, first_right),
        (2.., 2..) if left == right => Comparison::default(),
        (2.., 2..) => Comparison::modified(),
        (2.., _) => {
            let mut comparison = compare(list.items, None, first_right);
            comparison.removed.is_member = true;
            comparison
        }
        _ => {
            let mut comparison = compare(list.items, first_left, None);
            comparison.added.is_member = true;
            comparison
        }
    }
}

/// The value's own path, and all those below it.
fn everything(of: Type, value: Text<'_>) -> Set {
    let mut set = Set::member();
    match of.atom(value) {
        Atom::Map(map) if !map.is_atomic => {
            map.each(by_name(&value.fields()), &mut |name, of, _, value| {
                set.add(step(name, of), everything(of, value))
            });
        }
        Atom::List(list) if !list.is_atomic() => {
            for (element, below) in of_items(&list, value.items(), everything) {
                set.add(element, below);
            }
        }
        _ => {}
    }
    set
}

/// What `below` says of each item; items that cannot be told apart are only named.
pub fn of_items<N: Node>(
    list: &ListType,
    items: impl IntoIterator<Item = N>,
    below: fn(Type, N) -> Set,
) -> Vec<(Element, Set)> {
    let mut found: Vec<(Element, N)> =
        items.into_iter().filter_map(|item| Some((list.element(item).ok()?, item))).collect();
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut told_apart: Vec<(Element, Option<N>)> = Vec::with_capacity(found.len());
    for (element, item) in found {
        match told_apart.last_mut() {
            Some((last, only)) if *last == element => *only = None,
            _ => told_apart.push((element, Some(item))),
        }
    }
    let set_of = |only: Option<N>| only.map_or_else(Set::member, |item| below(list.items, item));
    told_apart.into_iter().map(|(element, only)| (element, set_of(only))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::managed_fields::node::Tape;
    use serde_json::{Value, json};

    fn compared(left: Value, right: Value) -> [Vec<String>; 3] {
        let pod = Type::Struct(api::schema::of_kind("", "v1", "Pod").unwrap());
        let (left, right) = (left.to_string(), right.to_string());
        let found = compare(pod, Some(Tape::read(&left).unwrap().root()), Some(Tape::read(&right).unwrap().root()));
        [found.added.paths(), found.modified.paths(), found.removed.paths()]
    }

    fn nothing() -> Vec<String> {
        Vec::new()
    }

    #[test]
    fn maps_differ_by_entry_and_atoms_as_one() {
        let labels = |labels: Value| json!({"metadata": {"labels": labels}});
        assert_eq!(
            compared(labels(json!({"a": "1", "b": "1", "c": "1"})), labels(json!({"a": "1", "b": "2", "d": "1"}))),
            [
                vec![".metadata.labels.d".to_owned()],
                vec![".metadata.labels.b".into()],
                vec![".metadata.labels.c".into()]
            ]
        );
        let selector = |value: &str| json!({"spec": {"nodeSelector": {"a": value}}});
        assert_eq!(
            compared(selector("1"), selector("2")),
            [nothing(), vec![".spec.nodeSelector".to_owned()], nothing()]
        );
        assert_eq!(
            compared(labels(json!({})), labels(json!(null))),
            [nothing(), vec![".metadata.labels".to_owned()], nothing()]
        );
    }

    #[test]
    fn what_is_new_is_added_with_every_path_in_it() {
        let [added, modified, removed] = compared(
            json!({"spec": {"containers": null}}),
            json!({"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 80}], "resources": {}}]}}),
        );
        let ports = r#".spec.containers[name="a"].ports[containerPort=80,protocol="TCP"]"#;
        assert_eq!(
            added,
            [
                r#".spec.containers[name="a"]"#,
                r#".spec.containers[name="a"].name"#,
                r#".spec.containers[name="a"].ports"#,
                r#".spec.containers[name="a"].resources"#,
                ports,
                &format!("{ports}.containerPort"),
            ]
        );
        assert!(modified.is_empty() && removed.is_empty());
    }

    #[test]
    fn items_differ_by_key_whatever_their_order() {
        let containers = |list: Value| json!({"spec": {"containers": list}});
        let left = containers(json!([{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]));
        let right = containers(json!([{"name": "b", "image": "2"}, {"name": "a", "image": "1"}]));
        let image = r#".spec.containers[name="b"].image"#;
        assert_eq!(compared(left, right), [nothing(), vec![image.to_owned()], nothing()]);
    }

    #[test]
    fn items_that_stand_twice_are_one_value() {
        let env = |list: Value| json!({"spec": {"containers": [{"name": "c", "env": list}]}});
        let (one, two) = (json!({"name": "A", "value": "1"}), json!({"name": "A", "value": "2"}));
        let path = r#".spec.containers[name="c"].env[name="A"]"#.to_owned();
        let both = || env(json!([one, two]));
        assert_eq!(compared(both(), env(json!([two, one]))), [nothing(), vec![path.clone()], nothing()]);
        let [added, _, removed] = compared(env(json!([one])), both());
        assert_eq!((added, removed.len()), (vec![path.clone()], 3));
        let [added, _, removed] = compared(both(), env(json!([one])));
        assert_eq!((added.len(), removed), (3, vec![path]));
    }
}
