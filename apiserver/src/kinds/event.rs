//! Event, of both groups: one storage, two shapes.

use api::field::{FieldError, FieldErrors, Path};
use api::names::{self, GroupResource};
use api::well_known::{DEFAULT_NAMESPACE, SYSTEM_NAMESPACE};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, EventSeries, EventSource, ObjectReference};
use k8s_openapi::api::events::v1 as events;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};

use crate::kinds::canonical;
use crate::kinds::facts::{FieldLabel, Flags};
use crate::kinds::kind::{Column, Kind, Mapping};
use crate::kinds::rules::{immutable, text};
use crate::kinds::table::since;

const LONGEST_NOTE: usize = 1024;
const FLAGS: Flags = Flags { create_on_update: true, volatile: true, ignores_dependents: true, ..Flags::USUAL };

const fn field(label: &'static str, path: &'static [&'static str]) -> FieldLabel {
    FieldLabel { label, path, default: "" }
}

impl Kind for Event {
    const SHORT_NAMES: &'static [&'static str] = &["ev"];
    const FLAGS: Flags = FLAGS;
    const FIELD_LABELS: &'static [FieldLabel] = &[
        field("involvedObject.kind", &["involvedObject", "kind"]),
        field("involvedObject.namespace", &["involvedObject", "namespace"]),
        field("involvedObject.name", &["involvedObject", "name"]),
        field("involvedObject.uid", &["involvedObject", "uid"]),
        field("involvedObject.apiVersion", &["involvedObject", "apiVersion"]),
        field("involvedObject.resourceVersion", &["involvedObject", "resourceVersion"]),
        field("involvedObject.fieldPath", &["involvedObject", "fieldPath"]),
        field("reason", &["reason"]),
        field("reportingComponent", &["reportingComponent"]),
        field("source", &["source", "component"]),
        field("type", &["type"]),
    ];
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("Last Seen", "string", "How long ago it happened last.", |event, now| last_seen(event, now).into()),
        Column::new("Type", "string", "Whether it is normal or a warning.", |event, _| text(&event.type_).into()),
        Column::new("Reason", "string", "Why it happened, in a word.", |event, _| text(&event.reason).into()),
        Column::new("Object", "string", "What it happened to.", |event, _| {
            let object = &event.involved_object;
            let kind = text(&object.kind).to_lowercase();
            let name = text(&object.name);
            if name.is_empty() { kind.into() } else { format!("{kind}/{name}").into() }
        }),
        Column::wide("Subobject", "string", "The part of the object that it happened to.", |event, _| {
            text(&event.involved_object.field_path).into()
        }),
        Column::wide("Source", "string", "Who reported it.", |event, _| source(event).into()),
        Column::new("Message", "string", "What happened.", |event, _| text(&event.message).trim().into()),
        Column::wide("First Seen", "string", "How long ago it happened first.", |event, now| {
            first_seen(event, now).into()
        }),
        Column::wide("Count", "string", "How often it happened.", |event, _| {
            let series = event.series.as_ref().and_then(|series| series.count);
            series.or(event.count.filter(|count| *count != 0)).unwrap_or(1).into()
        }),
        Column::wide("Name", "string", "The event's name.", |event, _| text(&event.metadata.name).into()),
    ];

    /// Who says when it happened has to say more.
    fn validate(&self, errors: &mut FieldErrors) {
        let is_exact = self.event_time.is_some();
        let path = Path::new("involvedObject").child("namespace");
        let (namespace, involved) = (text(&self.metadata.namespace), text(&self.involved_object.namespace));
        let fits = if involved.is_empty() {
            namespace == DEFAULT_NAMESPACE || (is_exact && namespace == SYSTEM_NAMESPACE)
        } else {
            involved == namespace || is_exact
        };
        if !fits {
            errors.push(FieldError::invalid(&path, involved, "does not match event.namespace"));
        }
        if !is_exact {
            return;
        }
        let path = Path::new("reportingController");
        let controller = text(&self.reporting_component);
        if controller.is_empty() {
            errors.push(FieldError::required(&path, ""));
        }
        errors.check(&path, controller, names::qualified_name);
        required(&self.reporting_instance, "reportingInstance", errors);
        required(&self.action, "action", errors);
        required(&self.reason, "reason", errors);
        if text(&self.message).len() > LONGEST_NOTE {
            errors.push(FieldError::invalid(&Path::new("message"), "", too_long(LONGEST_NOTE)));
        }
    }
}

