//! What can be set about the controllers.

use std::time::Duration;

use lifecycle::clock::Clock;

#[derive(Debug, Clone)]
pub struct Options {
    pub clock: Clock,
    /// The certificate authority of the API server: published in every namespace.
    pub root_ca_pem: String,
    /// How long a node may be silent before it counts as unreachable.
    pub node_grace: Duration,
    /// How many endpoints a slice holds.
    pub endpoints_per_slice: usize,
    /// How long changes of pods are gathered before endpoints are written.
    pub endpoints_batch: Duration,
    /// The scheduler that pods name when they want ours.
    pub scheduler_name: String,
}

impl Options {
    pub fn new(root_ca_pem: impl Into<String>, clock: Clock) -> Self {
        Self {
            clock,
            root_ca_pem: root_ca_pem.into(),
            node_grace: Duration::from_secs(50),
            endpoints_per_slice: 100,
            endpoints_batch: Duration::ZERO,
            scheduler_name: "default-scheduler".to_owned(),
        }
    }
}
