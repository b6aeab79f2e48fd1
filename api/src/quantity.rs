//! Quantities: `500m`, `1Gi`, `0.5`. Exact arithmetic, and the canonical form of
//! upstream's `apimachinery/pkg/api/resource/quantity.go`.

use std::fmt;

/// The family of suffixes that a quantity was written in; sums keep that of their first term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `Ki Mi Gi Ti Pi Ei`.
    Binary,
    /// `n u m k M G T P E`.
    Decimal,
    /// `e3`.
    Exponent,
}

/// An amount, kept in units of 10⁻⁹.
#[derive(Debug, Clone, Copy)]
pub struct Quantity {
    nano: i128,
    format: Format,
}

const NANO: i128 = 1_000_000_000;
const BINARY: [(&str, u32); 6] = [("Ei", 60), ("Pi", 50), ("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];
const DECIMAL: [(&str, i32); 10] =
    [("E", 18), ("P", 15), ("T", 12), ("G", 9), ("M", 6), ("k", 3), ("", 0), ("m", -3), ("u", -6), ("n", -9)];

/// The text that upstream gives for every quantity that it cannot read.
const RULE: &str = "quantities must match the regular expression \
    '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

impl Quantity {
    pub const ZERO: Self = Self { nano: 0, format: Format::Decimal };

    pub fn from_units(units: i64) -> Self {
        Self { nano: i128::from(units) * NANO, format: Format::Decimal }
    }

    pub fn from_milli(milli: i64) -> Self {
        Self { nano: i128::from(milli) * (NANO / 1000), format: Format::Decimal }
    }

    /// A number of bytes, shown with a binary suffix.
    pub fn from_bytes(bytes: u64) -> Self {
        Self { nano: i128::from(bytes) * NANO, format: Format::Binary }
    }

    pub fn parse(text: &str) -> Result<Self, String> {
        let (negative, digits) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let end = digits.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(digits.len());
        let (number, suffix) = digits.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return Err(RULE.to_owned());
        }
        let (format, numerator, exponent) = Self::scale(suffix).ok_or(RULE)?;
        let nano = magnitude(whole, fraction, numerator, exponent);
        Ok(Self { nano: if negative { -nano } else { nano }, format })
    }

    /// What a suffix multiplies by: `2^power × 10^exponent`.
    fn scale(suffix: &str) -> Option<(Format, u32, i32)> {
        if let Some((_, power)) = BINARY.iter().find(|(name, _)| *name == suffix) {
            return Some((Format::Binary, *power, 0));
        }
        if let Some((_, exponent)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
            return Some((Format::Decimal, 0, *exponent));
        }
        let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
        (-1000..=1000).contains(&exponent).then_some((Format::Exponent, 0, exponent))
    }

    /// Rounded up, as upstream's `Value()`.
    pub fn units(self) -> i64 {
        saturate(ceiling(self.nano, NANO))
    }

    /// Rounded up, as upstream's `MilliValue()`.
    pub fn milli(self) -> i64 {
        saturate(ceiling(self.nano, NANO / 1000))
    }

    pub fn is_negative(self) -> bool {
        self.nano < 0
    }

    pub fn is_zero(self) -> bool {
        self.nano == 0
    }
}

fn saturate(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

fn ceiling(value: i128, unit: i128) -> i128 {
    value.div_euclid(unit) + i128::from(value.rem_euclid(unit) != 0)
}

/// The largest amount that upstream keeps: 2^63-1, in units of 10⁻⁹.
const LARGEST: i128 = i64::MAX as i128 * NANO;

/// `whole.fraction × 2^power × 10^exponent` in units of 10⁻⁹, rounded up, and capped.
fn magnitude(whole: &str, fraction: &str, power: u32, exponent: i32) -> i128 {
    // More digits than these lie beyond the cap on one side and below 10⁻⁹ on the other.
    let whole = whole.trim_start_matches('0');
    if whole.len() > 40 {
        return LARGEST;
    }
    let kept = fraction.len().min(30);
    let rest = fraction[kept..].bytes().any(|digit| digit != b'0');
    let mut value: i128 = 0;
    let mut shift = exponent + 9;
    for digit in whole.bytes().chain(fraction[..kept].bytes()) {
        let Some(next) = value.checked_mul(10).and_then(|value| value.checked_add(i128::from(digit - b'0'))) else {
            return LARGEST;
        };
        value = next;
    }
    if value == 0 {
        return i128::from(rest);
    }
    shift -= kept as i32;
    let Some(mut value) = value.checked_mul(1_i128 << power) else { return LARGEST };
    let mut inexact = rest;
    while shift < 0 {
        inexact |= value % 10 != 0;
        value /= 10;
        shift += 1;
        if value == 0 {
            break;
        }
    }
    while shift > 0 {
        match value.checked_mul(10) {
            Some(next) if next <= LARGEST => value = next,
            _ => return LARGEST,
        }
        shift -= 1;
    }
    (value + i128::from(inexact)).min(LARGEST)
}

impl std::ops::Add for Quantity {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let format = if self.nano == 0 { other.format } else { self.format };
        Self { nano: self.nano + other.nano, format }
    }
}

impl std::ops::Sub for Quantity {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        let format = if self.nano == 0 { other.format } else { self.format };
        Self { nano: self.nano - other.nano, format }
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nano == other.nano
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.nano.cmp(&other.nano)
    }
}

