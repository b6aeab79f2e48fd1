//! One watch and one cache per kind and process, shared by all controllers.

pub mod cache;
pub mod hub;
pub mod watch;
