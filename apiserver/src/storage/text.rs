//! The bytes of an object, of which what many objects have in common is kept once for all of them.
//!
//! Who manages which field is often half of an object, and the same for all that one writer makes: the pods of a
//! Deployment say it in the same words. Which parts are taken for common decides only how much is kept, never what is
//! read.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use memchr::memmem;
use smallvec::SmallVec;

/// Bytes, with gaps that shared parts fill.
#[derive(Debug, Clone)]
pub struct Text {
    own: Bytes,
    /// In order. Seldom more than two, which are found without another look into memory: a list reads thousands.
    shared: SmallVec<[Shared; 2]>,
    length: u32,
}

#[derive(Debug, Clone)]
struct Shared {
    /// Where in the own bytes it stands.
    at: u32,
    bytes: Arc<[u8]>,
}

impl From<Bytes> for Text {
    fn from(own: Bytes) -> Self {
        Self { length: own.len() as u32, own, shared: SmallVec::new() }
    }
}

impl Text {
    /// `bytes` with `inserted` in them at a place before all that is `common`.
    pub fn new(bytes: &[u8], at: usize, inserted: &[u8], common: &[Range<u32>], commons: &mut Commons) -> Self {
        let length = bytes.len() + inserted.len();
        let saved: usize = common.iter().map(ExactSizeIterator::len).sum();
        let mut own = Vec::with_capacity(length - saved);
        own.extend_from_slice(&bytes[..at]);
        own.extend_from_slice(inserted);
        let mut from = at;
        let cut = |range: &Range<u32>| {
            own.extend_from_slice(&bytes[from..range.start as usize]);
            from = range.end as usize;
            Shared { at: own.len() as u32, bytes: commons.share(&bytes[range.start as usize..from]) }
        };
        let shared = common.iter().map(cut).collect();
        own.extend_from_slice(&bytes[from..]);
        Self { own: own.into(), shared, length: length as u32 }
    }

    /// The same with other bytes in a place that lies before all shared parts.
    pub fn replace(&self, place: Range<usize>, bytes: &[u8]) -> Self {
        let own = [&self.own[..place.start], bytes, &self.own[place.end..]].concat();
        let moved = |at: u32| (at as usize - place.len() + bytes.len()) as u32;
        let shared = self.shared.iter().map(|part| Shared { at: moved(part.at), bytes: part.bytes.clone() });
        Self { own: own.into(), shared: shared.collect(), length: moved(self.length) }
    }

    pub fn len(&self) -> usize {
        self.length as usize
    }

    /// All bytes.
    pub fn whole(&self) -> Bytes {
        if self.shared.is_empty() {
            return self.own.clone();
        }
        let mut whole = Vec::with_capacity(self.len());
        self.write(0, &mut whole);
        whole.into()
    }

    /// Appends the bytes that follow a place before all shared parts.
    pub fn write(&self, from: usize, out: &mut Vec<u8>) {
        out.reserve(self.len() - from);
        let mut from = from;
        for part in &self.shared {
            out.extend_from_slice(&self.own[from..part.at as usize]);
            out.extend_from_slice(&part.bytes);
            from = part.at as usize;
        }
        out.extend_from_slice(&self.own[from..]);
    }
}

/// What objects have in common, kept for as long as one of them is there.
#[derive(Debug, Default)]
pub struct Commons {
    known: HashSet<Arc<[u8]>>,
    /// With so many, it is time to look which are not needed any more.
    many: usize,
}

const FEW: usize = 1024;
/// Less is not worth its entry.
const WORTHWHILE: usize = 128;

impl Commons {
    fn share(&mut self, bytes: &[u8]) -> Arc<[u8]> {
        if let Some(known) = self.known.get(bytes) {
            return known.clone();
        }
        if self.known.len() >= self.many {
            self.known.retain(|part| Arc::strong_count(part) > 1);
            self.many = FEW.max(self.known.len() * 2);
        }
        let part: Arc<[u8]> = bytes.into();
        self.known.insert(part.clone());
        part
    }
}

