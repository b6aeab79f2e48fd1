//! Sets of paths into an object, as `fieldsV1` writes them.

use std::borrow::Cow;

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::registry::managed_fields::element::Element;

/// Says in `fieldsV1` that a path with others below it is itself in the set.
const SELF: &str = ".";

/// A set of paths. Seen from inside, it is what lies below one path, with a note whether that path is in the set too.
///
/// No child is empty: so two equal sets have equal trees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Set {
    pub is_member: bool,
    /// Sorted.
    children: Vec<(Element, Set)>,
}

impl Set {
    /// The set of a single path, seen from that path.
    pub fn member() -> Self {
        Self { is_member: true, children: Vec::new() }
    }

    /// The set of these paths of fields.
    pub fn of_fields(paths: &[&[&str]]) -> Self {
        let mut set = Self::default();
        for path in paths {
            let mut place = &mut set;
            for name in *path {
                place = place.child_mut(Element::field(name));
            }
            place.is_member = true;
        }
        set
    }

    pub fn is_empty(&self) -> bool {
        !self.is_member && self.children.is_empty()
    }

    pub fn children(&self) -> impl Iterator<Item = (&Element, &Self)> {
        self.children.iter().map(|(element, below)| (element, below))
    }

    pub fn child(&self, element: &Element) -> Option<&Self> {
        self.place(element).ok().map(|place| &self.children[place].1)
    }

    fn child_mut(&mut self, element: Element) -> &mut Self {
        let place = match self.place(&element) {
            Ok(place) => place,
            Err(place) => {
                self.children.insert(place, (element, Self::default()));
                place
            }
        };
        &mut self.children[place].1
    }

    /// Where a child is, or would be.
    fn place(&self, element: &Element) -> Result<usize, usize> {
        // Most sets grow in order.
        match self.children.last() {
            Some((last, _)) if last < element => Err(self.children.len()),
            _ => self.children.binary_search_by(|(child, _)| child.cmp(element)),
        }
    }

    /// Adds what is known below a child.
    pub fn add(&mut self, element: Element, below: Self) {
        if below.is_empty() {
            return;
        }
        match self.place(&element) {
            Ok(place) => self.children[place].1.unite(&below),
            Err(place) => self.children.insert(place, (element, below)),
        }
    }

    pub fn unite(&mut self, other: &Self) {
        self.is_member |= other.is_member;
        for (element, below) in &other.children {
            match self.place(element) {
                Ok(place) => self.children[place].1.unite(below),
                Err(place) => self.children.insert(place, (element.clone(), below.clone())),
            }
        }
    }

    /// Takes these paths off, and only these: what lies below them stays.
    pub fn subtract(&mut self, other: &Self) {
        self.is_member &= !other.is_member;
        self.subtract_from_children(other, Self::subtract);
    }

    /// Takes these paths off, and all that lies below them.
    pub fn subtract_whole(&mut self, other: &Self) {
        if other.is_member {
            *self = Self::default();
            return;
        }
        self.subtract_from_children(other, Self::subtract_whole);
    }

    fn subtract_from_children(&mut self, other: &Self, subtract: fn(&mut Self, &Self)) {
        if other.children.is_empty() {
            return;
        }
        self.children.retain_mut(|(element, below)| {
            if let Some(gone) = other.child(element) {
                subtract(below, gone);
            }
            !below.is_empty()
        });
    }

    pub fn without(&self, other: &Self) -> Self {
        let mut rest = self.clone();
        rest.subtract(other);
        rest
    }

    /// The paths that are in both.
    pub fn shared_with(&self, other: &Self) -> Self {
        let mut shared = Self { is_member: self.is_member && other.is_member, children: Vec::new() };
        for (element, below) in &self.children {
            if let Some(others) = other.child(element) {
                shared.add(element.clone(), below.shared_with(others));
            }
        }
        shared
    }

    /// The paths as errors show them: `.spec.replicas`. The members of a level come before those below it.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.gather(&mut String::new(), &mut paths);
        paths
    }

    fn gather(&self, prefix: &mut String, paths: &mut Vec<String>) {
        let length = prefix.len();
        for (element, _) in self.children.iter().filter(|(_, below)| below.is_member) {
            paths.push(format!("{prefix}{element}"));
        }
        for (element, below) in &self.children {
            prefix.push_str(&element.to_string());
            below.gather(prefix, paths);
            prefix.truncate(length);
        }
    }
}

/// Something in which nothing is said.
struct Nothing;

impl Serialize for Nothing {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_map(Some(0))?.end()
    }
}

