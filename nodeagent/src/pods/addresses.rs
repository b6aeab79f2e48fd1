//! The addresses that a node gives to its pods.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use api::cidr::Cidr;

/// The first address names the network, the second is kept for the node, and the last is for broadcasts.
const KEPT_BEFORE: u128 = 2;
const KEPT: u128 = 3;

/// Gives addresses out in turn, so that one just freed is not given out again at once.
#[derive(Debug)]
pub struct Pool {
    range: Cidr,
    /// Where the search for a free one begins.
    next: u128,
    taken: HashSet<IpAddr>,
    owned: HashMap<Box<str>, IpAddr>,
}

impl Pool {
    pub fn new(range: Cidr) -> Self {
        Self { range, next: 0, taken: HashSet::new(), owned: HashMap::new() }
    }

    /// A free address for the pod; the same one if it has one.
    pub fn allocate(&mut self, uid: &str) -> Option<IpAddr> {
        if let Some(address) = self.owned.get(uid) {
            return Some(*address);
        }
        let size = self.size();
        for step in 0..size {
            let offset = (self.next + step) % size;
            let address = self.range.nth(KEPT_BEFORE + offset)?;
            if !self.taken.contains(&address) {
                self.next = (offset + 1) % size;
                self.take(uid, address);
                return Some(address);
            }
        }
        None
    }

    /// Notes that the pod has this address already. False if another has it, or it is none of ours.
    pub fn adopt(&mut self, uid: &str, address: IpAddr) -> bool {
        if let Some(held) = self.owned.get(uid) {
            return *held == address;
        }
        if !self.range.contains(address) || self.taken.contains(&address) {
            return false;
        }
        self.take(uid, address);
        true
    }

    pub fn release(&mut self, uid: &str) {
        if let Some(address) = self.owned.remove(uid) {
            self.taken.remove(&address);
        }
    }

    fn size(&self) -> u128 {
        self.range.size().saturating_sub(KEPT)
    }

    fn take(&mut self, uid: &str, address: IpAddr) {
        self.taken.insert(address);
        self.owned.insert(uid.into(), address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(range: &str) -> Pool {
        Pool::new(range.parse().unwrap())
    }

    #[test]
    fn addresses_go_round_and_are_kept_by_their_pods() {
        let mut pool = pool("127.64.1.0/29");
        let all: Vec<String> = ["a", "b", "c", "d", "e"].map(|uid| pool.allocate(uid).unwrap().to_string()).into();
        assert_eq!(all, ["127.64.1.2", "127.64.1.3", "127.64.1.4", "127.64.1.5", "127.64.1.6"]);
        assert_eq!(pool.allocate("f"), None);
        assert_eq!(pool.allocate("a").unwrap().to_string(), "127.64.1.2");
        pool.release("a");
        pool.release("d");
        assert_eq!(pool.allocate("f").unwrap().to_string(), "127.64.1.2");
        assert_eq!(pool.allocate("g").unwrap().to_string(), "127.64.1.5");
    }

    #[test]
    fn a_range_without_room_gives_nothing() {
        assert_eq!(pool("127.64.1.0/31").allocate("a"), None);
    }

    #[test]
    fn an_address_from_before_is_adopted_once() {
        let mut pool = pool("127.64.1.0/24");
        let address: IpAddr = "127.64.1.2".parse().unwrap();
        assert!(pool.adopt("a", address) && pool.adopt("a", address));
        assert!(!pool.adopt("b", address));
        assert!(!pool.adopt("b", "127.64.2.9".parse().unwrap()));
        assert_eq!(pool.allocate("b").unwrap().to_string(), "127.64.1.3");
    }
}
