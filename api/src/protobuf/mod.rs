//! Objects as protobuf: from JSON bytes and to JSON bytes, for every message by one table.
//!
//! What is written equals what upstream's generated marshallers write, zeros included.

mod decode;
mod encode;
mod envelope;
mod error;
#[cfg(test)]
mod fixtures;
mod outline;
mod special;
mod table;
mod wire;

pub use decode::object as decode;
pub use encode::Writer;
pub use envelope::{MAGIC, write_event};
pub use error::Error;
pub use table::{Message, names_of_silent_zeros};

/// Whether objects of this kind can be sent and taken as protobuf. Those of custom resources cannot.
pub fn speaks(api_version: &str, kind: &str) -> bool {
    table::of_kind(api_version, kind).is_some()
}
