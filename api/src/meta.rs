//! What is read of an object without decoding it: its metadata, in a compact shape.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

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
        #[derive(Deserialize)]
        struct Object<'a> {
            #[serde(borrow)]
            metadata: Metadata<'a>,
        }
        let Object { metadata } = serde_json::from_slice(bytes)?;
        Ok(metadata.into())
    }

    /// Reads it from where `metadata`'s `{` stands; what follows its `}` is not looked at.
    pub fn of_metadata(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        Metadata::deserialize(&mut serde_json::Deserializer::from_slice(bytes)).map(Self::from)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow, default)]
    namespace: Cow<'a, str>,
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    uid: Cow<'a, str>,
    #[serde(borrow, default)]
    labels: Option<BTreeMap<Cow<'a, str>, Cow<'a, str>>>,
    #[serde(borrow, default)]
    deletion_timestamp: Option<Cow<'a, str>>,
}

impl From<Metadata<'_>> for Meta {
    fn from(metadata: Metadata<'_>) -> Self {
        let boxed = |text: Cow<'_, str>| text.into_owned().into_boxed_str();
        let labels = metadata.labels.unwrap_or_default().into_iter().map(|(key, value)| (boxed(key), boxed(value)));
        Self {
            namespace: boxed(metadata.namespace),
            name: boxed(metadata.name),
            uid: boxed(metadata.uid),
            labels: labels.collect(),
            deleting: metadata.deletion_timestamp.is_some(),
        }
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
        assert_eq!((meta.label("x"), meta.label("y"), meta.label("z")), (Some("2"), Some("1"), None));
    }
}
