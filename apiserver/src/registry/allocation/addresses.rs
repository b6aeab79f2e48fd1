//! The addresses of all ranges for Services. Ranges may overlap: an address is taken in all that it lies in.

use std::collections::BTreeSet;
use std::net::IpAddr;

use api::cidr::Cidr;

use crate::registry::allocation::Refusal;
use crate::registry::allocation::pool::Pool;

/// A range as it is wanted: out of one that is not ready nothing is given any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceRange {
    pub cidr: Cidr,
    pub is_ready: bool,
}

#[derive(Debug)]
pub struct Addresses {
    /// Those who ask for any address get one of the first range that has one left.
    ranges: Vec<Range>,
    taken: BTreeSet<IpAddr>,
    /// Of `taken`, what was taken for nobody.
    reserved: BTreeSet<IpAddr>,
}

impl Addresses {
    pub fn new(ranges: &[ServiceRange]) -> Self {
        let mut addresses = Self { ranges: Vec::new(), taken: BTreeSet::new(), reserved: BTreeSet::new() };
        addresses.follow(ranges);
        addresses
    }

    /// From now on these are the ranges. What is taken stays so, wherever it lies.
    pub fn follow(&mut self, ranges: &[ServiceRange]) {
        let mut before = std::mem::take(&mut self.ranges);
        for ServiceRange { cidr, is_ready } in ranges {
            // Two may name the same.
            if let Some(same) = self.ranges.iter_mut().find(|range| range.cidr == *cidr) {
                same.is_ready |= is_ready;
                continue;
            }
            let known = before.iter().position(|range| range.cidr == *cidr);
            let range = known.map_or_else(|| Range::new(*cidr, &self.taken), |index| before.swap_remove(index));
            self.ranges.push(Range { is_ready: *is_ready, ..range });
        }
    }

    pub fn take(&mut self, address: IpAddr) -> Result<(), Refusal> {
        let ready = || self.ranges.iter().filter(|range| range.is_ready && range.cidr.contains(address));
        let range = ready().next().ok_or(Refusal::AddressOutside)?;
        if ready().all(|range| range.offset(address).is_none()) {
            return Err(Refusal::AddressUnusable(address, range.cidr));
        }
        if self.put(address) { Ok(()) } else { Err(Refusal::AddressTaken) }
    }

    /// Takes an address that somebody has already, wherever it lies. False if another has it too.
    pub fn put(&mut self, address: IpAddr) -> bool {
        let is_new = self.taken.insert(address);
        for range in &mut self.ranges {
            if let Some(offset) = range.offset(address) {
                range.pool.take(offset);
            }
        }
        is_new
    }

    /// None if all are taken.
    pub fn take_any(&mut self) -> Option<IpAddr> {
        let address = self.ranges.iter_mut().filter(|range| range.is_ready).find_map(Range::take_any)?;
        self.put(address);
        Some(address)
    }

    pub fn release(&mut self, address: IpAddr) {
        self.taken.remove(&address);
        for range in &mut self.ranges {
            if let Some(offset) = range.offset(address) {
                range.pool.release(offset);
            }
        }
    }

    /// Keeps these addresses, and no others, from those who ask. What somebody has already stays theirs.
    pub fn reserve(&mut self, mut addresses: BTreeSet<IpAddr>) {
        let before = std::mem::take(&mut self.reserved);
        before.difference(&addresses).for_each(|gone| self.release(*gone));
        addresses.retain(|address| before.contains(address) || self.put(*address));
        self.reserved = addresses;
    }

    /// What Services have, or are about to have.
    pub fn held(&self) -> BTreeSet<IpAddr> {
        self.taken.difference(&self.reserved).copied().collect()
    }
}

#[derive(Debug)]
struct Range {
    cidr: Cidr,
    is_ready: bool,
    /// By the distance from the second address: the first is that of the network.
    pool: Pool,
}

impl Range {
    fn new(cidr: Cidr, taken: &BTreeSet<IpAddr>) -> Self {
        // Without the first address, and in IPv4 without the last, which is for broadcasts.
        let unusable = if cidr.network().is_ipv4() { 2 } else { 1 };
        let size = u64::try_from(cidr.size().saturating_sub(unusable)).unwrap_or(u64::MAX).min(1 << 32);
        let mut range = Self { cidr, is_ready: true, pool: Pool::new(size, 16, 256) };
        for offset in taken.iter().filter_map(|address| range.offset(*address)).collect::<Vec<_>>() {
            range.pool.take(offset);
        }
        range
    }

    fn take_any(&mut self) -> Option<IpAddr> {
        let offset = self.pool.take_any()?;
        self.cidr.nth(u128::from(offset) + 1)
    }

