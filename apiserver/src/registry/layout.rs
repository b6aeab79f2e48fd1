//! What the storage is told about the kinds.

use std::fmt;

use api::names::GroupResource;
use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};

use crate::kinds::KINDS;
use crate::kinds::erased::KindRef;
use crate::kinds::facts::FieldLabel;
use crate::storage::layout::Layout;

/// The resources of the kind list, and their selectable fields.
pub struct KindLayout;

/// The kind whose objects are kept under this resource.
pub fn kind_of(resource: GroupResource) -> Option<KindRef> {
    KINDS.iter().copied().find(|kind| kind.facts().resource() == resource)
}

impl Layout for KindLayout {
    fn resource(&self, group: &str, resource: &str) -> Option<GroupResource> {
        let mut resources = KINDS.iter().map(|kind| kind.facts().resource());
        resources.find(|known| known.group == group && known.resource == resource)
    }

    fn fields(&self, resource: GroupResource, bytes: &[u8]) -> Box<[Box<str>]> {
        kind_of(resource).map_or_else(Box::default, |kind| fields_of(kind.field_labels(), bytes))
    }
}

/// Reads the fields in one pass and skips the rest.
fn fields_of(labels: &'static [FieldLabel], bytes: &[u8]) -> Box<[Box<str>]> {
    if labels.is_empty() {
        return Box::default();
    }
    let mut found: Vec<Option<Box<str>>> = vec![None; labels.len()];
    let wanted: Vec<usize> = (0..labels.len()).collect();
    let reader = Reader { labels, wanted, depth: 0, found: &mut found };
    // Bytes that cannot be read have no fields; the storage refuses them elsewhere.
    let _ = reader.deserialize(&mut serde_json::Deserializer::from_slice(bytes));
    found.into_iter().zip(labels).map(|(value, label)| value.unwrap_or_else(|| label.default.into())).collect()
}

/// Reads one value: a field itself, or an object on the way to some.
struct Reader<'a> {
    labels: &'static [FieldLabel],
    /// The labels whose path leads here.
    wanted: Vec<usize>,
    depth: usize,
    found: &'a mut [Option<Box<str>>],
}

impl Reader<'_> {
    fn found(&mut self, value: &str) {
        for label in &self.wanted {
            if self.labels[*label].path.len() == self.depth {
                self.found[*label] = Some(value.into());
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a field")
    }

    fn visit_str<E>(mut self, value: &str) -> Result<(), E> {
        self.found(value);
        Ok(())
    }

    fn visit_bool<E>(mut self, value: bool) -> Result<(), E> {
        self.found(if value { "true" } else { "false" });
        Ok(())
    }

    fn visit_i64<E>(mut self, value: i64) -> Result<(), E> {
        self.found(&value.to_string());
        Ok(())
    }

    fn visit_u64<E>(mut self, value: u64) -> Result<(), E> {
        self.found(&value.to_string());
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            let leads_there =
                |label: &&usize| self.labels[**label].path.get(self.depth).is_some_and(|part| *part == key);
            let wanted: Vec<usize> = self.wanted.iter().filter(leads_there).copied().collect();
            if wanted.is_empty() {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            map.next_value_seed(Reader {
                labels: self.labels,
                wanted,
                depth: self.depth + 1,
                found: &mut *self.found,
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABELS: &[FieldLabel] = &[
        FieldLabel { label: "spec.nodeName", path: &["spec", "nodeName"], default: "" },
        FieldLabel { label: "spec.hostNetwork", path: &["spec", "hostNetwork"], default: "false" },
        FieldLabel { label: "status.phase", path: &["status", "phase"], default: "Unknown" },
        FieldLabel { label: "type", path: &["type"], default: "" },
    ];

    #[test]
    fn fields_are_read_in_one_pass() {
        let bytes = br#"{"type":"t","spec":{"containers":[{"nodeName":"no"}],"nodeName":"n\u0031","hostNetwork":true},"status":null}"#;
        let fields = fields_of(LABELS, bytes);
        assert_eq!(fields.iter().map(|field| &**field).collect::<Vec<_>>(), ["n1", "true", "Unknown", "t"]);
    }

    #[test]
    fn every_stored_kind_has_a_layout_and_its_labels_are_told_apart() {
        for kind in KINDS {
            let facts = kind.facts();
            assert_eq!(KindLayout.resource(facts.group, facts.plural), Some(facts.resource()));
            let stored = kind_of(kind.storage()).expect("a kind is stored as a kind");
            assert_eq!(kind.field_labels().len(), stored.field_labels().len(), "{}", facts.plural);
            let mut labels: Vec<&str> = kind.field_labels().iter().map(|label| label.label).collect();
            labels.sort_unstable();
            let count = labels.len();
            labels.dedup();
            assert_eq!(labels.len(), count);
        }
    }
}
