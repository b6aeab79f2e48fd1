//! How objects lie in the database: a key for each chunk, and a head on the first.
//!
//! `group/resource/namespace/name` 0 `chunk number` → the bytes of the chunk; before those of chunk 0 stand the
//! revision, the length of the whole and its checksum. Numbers are big-endian. One more key holds up to where
//! revisions are reserved.
//!
//! What LZ4 makes smaller is kept so, which the highest bit of the length tells: sled holds in memory what was written
//! last, whatever its cache may hold, and a card in a small device wears out with every byte.

use std::borrow::Cow;

use anyhow::{Context, bail, ensure};
use bytes::{Bytes, BytesMut};
use lz4_flex::block::{compress_prepend_size, decompress_size_prepended};

use crate::storage::archive::Record;
use crate::storage::object::Key;

/// Up to which revision all may have been given out. Sorts before every object.
pub const RESERVED: &[u8] = b"\0reserved";

/// The most that a chunk holds. A leaf of sled's tree holds up to 17 values and is written whole; above a quarter of a
/// segment, 512 KiB, it would be put into a file of its own, which sled never syncs.
const CHUNK: usize = 24 * 1024;

const HEAD: usize = 8 + 4 + 4;

/// Stands in the length of what is compressed. No object has two gigabytes.
const COMPRESSED: u32 = 1 << 31;
/// What is shorter has little to repeat.
const WORTHWHILE: usize = 256;

/// The path of a key: its part of every chunk's key.
pub fn path(key: &Key) -> String {
    let resource = key.resource;
    format!("{}/{}/{}/{}", resource.group, resource.resource, key.namespace, key.name)
}

/// The key of a chunk.
pub fn chunk_key(path: &str, number: u16) -> Vec<u8> {
    let mut key = Vec::with_capacity(path.len() + 3);
    key.extend_from_slice(path.as_bytes());
    key.push(0);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// The chunks of an object, in order.
pub fn chunks(revision: u64, bytes: &[u8]) -> Result<Vec<Vec<u8>>, anyhow::Error> {
    let (kept, flag) = match compressed(bytes) {
        Some(kept) => (Cow::Owned(kept), COMPRESSED),
        None => (Cow::Borrowed(bytes), 0),
    };
    let length = u32::try_from(kept.len()).ok().filter(|length| length & COMPRESSED == 0);
    let length = length.context("an object of 2 GiB")?;
    let (start, rest) = kept.split_at(kept.len().min(CHUNK - HEAD));
    let mut first = Vec::with_capacity(HEAD + start.len());
    first.extend_from_slice(&revision.to_be_bytes());
    first.extend_from_slice(&(length | flag).to_be_bytes());
    first.extend_from_slice(&checksum(revision, &kept, flag != 0).to_be_bytes());
    first.extend_from_slice(start);
    let chunks: Vec<Vec<u8>> = std::iter::once(first).chain(rest.chunks(CHUNK).map(<[u8]>::to_vec)).collect();
    ensure!(u16::try_from(chunks.len()).is_ok(), "an object of {length} bytes is too large");
    Ok(chunks)
}

/// The bytes in a shorter form; none if that is not worth it.
fn compressed(bytes: &[u8]) -> Option<Vec<u8>> {
    let kept = (bytes.len() >= WORTHWHILE).then(|| compress_prepend_size(bytes))?;
    (kept.len() < bytes.len() / 8 * 7).then_some(kept)
}

fn checksum(revision: u64, kept: &[u8], is_compressed: bool) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&revision.to_be_bytes());
    hasher.update(kept);
    if is_compressed {
        hasher.update(&COMPRESSED.to_be_bytes());
    }
    hasher.finalize()
}

/// Puts objects together from the pairs of the database, in the order of their keys.
#[derive(Default)]
pub struct Assembly {
    under_way: Option<UnderWay>,
}

struct UnderWay {
    path: String,
    revision: u64,
    length: usize,
    is_compressed: bool,
    checksum: u32,
    chunks: u16,
    bytes: BytesMut,
}

impl Assembly {
    /// Takes the next pair in. Answers with an object when it is complete.
    pub fn add(&mut self, key: &[u8], value: &[u8]) -> Result<Option<Record>, anyhow::Error> {
        let (path, number) = split_key(key)?;
        let mut object = match self.under_way.take() {
            None if number == 0 => UnderWay::begin(path, value)?,
            Some(object) if object.path == path && object.chunks == number => object,
            None => bail!("{path}: its first chunk is missing"),
            Some(object) => bail!("{}: chunk {} is missing", object.path, object.chunks),
        };
        object.bytes.extend_from_slice(if number == 0 { &value[HEAD..] } else { value });
        object.chunks += 1;
        if object.bytes.len() < object.length {
            self.under_way = Some(object);
            return Ok(None);
        }
        object.end().map(Some)
    }

    /// To be called behind the last pair.
    pub fn end(self) -> Result<(), anyhow::Error> {
        match self.under_way {
            None => Ok(()),
            Some(object) => bail!("{}: chunk {} is missing", object.path, object.chunks),
        }
    }
}

