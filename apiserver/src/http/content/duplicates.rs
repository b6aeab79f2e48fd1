//! Finds keys that stand twice in one JSON object. Of two values one is lost, so the client should know.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// More are not told.
const MOST: usize = 32;

/// The places of all keys that stand twice: `spec.replicas`. What is no JSON has none.
pub fn find(json: &[u8]) -> Vec<String> {
    let (mut path, mut found) = (String::new(), Vec::new());
    let mut reader = serde_json::Deserializer::from_slice(json);
    let scan = Scan { path: &mut path, found: &mut found };
    if scan.deserialize(&mut reader).is_err() {
        // It will be refused for what it is.
        found.clear();
    }
    found
}

/// Goes through one value, whose place is `path`.
struct Scan<'a> {
    path: &'a mut String,
    found: &'a mut Vec<String>,
}

impl Scan<'_> {
    fn inner(&mut self) -> Scan<'_> {
        Scan { path: self.path, found: self.found }
    }
}

impl<'de> DeserializeSeed<'de> for Scan<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Scan<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_map<M: MapAccess<'de>>(mut self, mut map: M) -> Result<(), M::Error> {
        let outer = self.path.len();
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key_seed(Key)? {
            if outer > 0 {
                self.path.push('.');
            }
            self.path.push_str(&key);
            if !seen.insert(key) && self.found.len() < MOST {
                self.found.push(self.path.clone());
            }
            map.next_value_seed(self.inner())?;
            self.path.truncate(outer);
        }
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'de>>(mut self, mut list: S) -> Result<(), S::Error> {
        let outer = self.path.len();
        for index in 0_usize.. {
            self.path.push_str(&format!("[{index}]"));
            if list.next_element_seed(self.inner())?.is_none() {
                break;
            }
            self.path.truncate(outer);
        }
        self.path.truncate(outer);
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A key, copied only where it is written with escapes.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_every_second_key_is_told() {
        let json = br#"{"a":1,"spec":{"x":[{"n":1},{"n":1,"n":2}],"y":true,"y":null},"\u0061":2.5}"#;
        assert_eq!(find(json), ["spec.x[1].n", "spec.y", "a"]);
        assert_eq!(find(br#"{"a":[1,{"b":-1}],"b":{"b":"c"}}"#), Vec::<String>::new());
        assert_eq!(find(b"{\"a\":1,\"a\":"), Vec::<String>::new());
    }
}
