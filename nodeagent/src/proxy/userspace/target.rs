//! Where one entry leads now.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::proxy::table::{Entry, NodeFacts, Route, ServicePort};
use crate::proxy::userspace::balance::Balancer;

pub struct Target {
    pub port: Arc<ServicePort>,
    pub entry: usize,
    pub balancer: Arc<Balancer>,
    pub facts: Arc<NodeFacts>,
}

impl Target {
    pub fn entry(&self) -> &Entry {
        &self.port.entries[self.entry]
    }

    pub fn admits(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        self.entry().sources.as_ref().is_none_or(|ranges| ranges.iter().any(|range| range.contains(client)))
    }

    pub fn pick(&self, client: IpAddr, failed: &[SocketAddr]) -> Option<SocketAddr> {
        self.balancer.pick(client, self.endpoints(client), self.port.affinity, failed)
    }

    /// May this client still use this endpoint?
    pub fn allows(&self, client: IpAddr, endpoint: SocketAddr) -> bool {
        self.admits(client) && self.endpoints(client).contains(&endpoint)
    }

    fn endpoints(&self, client: IpAddr) -> &[SocketAddr] {
        let entry = self.entry();
        let from_here = entry.route_from_here.as_ref().filter(|_| self.facts.is_here(client));
        match from_here.unwrap_or(&entry.route) {
            Route::Forward(endpoints) => endpoints,
            Route::Reject | Route::Drop => &[],
        }
    }
}

/// Does it lead anywhere, for anyone?
pub fn leads_somewhere(entry: &Entry) -> bool {
    let forwards = |route: &Route| matches!(route, Route::Forward(_));
    forwards(&entry.route) || entry.route_from_here.as_ref().is_some_and(forwards)
}
