//! A small API server for tests: enough of the wire for the controllers, over any JSON, without validation.

pub mod patch;
pub mod service;
pub mod store;
pub mod world;