/// The parts of canonical bytes that other objects probably have too: the sets of fields in `metadata.managedFields`.
pub fn common(bytes: &[u8]) -> Box<[Range<u32>]> {
    let mut at = memmem::find(bytes, br#""managedFields":[{"#).unwrap_or(bytes.len());
    let mut find = |what: &[u8]| {
        let found = at + memmem::find(&bytes[at..], what)?;
        at = found + what.len();
        Some(found..at)
    };
    let next = || {
        let start = find(br#""fieldsV1":"#)?.end;
        let end = find(br#","manager":""#)?.start;
        Some(start as u32..end as u32)
    };
    std::iter::from_fn(next).filter(|part| part.len() >= WORTHWHILE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An object whose fields were written by these managers: the name of each, and how many fields.
    fn object(name: &str, managers: &[(&str, usize)]) -> Vec<u8> {
        let fields =
            |count| (0..count).map(|number| format!(r#""f:field{number}":{{}}"#)).collect::<Vec<_>>().join(",");
        let entry = |(manager, count): &(&str, usize)| {
            let fields = fields(*count);
            format!(
                r#"{{"apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{{{fields}}},"manager":"{manager}","time":"now"}}"#
            )
        };
        let list = managers.iter().map(entry).collect::<Vec<_>>().join(",");
        format!(r#"{{"kind":"Pod","metadata":{{"managedFields":[{list}],"name":"{name}"}},"spec":{{}}}}"#).into_bytes()
    }

    fn text(bytes: &[u8], commons: &mut Commons) -> Text {
        Text::new(bytes, 1, b"!", &common(bytes), commons)
    }

    #[test]
    fn what_objects_have_in_common_is_kept_once_and_read_as_it_was() {
        let mut commons = Commons::default();
        let managers = [("a", 20), ("b", 2), ("c", 30)];
        let bytes = ["x", "y"].map(|name| object(name, &managers));
        let texts = bytes.each_ref().map(|bytes| text(bytes, &mut commons));
        for (text, bytes) in texts.iter().zip(&bytes) {
            let expected = [b"{!", &bytes[1..]].concat();
            assert_eq!((&*text.whole(), text.len()), (&*expected, expected.len()));
            let mut tail = b"before".to_vec();
            text.write(5, &mut tail);
            assert_eq!(tail, [b"before", &expected[5..]].concat());
            let replaced = text.replace(1..2, b"???");
            assert_eq!(replaced.whole(), [b"{???", &bytes[1..]].concat());
            assert_eq!(replaced.len(), expected.len() + 2);
            assert_eq!(text.shared.len(), 2, "few fields are not worth it");
        }
        assert!(Arc::ptr_eq(&texts[0].shared[1].bytes, &texts[1].shared[1].bytes));
        assert_eq!(commons.known.len(), 2);
    }

    #[test]
    fn what_looks_like_it_is_only_a_question_of_room() {
        let mut commons = Commons::default();
        let odd = r#"{"a":"\"managedFields\":[{","managedFields":[{"fieldsV1":{},"fieldsV1":"#;
        for bytes in [b"{}".to_vec(), odd.into(), object("a", &[]), [odd.into(), object("b", &[("c", 20)])].concat()] {
            assert_eq!(text(&bytes, &mut commons).whole(), [b"{!", &bytes[1..]].concat());
        }
    }

    #[test]
    fn what_no_object_has_any_more_is_let_go() {
        let mut commons = Commons::default();
        let stays = text(&object("stays", &[("a", 50)]), &mut commons);
        for count in 0..5 * FEW {
            text(&object("goes", &[("a", 10 + count % 7), (&"b".repeat(count), 10)]), &mut commons);
            let unique = format!(r#"{{"managedFields":[{{"fieldsV1":{{"f:{count:0200}":{{}}}},"manager":""#);
            text(unique.as_bytes(), &mut commons);
        }
        assert!(commons.known.len() <= 2 * FEW, "{}", commons.known.len());
        assert!(commons.known.contains(&stays.shared[0].bytes));
    }
}
