//! What the API server itself keeps in order. To add a chore is a file and a line in the list.

mod api_services;
mod chore;
mod ip_addresses;
mod kubernetes_service;
mod service_cidrs;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use futures::future::try_join_all;
use futures::stream::{FuturesUnordered, StreamExt as _};
use lifecycle::backoff::Backoff;
use lifecycle::tasks::Tasks;
use tracing::warn;

use api::failure::Failure;

use crate::registry::Registry;
use crate::registry::options::{EventType, ListOptions};
use crate::registry::watch::WatchStream;
use crate::upkeep::chore::{Chore, Place};

const CHORES: &[&dyn Chore] = &[
    &api_services::ApiServices,
    &service_cidrs::ServiceCidrs,
    &kubernetes_service::KubernetesService,
    &ip_addresses::IpAddresses,
];

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Does every chore once, so that clients find everything in place, and again whenever something that it looks at
/// changes. `address` is where clients reach the server; without one, nobody is told of it.
pub async fn start(registry: &Registry, address: Option<SocketAddr>, tasks: &Tasks) -> Result<(), Failure> {
    let place = Place::new(registry.clone(), address);
    // What is missed between a chore and its watch is seen by the watch: it begins before.
    let watches: Vec<Vec<WatchStream>> =
        CHORES.iter().map(|chore| watches(&place, *chore)).collect::<Result<_, Failure>>()?;
    try_join_all(CHORES.iter().map(|chore| chore.keep(&place))).await?;
    for (chore, watches) in CHORES.iter().zip(watches) {
        tasks.spawn_until_stop(chore.name(), go_on(*chore, place.clone(), watches));
    }
    Ok(())
}

fn watches(place: &Place, chore: &dyn Chore) -> Result<Vec<WatchStream>, Failure> {
    let revision = place.registry.revision().to_string();
    let watch = |wanted: &chore::Watched| {
        let kind = place.kind(wanted.resource)?;
        let field_selector =
            if wanted.name.is_empty() { String::new() } else { format!("metadata.name={}", wanted.name) };
        let options = ListOptions { resource_version: revision.clone(), field_selector, ..ListOptions::default() };
        place.registry.watch(kind, wanted.namespace, &options)
    };
    chore.watched().iter().map(watch).collect()
}

/// Does the chore whenever a watch has something to say, for ever.
async fn go_on(chore: &'static dyn Chore, place: Place, mut streams: Vec<WatchStream>) {
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        if !changed(&mut streams).await {
            // A watch fell behind, or the store is closing. All of them begin again, and the chore makes up for what
            // they missed.
            tokio::time::sleep(backoff.next_delay()).await;
            match watches(&place, chore) {
                Ok(again) => streams = again,
                Err(error) => {
                    warn!(chore = chore.name(), %error, "watch what a chore is about");
                    continue;
                }
            }
        }
        while let Err(error) = chore.keep(&place).await {
            warn!(chore = chore.name(), %error, "a chore failed and is tried again");
            tokio::time::sleep(backoff.next_delay()).await;
        }
        backoff.reset();
    }
}

/// Waits until something has changed; false if a watch has ended.
async fn changed(streams: &mut [WatchStream]) -> bool {
    if streams.is_empty() {
        return std::future::pending().await;
    }
    let mut next: FuturesUnordered<_> = streams.iter_mut().map(WatchStream::next).collect();
    loop {
        match next.next().await {
            Some(Some(Ok(event))) if event.event_type == EventType::Bookmark => {}
            Some(Some(Ok(_))) => break,
            _ => return false,
        }
    }
    drop(next);
    // One look at the state is enough for all that is known of by now.
    for stream in streams {
        while stream.try_next().is_some() {}
    }
    true
}
