//! Changes inputs at random, a little or beyond recognition.

/// Longer inputs are cut: what they would find, shorter ones find sooner.
const LONGEST: usize = 16 * 1024;

/// Bytes and words that mean something to one parser or another.
const WORDS: &[&[u8]] = &[
    b"\0",
    b"\xff",
    b"\x80",
    b"\x7f",
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"=",
    b"!",
    b"(",
    b")",
    b";",
    b"/",
    b"~1",
    b"-",
    b"+",
    b".",
    b"e9",
    b"0",
    b"-1",
    b"9223372036854775808",
    b"18446744073709551616",
    b"1e999",
    b"null",
    b"true",
    b"\\ud800",
    b"\xc3\x28",
    b"\xf0\x9f\x8e\x82",
    b" in ",
    b"notin",
    b"$patch",
    b"\n",
    b"\t",
    b"  ",
    b"- ",
    b"&a ",
    b"*a",
    b"k8s\0",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x80\x80\x80\x80\x80",
    b"\x0a\x00",
];

pub struct Mutator {
    state: u64,
}

impl Mutator {
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A number below this one (SplitMix64).
    fn below(&mut self, limit: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit.max(1) as u64) as usize
    }

    /// One of the pool, changed.
    pub fn change(&mut self, pool: &[Vec<u8>]) -> Vec<u8> {
        let mut input = pool[self.below(pool.len())].clone();
        for _ in 0..=self.below(5) {
            self.step(&mut input, pool);
        }
        input.truncate(LONGEST);
        input
    }

    /// Puts an input in the place of another, but not of one of the first.
    pub fn replace(&mut self, pool: &mut [Vec<u8>], first: usize, input: Vec<u8>) {
        let at = first + self.below(pool.len() - first);
        pool[at] = input;
    }

    fn step(&mut self, input: &mut Vec<u8>, pool: &[Vec<u8>]) {
        let at = self.below(input.len() + 1);
        let end = (at + 1 + self.below(16)).min(input.len());
        match self.below(9) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 if at < input.len() => input[at] = self.below(256) as u8,
            2 => input.insert(at, self.below(256) as u8),
            3 if at < end => drop(input.drain(at..end)),
            4 => input.truncate(at),
            5 => {
                let word = WORDS[self.below(WORDS.len())];
                input.splice(at..at, word.iter().copied());
            }
            // The same again and again: what calls itself goes deep.
            6 if at < end => {
                let most = if self.below(20) == 0 { 4000 } else { 6 };
                let times = 1 + self.below(most);
                let again = input[at..end].repeat(times);
                input.splice(at..at, again);
            }
            7 => {
                let other = &pool[self.below(pool.len())];
                let from = self.below(other.len() + 1);
                let to = (from + self.below(200)).min(other.len());
                input.splice(at..at, other[from..to].iter().copied());
            }
            _ => {
                let other = &pool[self.below(pool.len())];
                let from = self.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
        }
        input.truncate(LONGEST * 2);
    }
}