impl UnderWay {
    fn begin(path: &str, value: &[u8]) -> Result<Self, anyhow::Error> {
        let (Some((revision, rest)), true) = (value.split_first_chunk(), value.len() >= HEAD) else {
            bail!("{path}: its first chunk is too short");
        };
        let number = |at: usize| u32::from_be_bytes([rest[at], rest[at + 1], rest[at + 2], rest[at + 3]]);
        let length = (number(0) & !COMPRESSED) as usize;
        Ok(Self {
            path: path.to_owned(),
            revision: u64::from_be_bytes(*revision),
            length,
            is_compressed: number(0) & COMPRESSED != 0,
            checksum: number(4),
            chunks: 0,
            bytes: BytesMut::with_capacity(value.len()),
        })
    }

    fn end(self) -> Result<Record, anyhow::Error> {
        let Self { path, revision, length, is_compressed, checksum: expected, bytes, .. } = self;
        ensure!(bytes.len() == length, "{path}: {} bytes instead of {length}", bytes.len());
        ensure!(checksum(revision, &bytes, is_compressed) == expected, "{path}: its checksum is wrong");
        let bytes = if is_compressed {
            Bytes::from(decompress_size_prepended(&bytes).with_context(|| format!("{path}: decompress it"))?)
        } else {
            bytes.freeze()
        };
        Ok(Record { path, revision, bytes })
    }
}

fn split_key(key: &[u8]) -> Result<(&str, u16), anyhow::Error> {
    let parts = key.split_last_chunk::<3>();
    let Some((path, [0, high, low])) = parts else { bail!("{:?} is not the key of a chunk", key.escape_ascii()) };
    let path = std::str::from_utf8(path).context("a key that is not text")?;
    Ok((path, u16::from_be_bytes([*high, *low])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::fixtures::noise;
    use proptest::prelude::*;

    fn pairs(path: &str, revision: u64, bytes: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let chunks = chunks(revision, bytes).unwrap();
        chunks.into_iter().enumerate().map(|(number, chunk)| (chunk_key(path, number as u16), chunk)).collect()
    }

    fn assemble(pairs: &[(Vec<u8>, Vec<u8>)]) -> Result<Vec<Record>, anyhow::Error> {
        let mut assembly = Assembly::default();
        let mut objects = Vec::new();
        for (key, value) in pairs {
            objects.extend(assembly.add(key, value)?);
        }
        assembly.end()?;
        Ok(objects)
    }

    proptest! {
        #[test]
        fn objects_of_any_size_come_back(sizes in proptest::collection::vec(0_usize..200_000, 1..4), noisy: bool) {
            let bytes = |number: usize, size: usize| if noisy { noise(size, number as u64).into_bytes() } else { vec![number as u8; size] };
            let mut stored = Vec::new();
            for (number, size) in sizes.iter().enumerate() {
                stored.extend(pairs(&format!("/pods/default/{number}"), number as u64, &bytes(number, *size)));
            }
            prop_assert!(stored.iter().all(|(_, chunk)| chunk.len() <= CHUNK));
            prop_assert!(stored.is_sorted());
            let objects = assemble(&stored).unwrap();
            prop_assert_eq!(objects.len(), sizes.len());
            let chunks: usize = sizes.iter().map(|size| (size + HEAD).div_ceil(CHUNK).max(1)).sum();
            prop_assert_eq!(stored.len(), if noisy { chunks } else { sizes.len() });
            for (number, (record, size)) in objects.iter().zip(&sizes).enumerate() {
                prop_assert_eq!(&record.bytes, &bytes(number, *size));
                prop_assert_eq!(record.names().unwrap()[3], number.to_string());
            }
        }

        #[test]
        fn damage_is_found_and_never_panics(at in 0_usize..70_000, bit in 0_u8..8, drop in 0_usize..4, noisy: bool) {
            let bytes = if noisy { noise(60_000, 7).into_bytes() } else { b"much the same, ".repeat(4_000) };
            let mut stored = pairs("/pods/default/a", 7, &bytes);
            let mut flipped = stored.clone();
            let chunk = at / CHUNK % flipped.len();
            let byte = at % CHUNK % flipped[chunk].1.len();
            flipped[chunk].1[byte] ^= 1 << bit;
            prop_assert!(assemble(&flipped).is_err());
            if drop < stored.len() {
                stored.remove(drop);
                prop_assert!(assemble(&stored).is_err() || stored.is_empty());
            }
        }

        #[test]
        fn no_pair_is_taken_for_what_it_is_not(key: Vec<u8>, value: Vec<u8>) {
            let _ = assemble(&[(key, value)]);
        }
    }
    #[test]
    fn what_was_written_before_anything_was_compressed_is_read() {
        let bytes = b"much the same, ".repeat(100);
        let mut value = [&7_u64.to_be_bytes()[..], &1_500_u32.to_be_bytes()].concat();
        value.extend_from_slice(&checksum(7, &bytes, false).to_be_bytes());
        value.extend_from_slice(&bytes);
        let records = assemble(&[(chunk_key("/pods/default/a", 0), value)]).unwrap();
        assert_eq!((records[0].revision, &*records[0].bytes), (7, &*bytes));
        let today = pairs("/pods/default/a", 7, &bytes);
        assert!(today[0].1.len() < 200, "{}", today[0].1.len());
    }
}
