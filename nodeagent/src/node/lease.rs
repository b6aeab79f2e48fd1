//! The Lease that says, every ten seconds, that the node lives.

use std::sync::Arc;
use std::time::Duration;

use api::well_known::NODE_LEASE_NAMESPACE;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, OwnerReference};
use kube::api::{Api, PostParams};
use lifecycle::backoff::Backoff;
use lifecycle::clock::Clock;
use tokio::sync::watch;
use tracing::{debug, warn};

const DURATION_SECONDS: i32 = 40;
const RENEW_EVERY: Duration = Duration::from_secs(10);

/// Renews the Lease for ever. `node` holds the registered Node, which owns the Lease.
pub async fn keep(client: kube::Client, clock: Clock, mut node: watch::Receiver<Option<Arc<Node>>>) {
    let Ok(owner) = node.wait_for(Option::is_some).await.map(|node| node.as_deref().map(owner_of)) else { return };
    let Some(mut owner) = owner else { return };
    let leases = Api::namespaced(client, NODE_LEASE_NAMESPACE);
    let mut held: Option<Lease> = None;
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(7));
    loop {
        if let Some(current) = node.borrow_and_update().as_deref() {
            owner = owner_of(current);
        }
        let wait = match renew(&leases, held.take(), &owner, clock.now()).await {
            Ok(lease) => {
                held = Some(lease);
                backoff.reset();
                RENEW_EVERY
            }
            Err(error) if backoff.failures() < 3 => {
                debug!(%error, "lease not renewed");
                backoff.next_delay()
            }
            Err(error) => {
                warn!(%error, "lease not renewed");
                backoff.next_delay()
            }
        };
        tokio::time::sleep(wait).await;
    }
}

/// One renewal: of the Lease as last seen, so that it is one request; after a failure it is read anew.
async fn renew(
    leases: &Api<Lease>,
    held: Option<Lease>,
    owner: &OwnerReference,
    now: jiff::Timestamp,
) -> kube::Result<Lease> {
    let current = match held {
        Some(lease) => Some(lease),
        None => leases.get_opt(&owner.name).await?,
    };
    let wanted = renewed(current, owner, now);
    if wanted.metadata.resource_version.is_some() {
        leases.replace(&owner.name, &PostParams::default(), &wanted).await
    } else {
        leases.create(&PostParams::default(), &wanted).await
    }
}

fn renewed(current: Option<Lease>, owner: &OwnerReference, now: jiff::Timestamp) -> Lease {
    let mut lease = current.unwrap_or_else(|| Lease {
        metadata: ObjectMeta {
            name: Some(owner.name.clone()),
            namespace: Some(NODE_LEASE_NAMESPACE.to_owned()),
            ..ObjectMeta::default()
        },
        spec: None,
    });
    lease.metadata.owner_references = Some(vec![owner.clone()]);
    let spec = lease.spec.get_or_insert_with(LeaseSpec::default);
    spec.holder_identity = Some(owner.name.clone());
    spec.lease_duration_seconds = Some(DURATION_SECONDS);
    spec.renew_time = Some(MicroTime(now));
    lease
}

fn owner_of(node: &Node) -> OwnerReference {
    OwnerReference {
        api_version: "v1".to_owned(),
        kind: "Node".to_owned(),
        name: node.metadata.name.clone().unwrap_or_default(),
        uid: node.metadata.uid.clone().unwrap_or_default(),
        ..OwnerReference::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_names_its_node_and_lasts_forty_seconds() {
        let mut node = Node::default();
        node.metadata.name = Some("node-1".to_owned());
        node.metadata.uid = Some("u".to_owned());
        let first = renewed(None, &owner_of(&node), jiff::Timestamp::UNIX_EPOCH);
        let spec = first.spec.clone().unwrap();
        assert_eq!((spec.holder_identity.as_deref(), spec.lease_duration_seconds), (Some("node-1"), Some(40)));
        assert_eq!(first.metadata.owner_references.clone().unwrap()[0].uid, "u");
        let later = jiff::Timestamp::from_second(7).unwrap();
        assert_eq!(renewed(Some(first), &owner_of(&node), later).spec.unwrap().renew_time, Some(MicroTime(later)));
    }
}
