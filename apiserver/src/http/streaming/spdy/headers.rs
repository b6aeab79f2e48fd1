//! Blocks of headers: a zlib stream that goes through all frames of one direction, with a dictionary known beforehand.

use anyhow::{Context, bail, ensure};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

/// What both sides take as read before the first block: names and values that HTTP often has, from the specification.
pub const DICTIONARY: &[u8] = include_bytes!("dictionary.bin");

/// The dictionary's Adler-32, by which a zlib stream names it.
pub const DICTIONARY_ID: u32 = 0xe3c6_a7c2;

/// How far back deflate may point; the window is read and written in a ring.
const WINDOW: usize = 32 * 1024;

/// What one block may come to. The headers of a stream are a few hundred bytes.
const LARGEST: usize = 64 * 1024;

/// Headers in their order, with names in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// The first value under a name, which is given in lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into().to_ascii_lowercase(), value.into())).collect())
    }
}

/// Reads the blocks of one direction, which must come in the order of their frames. After an error there is no going on.
pub struct Decoder {
    inflate: Box<DecompressorOxide>,
    window: Box<[u8]>,
    position: usize,
    begun: bool,
}

impl Default for Decoder {
    fn default() -> Self {
        let mut window = vec![0; WINDOW].into_boxed_slice();
        window[WINDOW - DICTIONARY.len()..].copy_from_slice(DICTIONARY);
        Self { inflate: Box::default(), window, position: 0, begun: false }
    }
}

impl Decoder {
    pub fn decode(&mut self, block: &[u8]) -> anyhow::Result<Headers> {
        let deflated = if self.begun { block } else { after_start(block)? };
        self.begun = true;
        parse(self.inflate(deflated)?.into())
    }

    fn inflate(&mut self, mut input: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut output = Vec::new();
        loop {
            let (status, read, written) =
                decompress(&mut self.inflate, input, &mut self.window, self.position, TINFL_FLAG_HAS_MORE_INPUT);
            output.extend_from_slice(&self.window[self.position..self.position + written]);
            ensure!(output.len() <= LARGEST, "a block of headers is too large");
            self.position = (self.position + written) % WINDOW;
            input = &input[read..];
            match status {
                TINFLStatus::NeedsMoreInput if input.is_empty() => return Ok(output),
                TINFLStatus::NeedsMoreInput | TINFLStatus::HasMoreOutput if read + written > 0 => {}
                _ => bail!("a block of headers does not inflate: {status:?}"),
            }
        }
    }
}

/// What follows on the beginning of a zlib stream: two bytes, and the name of the dictionary if there is one.
fn after_start(block: &[u8]) -> anyhow::Result<&[u8]> {
    let [method, flags, rest @ ..] = block else { bail!("the first block of headers is empty") };
    let is_zlib = method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31);
    ensure!(is_zlib, "the first block of headers is not zlib");
    if flags & 0x20 == 0 {
        return Ok(rest);
    }
    let (id, rest) = rest.split_first_chunk().context("the first block of headers is cut short")?;
    ensure!(u32::from_be_bytes(*id) == DICTIONARY_ID, "headers are compressed with another dictionary");
    Ok(rest)
}

fn parse(mut bytes: Bytes) -> anyhow::Result<Headers> {
    let count = bytes.try_get_u32().context("a block of headers is cut short")?;
    // No more than what there can be: the count itself is only a claim.
    let mut headers = Vec::new();
    for _ in 0..count {
        let name = text(&mut bytes)?.to_ascii_lowercase();
        let mut value = text(&mut bytes)?;
        // Several values of one name have a zero byte between them: the first one counts.
        value.truncate(value.find('\0').unwrap_or(value.len()));
        headers.push((name, value));
    }
    ensure!(bytes.is_empty(), "a block of headers has more than its headers");
    Ok(Headers(headers))
}

fn text(bytes: &mut Bytes) -> anyhow::Result<String> {
    let length = bytes.try_get_u32().context("a block of headers is cut short")? as usize;
    ensure!(length <= bytes.len(), "a block of headers is cut short");
    String::from_utf8(bytes.split_to(length).into()).context("read text of header")
}

/// Writes the blocks of one direction, uncompressed: a reply has no headers, and what it lacks in them needs no dictionary.
#[derive(Default)]
pub struct Encoder {
    begun: bool,
}

impl Encoder {
    pub fn encode(&mut self, headers: &Headers) -> Bytes {
        let mut plain = BytesMut::new();
        plain.put_u32(size(headers.0.len()));
        for text in headers.0.iter().flat_map(|(name, value)| [name, value]) {
            plain.put_u32(size(text.len()));
            plain.put_slice(text.as_bytes());
        }
        let mut block = BytesMut::new();
        if !self.begun {
            // A zlib stream that names no dictionary.
            block.put_slice(&[0x78, 0x01]);
        }
        self.begun = true;
        for chunk in plain.chunks(usize::from(u16::MAX)) {
            stored(&mut block, chunk);
        }
        // Upon an empty one Go's reader gives out what it has, instead of asking for the next frame.
        stored(&mut block, &[]);
        block.freeze()
    }
}

/// A block of deflate that is its own bytes: its length twice, the second time inverted.
fn stored(block: &mut BytesMut, chunk: &[u8]) {
    let length = u16::try_from(chunk.len()).expect("chunks are cut to 16 bits");
    block.put_u8(0);
    block.put_u16_le(length);
    block.put_u16_le(!length);
    block.put_slice(chunk);
}

fn size(length: usize) -> u32 {
    u32::try_from(length).expect("headers are no gigabytes")
}