    /// Where an address stands in the pool, if it can be given out at all.
    fn offset(&self, address: IpAddr) -> Option<u64> {
        if !self.cidr.contains(address) {
            return None;
        }
        let distance = match (address, self.cidr.network()) {
            (IpAddr::V4(address), IpAddr::V4(first)) => u128::from(address.to_bits() - first.to_bits()),
            (IpAddr::V6(address), IpAddr::V6(first)) => address.to_bits() - first.to_bits(),
            _ => return None,
        };
        let offset = u64::try_from(distance.checked_sub(1)?).ok()?;
        self.pool.has(offset).then_some(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(cidr: &str) -> ServiceRange {
        ServiceRange { cidr: cidr.parse().unwrap(), is_ready: true }
    }

    fn closing(cidr: &str) -> ServiceRange {
        ServiceRange { is_ready: false, ..ready(cidr) }
    }

    fn at(address: &str) -> IpAddr {
        address.parse().unwrap()
    }

    #[test]
    fn the_next_range_is_used_when_one_is_full() {
        let mut addresses = Addresses::new(&[ready("10.0.0.0/30"), ready("10.1.0.0/30")]);
        let all: Vec<IpAddr> = std::iter::from_fn(|| addresses.take_any()).collect();
        assert_eq!(all, ["10.0.0.1", "10.0.0.2", "10.1.0.1", "10.1.0.2"].map(at));
        addresses.follow(&[ready("10.0.0.0/30"), ready("10.1.0.0/30"), ready("10.2.0.0/30")]);
        assert_eq!(addresses.take_any(), Some(at("10.2.0.1")));
    }

    #[test]
    fn an_address_is_taken_in_every_range_that_it_lies_in() {
        let mut addresses = Addresses::new(&[ready("10.0.0.0/29")]);
        assert_eq!(addresses.take_any(), Some(at("10.0.0.1")));
        addresses.follow(&[ready("10.0.0.0/29"), ready("10.0.0.0/28"), ready("10.0.0.0/29")]);
        assert_eq!(addresses.take(at("10.0.0.1")), Err(Refusal::AddressTaken));
        // The last of the small range is one of many of the large one.
        assert_eq!(addresses.take(at("10.0.0.7")), Ok(()));
        let rest: BTreeSet<IpAddr> = std::iter::from_fn(|| addresses.take_any()).collect();
        assert_eq!(rest.len(), 14 - 2);
        addresses.release(at("10.0.0.2"));
        addresses.follow(&[ready("10.0.0.0/28")]);
        assert_eq!(addresses.take_any(), Some(at("10.0.0.2")));
    }

    #[test]
    fn out_of_a_range_that_closes_nothing_is_given_and_what_is_taken_stays_so() {
        let mut addresses = Addresses::new(&[ready("10.0.0.0/30")]);
        assert_eq!(addresses.take(at("10.0.0.1")), Ok(()));
        addresses.follow(&[closing("10.0.0.0/30")]);
        assert_eq!((addresses.take_any(), addresses.take(at("10.0.0.2"))), (None, Err(Refusal::AddressOutside)));
        assert_eq!(addresses.held(), BTreeSet::from([at("10.0.0.1")]));
        addresses.follow(&[]);
        addresses.follow(&[ready("10.0.0.0/30")]);
        assert_eq!((addresses.take_any(), addresses.take_any()), (Some(at("10.0.0.2")), None));
    }

    #[test]
    fn the_ends_of_a_range_are_nobodys() {
        let mut addresses = Addresses::new(&[ready("10.0.0.0/29"), ready("fd00::/126")]);
        for end in ["10.0.0.0", "10.0.0.7", "fd00::"] {
            assert!(matches!(addresses.take(at(end)), Err(Refusal::AddressUnusable(..))), "{end}");
        }
        assert_eq!(addresses.take(at("fd00::3")), Ok(()));
    }

    #[test]
    fn what_is_reserved_is_held_by_nobody() {
        let mut addresses = Addresses::new(&[ready("10.0.0.0/29")]);
        assert_eq!(addresses.take(at("10.0.0.1")), Ok(()));
        addresses.reserve(BTreeSet::from(["10.0.0.1", "10.0.0.2"].map(at)));
        assert_eq!(addresses.take(at("10.0.0.2")), Err(Refusal::AddressTaken));
        assert_eq!(addresses.held(), BTreeSet::from([at("10.0.0.1")]));
        addresses.reserve(BTreeSet::new());
        assert_eq!(
            (addresses.take(at("10.0.0.2")), addresses.take(at("10.0.0.1"))),
            (Ok(()), Err(Refusal::AddressTaken))
        );
    }
}
