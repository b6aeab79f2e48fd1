//! Objects reduced to their metadata: what garbage collection, quotas and other informers ask for.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::http::content::accept::MetaVersion;

/// A `PartialObjectMetadata` made of an object's JSON.
pub fn of_object(version: MetaVersion, object: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    write(version, object, &mut out);
    out
}

/// As `of_object`, at the end of `out`.
pub fn write(version: MetaVersion, object: &[u8], out: &mut Vec<u8>) {
    #[derive(Deserialize)]
    struct Envelope<'a> {
        #[serde(borrow)]
        metadata: &'a RawValue,
    }
    let metadata = serde_json::from_slice::<Envelope<'_>>(object).map_or("{}", |envelope| envelope.metadata.get());
    out.extend_from_slice(br#"{"kind":"PartialObjectMetadata","apiVersion":""#);
    out.extend_from_slice(version.api_version().as_bytes());
    out.extend_from_slice(br#"","metadata":"#);
    out.extend_from_slice(metadata.as_bytes());
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_metadata_is_left() {
        let object = br#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"x":1}}"#;
        let partial = String::from_utf8(of_object(MetaVersion::V1, object)).unwrap();
        assert_eq!(
            partial,
            r#"{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"a"}}"#
        );
    }
}
