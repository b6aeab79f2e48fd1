//! What stands around an object: a prefix, its kind, its bytes; and around an event of a watch.

use crate::protobuf::error::{Error, malformed};
use crate::protobuf::wire::{self, DELIMITED, Reader};

/// Every object in protobuf begins with this, and no JSON or YAML does.
pub const MAGIC: [u8; 4] = *b"k8s\0";

// The fields of `runtime.Unknown` and of its `typeMeta`.
const TYPE_META: u32 = 1;
const RAW: u32 = 2;
const CONTENT_ENCODING: u32 = 3;
const CONTENT_TYPE: u32 = 4;
const API_VERSION: u32 = 1;
const KIND: u32 = 2;

/// An enveloped object; `raw` writes its message.
pub fn write(
    api_version: &str,
    kind: &str,
    out: &mut Vec<u8>,
    raw: impl FnOnce(&mut Vec<u8>) -> Result<(), Error>,
) -> Result<(), Error> {
    out.extend_from_slice(&MAGIC);
    wire::write_delimited(TYPE_META, out, |out| {
        wire::write_bytes(API_VERSION, api_version.as_bytes(), out);
        wire::write_bytes(KIND, kind.as_bytes(), out);
        Ok(())
    })?;
    wire::write_delimited(RAW, out, raw)?;
    wire::write_bytes(CONTENT_ENCODING, b"", out);
    wire::write_bytes(CONTENT_TYPE, b"", out);
    Ok(())
}

/// What an envelope holds. `api_version` and `kind` may be empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Envelope<'a> {
    pub api_version: &'a str,
    pub kind: &'a str,
    pub raw: &'a [u8],
}

pub fn read(bytes: &[u8]) -> Result<Envelope<'_>, Error> {
    let mut envelope = Envelope::default();
    let mut reader = Reader::new(bytes.strip_prefix(&MAGIC).ok_or(Error::NoPrefix)?);
    while !reader.is_at_end() {
        match reader.tag()? {
            (TYPE_META, DELIMITED) => read_type_meta(reader.delimited()?, &mut envelope)?,
            (RAW, DELIMITED) => envelope.raw = reader.delimited()?,
            (CONTENT_ENCODING, DELIMITED) => {
                let encoding = reader.delimited()?;
                if !encoding.is_empty() {
                    return Err(malformed(format!("unknown encoding {}", encoding.escape_ascii())));
                }
            }
            (_, wire_type) => reader.skip(wire_type)?,
        }
    }
    Ok(envelope)
}

fn read_type_meta<'a>(bytes: &'a [u8], envelope: &mut Envelope<'a>) -> Result<(), Error> {
    let text = |bytes: &'a [u8]| std::str::from_utf8(bytes).map_err(|_| malformed("the kind is not UTF-8"));
    let mut reader = Reader::new(bytes);
    while !reader.is_at_end() {
        match reader.tag()? {
            (API_VERSION, DELIMITED) => envelope.api_version = text(reader.delimited()?)?,
            (KIND, DELIMITED) => envelope.kind = text(reader.delimited()?)?,
            (_, wire_type) => reader.skip(wire_type)?,
        }
    }
    Ok(())
}

/// A frame of a watch: its length in four bytes, then an event, which has no envelope, though its object has one.
pub fn write_event(
    event_type: &str,
    out: &mut Vec<u8>,
    object: impl FnOnce(&mut Vec<u8>) -> Result<(), Error>,
) -> Result<(), Error> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    wire::write_bytes(1, event_type.as_bytes(), out);
    let written = wire::write_delimited(2, out, |out| wire::write_delimited(1, out, object));
    let length = u32::try_from(out.len() - start - 4).map_err(|_| malformed("the event is too long"));
    match written.and(length) {
        Ok(length) => {
            out[start..start + 4].copy_from_slice(&length.to_be_bytes());
            Ok(())
        }
        Err(error) => {
            // Half a frame would spoil those behind it.
            out.truncate(start);
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_says_what_it_holds() {
        let mut out = Vec::new();
        write("apps/v1", "Deployment", &mut out, |out| {
            out.extend_from_slice(b"raw");
            Ok(())
        })
        .unwrap();
        assert_eq!(read(&out).unwrap(), Envelope { api_version: "apps/v1", kind: "Deployment", raw: b"raw" });
        assert_eq!(read(b"{}"), Err(Error::NoPrefix));
        assert_eq!(read(&MAGIC).unwrap(), Envelope::default());
        assert!(read(&out[..out.len() - 1]).is_err());
        let mut encoded = MAGIC.to_vec();
        wire::write_bytes(CONTENT_ENCODING, b"gzip", &mut encoded);
        assert!(read(&encoded).is_err());
    }

    #[test]
    fn an_event_has_its_length_before_it() {
        let mut out = Vec::new();
        let object = |out: &mut Vec<u8>| {
            out.extend_from_slice(b"abc");
            Ok(())
        };
        write_event("ADDED", &mut out, object).unwrap();
        assert_eq!(out, b"\0\0\0\x0e\x0a\x05ADDED\x12\x05\x0a\x03abc");
        assert!(write_event("ADDED", &mut out, |_| Err(Error::NoPrefix)).is_err());
        assert_eq!(out.len(), 18);
    }
}
