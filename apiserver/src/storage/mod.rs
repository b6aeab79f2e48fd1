//! Where objects are kept: revisions, compare-and-swap, snapshots, and the feed of changes.
//!
//! Knows nothing of kinds: an object is its canonical JSON, a key and a few facts read out of it.

pub mod engine;
pub mod object;
