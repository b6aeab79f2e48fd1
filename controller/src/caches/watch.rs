//! Keeps a cache filled: lists, watches, and waits longer after each failure.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use client::watch::{Unread, changes};
use futures::StreamExt;
use futures::stream::BoxStream;
use http::Request;
use kube::client::Body;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use lifecycle::backoff::Backoff;
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::caches::cache::Cache;
use crate::kinds::kind::Kind;

/// Watches of one cache begin at least so far apart: a server that ends each at once must not be asked without end.
const WATCH_PAUSE: Duration = Duration::from_secs(1);
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Fills `cache` until the task is cut.
pub async fn run<K: Kind>(client: Client, cache: Cache<K>) {
    let (client, resource) = (paced(client), cache.resource().api_resource());
    let config = watcher::Config::default();
    let events = if K::METADATA_ONLY {
        changes(Api::<Unread<true>>::all_with(client, &resource), config).boxed()
    } else {
        changes(Api::<Unread>::all_with(client, &resource), config).boxed()
    };
    fill(&cache, events).await;
}

async fn fill<K: Kind>(cache: &Cache<K>, mut events: BoxStream<'_, watcher::Result<Event<K>>>) {
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => cache.begin_list(),
            Ok(Event::InitApply(seen)) => cache.apply(seen),
            Ok(Event::InitDone) => {
                backoff.reset();
                cache.end_list();
                debug!(resource = %cache.resource(), objects = cache.len(), "listed");
            }
            Ok(Event::Apply(seen)) => {
                backoff.reset();
                cache.apply(seen);
            }
            Ok(Event::Delete(seen)) => {
                backoff.reset();
                cache.remove(seen);
            }
            Err(error) => {
                // The stream goes on where it was when it is polled again. `Init` comes before a list that
                // fails, so it does not count as a success.
                if backoff.failures() > 2 {
                    warn!(resource = %cache.resource(), %error, "watch failed");
                } else {
                    debug!(resource = %cache.resource(), %error, "watch failed");
                }
                tokio::time::sleep(backoff.next_delay()).await;
            }
        }
    }
}

/// The same client, but for watches that follow each other too fast.
fn paced(client: Client) -> Client {
    let namespace = client.default_namespace().to_owned();
    let last = Arc::new(Mutex::new(None::<Instant>));
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, last) = (client.clone(), last.clone());
        async move {
            if request.uri().query().is_some_and(|query| query.contains("watch=true")) {
                let now = Instant::now();
                let begin = {
                    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                    let begin = last.map_or(now, |last| now.max(last + WATCH_PAUSE));
                    *last = Some(begin);
                    begin
                };
                tokio::time::sleep_until(begin).await;
            }
            client.send(request).await
        }
    });
    Client::new(service, namespace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::node::Node;
    use http::Response;
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A server whose watches end at once, and whose lists fail at first.
    fn client(requests: Arc<AtomicU32>) -> Client {
        let service = tower::service_fn(move |request: Request<Body>| {
            let count = requests.fetch_add(1, Ordering::SeqCst);
            let is_watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
            let (code, body) = match (is_watch, count) {
                (true, _) => (200, ""),
                (false, 0..3) => (500, "{}"),
                _ => (200, r#"{"kind":"List","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}"#),
            };
            let body = http_body_util::Full::new(bytes::Bytes::from(body));
            async move { Ok::<_, Infallible>(Response::builder().status(code).body(body).unwrap()) }
        });
        Client::new(service, "default")
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_ends_every_watch_is_not_asked_without_end() {
        let requests = Arc::new(AtomicU32::new(0));
        let cache = Cache::<Node>::new(Node::RESOURCE);
        let watching = run(client(requests.clone()), cache.clone());
        let _ = tokio::time::timeout(Duration::from_secs(60), watching).await;
        assert!(cache.is_synced());
        let count = requests.load(Ordering::SeqCst);
        assert!((50..75).contains(&count), "{count} requests in a minute");
    }
}
