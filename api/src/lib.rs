//! The nouns of Skiff: pure data and functions, without clock, socket or disk.

pub mod channels;
pub mod cidr;
pub mod failure;
pub mod field;
pub mod json;
pub mod meta;
pub mod names;
pub mod protobuf;
pub mod quantity;
pub mod schema;
pub mod selector;
pub mod well_known;
