//! Small helpers for reading JSON into slim types: lenient, since it was the API server that validated.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `null` reads as the default.
pub fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A time; one that cannot be read counts as absent.
pub fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
    Ok(text.and_then(|text| text.parse().ok()))
}

/// A time as objects carry it: whole seconds.
pub fn seconds<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(&in_seconds(*time)),
        None => serializer.serialize_none(),
    }
}

/// Counts of nothing are left out of objects: in a merge patch, `null` takes them out.
pub fn unless_zero<S: Serializer, N: Into<i64> + Copy>(count: &N, serializer: S) -> Result<S::Ok, S::Error> {
    match (*count).into() {
        0 => serializer.serialize_none(),
        count => serializer.serialize_i64(count),
    }
}

/// As `unless_zero`, for lists.
pub fn unless_empty<S: Serializer, T: Serialize>(list: &Vec<T>, serializer: S) -> Result<S::Ok, S::Error> {
    if list.is_empty() { serializer.serialize_none() } else { list.serialize(serializer) }
}

/// The same moment without its fraction of a second.
pub fn in_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// A number or a string, as ports and surge limits are written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(untagged)]
pub enum IntOrString {
    Int(i32),
    Text(Box<str>),
}

impl IntOrString {
    /// The number, or so many percent of `total`, rounded up. Nothing, if it is neither.
    pub fn share_up(&self, total: i32) -> Option<i32> {
        self.share(total, |product| (product + 99).div_euclid(100))
    }

    /// As `share_up`, rounded down.
    pub fn share_down(&self, total: i32) -> Option<i32> {
        self.share(total, |product| product.div_euclid(100))
    }

    fn share(&self, total: i32, round: fn(i64) -> i64) -> Option<i32> {
        match self {
            Self::Int(number) => Some(*number),
            Self::Text(text) => {
                let percent: i32 = text.strip_suffix('%')?.parse().ok()?;
                Some(i32::try_from(round(i64::from(percent) * i64::from(total))).unwrap_or(i32::MAX))
            }
        }
    }
}

impl Default for IntOrString {
    fn default() -> Self {
        Self::Int(0)
    }
}
