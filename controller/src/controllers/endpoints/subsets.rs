//! The canonical form of subsets: addresses with the same ports together, all sorted, at most a thousand.

use std::collections::{BTreeMap, BTreeSet};

use crate::kinds::endpoints::{Address, Port, Subset};

/// How many addresses Endpoints hold.
const CAPACITY: usize = 1000;

/// One address behind one port; behind none for a headless Service without ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub address: Address,
    pub port: Option<Port>,
    pub is_ready: bool,
}

/// Two pods may have one address; then they are told apart by uid.
type AddressKey = (Box<str>, Box<str>);

fn key(address: &Address) -> AddressKey {
    (address.ip.clone(), address.target_ref.as_ref().map(|target| target.uid.clone()).unwrap_or_default())
}

/// An address that is ready on one set of ports and not on another is in both.
pub fn pack(places: Vec<Place>) -> Vec<Subset> {
    let mut addresses: BTreeMap<AddressKey, Address> = BTreeMap::new();
    let mut by_port: BTreeMap<Option<Port>, BTreeMap<AddressKey, bool>> = BTreeMap::new();
    for Place { address, port, is_ready } in places {
        let key = key(&address);
        let ready = by_port.entry(port).or_default().entry(key.clone()).or_insert(true);
        *ready &= is_ready;
        addresses.entry(key).or_insert(address);
    }
    let mut by_addresses: BTreeMap<BTreeMap<AddressKey, bool>, BTreeSet<Port>> = BTreeMap::new();
    for (port, ready) in by_port {
        by_addresses.entry(ready).or_default().extend(port);
    }
    let subset = |(ready, ports): (BTreeMap<AddressKey, bool>, BTreeSet<Port>)| {
        let of = |wanted: bool| {
            let keys = ready.iter().filter(|(_, is_ready)| **is_ready == wanted).map(|(key, _)| key);
            keys.map(|key| addresses[key].clone()).collect()
        };
        Subset { addresses: of(true), not_ready_addresses: of(false), ports: ports.into_iter().collect() }
    };
    let mut subsets: Vec<Subset> = by_addresses.into_iter().map(subset).collect();
    subsets.sort_by(|one, two| one.ports.cmp(&two.ports).then_with(|| one.cmp(two)));
    subsets
}

/// Whether there were too many addresses. Those that are ready stay first; each subset keeps its part.
pub fn truncate(subsets: &mut [Subset]) -> bool {
    let ready: usize = subsets.iter().map(|subset| subset.addresses.len()).sum();
    let not_ready: usize = subsets.iter().map(|subset| subset.not_ready_addresses.len()).sum();
    if ready + not_ready <= CAPACITY {
        return false;
    }
    let cuts_ready = ready > CAPACITY;
    let (room, total) = if cuts_ready { (CAPACITY, ready) } else { (CAPACITY - ready, not_ready) };
    let mut left = room;
    for subset in subsets {
        let list = if cuts_ready { &subset.addresses } else { &subset.not_ready_addresses };
        let part = (list.len() * room).div_ceil(total).min(left).min(list.len());
        left -= part;
        let kept = list[..part].into();
        if cuts_ready {
            subset.addresses = kept;
            subset.not_ready_addresses = Box::default();
        } else {
            subset.not_ready_addresses = kept;
        }
    }
    true
}

pub fn count(subsets: &[Subset]) -> usize {
    subsets.iter().map(|subset| subset.addresses.len() + subset.not_ready_addresses.len()).sum()
}

pub fn is_over_capacity(subsets: &[Subset]) -> bool {
    count(subsets) > CAPACITY
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(ip: &str, port: i32, is_ready: bool) -> Place {
        let port = (port > 0).then(|| Port { port, ..Port::default() });
        Place { address: Address { ip: ip.into(), ..Address::default() }, port, is_ready }
    }

    fn told(subsets: &[Subset]) -> Vec<String> {
        let ips = |list: &[Address]| list.iter().map(|address| address.ip.to_string()).collect::<Vec<_>>().join(",");
        let ports = |list: &[Port]| list.iter().map(|port| port.port.to_string()).collect::<Vec<_>>().join(",");
        let tell = |subset: &Subset| {
            format!("{}|{}:{}", ips(&subset.addresses), ips(&subset.not_ready_addresses), ports(&subset.ports))
        };
        subsets.iter().map(tell).collect()
    }

    #[test]
    fn addresses_with_the_same_ports_are_together() {
        let places = vec![place("2", 80, true), place("1", 80, true), place("1", 443, true), place("2", 443, true)];
        assert_eq!(told(&pack(places)), ["1,2|:80,443"]);
    }

    #[test]
    fn addresses_with_other_ports_are_apart() {
        let places = vec![place("1", 80, true), place("2", 8080, true), place("3", 80, false)];
        assert_eq!(told(&pack(places)), ["1|3:80", "2|:8080"]);
    }

    #[test]
    fn an_address_may_be_ready_on_one_port_only() {
        let places = vec![place("1", 80, true), place("1", 443, false)];
        assert_eq!(told(&pack(places)), ["1|:80", "|1:443"]);
    }

    #[test]
    fn not_ready_wins_over_ready() {
        assert_eq!(told(&pack(vec![place("1", 80, true), place("1", 80, false)])), ["|1:80"]);
    }

    #[test]
    fn without_ports_there_are_addresses_all_the_same() {
        assert_eq!(told(&pack(vec![place("1", 0, true), place("2", 0, false)])), ["1|2:"]);
    }

    #[test]
    fn pods_that_share_an_address_are_told_apart() {
        let mut other = place("1", 80, true);
        let target = crate::kinds::endpoint_slice::TargetRef { uid: "u".into(), ..Default::default() };
        other.address.target_ref = Some(Box::new(target));
        assert_eq!(told(&pack(vec![place("1", 80, true), other])), ["1,1|:80"]);
    }

    #[test]
    fn too_many_addresses_are_cut_and_the_ready_ones_stay() {
        let many = |ready: usize, not_ready: usize| {
            let name = |prefix: &str, index: usize| format!("{prefix}{index}");
            let ready = (0..ready).map(|index| place(&name("r", index), 80, true));
            ready.chain((0..not_ready).map(|index| place(&name("n", index), 80, false))).collect::<Vec<_>>()
        };
        let cut = |places: Vec<Place>| {
            let mut subsets = pack(places);
            let was_cut = truncate(&mut subsets);
            let sizes: Vec<(usize, usize)> =
                subsets.iter().map(|subset| (subset.addresses.len(), subset.not_ready_addresses.len())).collect();
            (was_cut, sizes)
        };
        assert_eq!(cut(many(600, 400)), (false, vec![(600, 400)]));
        assert_eq!(cut(many(600, 500)), (true, vec![(600, 400)]));
        assert_eq!(cut(many(1200, 500)), (true, vec![(1000, 0)]));
        let mut uneven = many(1000, 0);
        uneven.extend((0..500).map(|index| place(&format!("x{index}"), 443, true)));
        assert_eq!(cut(uneven), (true, vec![(667, 0), (333, 0)]));
    }
}
