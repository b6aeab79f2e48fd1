//! The node agent: a Node of the cluster, the pods that it runs, and the way back to them.

pub mod agent;
mod entry;
mod events;
#[cfg(test)]
mod fake_api;
mod folder_watch;
#[cfg(test)]
mod life_tests;
mod logs;
mod measures;
pub mod node;
pub mod pods;
pub mod proxy;
mod references;
pub mod runtime;
mod server;
pub mod tunnel;
mod volumes;
mod watching;

pub use agent::{Agent, Options, ProxyOptions};
pub use entry::entry;
pub use runtime::RuntimeKind;
