//! Decides what becomes of an event: a new object, one more of an old one, or nothing.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use api::names::NamespacedName;
use jiff::Timestamp;
use serde::Serialize;

/// From this many different messages of one reason on, within the interval, they are told as one.
const SIMILAR: usize = 10;
const SIMILAR_INTERVAL: Duration = Duration::from_secs(600);
/// How many events about one object are told at once, and how long it takes to earn one more.
const BURST: f64 = 25.0;
const REFILL: Duration = Duration::from_secs(300);
/// How much is remembered, of each sort.
const REMEMBERED: usize = 4096;
const COMBINED: &str = "(combined from similar events): ";

/// The object that an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    pub kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    pub api_version: String,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    pub component: &'static str,
    pub subject: Subject,
    /// `Normal` or `Warning`.
    pub severity: &'static str,
    pub reason: &'static str,
    pub message: String,
    pub at: Timestamp,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Too many about this object.
    Drop,
    Create {
        occurrence: Occurrence,
        name: NamespacedName,
    },
    /// The event of this name happened again; so often now.
    Repeat {
        occurrence: Occurrence,
        name: NamespacedName,
        count: u32,
        first: Timestamp,
    },
}

#[derive(Debug, Default)]
pub struct Correlator {
    buckets: HashMap<u64, Bucket>,
    similar: HashMap<u64, Similar>,
    written: HashMap<u64, Written>,
    /// The time in the last name that was given: two events of one moment need two names.
    last_name: i128,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Timestamp,
}

#[derive(Debug)]
struct Similar {
    messages: HashSet<u64>,
    at: Timestamp,
}

#[derive(Debug)]
struct Written {
    name: NamespacedName,
    count: u32,
    first: Timestamp,
    last: Timestamp,
}

impl Correlator {
    pub fn judge(&mut self, mut occurrence: Occurrence) -> Verdict {
        let now = occurrence.at;
        if !self.take_token(hash((occurrence.component, &occurrence.subject)), now) {
            return Verdict::Drop;
        }
        let key = self.combine(&mut occurrence);
        if let Some(written) = self.written.get_mut(&key) {
            written.count += 1;
            written.last = now;
            let (name, count, first) = (written.name.clone(), written.count, written.first);
            return Verdict::Repeat { occurrence, name, count, first };
        }
        self.last_name = now.as_nanosecond().max(self.last_name + 1);
        let name = event_name(&occurrence.subject, self.last_name);
        forget_old(&mut self.written, |written| written.last);
        self.written.insert(key, Written { name: name.clone(), count: 1, first: now, last: now });
        Verdict::Create { occurrence, name }
    }

    fn take_token(&mut self, subject: u64, now: Timestamp) -> bool {
        forget_old(&mut self.buckets, |bucket| bucket.at);
        let bucket = self.buckets.entry(subject).or_insert(Bucket { tokens: BURST, at: now });
        let earned = now.duration_since(bucket.at).as_secs_f64().max(0.0) / REFILL.as_secs_f64();
        bucket.tokens = (bucket.tokens + earned).min(BURST);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }

    /// The key of what counts as the same event. Many messages of one reason are made one.
    fn combine(&mut self, occurrence: &mut Occurrence) -> u64 {
        let now = occurrence.at;
        let group = hash((occurrence.component, &occurrence.subject, occurrence.severity, occurrence.reason));
        let message = hash(&occurrence.message);
        forget_old(&mut self.similar, |similar| similar.at);
        let similar = self.similar.entry(group).or_insert_with(|| Similar { messages: HashSet::new(), at: now });
        if now.duration_since(similar.at).as_secs_f64() > SIMILAR_INTERVAL.as_secs_f64() {
            similar.messages.clear();
        }
        similar.at = now;
        if similar.messages.len() < SIMILAR {
            similar.messages.insert(message);
        }
        if similar.messages.len() < SIMILAR {
            return hash((group, message));
        }
        occurrence.message.insert_str(0, COMBINED);
        group
    }
}

/// `name.hexadecimal-time`, in the namespace of the subject, or in `default` if it has none.
fn event_name(subject: &Subject, at: i128) -> NamespacedName {
    let namespace = if subject.namespace.is_empty() { api::well_known::DEFAULT_NAMESPACE } else { &subject.namespace };
    // An event's name is a subdomain of at most 253 characters.
    let base: String = subject.name.chars().take(230).collect();
    NamespacedName::new(namespace, format!("{base}.{:x}", at.max(0)))
}

/// Keeps a map within its bounds: what is older than the interval goes first, then all.
fn forget_old<V>(map: &mut HashMap<u64, V>, at: impl Fn(&V) -> Timestamp) {
    if map.len() < REMEMBERED {
        return;
    }
    let newest = map.values().map(&at).max().unwrap_or(Timestamp::UNIX_EPOCH);
    map.retain(|_, value| newest.duration_since(at(value)).as_secs_f64() < SIMILAR_INTERVAL.as_secs_f64());
    if map.len() >= REMEMBERED {
        map.clear();
    }
}

fn hash(parts: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn occurrence(message: &str, second: i64) -> Occurrence {
        Occurrence {
            component: "test",
            subject: Subject {
                kind: "Pod".to_owned(),
                namespace: "a".to_owned(),
                name: "b".to_owned(),
                uid: "u".to_owned(),
                api_version: "v1".to_owned(),
            },
            severity: "Normal",
            reason: "Tested",
            message: message.to_owned(),
            at: Timestamp::from_second(second).unwrap(),
        }
    }

    #[test]
    fn a_repetition_is_counted() {
        let mut correlator = Correlator::default();
        let Verdict::Create { name, .. } = correlator.judge(occurrence("x", 1)) else { panic!("not created") };
        assert_eq!(name.to_string(), "a/b.3b9aca00");
        let Verdict::Repeat { name: again, count, first, .. } = correlator.judge(occurrence("x", 2)) else {
            panic!("not counted")
        };
        assert_eq!((again, count, first.as_second()), (name, 2, 1));
    }

    #[test]
    fn many_messages_of_one_reason_are_told_as_one() {
        let mut correlator = Correlator::default();
        for index in 0..9 {
            assert!(matches!(correlator.judge(occurrence(&index.to_string(), index)), Verdict::Create { .. }));
        }
        let Verdict::Create { occurrence: combined, .. } = correlator.judge(occurrence("ten", 10)) else {
            panic!("not created")
        };
        assert_eq!(combined.message, "(combined from similar events): ten");
        let Verdict::Repeat { occurrence: combined, count, .. } = correlator.judge(occurrence("eleven", 11)) else {
            panic!("not counted")
        };
        assert_eq!((combined.message.as_str(), count), ("(combined from similar events): eleven", 2));
        assert!(matches!(correlator.judge(occurrence("later", 1000)), Verdict::Create { .. }));
    }

    #[test]
    fn a_flood_about_one_object_is_dropped() {
        let mut correlator = Correlator::default();
        let dropped = (0..100).filter(|_| correlator.judge(occurrence("x", 1)) == Verdict::Drop).count();
        assert_eq!(dropped, 75);
        assert_ne!(correlator.judge(occurrence("x", 302)), Verdict::Drop);
        assert_eq!(correlator.judge(occurrence("x", 303)), Verdict::Drop);
    }

    #[test]
    fn memory_is_bounded() {
        let mut correlator = Correlator::default();
        for index in 0..10_000 {
            let mut one = occurrence("x", 1);
            one.subject.name = index.to_string();
            correlator.judge(one);
        }
        assert!(correlator.written.len() <= REMEMBERED && correlator.buckets.len() <= REMEMBERED);
    }
}