#[cfg(test)]
mod tests {
    use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
    use proptest::prelude::*;

    use super::*;

    /// Made by Python's zlib with the dictionary, flushed after each block as Go does it.
    const OF_A_COMMAND: [&str; 4] = [
        "78f9e3c6a7c202a62346703a2b294a4dcc851625aca9a08006000000ffff",
        "c22e555c02cc2e00000000ffff",
        "c22a054ce729f9a52500000000ffff",
        "c229073414000000ffff",
    ];

    fn decoded(decoder: &mut Decoder, block: &str) -> anyhow::Result<Headers> {
        decoder.decode(&hex::decode(block).unwrap())
    }

    #[test]
    fn the_dictionary_is_that_of_the_specification() {
        let (mut a, mut b) = (1u32, 0u32);
        for byte in DICTIONARY {
            a = (a + u32::from(*byte)) % 65521;
            b = (b + a) % 65521;
        }
        assert_eq!((DICTIONARY.len(), b << 16 | a), (1423, DICTIONARY_ID));
    }

    #[test]
    fn blocks_build_on_the_blocks_before_them() {
        let mut decoder = Decoder::default();
        for (block, kind) in OF_A_COMMAND.iter().zip(["error", "stdin", "stdout", "stderr"]) {
            assert_eq!(decoded(&mut decoder, block).unwrap(), [("streamtype", kind)].into_iter().collect());
        }
        // Without the first one, the second points at nothing.
        decoded(&mut Decoder::default(), OF_A_COMMAND[1]).unwrap_err();
    }

    #[test]
    fn blocks_point_into_the_dictionary() {
        let block = "78f9e3c6a7c202e50e2c850927dc4f28452f73224312000000ffff";
        let headers = decoded(&mut Decoder::default(), block).unwrap();
        // The accepted are two values, "a" and "b".
        assert_eq!(headers, [("content-type", "text/html"), ("accept", "a")].into_iter().collect());
    }

    #[test]
    fn a_window_that_is_gone_round_still_reads() {
        // Text that repeats itself after 20000 letters only, so that each round points far back.
        let mut state = 1u32;
        let mut letter = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(b'a' + (state >> 27) as u8 % 26)
        };
        let value: String = (0..20_000).map(|_| letter()).collect();
        let headers: Headers = [("x", value)].into_iter().collect();
        let (mut zlib, mut decoder) = (Compress::new(Compression::best(), true), Decoder::default());
        for round in 0..10 {
            // One header: its name has one letter, its value 0x4e20.
            let mut plain = vec![0, 0, 0, 1, 0, 0, 0, 1, b'x', 0, 0, 0x4e, 0x20];
            plain.extend_from_slice(headers.get("x").unwrap().as_bytes());
            let mut block = Vec::with_capacity(40_000);
            zlib.compress_vec(&plain, &mut block, FlushCompress::Sync).unwrap();
            assert!(round == 0 || block.len() < 1000, "round {round} points back");
            assert_eq!(decoder.decode(&block).unwrap(), headers);
        }
    }

    #[test]
    fn what_is_written_is_zlib_without_a_dictionary() {
        let (mut encoder, mut zlib) = (Encoder::default(), Decompress::new(true));
        for _ in 0..2 {
            let block = encoder.encode(&[("A", "b")].into_iter().collect());
            let mut plain = Vec::with_capacity(100);
            // Upon the empty block at its end Go's reader stops, instead of asking for more.
            assert!(block.ends_with(&[0, 0, 0, 0xff, 0xff]));
            zlib.decompress_vec(&block, &mut plain, FlushDecompress::Sync).unwrap();
            assert_eq!(plain, b"\0\0\0\x01\0\0\0\x01a\0\0\0\x01b");
        }
    }

    #[test]
    fn a_small_block_that_grows_large_is_refused() {
        // One header of 70000 times the letter x.
        let block = concat!(
            "78f9e3c6a7c2ecd2311100300800319080441c74acfc520f8cc9dd3bf8f9287f1d59e702",
            "0000000000000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000000000000",
            "00eb1e000000ffff"
        );
        let error = decoded(&mut Decoder::default(), block).unwrap_err();
        assert_eq!(error.to_string(), "a block of headers is too large");
    }

    #[test]
    fn counts_and_lengths_are_only_claims() {
        for plain in [&b"\xff\xff\xff\xff"[..], b"\0\0\0\x01\xff\xff\xff\xffa", b"\0\0\0\x00a", b"\0\0"] {
            parse(Bytes::from_static(plain)).unwrap_err();
        }
    }

    #[test]
    fn other_streams_than_zlib_with_the_dictionary_are_refused() {
        // An empty block, no zlib, another dictionary, an end of the stream, a kind of block that there is not.
        for block in ["", "1f8b0800", "78f900000001", "78f9", "7801030000000001", "7801ff"] {
            decoded(&mut Decoder::default(), block).unwrap_err();
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_headers_or_an_error(
            blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 1..4),
        ) {
            // As they are, and behind a beginning that is right.
            let (mut plain, mut begun) = (Decoder::default(), Decoder { begun: true, ..Decoder::default() });
            for block in &blocks {
                let _ = plain.decode(block);
                let _ = begun.decode(block);
                let _ = parse(Bytes::from(block.clone()));
            }
        }

        #[test]
        fn headers_come_back_as_they_were_written(pairs in prop::collection::vec(("[a-z-]{0,20}", "[^\0]{0,50}"), 0..6)) {
            let headers: Headers = pairs.into_iter().collect();
            prop_assert_eq!(Decoder::default().decode(&Encoder::default().encode(&headers)).unwrap(), headers);
        }
    }
}
