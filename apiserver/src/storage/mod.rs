//! Where objects are kept: revisions, compare-and-swap, snapshots, and the feed of changes.
//!
//! Knows nothing of kinds: an object is its canonical JSON, a key and a few facts read out of it.
//!
//! A write's way: `store` (checks and reads the bytes) → `writer` (gathers a batch, decides it) → an engine (makes it
//! last, gives revisions) → `feed` (publishes: `snapshot`, `history`, `log`) → the answer.

mod archive;
#[cfg(test)]
mod contract;
mod draft;
pub mod engine;
pub mod event;
pub mod export;
mod feed;
#[cfg(test)]
mod fixtures;
mod history;
pub mod layout;
pub mod limits;
mod log;
mod measures;
pub mod memory;
#[cfg(test)]
mod model;
pub mod object;
mod published;
pub mod sled;
pub mod snapshot;
#[cfg(test)]
mod speed;
mod store;
#[cfg(test)]
mod tests;
mod text;
pub mod watch;
mod whole_file;
mod writer;

use std::path::Path;
use std::sync::Arc;

use self::engine::Engine;
pub use self::feed::Feed;
pub use self::store::{CommitError, Storage, Write};

/// Makes an engine; those that keep their objects on a disk keep them in the directory.
type Make = fn(&Path) -> Arc<dyn Engine>;

/// The engines, by name. A new one is a file, and a line here.
pub const ENGINES: &[(&str, Make)] =
    &[("memory", |_| Arc::new(memory::Memory::default())), ("sled", |directory| Arc::new(sled::Sled::new(directory)))];

/// The engine with this name.
pub fn engine(name: &str, directory: &Path) -> Option<Arc<dyn Engine>> {
    ENGINES.iter().find(|(known, _)| *known == name).map(|(_, make)| make(directory))
}
