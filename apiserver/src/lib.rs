//! The API server: objects over HTTP, kept in a store.

pub mod admission;
pub mod context;
pub mod http;
pub mod kinds;
pub mod registry;
pub mod storage;
pub mod upkeep;
