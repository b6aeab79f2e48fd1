//! SPDY/3.1 from the server's side, as `kubectl` speaks it for commands and ports after an HTTP upgrade.
//!
//! Frames and header blocks stand at the bottom, a connection with its streams on them, and the two uses on top.

pub mod command;
pub mod connection;
pub mod frame;
pub mod headers;
pub mod ports;
pub mod stream;

#[cfg(test)]
mod tests;
