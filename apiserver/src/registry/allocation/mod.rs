//! Addresses and node ports of Services: given out here, and to no two of them.

mod pool;
mod service;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};

use api::cidr::Cidr;

use crate::registry::allocation::pool::Pool;

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
    #[error("the provided IP ({0}) is not in the valid range. The range of valid IPs is {1}")]
    AddressOutside(IpAddr, Cidr),
    #[error("provided port is already allocated")]
    PortTaken,
    #[error("provided port is not in the valid range. The range of valid ports is {0}-{1}")]
    PortOutside(u16, u16),
}

/// What is taken of both ranges. Not stored: it is worked out of the Services at each start.
#[derive(Debug)]
pub struct Allocator {
    range: Cidr,
    ports: RangeInclusive<u16>,
    pools: Mutex<Pools>,
}

#[derive(Debug)]
struct Pools {
    /// By the distance from the second address: the first is that of the network.
    addresses: Pool,
    /// By the distance from the first port.
    ports: Pool,
    /// Addresses that were taken for nobody.
    reserved: BTreeSet<IpAddr>,
}

impl Allocator {
    pub fn new(range: Cidr, ports: RangeInclusive<u16>) -> Self {
        // Without the first address, and in IPv4 without the last, which is for broadcasts.
        let unusable = if range.network().is_ipv4() { 2 } else { 1 };
        let size = u64::try_from(range.size().saturating_sub(unusable)).unwrap_or(u64::MAX).min(1 << 32);
        let pools = Pools {
            addresses: Pool::new(size, 16, 256),
            ports: Pool::new(ports.len() as u64, 32, 128),
            reserved: BTreeSet::new(),
        };
        Self { range, ports, pools: Mutex::new(pools) }
    }

    fn locked<T>(&self, change: impl FnOnce(&mut Pools) -> T) -> T {
        change(&mut self.pools.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn offset(&self, address: IpAddr) -> Option<u64> {
        if !self.range.contains(address) {
            return None;
        }
        let distance = match (address, self.range.network()) {
            (IpAddr::V4(address), IpAddr::V4(first)) => u128::from(address.to_bits() - first.to_bits()),
            (IpAddr::V6(address), IpAddr::V6(first)) => address.to_bits() - first.to_bits(),
            _ => return None,
        };
        u64::try_from(distance.checked_sub(1)?).ok()
    }

    pub fn take(&self, claim: Claim) -> Result<(), Refusal> {
        let refused = match claim {
            Claim::Address(address) => {
                let outside = Refusal::AddressOutside(address, self.range);
                let offset = self.offset(address).ok_or(outside)?;
                (!self.locked(|pools| pools.addresses.take(offset))).then_some(Refusal::AddressTaken)
            }
            Claim::Port(port) => {
                if !self.ports.contains(&port) {
                    return Err(Refusal::PortOutside(*self.ports.start(), *self.ports.end()));
                }
                let offset = u64::from(port - self.ports.start());
                (!self.locked(|pools| pools.ports.take(offset))).then_some(Refusal::PortTaken)
            }
        };
        refused.map_or(Ok(()), Err)
    }

    pub fn range(&self) -> Cidr {
        self.range
    }

    /// Keeps these addresses, and no others, from those who ask. What somebody has already stays theirs.
    pub fn reserve(&self, mut addresses: BTreeSet<IpAddr>) {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::take(&mut pools.reserved);
        for gone in before.difference(&addresses).filter_map(|address| self.offset(*address)) {
            pools.addresses.release(gone);
        }
        addresses.retain(|address| {
            let offset = self.offset(*address);
            before.contains(address) || offset.is_some_and(|offset| pools.addresses.take(offset))
        });
        pools.reserved = addresses;
    }

    /// None if all are taken.
    fn take_any_address(&self) -> Option<IpAddr> {
        let offset = self.locked(|pools| pools.addresses.take_any())?;
        self.range.nth(u128::from(offset) + 1)
    }

    fn take_any_port(&self) -> Option<u16> {
        let offset = self.locked(|pools| pools.ports.take_any())?;
        u16::try_from(offset).ok()?.checked_add(*self.ports.start())
    }

    pub fn release(&self, claim: Claim) {
        match claim {
            Claim::Address(address) => {
                if let Some(offset) = self.offset(address) {
                    self.locked(|pools| pools.addresses.release(offset));
                }
            }
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