/// As `fieldsV1`.
impl Serialize for Set {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut fields = to.serialize_map(None)?;
        if self.is_member && !self.children.is_empty() {
            fields.serialize_entry(SELF, &Nothing)?;
        }
        for (element, below) in &self.children {
            fields.serialize_entry(&element.text(), below)?;
        }
        fields.end()
    }
}

impl<'de> Deserialize<'de> for Set {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Fields)
    }
}

struct Fields;

/// Copied only where it is written with escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Visitor<'de> for Fields {
    type Value = Set;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the fields of a manager")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Set, A::Error> {
        let mut set = Set::default();
        while let Some(text) = fields.next_key::<Name<'de>>()?.map(|name| name.0) {
            if text == SELF {
                fields.next_value::<IgnoredAny>()?;
                set.is_member = true;
                continue;
            }
            let mut below: Set = fields.next_value()?;
            below.is_member |= below.children.is_empty();
            let element = Element::parse(&text).ok_or_else(|| A::Error::custom(format!("no element: {text}")))?;
            set.add(element, below);
        }
        Ok(set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn set(fields: Value) -> Set {
        Set::parse(&fields).unwrap()
    }

    impl Set {
        pub fn parse(fields: &Value) -> Option<Self> {
            Self::deserialize(fields).ok()
        }

        pub fn to_fields(&self) -> Value {
            serde_json::to_value(self).unwrap()
        }
    }

    #[test]
    fn paths_are_read_as_they_are_written() {
        for fields in [
            json!({}),
            json!({"f:a": {}}),
            json!({"f:a": {".": {}, "f:b": {}}, "f:c": {"k:{\"name\":\"x\"}": {"f:d": {}}, "v:\"y\"": {}}}),
        ] {
            assert_eq!(set(fields.clone()).to_fields(), fields);
        }
        for fields in [json!([]), json!({"a": {}}), json!({"f:a": 1}), json!({"f:a": {"k:x": {}}})] {
            assert!(Set::parse(&fields).is_none(), "{fields}");
        }
    }

    #[test]
    fn a_path_is_not_what_lies_below_it() {
        let both = set(json!({"f:a": {".": {}, "f:b": {}}}));
        let outer = set(json!({"f:a": {}}));
        let inner = set(json!({"f:a": {"f:b": {}}}));
        assert_eq!(both.without(&outer), inner);
        assert_eq!(both.without(&inner), outer);
        assert!(outer.shared_with(&inner).is_empty());
        let mut whole = both.clone();
        whole.subtract_whole(&outer);
        assert!(whole.is_empty());
        let mut part = both.clone();
        part.subtract_whole(&inner);
        assert_eq!(part, outer);
        assert_eq!(both.paths(), [".a", ".a.b"]);
    }

    fn any_element() -> impl Strategy<Value = Element> {
        prop_oneof![
            prop::sample::select(vec!["a", "b", ".", "f:c"]).prop_map(Element::field),
            (0..3_i64).prop_map(|port| Element::key([("p".into(), port.into()), ("a".into(), json!("x"))])),
            prop::sample::select(vec![json!("x"), json!(1), json!(true)]).prop_map(Element::Item),
            (0..3_i64).prop_map(Element::Index),
        ]
    }

    fn any_set() -> impl Strategy<Value = Set> {
        prop::collection::vec(prop::collection::vec(any_element(), 1..4), 0..8).prop_map(|paths| {
            let mut set = Set::default();
            for path in paths {
                let below = path.into_iter().rev().fold(Set::member(), |below, element| {
                    let mut above = Set::default();
                    above.add(element, below);
                    above
                });
                set.unite(&below);
            }
            set
        })
    }

    proptest! {
        #[test]
        fn a_set_survives_being_written(set in any_set()) {
            let text = set.to_fields().to_string();
            prop_assert_eq!(Set::parse(&serde_json::from_str(&text).unwrap()), Some(set));
        }

        #[test]
        fn operations_agree_with_one_another(left in any_set(), right in any_set()) {
            let shared = left.shared_with(&right);
            prop_assert_eq!(&shared, &right.shared_with(&left));
            let mut rebuilt = left.without(&right);
            prop_assert!(rebuilt.shared_with(&right).is_empty());
            rebuilt.unite(&shared);
            prop_assert_eq!(&rebuilt, &left);
            let mut both = left.clone();
            both.unite(&right);
            prop_assert!(left.without(&both).is_empty());
            let mut whole = left.clone();
            whole.subtract_whole(&right);
            prop_assert!(whole.without(&left.without(&right)).is_empty());
        }
    }
}
