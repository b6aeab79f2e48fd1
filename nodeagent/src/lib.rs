//! The node agent: a Node of the cluster, the pods that it runs, and the way back to them.

pub mod agent;
mod entry;
mod events;
#[cfg(test)]
mod fake_api;
#[cfg(test)]
mod life_tests;
pub mod node;
pub mod pods;
pub mod proxy;
mod references;
pub mod runtime;
mod volumes;
mod watching;

pub use agent::{Agent, Options};
pub use entry::entry;
pub use runtime::RuntimeKind;
