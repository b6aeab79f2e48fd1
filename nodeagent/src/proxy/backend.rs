//! What carries the wanted table out.

use std::fmt;
use std::net::SocketAddr;

use api::names::NamespacedName;
use async_trait::async_trait;
use lifecycle::metrics::Metrics;
use lifecycle::tasks::Tasks;

use crate::proxy::service::Protocol;
use crate::proxy::sockets::Sockets;
use crate::proxy::table::{Entry, NodeFacts, ServicePort, Table};

/// What a backend is made with.
pub struct Place<'a> {
    pub facts: &'a NodeFacts,
    /// Shared by all nodes of a process, so that they do not fight over the addresses of one machine.
    pub sockets: &'a Sockets,
    pub tasks: &'a Tasks,
    pub metrics: &'a Metrics,
}

/// A way of forwarding. It is handed the whole wanted table each time and finds the difference to what it does itself.
#[async_trait]
pub trait Backend: Send {
    /// The name that flags and logs use.
    fn name(&self) -> &'static str;

    /// Makes forwarding be as the table says, and tells of all entries that are not. What the table no longer holds
    /// is closed before anything new is opened. Connections that stand go on, whatever becomes of their endpoint.
    async fn apply(&mut self, table: &Table) -> Vec<Problem>;

    /// Resolves when an entry that could not be served may be possible now: then the table is applied again.
    async fn retry(&mut self) {
        std::future::pending().await
    }
}

/// An entry of the table that is not served.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    pub service: NamespacedName,
    pub uid: String,
    pub protocol: Protocol,
    pub address: SocketAddr,
    /// As Events give it: `FailedToBind`.
    pub reason: &'static str,
    /// What is wrong, and what helps.
    pub message: String,
}

pub const FAILED_TO_BIND: &str = "FailedToBind";
pub const ADDRESS_CONFLICT: &str = "AddressConflict";
pub const UNSUPPORTED_PROTOCOL: &str = "UnsupportedProtocol";
pub const FAILED_TO_START_HEALTH_CHECK: &str = "FailedToStartServiceHealthcheck";

impl Problem {
    pub fn of(port: &ServicePort, entry: &Entry, reason: &'static str, why: &dyn fmt::Display) -> Self {
        let (kind, protocol) = (entry.kind.name(), port.name.protocol);
        Self {
            service: port.name.service.clone(),
            uid: port.uid.clone(),
            protocol,
            address: entry.address,
            reason,
            message: format!("{kind} {}/{}: {why}", entry.address, protocol.name()),
        }
    }
}