/// The canonical form: no fraction, the largest suffix that leaves a whole number.
impl fmt::Display for Quantity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nano == 0 {
            return write!(out, "0");
        }
        if self.format == Format::Binary && self.nano % NANO == 0 && (self.nano / NANO).abs() >= 1024 {
            let units = self.nano / NANO;
            let fits = BINARY.iter().find(|(_, power)| units % (1_i128 << power) == 0);
            let (suffix, power) = fits.copied().unwrap_or(("", 0));
            return write!(out, "{}{suffix}", units >> power);
        }
        for (suffix, exponent) in DECIMAL {
            let unit = 10_i128.pow((exponent + 9) as u32);
            if self.nano % unit == 0 {
                let amount = self.nano / unit;
                return match (self.format, exponent) {
                    (Format::Exponent, 0) => write!(out, "{amount}"),
                    (Format::Exponent, _) => write!(out, "{amount}e{exponent}"),
                    _ => write!(out, "{amount}{suffix}"),
                };
            }
        }
        unreachable!("every amount is a multiple of 10^-9")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canonical_form_is_upstreams() {
        for (written, canonical) in [
            ("0", "0"),
            ("0.5", "500m"),
            ("1.0", "1"),
            ("1000m", "1"),
            ("1024Mi", "1Gi"),
            ("1000Mi", "1000Mi"),
            ("1.5Gi", "1536Mi"),
            ("0.5Ki", "512"),
            ("1000k", "1M"),
            ("1e3", "1e3"),
            ("12e6", "12e6"),
            ("100n", "100n"),
            ("0.1n", "1n"),
            ("-1.5", "-1500m"),
            ("+3", "3"),
            (".5", "500m"),
            ("5.", "5"),
            ("1E", "1E"),
            ("9999999999999999999E", "9223372036854775807"),
        ] {
            assert_eq!(Quantity::parse(written).unwrap().to_string(), canonical, "{written}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "x", "1x", "1.2.3", "--1", "1 Gi", "e3", ".", "1e", "1e99999"] {
            assert!(Quantity::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn values_are_rounded_up() {
        assert_eq!(Quantity::parse("1500m").unwrap().units(), 2);
        assert_eq!(Quantity::parse("1.0001").unwrap().milli(), 1001);
        assert_eq!(Quantity::parse("128Mi").unwrap().units(), 128 << 20);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_reads_back(text in "[+-]?[0-9.]{0,25}[eEinumkKMGTP]{0,2}[-+]?[0-9]{0,3}") {
            if let Ok(quantity) = Quantity::parse(&text) {
                let again = Quantity::parse(&quantity.to_string()).unwrap();
                proptest::prop_assert_eq!(again, quantity);
            }
        }
    }
}
