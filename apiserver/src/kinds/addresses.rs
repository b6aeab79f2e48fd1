//! Rules of IP addresses and ranges that are written in one way only.

use std::net::IpAddr;

use api::cidr::Cidr;
use api::field::{FieldError, FieldErrors, Path};

const ADDRESS: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
const RANGE: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
const INTERFACE: &str = "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)";
const ZEROS_IN_RANGE: &str = "must not have leading 0s in IP or prefix length";

/// An address that means the same to every reader, in whatever form.
pub fn plain_ip(value: &str) -> Result<IpAddr, &'static str> {
    let address: IpAddr = value.parse().map_err(|_| leading_zeros(value).unwrap_or(ADDRESS))?;
    if is_mapped(address) { Err("must not be an IPv4-mapped IPv6 address") } else { Ok(address) }
}

/// An address in its canonical form: one address has one name.
pub fn canonical_ip(value: &str) -> Result<(), String> {
    let address = plain_ip(value)?;
    if address.to_string() != value {
        return Err(format!("must be in canonical form (\"{address}\")"));
    }
    Ok(())
}

/// A range that means the same to every reader, in whatever form.
pub fn range(errors: &mut FieldErrors, path: &Path, value: &str) -> Option<Cidr> {
    let refusal = match (value.parse::<Cidr>(), value.split_once('/')) {
        (Ok(parsed), Some((address, prefix))) => match address.parse::<IpAddr>() {
            _ if prefix.len() > 1 && prefix.starts_with('0') => ZEROS_IN_RANGE,
            Ok(address) if is_mapped(address) => "must not have an IPv4-mapped IPv6 address",
            Ok(address) if address != parsed.network() => "must not have bits set beyond the prefix length",
            _ => return Some(parsed),
        },
        (_, Some((address, _))) if leading_zeros(address).is_some() => ZEROS_IN_RANGE,
        _ => RANGE,
    };
    errors.push(FieldError::invalid(path, value, refusal));
    None
}

/// An address with the length of its network's prefix, in its canonical form: `10.9.8.7/24`.
pub fn canonical_interface(value: &str) -> Result<(), String> {
    let parts = value.split_once('/').filter(|_| value.parse::<Cidr>().is_ok());
    let parsed = parts.and_then(|(address, prefix)| Some((address.parse().ok()?, prefix.parse().ok()?)));
    let (address, mut prefix): (IpAddr, u8) = parsed.ok_or(INTERFACE)?;
    if is_mapped(address) && prefix > 32 {
        prefix -= 96;
    }
    let canonical = format!("{}/{prefix}", address.to_canonical());
    if canonical == value { Ok(()) } else { Err(format!("must be in canonical form (\"{canonical}\")")) }
}

/// What is to be said of a range that old fields allow, if it may mean something else to another reader.
pub fn doubtful_range(value: &str, path: &Path) -> Option<String> {
    let parsed: Cidr = value.parse().ok()?;
    let address: IpAddr = value.split_once('/')?.0.parse().ok()?;
    if address != parsed.network() {
        let single = Cidr::single(address);
        return Some(format!(
            "{path}: CIDR value {value:?} is ambiguous in this context (should be \"{parsed}\" or \"{single}\"?)"
        ));
    }
    (address.is_ipv6() && parsed.to_string() != value)
        .then(|| format!("{path}: IPv6 CIDR value {value:?} should be in RFC 5952 canonical format (\"{parsed}\")"))
}

/// A range in its canonical form.
pub fn canonical_range(errors: &mut FieldErrors, path: &Path, value: &str) -> Option<Cidr> {
    let parsed = range(errors, path, value)?;
    if parsed.to_string() != value {
        errors.push(FieldError::invalid(path, value, format!("must be in canonical form (\"{parsed}\")")));
    }
    Some(parsed)
}

fn is_mapped(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.to_ipv4_mapped().is_some())
}

/// `010.0.0.1` means two things to two readers.
fn leading_zeros(value: &str) -> Option<&'static str> {
    let parts: Vec<&str> = value.split('.').collect();
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let has_zeros = parts.iter().any(|part| part.len() > 1 && part.starts_with('0'));
    (parts.len() == 4 && parts.iter().all(is_number) && has_zeros).then_some("must not have leading 0s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_name() {
        for value in ["10.0.0.1", "2001:db8::1", "::"] {
            assert_eq!(canonical_ip(value), Ok(()), "{value}");
        }
        for (value, why) in [
            ("x", ADDRESS),
            ("", ADDRESS),
            ("010.0.0.1", "must not have leading 0s"),
            ("::ffff:1.2.3.4", "must not be an IPv4-mapped IPv6 address"),
            ("2001:DB8::1", "must be in canonical form (\"2001:db8::1\")"),
            ("2001:db8:0::1", "must be in canonical form (\"2001:db8::1\")"),
        ] {
            assert_eq!(canonical_ip(value).unwrap_err(), why, "{value}");
        }
    }

    #[test]
    fn a_range_that_may_mean_two_things_is_doubted() {
        let told = |value: &str| doubtful_range(value, &Path::new("x"));
        assert_eq!(told("10.0.0.0/8"), None);
        let ambiguous = "x: CIDR value \"10.1.2.3/8\" is ambiguous in this context (should be \"10.0.0.0/8\" or \
                         \"10.1.2.3/32\"?)";
        assert_eq!(told("10.1.2.3/8").as_deref(), Some(ambiguous));
        let format = "x: IPv6 CIDR value \"2001:DB8::/64\" should be in RFC 5952 canonical format (\"2001:db8::/64\")";
        assert_eq!(told("2001:DB8::/64").as_deref(), Some(format));
    }

    #[test]
    fn an_address_in_its_network_has_one_name() {
        for value in ["10.9.8.7/24", "2001:db8::1/64"] {
            assert_eq!(canonical_interface(value), Ok(()), "{value}");
        }
        for (value, why) in [
            ("10.9.8.7", INTERFACE),
            ("10.9.8.7/33", INTERFACE),
            ("2001:DB8::1/64", "must be in canonical form (\"2001:db8::1/64\")"),
            ("::ffff:10.9.8.7/120", "must be in canonical form (\"10.9.8.7/24\")"),
        ] {
            assert_eq!(canonical_interface(value).unwrap_err(), why, "{value}");
        }
    }

    #[test]
    fn a_range_has_one_name() {
        let told = |value: &str| {
            let mut errors = FieldErrors::default();
            canonical_range(&mut errors, &Path::new("x"), value);
            errors.0.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(told("10.0.0.0/8"), [""; 0]);
        assert_eq!(told("10.0.0.1"), [format!("x: Invalid value: \"10.0.0.1\": {RANGE}")]);
        let bits = "x: Invalid value: \"10.0.0.1/8\": must not have bits set beyond the prefix length";
        assert_eq!(told("10.0.0.1/8"), [bits]);
        let zeros = "x: Invalid value: \"010.0.0.0/8\": must not have leading 0s in IP or prefix length";
        assert_eq!(told("010.0.0.0/8"), [zeros]);
        let form = "x: Invalid value: \"2001:DB8::/64\": must be in canonical form (\"2001:db8::/64\")";
        assert_eq!(told("2001:DB8::/64"), [form]);
    }
}
