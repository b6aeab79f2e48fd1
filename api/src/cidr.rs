//! Ranges of IP addresses: of pods, of Services, of clients that may come in.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An address with the length of its network prefix: `127.96.0.0/16`. Bits behind the prefix are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cidr {
    network: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// The range that `address` is in. A prefix longer than the address is taken as the whole address.
    pub fn new(address: IpAddr, prefix: u8) -> Self {
        let prefix = prefix.min(if address.is_ipv4() { 32 } else { 128 });
        Self { network: masked(address, prefix), prefix }
    }

    /// The range that holds this address alone.
    pub fn single(address: IpAddr) -> Self {
        Self::new(address, u8::MAX)
    }

    pub fn network(&self) -> IpAddr {
        self.network
    }

    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// An IPv4 address written as IPv6 counts as the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.network.is_ipv4() && masked(address, self.prefix) == self.network
    }

    /// How many addresses it holds; `u128::MAX` for all of IPv6.
    pub fn size(&self) -> u128 {
        let bits = if self.network.is_ipv4() { 32 } else { 128 };
        1_u128.checked_shl(u32::from(bits - self.prefix)).unwrap_or(u128::MAX)
    }

    /// The address this far behind the first one, if it is inside.
    pub fn nth(&self, offset: u128) -> Option<IpAddr> {
        if offset >= self.size() {
            return None;
        }
        Some(match self.network {
            IpAddr::V4(first) => Ipv4Addr::from_bits(first.to_bits() + u32::try_from(offset).ok()?).into(),
            IpAddr::V6(first) => Ipv6Addr::from_bits(first.to_bits() + offset).into(),
        })
    }
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    let prefix = u32::from(prefix);
    match address {
        IpAddr::V4(address) => {
            Ipv4Addr::from_bits(address.to_bits() & u32::MAX.checked_shl(32 - prefix).unwrap_or(0)).into()
        }
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & u128::MAX.checked_shl(128 - prefix).unwrap_or(0)).into()
        }
    }
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("invalid CIDR address: {text}");
        let (address, prefix) = text.split_once('/').ok_or_else(bad)?;
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let is_number = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = prefix.parse().ok().filter(|_| is_number).ok_or_else(bad)?;
        if prefix > if address.is_ipv4() { 32 } else { 128 } { Err(bad()) } else { Ok(Self::new(address, prefix)) }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.network, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_range_holds_its_addresses_and_no_others() {
        let range = cidr("127.96.0.0/16");
        assert!(range.contains(address("127.96.255.255")) && !range.contains(address("127.97.0.0")));
        assert!(range.contains(address("::ffff:127.96.0.1")));
        assert!(!range.contains(address("::1")));
        assert!(cidr("0.0.0.0/0").contains(address("203.0.113.1")));
        assert!(cidr("::/0").contains(address("2001:db8::1")) && !cidr("::/0").contains(address("10.0.0.1")));
        assert!(Cidr::single(address("10.0.0.1")).contains(address("10.0.0.1")));
        assert!(!Cidr::single(address("10.0.0.1")).contains(address("10.0.0.2")));
    }

    #[test]
    fn addresses_are_counted_from_the_network() {
        let range = cidr("127.64.1.7/24");
        assert_eq!((range.to_string().as_str(), range.size()), ("127.64.1.0/24", 256));
        assert_eq!(range.nth(255), Some(address("127.64.1.255")));
        assert_eq!(range.nth(256), None);
        assert_eq!(cidr("::/0").size(), u128::MAX);
        assert_eq!(cidr("2001:db8::/64").nth(1 << 40), Some(address("2001:db8::100:0:0")));
    }

    #[test]
    fn what_is_not_a_range_is_refused() {
        for text in
            ["", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/+8", "::/129", "a/8", "10.0.0.0/8/8"]
        {
            assert_eq!(text.parse::<Cidr>(), Err(format!("invalid CIDR address: {text}")));
        }
    }
}
