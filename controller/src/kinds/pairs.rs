//! Labels, annotations and simple selectors: sorted pairs in one block of memory.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::kinds::shared::{self, Shared};

/// Sorted by key.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Pairs(Shared<(Box<str>, Box<str>)>);

impl Pairs {
    pub fn get(&self, key: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|(name, _)| name.as_ref().cmp(key)).ok()?;
        Some(&self.0[at].1)
    }

    pub fn contains(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_ref(), value.as_ref()))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether every one of these pairs is among `others`, as the selector of a Service wants it.
    pub fn all_in(&self, others: &Self) -> bool {
        self.iter().all(|(key, value)| others.get(key) == Some(value))
    }

    /// Keeps one copy of what both say.
    pub fn share(&mut self, other: &Self) {
        shared::share(&mut self.0, &other.0);
    }

    fn from_unsorted(mut pairs: Vec<(Box<str>, Box<str>)>) -> Self {
        pairs.sort_by(|one, two| one.0.cmp(&two.0));
        Self(pairs.into())
    }
}

impl fmt::Debug for Pairs {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Into<Box<str>>, V: Into<Box<str>>> FromIterator<(K, V)> for Pairs {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self::from_unsorted(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

impl Serialize for Pairs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (key, value) in self.iter() {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Pairs;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a map of strings")
            }

            fn visit_unit<E>(self) -> Result<Pairs, E> {
                Ok(Pairs::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some((key, value)) = map.next_entry::<Box<str>, Option<Box<str>>>()? {
                    pairs.push((key, value.unwrap_or_default()));
                }
                Ok(Pairs::from_unsorted(pairs))
            }
        }

        deserializer.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_found_by_key_and_keep_their_json() {
        let pairs: Pairs = serde_json::from_str(r#"{"b":"2","a":"1"}"#).unwrap();
        assert_eq!((pairs.get("a"), pairs.get("b"), pairs.get("c")), (Some("1"), Some("2"), None));
        assert_eq!(serde_json::to_string(&pairs).unwrap(), r#"{"a":"1","b":"2"}"#);
        assert!(serde_json::from_str::<Pairs>("null").unwrap().is_empty());
    }

    #[test]
    fn a_selector_wants_all_of_its_pairs() {
        let labels: Pairs = [("a", "1"), ("b", "2")].into_iter().collect();
        let wanted: Pairs = [("b", "2")].into_iter().collect();
        assert!(wanted.all_in(&labels));
        assert!(!labels.all_in(&wanted));
        assert!(Pairs::default().all_in(&labels));
    }
}
