//! What happened to an object, at the end of its description.

use jiff::Timestamp;
use serde_json::Value;

use crate::object;
use crate::output::age;
use crate::output::describe::page::Page;
use crate::output::describe::{Need, Related};

/// The events about this object.
pub fn need(object: &Value) -> Need {
    need_about(object, object::kind(object), object::uid(object))
}

/// The events about an object that their writer knows by another kind or uid.
pub fn need_about(object: &Value, kind: &str, uid: &str) -> Need {
    let (name, namespace) = (object::name(object), object::namespace(object));
    let mut selector = format!("involvedObject.name={name},involvedObject.namespace={namespace}");
    if !kind.is_empty() {
        selector += &format!(",involvedObject.kind={kind}");
    }
    if !uid.is_empty() {
        selector += &format!(",involvedObject.uid={uid}");
    }
    let path = if namespace.is_empty() {
        "/api/v1/events".to_owned()
    } else {
        format!("/api/v1/namespaces/{namespace}/events")
    };
    Need::new("events", path).fields(selector)
}

/// Writes them, the oldest first. Nothing is written where they were not asked for.
pub fn write(page: &mut Page, related: &Related) {
    let Some(_) = related.answer("events") else { return };
    let mut events: Vec<&Value> = related.items("events").iter().chain(related.items("events-by-name")).collect();
    if events.is_empty() {
        page.field(0, "Events", "<none>");
        return;
    }
    events.sort_by_key(|event| last_seen(event));
    page.raw("Events:\n  Type\tReason\tAge\tFrom\tMessage\n");
    page.line(1, "----\t------\t----\t----\t-------");
    for event in events {
        let source = Some(object::text(event, "source.component")).filter(|source| !source.is_empty());
        let source = source.unwrap_or_else(|| object::text(event, "reportingComponent"));
        let mut message = object::text(event, "message").trim().to_owned();
        let field = object::text(event, "involvedObject.fieldPath");
        if !field.is_empty() {
            message = format!("{field}: {message}");
        }
        let [kind, reason] = ["type", "reason"].map(|name| object::text(event, name));
        page.line(1, &format!("{kind}\t{reason}\t{}\t{source}\t{message}", interval(event, related.now)));
    }
}

fn last_seen(event: &Value) -> &str {
    let time = object::text(event, "lastTimestamp");
    if time.is_empty() { object::text(event, "eventTime") } else { time }
}

/// `5s`, or `5s (x3 over 2m)` for what happened several times.
fn interval(event: &Value, now: Timestamp) -> String {
    let first = if event["eventTime"].is_string() { &event["eventTime"] } else { &event["firstTimestamp"] };
    let first = age::since(first, now);
    let series = &event["series"];
    if series.is_object() {
        return format!("{} (x{} over {first})", age::since(&series["lastObservedTime"], now), series["count"]);
    }
    match event["count"].as_i64() {
        Some(count) if count > 1 => format!("{} (x{count} over {first})", age::since(&event["lastTimestamp"], now)),
        _ => first,
    }
}
