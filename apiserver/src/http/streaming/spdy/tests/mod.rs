//! Whole conversations, with a client that speaks as `kubectl` does.

mod client;
mod command;
mod connection;
mod ports;
