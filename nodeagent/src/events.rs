//! Events of the node agent: repeated ones are counted, and none ever delays a pod.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::{Api, Patch, PatchParams, PostParams};
use lifecycle::clock::Clock;
use serde_json::json;
use tokio::sync::mpsc;
use tracing::debug;

/// How many events wait to be sent; what comes on top is dropped, as they are only news.
const WAITING: usize = 1024;
/// How many sent events are remembered, so that the same again is a count and not a new one.
const REMEMBERED: usize = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Normal,
    Warning,
}

struct News {
    about: ObjectReference,
    kind: Kind,
    reason: &'static str,
    message: String,
    at: Timestamp,
}

/// Takes events; clones share one sender.
#[derive(Clone)]
pub struct Events {
    sender: mpsc::Sender<News>,
    clock: Clock,
}

impl Events {
    /// The events, and the task that sends them.
    pub fn new(client: kube::Client, node_name: &str, clock: Clock) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        let teller =
            Teller { client, node_name: node_name.to_owned(), told: HashMap::new(), hasher: RandomState::new() };
        (Self { sender, clock }, teller.run(receiver))
    }

    pub fn record(&self, about: ObjectReference, kind: Kind, reason: &'static str, message: String) {
        let at = self.clock.now_seconds();
        if self.sender.try_send(News { about, kind, reason, message, at }).is_err() {
            debug!(reason, "event dropped");
        }
    }
}

struct Teller {
    client: kube::Client,
    node_name: String,
    told: HashMap<u64, Told>,
    hasher: RandomState,
}

struct Told {
    name: String,
    count: i32,
}

impl Teller {
    async fn run(mut self, mut receiver: mpsc::Receiver<News>) {
        while let Some(news) = receiver.recv().await {
            if let Err(error) = self.tell(&news).await {
                debug!(%error, reason = news.reason, "event not sent");
            }
        }
    }

    async fn tell(&mut self, news: &News) -> kube::Result<()> {
        let namespace = news.about.namespace.as_deref().unwrap_or(api::well_known::DEFAULT_NAMESPACE);
        let events: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let about = &news.about;
        let key = self.hasher.hash_one((&about.uid, &about.field_path, news.reason, &news.message));
        if let Some(told) = self.told.get_mut(&key) {
            let patch = json!({ "count": told.count + 1, "lastTimestamp": Time(news.at) });
            match events.patch(&told.name, &PatchParams::default(), &Patch::Merge(&patch)).await {
                Ok(_) => {
                    told.count += 1;
                    return Ok(());
                }
                // It has expired: a new one takes its place.
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(error),
            }
        }
        let event = self.event(news, namespace);
        events.create(&PostParams::default(), &event).await?;
        if self.told.len() >= REMEMBERED {
            self.told.clear();
        }
        self.told.insert(key, Told { name: event.metadata.name.unwrap_or_default(), count: 1 });
        Ok(())
    }

    fn event(&self, news: &News, namespace: &str) -> Event {
        let object = news.about.name.as_deref().unwrap_or_default();
        let unique = uuid::Uuid::new_v4().as_u64_pair().0;
        Event {
            metadata: ObjectMeta {
                name: Some(format!("{object}.{unique:016x}")),
                namespace: Some(namespace.to_owned()),
                ..ObjectMeta::default()
            },
            involved_object: news.about.clone(),
            reason: Some(news.reason.to_owned()),
            message: Some(news.message.clone()),
            type_: Some(format!("{:?}", news.kind)),
            count: Some(1),
            first_timestamp: Some(Time(news.at)),
            last_timestamp: Some(Time(news.at)),
            source: Some(EventSource { component: Some("kubelet".to_owned()), host: Some(self.node_name.clone()) }),
            reporting_component: Some("kubelet".to_owned()),
            reporting_instance: Some(self.node_name.clone()),
            ..Event::default()
        }
    }
}
