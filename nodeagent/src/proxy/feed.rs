//! A watch that goes on: broken streams are opened again after a wait that grows.

use std::fmt;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, Resource};
use lifecycle::backoff::Backoff;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tracing::{debug, warn};

/// Changes of one kind in all namespaces, without the objects that the label says are another proxy's.
pub struct Feed<K> {
    kind: &'static str,
    stream: BoxStream<'static, watcher::Result<Event<K>>>,
    backoff: Backoff,
    /// Held here and not in `next`, which may be dropped while it waits.
    not_before: Option<Instant>,
}

impl<K> Feed<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + fmt::Debug + Send + 'static,
{
    pub fn new(client: Client, kind: &'static str, labels: &str) -> Self {
        let config = watcher::Config::default().labels(labels);
        Self {
            kind,
            stream: watcher::watcher(Api::<K>::all(client), config).boxed(),
            backoff: Backoff::new(Duration::from_millis(50), Duration::from_secs(20)),
            not_before: None,
        }
    }

    /// The next change. May be dropped while it waits: nothing is lost.
    pub async fn next(&mut self) -> Event<K> {
        loop {
            if let Some(when) = self.not_before {
                tokio::time::sleep_until(when).await;
                self.not_before = None;
            }
            match self.stream.next().await {
                Some(Ok(event)) => {
                    self.backoff.reset();
                    return event;
                }
                Some(Err(error)) => self.put_off(&error),
                None => return std::future::pending().await,
            }
        }
    }

    fn put_off(&mut self, error: &watcher::Error) {
        let wait = self.backoff.next_delay();
        self.not_before = Some(Instant::now() + wait);
        // A server that restarts breaks the stream once; what lasts is worth a line.
        if self.backoff.failures() > 2 {
            warn!(kind = self.kind, %error, ?wait, "watch failed");
        } else {
            debug!(kind = self.kind, %error, ?wait, "watch failed");
        }
    }
}
