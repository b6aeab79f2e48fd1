//! Writes Events in the background. When too many wait, the newest are dropped: they are for people, not for controllers.

use jiff::Timestamp;
use lifecycle::clock::Clock;
use lifecycle::tasks::Tasks;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tracing::debug;

use crate::cluster::{Cluster, ErrorExt, Patch};
use crate::events::correlator::{Correlator, Occurrence, Subject, Verdict};
use crate::kinds::kind::Kind;
use crate::kinds::resource::Resource;
use crate::kinds::wire::in_seconds;

const WAITING: usize = 1024;
/// An event's message may have this many bytes.
const LONGEST_MESSAGE: usize = 1024;
const EVENT: Resource = Resource::namespaced("", "v1", "Event", "events");

/// Records events in the name of one component. Clones share one writer.
#[derive(Clone)]
pub struct Recorder {
    component: &'static str,
    clock: Clock,
    send: mpsc::Sender<Occurrence>,
}

impl Recorder {
    /// Starts the writer.
    pub fn start(cluster: Cluster, clock: Clock, tasks: &Tasks) -> Self {
        let (send, receive) = mpsc::channel(WAITING);
        tasks.spawn_until_stop("event recorder", write(cluster, receive));
        Self { component: "skiff", clock, send }
    }

    /// The same writer, under another name.
    pub fn of(&self, component: &'static str) -> Self {
        Self { component, ..self.clone() }
    }

    pub fn normal<K: Kind>(&self, object: &K, reason: &'static str, message: impl Into<String>) {
        self.record(subject_of(object), "Normal", reason, message.into());
    }

    pub fn warning<K: Kind>(&self, object: &K, reason: &'static str, message: impl Into<String>) {
        self.record(subject_of(object), "Warning", reason, message.into());
    }

    pub fn record(&self, subject: Subject, severity: &'static str, reason: &'static str, mut message: String) {
        let end = (0..=LONGEST_MESSAGE.min(message.len())).rev().find(|end| message.is_char_boundary(*end));
        message.truncate(end.unwrap_or(0));
        let (component, at) = (self.component, self.clock.now());
        let occurrence = Occurrence { component, subject, severity, reason, message, at };
        if self.send.try_send(occurrence).is_err() {
            debug!(reason, "event dropped");
        }
    }
}

fn subject_of<K: Kind>(object: &K) -> Subject {
    let meta = object.meta();
    Subject {
        kind: K::RESOURCE.kind.into_owned(),
        namespace: meta.namespace.to_string(),
        name: meta.name.to_string(),
        uid: meta.uid.to_string(),
        api_version: K::RESOURCE.api_version(),
    }
}

async fn write(cluster: Cluster, mut receive: mpsc::Receiver<Occurrence>) {
    let mut correlator = Correlator::default();
    while let Some(occurrence) = receive.recv().await {
        match correlator.judge(occurrence) {
            Verdict::Drop => {}
            Verdict::Create { occurrence, name } => {
                let event = event(&occurrence, &name.name, &name.namespace, 1, occurrence.at);
                create(&cluster, &name.namespace, &event).await;
            }
            Verdict::Repeat { occurrence, name, count, first } => {
                let path = EVENT.object(&name.namespace, &name.name, "");
                let change = json!({
                    "count": count, "lastTimestamp": in_seconds(occurrence.at), "message": occurrence.message,
                });
                match cluster.patch::<IgnoredAny>(&path, Patch::Strategic, &change).await {
                    Err(error) if error.is_not_found() => {
                        // It has expired: it is told anew, with its whole count.
                        let event = event(&occurrence, &name.name, &name.namespace, count, first);
                        create(&cluster, &name.namespace, &event).await;
                    }
                    Err(error) => debug!(%error, "event not counted"),
                    Ok(_) => {}
                }
            }
        }
    }
}

async fn create(cluster: &Cluster, namespace: &str, event: &Value) {
    if let Err(error) = cluster.create::<IgnoredAny>(&EVENT, namespace, event).await {
        debug!(%error, "event not written");
    }
}

fn event(occurrence: &Occurrence, name: &str, namespace: &str, count: u32, first: Timestamp) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": namespace},
        "involvedObject": occurrence.subject,
        "type": occurrence.severity,
        "reason": occurrence.reason,
        "message": occurrence.message,
        "source": {"component": occurrence.component},
        "reportingComponent": occurrence.component,
        "reportingInstance": "",
        "count": count,
        "firstTimestamp": in_seconds(first),
        "lastTimestamp": in_seconds(occurrence.at),
    })
}
