//! A watch that goes on: broken streams are opened again.

use client::watch::{all, changes};
use futures::StreamExt;
use futures::stream::BoxStream;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use tracing::{debug, warn};

use crate::watching::WatchBackoff;

/// A server that restarts breaks the stream once or twice; what lasts is worth a line.
const QUIET_FAILURES: u32 = 3;

/// Changes of one kind in all namespaces.
pub struct Feed<K> {
    kind: &'static str,
    stream: BoxStream<'static, watcher::Result<Event<K>>>,
    failures: u32,
}

impl<K> Feed<K>
where
    K: Resource<DynamicType = ()> + DeserializeOwned + Send + 'static,
{
    pub fn new(client: Client, kind: &'static str, labels: &str) -> Self {
        let config = watcher::Config::default().labels(labels);
        let stream = changes(all::<K>(client), config).backoff(WatchBackoff::default());
        Self { kind, stream: stream.boxed(), failures: 0 }
    }

    /// The next change. May be dropped while it waits: nothing is lost.
    pub async fn next(&mut self) -> Event<K> {
        loop {
            match self.stream.next().await {
                Some(Ok(event)) => {
                    self.failures = 0;
                    return event;
                }
                Some(Err(error)) => {
                    self.failures += 1;
                    if self.failures > QUIET_FAILURES {
                        warn!(kind = self.kind, %error, "watch failed");
                    } else {
                        debug!(kind = self.kind, %error, "watch failed");
                    }
                }
                None => return std::future::pending().await,
            }
        }
    }
}
