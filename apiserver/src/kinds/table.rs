//! What cells of tables have in common: ages, lists, labels.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::Metadata;
use k8s_openapi::api::core::v1::PodSpec;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, Time};
use serde_json::Value;

use crate::kinds::facts::ColumnHead;
use crate::kinds::kind::Column;

pub const NONE: &str = "<none>";
pub const UNKNOWN: &str = "<unknown>";
/// What the columns say that all workloads have.
pub const CONTAINERS: &str = "Names of the template's containers.";
pub const IMAGES: &str = "Images of the template's containers.";
pub const SELECTOR: &str = "Labels of the pods that belong to it.";

/// The column that every kind has first.
pub const fn name_column<K: Metadata<Ty = ObjectMeta>>() -> Column<K> {
    let head =
        ColumnHead { name: "Name", kind: "string", format: "name", description: "The object's name.", priority: 0 };
    Column { head, cell: |object, _| Value::from(object.metadata().name.clone().unwrap_or_default()) }
}

/// How long ago the object was made.
pub const fn age_column<K: Metadata<Ty = ObjectMeta>>() -> Column<K> {
    Column::new("Age", "string", "How long ago the object was created.", |object, now| {
        since(object.metadata().creation_timestamp.as_ref(), now).into()
    })
}

/// What stands in place of the age where upstream has not thought of columns.
pub const fn created_at_column<K: Metadata<Ty = ObjectMeta>>() -> Column<K> {
    Column::new("Created At", "date", "When the object was created.", |object, _| {
        object.metadata().creation_timestamp.as_ref().map_or(Value::Null, |time| serde_json::json!(time))
    })
}

pub fn since(then: Option<&Time>, now: Timestamp) -> String {
    then.map_or_else(|| UNKNOWN.to_owned(), |then| human_duration(now.as_second() - then.0.as_second()))
}

/// Seconds as people say them: two units at most, fewer as they grow.
pub fn human_duration(seconds: i64) -> String {
    let two = |large: i64, unit: char, small: i64, rest: char| {
        if small == 0 { format!("{large}{unit}") } else { format!("{large}{unit}{small}{rest}") }
    };
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let (days, years) = (hours / 24, hours / 24 / 365);
    match seconds {
        ..-1 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        _ if minutes < 10 => two(minutes, 'm', seconds % 60, 's'),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => two(hours, 'h', minutes % 60, 'm'),
        _ if hours < 48 => format!("{hours}h"),
        _ if days < 8 => two(days, 'd', hours % 24, 'h'),
        _ if years < 2 => format!("{days}d"),
        _ if years < 8 => two(years, 'y', days % 365, 'd'),
        _ => format!("{years}y"),
    }
}

/// `text`, or `<none>` for an empty one.
pub fn or_none(text: &str) -> &str {
    if text.is_empty() { NONE } else { text }
}

/// `text`, or `<unset>` where there is none.
pub fn or_unset(text: Option<&str>) -> &str {
    text.unwrap_or("<unset>")
}

/// `a=b,c=d`.
pub fn pairs(pairs: Option<&BTreeMap<String, String>>) -> String {
    let list: Vec<String> = pairs.into_iter().flatten().map(|(key, value)| format!("{key}={value}")).collect();
    or_none(&list.join(",")).to_owned()
}

pub fn selector(selector: &LabelSelector) -> String {
    match api::selector::LabelSelector::from_object(selector) {
        Ok(selector) => or_none(&selector.to_string()).to_owned(),
        Err(_) => "<error>".to_owned(),
    }
}

/// The names of a template's containers, and their images.
pub fn containers(spec: Option<&PodSpec>) -> String {
    let names = spec.into_iter().flat_map(|spec| &spec.containers).map(|container| container.name.as_str());
    names.collect::<Vec<_>>().join(",")
}

pub fn images(spec: Option<&PodSpec>) -> String {
    let containers = spec.into_iter().flat_map(|spec| &spec.containers);
    containers.map(|container| container.image.as_deref().unwrap_or_default()).collect::<Vec<_>>().join(",")
}

/// An amount of a list; upstream shows one that is missing as `0`.
pub fn amount(amounts: Option<&BTreeMap<String, Quantity>>, name: &str) -> String {
    let found = amounts.and_then(|amounts| amounts.get(name));
    found.map_or_else(|| "0".to_owned(), |amount| amount.0.clone())
}

/// `RWO,ROX,RWX,RWOP`: access modes in short, in that order.
pub fn access_modes(modes: Option<&Vec<String>>) -> String {
    const SHORT: [(&str, &str); 4] =
        [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];
    let has = |mode: &str| modes.is_some_and(|modes| modes.iter().any(|known| known == mode));
    let short = SHORT.into_iter().filter(|(mode, _)| has(mode)).map(|(_, short)| short);
    short.collect::<Vec<_>>().join(",")
}

/// The first three of a list, and how many more there are.
pub fn first_three(list: impl Iterator<Item = String>) -> String {
    const SHOWN: usize = 3;
    let mut shown = Vec::with_capacity(SHOWN);
    let mut count = 0;
    for text in list {
        count += 1;
        if shown.len() < SHOWN {
            shown.push(text);
        }
    }
    let text = shown.join(",");
    if count > SHOWN { format!("{text} + {} more...", count - SHOWN) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_lose_detail_as_they_grow() {
        const MINUTE: i64 = 60;
        const HOUR: i64 = 60 * MINUTE;
        const DAY: i64 = 24 * HOUR;
        for (seconds, text) in [
            (-5, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (2 * MINUTE, "2m"),
            (9 * MINUTE + 5, "9m5s"),
            (10 * MINUTE + 5, "10m"),
            (179 * MINUTE, "179m"),
            (3 * HOUR, "3h"),
            (7 * HOUR + 30 * MINUTE, "7h30m"),
            (47 * HOUR, "47h"),
            (2 * DAY + HOUR, "2d1h"),
            (8 * DAY, "8d"),
            (729 * DAY, "729d"),
            (731 * DAY, "2y1d"),
            (8 * 365 * DAY, "8y"),
        ] {
            assert_eq!(human_duration(seconds), text);
        }
    }

    #[test]
    fn long_lists_are_cut() {
        let list = |count: usize| first_three((0..count).map(|number| number.to_string()));
        assert_eq!((list(0).as_str(), list(3).as_str(), list(5).as_str()), ("", "0,1,2", "0,1,2 + 2 more..."));
    }
}
