//! What a write of a Service means beyond the Service itself.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use anyhow::Context as _;
use api::cidr::Cidr;
use api::failure::Failure;
use api::names::GroupResource;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::ServiceCIDR;
use tokio::sync::oneshot;
use tracing::warn;

use crate::kinds::erased::{Draft, KindRef};
use crate::registry::Registry;
use crate::registry::allocation::{self, Allocator, Reservation, ServiceRange};
use crate::registry::write::{Outcome, invalid};
use crate::storage::object::{Key, Object};
use crate::storage::snapshot::Snapshot;
use crate::storage::{CommitError, Storage, Write};

pub const SERVICE_CIDRS: GroupResource = GroupResource { group: "networking.k8s.io", resource: "servicecidrs" };
pub const SERVICES: GroupResource = GroupResource { group: "", resource: "services" };
const ENDPOINTS: GroupResource = GroupResource { group: "", resource: "endpoints" };

/// The ServiceCIDR of the range that the server was started with.
pub const DEFAULT_SERVICE_CIDR: &str = "kubernetes";

/// Where addresses of Services come from: those of the range that the server was started with first, then those of the
/// other ServiceCIDRs of its family. Nothing comes out of one that is to go.
pub fn ranges(first: Cidr, snapshot: &Snapshot) -> Vec<ServiceRange> {
    let mut ranges = vec![ServiceRange { cidr: first, is_ready: true }];
    for object in snapshot.list(SERVICE_CIDRS, None) {
        let is_ready = !object.meta.deleting;
        if *object.key.name == *DEFAULT_SERVICE_CIDR {
            ranges[0].is_ready = is_ready;
            continue;
        }
        let cidrs = ranges_of(&service_cidr(object))
            .into_iter()
            .filter(|cidr| cidr.network().is_ipv4() == first.network().is_ipv4());
        ranges.extend(cidrs.map(|cidr| ServiceRange { cidr, is_ready }));
    }
    ranges
}

/// A stored ServiceCIDR. One that cannot be read has no ranges.
pub fn service_cidr(stored: &Object) -> ServiceCIDR {
    api::json::read(&stored.bytes()).unwrap_or_default()
}

pub fn ranges_of(service_cidr: &ServiceCIDR) -> Vec<Cidr> {
    let cidrs = service_cidr.spec.as_ref().and_then(|spec| spec.cidrs.as_deref()).unwrap_or_default();
    cidrs.iter().filter_map(|cidr| cidr.parse().ok()).collect()
}

/// Takes what the stored Services hold.
pub fn take_what_is_held(allocator: &Allocator, snapshot: &Snapshot) -> Result<(), anyhow::Error> {
    for object in snapshot.list(SERVICES, None) {
        let service: Service =
            api::json::read(&object.bytes()).with_context(|| format!("read the stored {}", object.key))?;
        for claim in allocation::claims_of(&service) {
            if let Err(error) = allocator.take_held(claim) {
                warn!(service = %object.key, ?claim, %error, "a Service holds what it should not");
            }
        }
    }
    Ok(())
}

impl Registry {
    /// The range for Services that the server was started with.
    pub fn service_range(&self) -> Cidr {
        self.service_range
    }

    /// From now on, addresses of Services come from where the stored ServiceCIDRs say.
    pub fn follow_service_ranges(&self, snapshot: &Snapshot) {
        self.allocator.follow(&ranges(self.service_range, snapshot));
    }

    /// The addresses that Services have, or are about to have.
    pub fn addresses_of_services(&self) -> BTreeSet<IpAddr> {
        self.allocator.held_addresses()
    }

    /// These addresses, and no others, are kept from Services that do not have them already.
    pub fn reserve_addresses(&self, addresses: BTreeSet<IpAddr>) {
        self.allocator.reserve(addresses);
    }

    /// Fills what a Service is given by the cluster. Nothing for other kinds.
    pub(super) fn reserve(
        &self,
        kind: KindRef,
        draft: &mut dyn Draft,
        old: Option<&dyn Draft>,
    ) -> Result<Reservation, Failure> {
        let mut reservation = Reservation::new(self.allocator.clone());
        let name = draft.metadata().name.clone().unwrap_or_default();
        let Some(service) = draft.typed_mut::<Service>() else { return Ok(reservation) };
        let old = old.and_then(|old| old.typed::<Service>());
        match allocation::fill(service, old, &mut reservation) {
            Ok(()) => Ok(reservation),
            Err(allocation::Unmet::Failed(failure)) => Err(failure),
            Err(allocation::Unmet::Invalid(errors)) => Err(invalid(kind, &name, errors)),
        }
    }

    /// Commits a write together with what it claims.
    pub(super) async fn commit_reserved(&self, write: Write, reservation: Reservation) -> Result<Outcome, Failure> {
        if reservation.is_empty() {
            return self.commit(write).await;
        }
        // In a task of its own: a client who goes away must not cut the commit from the claims.
        let (answer, answered) = oneshot::channel();
        let storage = self.storage.clone();
        self.tasks.spawn("service write", async move {
            let result = storage.commit(write).await;
            match &result {
                Ok(_) => reservation.keep(),
                Err(CommitError::Stopped) => reservation.forget(),
                Err(_) => drop(reservation),
            }
            // Nobody may be waiting any more.
            let _ = answer.send(result);
        });
        Self::outcome(answered.await.unwrap_or(Err(CommitError::Stopped)))
    }

    /// What goes with an object that is about to be removed.
    pub(super) fn let_go(&self, old: &dyn Draft) -> Reservation {
        let mut reservation = Reservation::new(self.allocator.clone());
        if let Some(service) = old.typed::<Service>() {
            reservation.let_go(allocation::claims_of(service));
        }
        reservation
    }

    /// The Endpoints of a Service that is gone go too.
    pub(super) async fn after_removal(&self, key: &Key) {
        if key.resource != SERVICES {
            return;
        }
        let key = Key { resource: ENDPOINTS, ..key.clone() };
        if let Err(error) = remove_quietly(&self.storage, key).await {
            warn!(%error, "delete the Endpoints of a Service");
        }
    }
}

async fn remove_quietly(storage: &Storage, key: Key) -> Result<(), CommitError> {
    const ATTEMPTS: usize = 8;
    for _ in 0..ATTEMPTS {
        let Some(current) = storage.snapshot().get(&key).map(Arc::clone) else { return Ok(()) };
        match storage.commit(Write::delete(key.clone(), current.revision)).await {
            Err(CommitError::Conflict { .. }) => {}
            other => return other.map(drop),
        }
    }
    Ok(())
}
