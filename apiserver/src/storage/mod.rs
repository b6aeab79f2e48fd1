//! Where objects are kept: revisions, compare-and-swap, snapshots, and the feed of changes.
//!
//! Knows nothing of kinds: an object is its canonical JSON, a key and a few facts read out of it.
//!
//! A write's way: `store` (checks and reads the bytes) → `writer` (gathers a batch, decides it) → an engine (makes it
//! last, gives revisions) → `feed` (publishes: `snapshot`, `history`, `log`) → the answer.

#[cfg(test)]
mod contract;
mod draft;
pub mod engine;
pub mod event;
mod feed;
#[cfg(test)]
mod fixtures;
mod history;
pub mod layout;
pub mod limits;
mod log;
pub mod memory;
pub mod object;
mod published;
pub mod snapshot;
mod store;
pub mod watch;
mod writer;

pub use self::feed::Feed;
pub use self::store::{CommitError, Storage, Write};