impl Kind for events::Event {
    const SHORT_NAMES: &'static [&'static str] = &["ev"];
    const FLAGS: Flags = FLAGS;
    const FIELD_LABELS: &'static [FieldLabel] = &[
        field("regarding.kind", &["regarding", "kind"]),
        field("regarding.namespace", &["regarding", "namespace"]),
        field("regarding.name", &["regarding", "name"]),
        field("regarding.uid", &["regarding", "uid"]),
        field("regarding.apiVersion", &["regarding", "apiVersion"]),
        field("regarding.resourceVersion", &["regarding", "resourceVersion"]),
        field("regarding.fieldPath", &["regarding", "fieldPath"]),
        field("reason", &["reason"]),
        field("reportingController", &["reportingController"]),
        field("source", &["deprecatedSource", "component"]),
        field("type", &["type"]),
    ];
    const COLUMNS: &'static [Column<Self>] = &COLUMNS;
    const MAPPING: Option<Mapping<Self>> = Some(Mapping {
        resource: GroupResource { group: "", resource: "events" },
        to_stored: |event| canonical::encode(&to_core(event.clone())),
        of_stored: |bytes| api::json::read(bytes).map(of_core),
    });

    fn validate(&self, errors: &mut FieldErrors) {
        to_core(self.clone()).validate(errors);
    }

    /// Stricter than what the old API asks for; and what that counts in, this does not.
    fn validate_create(&self, errors: &mut FieldErrors) {
        validate_series(self, errors);
        if self.event_time.is_none() {
            errors.push(FieldError::required(&Path::new("eventTime"), ""));
        }
        let kind = text(&self.type_);
        if !matches!(kind, "Normal" | "Warning") {
            errors.push(FieldError::invalid(&Path::new("type"), "", format!("has invalid value: {kind}")));
        }
        let source = self.deprecated_source.as_ref();
        for (path, is_set) in [
            (Path::new("firstTimestamp"), self.deprecated_first_timestamp.is_some()),
            (Path::new("lastTimestamp"), self.deprecated_last_timestamp.is_some()),
            (Path::new("count"), self.deprecated_count.is_some_and(|count| count != 0)),
            (Path::new("source"), source.is_some_and(|source| *source != EventSource::default())),
        ] {
            if is_set {
                errors.push(FieldError::invalid(&path, "", "needs to be unset"));
            }
        }
    }

    /// Only the series goes on.
    fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
        if self.series != old.series {
            validate_series(self, errors);
        }
        let at = Path::new;
        immutable(errors, &at("involvedObject"), &self.regarding, &old.regarding);
        immutable(errors, &at("reason"), &self.reason, &old.reason);
        immutable(errors, &at("message"), &self.note, &old.note);
        immutable(errors, &at("source"), &self.deprecated_source, &old.deprecated_source);
        immutable(errors, &at("firstTimestamp"), &self.deprecated_first_timestamp, &old.deprecated_first_timestamp);
        immutable(errors, &at("lastTimestamp"), &self.deprecated_last_timestamp, &old.deprecated_last_timestamp);
        immutable(errors, &at("count"), &self.deprecated_count, &old.deprecated_count);
        immutable(errors, &at("type"), &self.type_, &old.type_);
        immutable(errors, &at("eventTime"), &self.event_time, &old.event_time);
        immutable(errors, &at("action"), &self.action, &old.action);
        immutable(errors, &at("related"), &self.related, &old.related);
        immutable(errors, &at("reportingController"), &self.reporting_controller, &old.reporting_controller);
        immutable(errors, &at("reportingInstance"), &self.reporting_instance, &old.reporting_instance);
    }
}

