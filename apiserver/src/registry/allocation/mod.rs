//! Addresses and node ports of Services: given out here, and to no two of them.

mod addresses;
mod pool;
mod service;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};

use api::cidr::Cidr;

use crate::registry::allocation::addresses::Addresses;
use crate::registry::allocation::pool::Pool;

pub use crate::registry::allocation::addresses::ServiceRange;
pub use crate::registry::allocation::service::{Unmet, claims_of, fill};

/// Something that only one Service may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Claim {
    Address(IpAddr),
    Port(u16),
}

/// Why a claim could not be met.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("provided IP is already allocated")]
    AddressTaken,
    #[error("the provided network does not match the current range")]
    AddressOutside,
    #[error("the provided IP ({0}) is not in the valid range. The range of valid IPs is {1}")]
    AddressUnusable(IpAddr, Cidr),
    #[error("provided port is already allocated")]
    PortTaken,
    #[error("provided port is not in the valid range. The range of valid ports is {0}-{1}")]
    PortOutside(u16, u16),
}

/// What is taken of addresses and ports. Not stored: it is worked out of the Services at each start.
#[derive(Debug)]
pub struct Allocator {
    ports: RangeInclusive<u16>,
    pools: Mutex<Pools>,
}

#[derive(Debug)]
struct Pools {
    addresses: Addresses,
    /// By the distance from the first port.
    ports: Pool,
}

impl Allocator {
    pub fn new(ranges: &[ServiceRange], ports: RangeInclusive<u16>) -> Self {
        let pools = Pools { addresses: Addresses::new(ranges), ports: Pool::new(ports.len() as u64, 32, 128) };
        Self { ports, pools: Mutex::new(pools) }
    }

    fn locked<T>(&self, change: impl FnOnce(&mut Pools) -> T) -> T {
        change(&mut self.pools.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn take(&self, claim: Claim) -> Result<(), Refusal> {
        match claim {
            Claim::Address(address) => self.locked(|pools| pools.addresses.take(address)),
            Claim::Port(port) => {
                let (first, last) = (*self.ports.start(), *self.ports.end());
                let offset = port.checked_sub(first).map(u64::from).filter(|_| port <= last);
                let offset = offset.ok_or(Refusal::PortOutside(first, last))?;
                self.locked(|pools| pools.ports.take(offset)).then_some(()).ok_or(Refusal::PortTaken)
            }
        }
    }

    /// Takes what a stored Service holds, whatever the ranges are now.
    pub fn take_held(&self, claim: Claim) -> Result<(), Refusal> {
        match claim {
            Claim::Address(address) => {
                self.locked(|pools| pools.addresses.put(address)).then_some(()).ok_or(Refusal::AddressTaken)
            }
            Claim::Port(_) => self.take(claim),
        }
    }

    /// From now on, addresses come from these ranges.
    pub fn follow(&self, ranges: &[ServiceRange]) {
        self.locked(|pools| pools.addresses.follow(ranges));
    }

    /// Keeps these addresses, and no others, from those who ask. What somebody has already stays theirs.
    pub fn reserve(&self, addresses: BTreeSet<IpAddr>) {
        self.locked(|pools| pools.addresses.reserve(addresses));
    }

    /// The addresses that Services have, or are about to have.
    pub fn held_addresses(&self) -> BTreeSet<IpAddr> {
        self.locked(|pools| pools.addresses.held())
    }

    /// None if all are taken.
    fn take_any_address(&self) -> Option<IpAddr> {
        self.locked(|pools| pools.addresses.take_any())
    }

    fn take_any_port(&self) -> Option<u16> {
        let offset = self.locked(|pools| pools.ports.take_any())?;
        u16::try_from(offset).ok()?.checked_add(*self.ports.start())
    }

    pub fn release(&self, claim: Claim) {
        match claim {
            Claim::Address(address) => self.locked(|pools| pools.addresses.release(address)),
            Claim::Port(port) => {
                if let Some(offset) = port.checked_sub(*self.ports.start()) {
                    self.locked(|pools| pools.ports.release(u64::from(offset)));
                }
            }
        }
    }
}

/// Claims of a write that is under way. Until it is known to be done, they are given back when this is dropped.
#[derive(Debug)]
pub struct Reservation {
    allocator: Arc<Allocator>,
    taken: Vec<Claim>,
    /// To be given back when the write is done.
    let_go: Vec<Claim>,
}

impl Reservation {
    pub fn new(allocator: Arc<Allocator>) -> Self {
        Self { allocator, taken: Vec::new(), let_go: Vec::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.taken.is_empty() && self.let_go.is_empty()
    }

    fn take(&mut self, claim: Claim) -> Result<(), Refusal> {
        self.allocator.take(claim)?;
        self.taken.push(claim);
        Ok(())
    }

    fn take_any_address(&mut self) -> Option<IpAddr> {
        let address = self.allocator.take_any_address()?;
        self.taken.push(Claim::Address(address));
        Some(address)
    }

    fn take_any_port(&mut self) -> Option<u16> {
        let port = self.allocator.take_any_port()?;
        self.taken.push(Claim::Port(port));
        Some(port)
    }

    /// Claims that the object had and has no longer, once it is written.
    pub fn let_go(&mut self, claims: impl IntoIterator<Item = Claim>) {
        self.let_go.extend(claims);
    }

    /// The write is done.
    pub fn keep(mut self) {
        self.taken.clear();
        for claim in self.let_go.drain(..) {
            self.allocator.release(claim);
        }
    }

    /// Nobody knows whether the write is done: then nothing is given to others.
    pub fn forget(mut self) {
        self.taken.clear();
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        for claim in self.taken.drain(..) {
            self.allocator.release(claim);
        }
    }
}
