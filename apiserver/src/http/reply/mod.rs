//! Answers: what they carry, and how they are written.

pub mod failure;
pub mod list;
pub mod metadata;
pub mod object;
pub mod protobuf;
pub mod recent;
pub mod table;
pub mod watch;
pub mod web_socket;