fn validate_series(event: &events::Event, errors: &mut FieldErrors) {
    if event.series.as_ref().is_some_and(|series| series.count < 2) {
        errors.push(FieldError::invalid(&Path::new("series").child("count"), "", "should be at least 2"));
    }
}

fn required(value: &Option<String>, field: &str, errors: &mut FieldErrors) {
    const LONGEST: usize = 128;
    let path = Path::new(field);
    match text(value) {
        "" => errors.push(FieldError::required(&path, "")),
        text if text.len() > LONGEST => errors.push(FieldError::invalid(&path, "", too_long(LONGEST))),
        _ => {}
    }
}

fn too_long(most: usize) -> String {
    format!("can have at most {most} characters")
}

/// The columns of the new shape: those of the old one, of the same event.
static COLUMNS: [Column<events::Event>; 10] = {
    const fn column(index: usize, cell: fn(&events::Event, Timestamp) -> serde_json::Value) -> Column<events::Event> {
        Column { head: <Event as Kind>::COLUMNS[index].head, cell }
    }
    macro_rules! same {
        ($($index:literal),*) => {
            [$(column($index, |event, now| (<Event as Kind>::COLUMNS[$index].cell)(&to_core(event.clone()), now))),*]
        };
    }
    same!(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
};

fn to_core(event: events::Event) -> Event {
    Event {
        metadata: event.metadata,
        involved_object: event.regarding.unwrap_or_default(),
        related: event.related,
        message: event.note,
        reason: event.reason,
        type_: event.type_,
        action: event.action,
        event_time: event.event_time,
        series: event.series.map(|series| EventSeries {
            count: Some(series.count),
            last_observed_time: Some(series.last_observed_time),
        }),
        reporting_component: event.reporting_controller,
        reporting_instance: event.reporting_instance,
        source: event.deprecated_source,
        first_timestamp: event.deprecated_first_timestamp,
        last_timestamp: event.deprecated_last_timestamp,
        count: event.deprecated_count,
    }
}

fn of_core(event: Event) -> events::Event {
    let regarding = (event.involved_object != ObjectReference::default()).then_some(event.involved_object);
    events::Event {
        metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
            resource_version: None,
            ..event.metadata
        },
        regarding,
        related: event.related,
        note: event.message,
        reason: event.reason,
        type_: event.type_,
        action: event.action,
        event_time: event.event_time,
        series: event.series.map(|series| events::EventSeries {
            count: series.count.unwrap_or_default(),
            last_observed_time: series.last_observed_time.unwrap_or(MicroTime(Timestamp::UNIX_EPOCH)),
        }),
        reporting_controller: event.reporting_component,
        reporting_instance: event.reporting_instance,
        deprecated_source: event.source,
        deprecated_first_timestamp: event.first_timestamp,
        deprecated_last_timestamp: event.last_timestamp,
        deprecated_count: event.count,
    }
}

fn first_seen(event: &Event, now: Timestamp) -> String {
    let exact = event.event_time.as_ref().map(|time| Time(time.0));
    since(event.first_timestamp.as_ref().or(exact.as_ref()), now)
}

fn last_seen(event: &Event, now: Timestamp) -> String {
    let observed = event.series.as_ref().and_then(|series| series.last_observed_time.as_ref());
    if let Some(observed) = observed {
        return since(Some(&Time(observed.0)), now);
    }
    match &event.last_timestamp {
        Some(last) => since(Some(last), now),
        None => first_seen(event, now),
    }
}

fn source(event: &Event) -> String {
    let EventSource { component, host } = event.source.clone().unwrap_or_default();
    let first = |a: Option<String>, b: &Option<String>| a.filter(|text| !text.is_empty()).or_else(|| b.clone());
    let parts = [first(component, &event.reporting_component), first(host, &event.reporting_instance)];
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}
