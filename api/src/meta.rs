//! What is read of an object without decoding it: its metadata, in a compact shape.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::de::Error as _;

use crate::json::cursor::Cursor;

/// The parts of `metadata` that reads are decided by: selectors, owners, deletion.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meta {
    pub namespace: Box<str>,
    pub name: Box<str>,
    pub uid: Box<str>,
    /// Sorted by key.
    pub labels: Box<[(Box<str>, Box<str>)]>,
    pub deleting: bool,
}

impl Meta {
    pub fn label(&self, key: &str) -> Option<&str> {
        let at = self.labels.binary_search_by(|(name, _)| name.as_ref().cmp(key)).ok()?;
        Some(&self.labels[at].1)
    }

    /// Reads `metadata` out of an object's JSON; the rest is skipped.
    pub fn of_json(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let mut found = None;
        let read = std::str::from_utf8(bytes).ok().and_then(|text| {
            Cursor::new(text).object(|text, name| {
                if name == "metadata" {
                    found = Some(Self::read(text)?);
                    return Some(());
                }
                text.pass_over()
            })
        });
        read.and(found).ok_or_else(|| serde_json::Error::custom("there is no metadata"))
    }

    /// Reads it from where `metadata`'s `{` stands; what follows its `}` is not looked at.
    pub fn of_metadata(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let text = std::str::from_utf8(bytes).map_err(serde_json::Error::custom)?;
        Self::read(&mut Cursor::new(text)).ok_or_else(|| serde_json::Error::custom("the metadata is no object"))
    }

    fn read(text: &mut Cursor<'_>) -> Option<Self> {
        let boxed = |text: Cow<'_, str>| text.into_owned().into_boxed_str();
        let mut meta = Self::default();
        text.object(|text, name| {
            match &*name {
                "namespace" => meta.namespace = boxed(text.string()?),
                "name" => meta.name = boxed(text.string()?),
                "uid" => meta.uid = boxed(text.string()?),
                "labels" if text.peek()? != b'n' => {
                    let mut labels = BTreeMap::new();
                    text.object(|text, name| {
                        labels.insert(boxed(name), boxed(text.string()?));
                        Some(())
                    })?;
                    meta.labels = labels.into_iter().collect();
                }
                "deletionTimestamp" if text.peek()? != b'n' => {
                    text.string()?;
                    meta.deleting = true;
                }
                _ => text.pass_over()?,
            }
            Some(())
        })?;
        Some(meta)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_metadata_is_read() {
        let bytes = br#"{"kind":"Pod","metadata":{"name":"a","namespace":"b","labels":{"y":"1","x":"2"},
            "deletionTimestamp":"2026-01-01T00:00:00Z"},"spec":{"metadata":{"name":"no"}}}"#;
        let meta = Meta::of_json(bytes).unwrap();
        assert_eq!((&*meta.namespace, &*meta.name, meta.deleting), ("b", "a", true));
        let inside = bytes.windows(8).position(|part| part == br#"{"name":"#).unwrap();
        assert_eq!(Meta::of_metadata(&bytes[inside..]).unwrap(), meta);
        for wrong in [
            "",
            "{}",
            "[]",
            r#"{"metadata":7}"#,
            r#"{"metadata":{"name":1}}"#,
            r#"{"metadata":{"labels":[]}}"#,
            r#"{"metadata":{"a":"#,
        ] {
            assert!(Meta::of_json(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert_eq!((meta.label("x"), meta.label("y"), meta.label("z")), (Some("2"), Some("1"), None));
    }
}
