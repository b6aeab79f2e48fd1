//! An object before it has a revision: canonical bytes, checked, with the facts read out of them.
//!
//! The form is fixed so that a revision can be put in, and taken out, without parsing:
//! `{"apiVersion":"…","kind":"…","metadata":{"resourceVersion":"N",…`.

use std::ops::Range;

use anyhow::{Context, ensure};
use api::meta::Meta;
use bytes::Bytes;

use crate::storage::layout::Layout;
use crate::storage::object::{Key, Object, Revision};
use crate::storage::text::{self, Commons, Text};

const METADATA: &[u8] = br#""metadata":{"#;
const REVISION: &str = r#""resourceVersion":""#;
const REVISION_END: &str = r#"","#;

/// What is to be stored. Lacks only its revision.
#[derive(Debug, Clone)]
pub struct Draft {
    bytes: Bytes,
    meta: Meta,
    fields: Box<[Box<str>]>,
    metadata_at: u32,
    /// What other objects probably have too.
    common: Box<[Range<u32>]>,
}

impl Draft {
    /// Fails for bytes that are not in canonical form, or not those of `key`.
    pub fn new(
        key: &Key,
        bytes: Bytes,
        fields: Option<Box<[Box<str>]>>,
        layout: &dyn Layout,
    ) -> Result<Self, anyhow::Error> {
        let metadata_at =
            find_metadata(&bytes).with_context(|| format!("{key}: not the canonical form of an object"))?;
        let metadata = &bytes[metadata_at + METADATA.len() - 1..];
        let meta = Meta::of_metadata(metadata).with_context(|| format!("read the metadata of {key}"))?;
        ensure!(
            *meta.name == *key.name && *meta.namespace == *key.namespace,
            "{key}: the metadata is that of {}/{}",
            meta.namespace,
            meta.name
        );
        ensure!(!metadata[1..].starts_with(REVISION.as_bytes()), "{key}: has a revision before it was written");
        let fields = fields.unwrap_or_else(|| layout.fields(key.resource, &bytes));
        u32::try_from(bytes.len()).context("an object of 4 GiB")?;
        Ok(Self { meta, fields, metadata_at: metadata_at as u32, common: text::common(&bytes), bytes })
    }

    /// The canonical bytes, as an engine keeps them.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The object that this becomes at `revision`.
    pub(super) fn stamp(self, key: Key, revision: Revision, durable: bool, commons: &mut Commons) -> Object {
        let Self { bytes, meta, fields, metadata_at, common } = self;
        let at = revision_place(metadata_at, revision).start;
        let text = Text::new(&bytes, at, revision_text(revision).as_bytes(), &common, commons);
        Object { key, revision, text, meta, fields, metadata_at, durable }
    }
}

/// The same object at another revision: the last state of a deleted object, as its deletion shows it.
pub(super) fn restamp(object: &Object, revision: Revision) -> Object {
    let place = revision_place(object.metadata_at, object.revision);
    Object {
        key: object.key.clone(),
        revision,
        text: object.text.replace(place, revision_text(revision).as_bytes()),
        meta: object.meta.clone(),
        fields: object.fields.clone(),
        metadata_at: object.metadata_at,
        durable: object.durable,
    }
}

/// Where the revision stands, or is to stand, with its name.
pub(super) fn revision_place(metadata_at: u32, revision: Revision) -> Range<usize> {
    let start = metadata_at as usize + METADATA.len();
    let digits = revision.0.checked_ilog10().unwrap_or(0) as usize + 1;
    start..start + REVISION.len() + digits + REVISION_END.len()
}

fn revision_text(revision: Revision) -> String {
    format!("{REVISION}{revision}{REVISION_END}")
}

pub(super) fn with_revision(bytes: &[u8], metadata_at: u32, revision: Revision) -> Bytes {
    let (head, tail) = bytes.split_at(revision_place(metadata_at, revision).start);
    [head, revision_text(revision).as_bytes(), tail].concat().into()
}

/// Where `"metadata"` starts; none if the bytes do not begin as canonical ones do, or the metadata is empty.
pub(super) fn find_metadata(bytes: &[u8]) -> Option<usize> {
    let rest = after_value(bytes.strip_prefix(br#"{"apiVersion":""#)?)?;
    let rest = after_value(rest.strip_prefix(br#""kind":""#)?)?;
    let inside = rest.strip_prefix(METADATA)?;
    (inside.first() == Some(&b'"')).then_some(bytes.len() - rest.len())
}

/// What follows a plain string value and its comma.
fn after_value(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
    bytes[end..].strip_prefix(br#"","#)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::fixtures::{PODS, TestLayout, pod_key};

    fn draft(key: &Key, text: &str) -> Result<Draft, anyhow::Error> {
        Draft::new(key, Bytes::copy_from_slice(text.as_bytes()), None, &TestLayout)
    }

    fn from_metadata(object: &Object) -> Vec<u8> {
        let mut out = Vec::new();
        object.write_from_metadata(&mut out);
        assert_eq!(out.len(), object.size_from_metadata());
        out
    }

    #[test]
    fn a_revision_goes_in_first_and_comes_out_whole() {
        let text =
            r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"n"},"spec":{"nodeName":"x"}}"#;
        let key = pod_key("n", "a");
        let object = draft(&key, text).unwrap().stamp(key, Revision(120), true, &mut Commons::default());
        assert_eq!(
            object.bytes(),
            r#"{"apiVersion":"v1","kind":"Pod","metadata":{"resourceVersion":"120","name":"a","namespace":"n"},"spec":{"nodeName":"x"}}"#
        );
        assert!(from_metadata(&object).starts_with(br#""metadata":{"resourceVersion":"120","name"#));
        assert!(object.has_content(text.as_bytes()));
        assert!(!object.has_content(text.replace("\"x\"", "\"y\"").as_bytes()));
        assert_eq!(&*object.fields[0], "x");
        let deleted = restamp(&object, Revision(7));
        assert!(from_metadata(&deleted).starts_with(br#""metadata":{"resourceVersion":"7","name"#));
        assert!(deleted.has_content(text.as_bytes()));
    }

    #[test]
    fn bytes_that_are_not_canonical_are_refused() {
        let key = pod_key("n", "a");
        for text in [
            "",
            "{}",
            r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","namespace":"n"}}"#,
            r#"{"apiVersion":"v1","kind":"Pod","metadata":{}}"#,
            r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"b","namespace":"n"}}"#,
            r#"{"apiVersion":"v1","kind":"Pod","metadata":{"resourceVersion":"1","name":"a","namespace":"n"}}"#,
            r#"{"apiVersion":"v1","kind":"P\"od","metadata":{"name":"a","namespace":"n"}}"#,
            r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"n""#,
        ] {
            assert!(draft(&key, text).is_err(), "{text}");
        }
        assert_eq!(key.resource, PODS);
    }
}
