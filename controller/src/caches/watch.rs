//! Keeps a cache filled: lists, watches, and waits longer after each failure.

use std::borrow::Cow;
use std::pin::pin;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DynamicResourceScope;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use lifecycle::backoff::Backoff;
use serde::{Deserialize, Deserializer};
use tracing::{debug, warn};

use crate::caches::cache::Cache;
use crate::kinds::kind::Kind;
use crate::kinds::resource::Resource;

const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Fills `cache` until the task is cut.
pub async fn run<K: Kind>(client: Client, cache: Cache<K>) {
    let api = Api::<Watched<K>>::all_with(client, cache.resource());
    let mut events = pin!(watcher::watcher(api, watcher::Config::default()));
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => cache.begin_list(),
            Ok(Event::InitApply(seen)) => cache.apply(seen.object),
            Ok(Event::InitDone) => {
                backoff.reset();
                cache.end_list();
                debug!(resource = %cache.resource(), objects = cache.len(), "listed");
            }
            Ok(Event::Apply(seen)) => {
                backoff.reset();
                cache.apply(seen.object);
            }
            Ok(Event::Delete(seen)) => {
                backoff.reset();
                cache.remove(seen.object);
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

/// A slim object in the shape that kube's watcher asks for; of the metadata it reads the revision only.
#[derive(Debug, Clone)]
struct Watched<K> {
    metadata: ObjectMeta,
    object: K,
}

impl<'de, K: Kind> Deserialize<'de> for Watched<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = K::deserialize(deserializer)?;
        let resource_version = Some(object.meta().resource_version.to_string());
        Ok(Self { metadata: ObjectMeta { resource_version, ..ObjectMeta::default() }, object })
    }
}

impl<K: Kind> kube::Resource for Watched<K> {
    type DynamicType = Resource;
    type Scope = DynamicResourceScope;

    fn kind(resource: &Resource) -> Cow<'_, str> {
        Cow::Borrowed(&resource.kind)
    }

    fn group(resource: &Resource) -> Cow<'_, str> {
        Cow::Borrowed(&resource.group)
    }

    fn version(resource: &Resource) -> Cow<'_, str> {
        Cow::Borrowed(&resource.version)
    }

    fn plural(resource: &Resource) -> Cow<'_, str> {
        Cow::Borrowed(&resource.plural)
    }

    fn metadata_api() -> bool {
        K::METADATA_ONLY
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
