//! What the storage is told about the kinds.

use api::json::cursor::Cursor;
use api::names::GroupResource;

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
    // Bytes that cannot be read have no fields; the storage refuses them elsewhere.
    if let Ok(text) = std::str::from_utf8(bytes) {
        let wanted: Vec<usize> = (0..labels.len()).collect();
        let _ = Reader { labels, found: &mut found }.object(&mut Cursor::new(text), &wanted, 0);
    }
    found.into_iter().zip(labels).map(|(value, label)| value.unwrap_or_else(|| label.default.into())).collect()
}

/// Looks for the fields that `labels` name.
struct Reader<'a> {
    labels: &'static [FieldLabel],
    found: &'a mut [Option<Box<str>>],
}

impl Reader<'_> {
    /// An object on the way to the fields that are wanted, so deep in the whole.
    fn object(&mut self, text: &mut Cursor<'_>, wanted: &[usize], depth: usize) -> Option<()> {
        if text.peek()? != b'{' {
            return text.pass_over();
        }
        text.object(|text, key| {
            let leads_there = |label: &&usize| self.labels[**label].path.get(depth).is_some_and(|part| *part == key);
            let inside: Vec<usize> = wanted.iter().filter(leads_there).copied().collect();
            match inside.first() {
                None => text.pass_over(),
                Some(label) if self.labels[*label].path.len() == depth + 1 => self.field(text, &inside),
                Some(_) => self.object(text, &inside, depth + 1),
            }
        })
    }

    fn field(&mut self, text: &mut Cursor<'_>, labels: &[usize]) -> Option<()> {
        let value = match text.peek()? {
            b'"' => text.string()?,
            b'{' | b'[' => return text.pass_over(),
            _ => match text.scalar()? {
                "null" => return Some(()),
                scalar => scalar.into(),
            },
        };
        labels.iter().for_each(|label| self.found[*label] = Some(value.as_ref().into()));
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABELS: &[FieldLabel] = &[
        FieldLabel { label: "node", path: &["spec", "nodeName"], default: "" },
        FieldLabel { label: "spec.nodeName", path: &["spec", "nodeName"], default: "" },
        FieldLabel { label: "spec.hostNetwork", path: &["spec", "hostNetwork"], default: "false" },
        FieldLabel { label: "status.phase", path: &["status", "phase"], default: "Unknown" },
        FieldLabel { label: "type", path: &["type"], default: "" },
    ];

    #[test]
    fn fields_are_read_in_one_pass() {
        let bytes = br#"{"type":"t","spec":{"containers":[{"nodeName":"no"}],"nodeName":"n\u0031","hostNetwork":true},"status":null}"#;
        let fields = fields_of(LABELS, bytes);
        assert_eq!(fields.iter().map(|field| &**field).collect::<Vec<_>>(), ["n1", "n1", "true", "Unknown", "t"]);
    }

    #[test]
    fn every_stored_kind_has_a_layout_and_its_labels_are_told_apart() {
        for kind in KINDS {
            let facts = kind.facts();
            assert_eq!(KindLayout.resource(facts.group, facts.plural), Some(facts.resource()));
            let stored = kind_of(kind.storage()).expect("a kind is stored as a kind");
            // A field is a scalar: no path goes on where another ends.
            let paths = || kind.field_labels().iter().map(|label| label.path);
            assert!(paths().all(|path| paths().all(|other| path.len() == other.len() || !other.starts_with(path))));
            assert_eq!(kind.field_labels().len(), stored.field_labels().len(), "{}", facts.plural);
            let mut labels: Vec<&str> = kind.field_labels().iter().map(|label| label.label).collect();
            labels.sort_unstable();
            let count = labels.len();
            labels.dedup();
            assert_eq!(labels.len(), count);
        }
    }
}
