//! Finds the fields of an object that its type does not have, so that the client can be told what would be lost.

use std::borrow::Cow;
use std::fmt;

use api::schema::{Definition, Shape, View};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The places of all such fields, as clients write them: `spec.containers[0].foo`. What is no JSON has none.
pub fn fields<'de, D: Deserializer<'de>>(object: D, definition: Definition) -> Vec<String> {
    let (mut path, mut found) = (String::new(), Vec::new());
    let scan = Scan { view: of_definition(definition), path: &mut path, found: &mut found };
    // A value of a wrong type ends the search: reading the object fails there too, and says so.
    let _ = scan.deserialize(object);
    found
}

/// Types that are another name of a scalar, and those that take any field, are not gone into.
fn of_definition(definition: Definition) -> View {
    match definition.shape().view() {
        View::Object if definition.properties().next().is_some() => View::Reference(definition),
        other => other,
    }
}

fn inside(shape: Shape) -> View {
    match shape.view() {
        View::Reference(definition) => of_definition(definition),
        other => other,
    }
}

/// Goes through one value, whose place is `path`.
struct Scan<'a> {
    view: View,
    path: &'a mut String,
    found: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Scan<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.view {
            View::Reference(_) | View::List(_) | View::Map(_) => deserializer.deserialize_any(self),
            _ => deserializer.deserialize_ignored_any(IgnoredAny).map(drop),
        }
    }
}

impl<'de> Visitor<'de> for Scan<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object or a list")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        let outer = self.path.len();
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            let view = match self.view {
                View::Reference(definition) => definition.property(&key).map(|property| inside(property.shape())),
                View::Map(element) => Some(inside(element)),
                _ => Some(View::Any),
            };
            if outer > 0 {
                self.path.push('.');
            }
            self.path.push_str(&key);
            match view {
                Some(view) => map.next_value_seed(Scan { view, path: &mut *self.path, found: &mut *self.found })?,
                None => {
                    self.found.push(self.path.clone());
                    map.next_value::<IgnoredAny>()?;
                }
            }
            self.path.truncate(outer);
        }
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<(), S::Error> {
        let outer = self.path.len();
        let View::List(element) = self.view else { return skip(list) };
        let view = inside(element);
        for index in 0_usize.. {
            self.path.push_str(&format!("[{index}]"));
            let scan = Scan { view, path: &mut *self.path, found: &mut *self.found };
            if list.next_element_seed(scan)?.is_none() {
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

fn skip<'de, S: SeqAccess<'de>>(mut list: S) -> Result<(), S::Error> {
    while list.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn unknown_fields_are_found_wherever_types_are_known() {
        let pod = api::schema::of_kind("", "v1", "Pod").unwrap();
        let json = br#"{"apiVersion":"v1","kind":"Pod","meta":1,"metadata":{"labels":{"any":"thing"},"lables":{},
            "managedFields":[{"fieldsV1":{"f:spec":{}}}]},
            "spec":{"containers":[{"name":"a","imagee":"b"},{"resources":{"limits":{"cpu":1},"request":{}}}],
            "tolerations":null,"nodeSelector":{"a":"b"}},"status":{"phase":"Running"}}"#;
        let places = fields(&mut serde_json::Deserializer::from_slice(json), pod);
        let expected = ["meta", "metadata.lables", "spec.containers[0].imagee", "spec.containers[1].resources.request"];
        assert_eq!(places, expected);
        let value: Value = serde_json::from_slice(json).unwrap();
        let mut places = fields(&value, pod);
        places.sort_unstable();
        assert_eq!(places, expected);
    }

    #[test]
    fn types_that_take_anything_are_not_gone_into() {
        let revision = api::schema::of_kind("apps", "v1", "ControllerRevision").unwrap();
        let json = br#"{"data":{"spec":{"any":1}},"revision":1,"more":2}"#;
        assert_eq!(fields(&mut serde_json::Deserializer::from_slice(json), revision), ["more"]);
        assert!(fields(&mut serde_json::Deserializer::from_slice(b"{\"a"), revision).is_empty());
    }
}
