//! The bytes of protobuf: varints, tags, and what has a length.

use crate::protobuf::error::{Error, malformed};

pub const VARINT: u8 = 0;
pub const FIXED64: u8 = 1;
pub const DELIMITED: u8 = 2;
const START_GROUP: u8 = 3;
const END_GROUP: u8 = 4;
const FIXED32: u8 = 5;

pub fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub fn write_tag(number: u32, wire_type: u8, out: &mut Vec<u8>) {
    write_varint(u64::from(number) << 3 | u64::from(wire_type), out);
}

pub fn write_bytes(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    write_tag(number, DELIMITED, out);
    write_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// A field with a length that is known only once its content is written.
pub fn write_delimited(
    number: u32,
    out: &mut Vec<u8>,
    content: impl FnOnce(&mut Vec<u8>) -> Result<(), Error>,
) -> Result<(), Error> {
    write_tag(number, DELIMITED, out);
    let length_at = out.len();
    // Most contents are short: one byte holds their length.
    out.push(0);
    content(out)?;
    let length = out.len() - length_at - 1;
    let Ok(short @ 0..0x80) = u8::try_from(length) else {
        insert_length(length, length_at, out);
        return Ok(());
    };
    out[length_at] = short;
    Ok(())
}

/// Moves the content on, to make room for all bytes of its length.
fn insert_length(length: usize, at: usize, out: &mut Vec<u8>) {
    let mut varint = Vec::with_capacity(10);
    write_varint(length as u64, &mut varint);
    let end = out.len();
    out.resize(end + varint.len() - 1, 0);
    out.copy_within(at + 1..end, at + varint.len());
    out[at..at + varint.len()].copy_from_slice(&varint);
}

/// Where one is in a message.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The same bytes, from a place that `position` told.
    pub fn at(bytes: &'a [u8], position: usize) -> Self {
        Self { bytes, at: position }
    }

    pub fn position(&self) -> usize {
        self.at
    }

    pub fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    pub fn varint(&mut self) -> Result<u64, Error> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes.get(self.at).ok_or_else(cut)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(malformed("proto: integer overflow"))
    }

    /// A field's number and the type of what follows.
    pub fn tag(&mut self) -> Result<(u32, u8), Error> {
        let tag = self.varint()?;
        match u32::try_from(tag >> 3) {
            Ok(number @ 1..) => Ok((number, (tag & 7) as u8)),
            _ => Err(malformed(format!("proto: illegal tag {} (wire type {})", tag >> 3, tag & 7))),
        }
    }

    pub fn delimited(&mut self) -> Result<&'a [u8], Error> {
        let length = usize::try_from(self.varint()?).map_err(|_| cut())?;
        self.take(length)
    }

    pub fn fixed64(&mut self) -> Result<u64, Error> {
        let bytes = self.take(8)?;
        Ok(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let end = self.at.checked_add(length).ok_or_else(cut)?;
        let bytes = self.bytes.get(self.at..end).ok_or_else(cut)?;
        self.at = end;
        Ok(bytes)
    }

    /// Steps over a value, whatever it is.
    pub fn skip(&mut self, wire_type: u8) -> Result<(), Error> {
        match wire_type {
            VARINT => self.varint().map(drop),
            FIXED64 => self.take(8).map(drop),
            DELIMITED => self.delimited().map(drop),
            FIXED32 => self.take(4).map(drop),
            START_GROUP => self.skip_group(),
            _ => Err(malformed(format!("proto: illegal wireType {wire_type}"))),
        }
    }

    fn skip_group(&mut self) -> Result<(), Error> {
        let mut open = 1_u32;
        while open > 0 {
            match self.tag()?.1 {
                START_GROUP => open += 1,
                END_GROUP => open -= 1,
                other => self.skip(other)?,
            }
        }
        Ok(())
    }
}

fn cut() -> Error {
    malformed("unexpected EOF")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_lengths_read_back() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            write_varint(value, &mut out);
            assert_eq!(Reader::new(&out).varint().unwrap(), value);
        }
        for length in [0, 1, 127, 128, 16_383, 16_384, 100_000] {
            let content = vec![7; length];
            let (mut out, mut known) = (b"before".to_vec(), b"before".to_vec());
            write_delimited(5, &mut out, |out| {
                out.extend_from_slice(&content);
                Ok(())
            })
            .unwrap();
            write_bytes(5, &content, &mut known);
            assert!(out == known, "{length}");
        }
    }

    #[test]
    fn groups_are_skipped_and_their_ends_are_not_forgotten() {
        let mut reader = Reader::new(&[0x08, 0x01, 0x13, 0x0d, 1, 2, 3, 4, 0x14, 0x0c, 0x05]);
        reader.skip(START_GROUP).unwrap();
        assert_eq!(reader.varint().unwrap(), 5);
        assert!(Reader::new(&[0x0b]).skip(START_GROUP).is_err());
        assert!(Reader::new(&[0xff; 11]).varint().is_err());
        assert!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]).delimited().is_err());
    }
}
