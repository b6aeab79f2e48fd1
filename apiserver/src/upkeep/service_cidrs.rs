//! The ServiceCIDR `kubernetes`, and what becomes of those that people make: their addresses are given to Services, and none
//! goes as long as a Service has an address that lies in no other (upstream: pkg/controller/servicecidrs).

use std::collections::BTreeSet;
use std::net::IpAddr;

use api::cidr::Cidr;
use api::failure::Failure;
use async_trait::async_trait;
use k8s_openapi::api::networking::v1::ServiceCIDR;
use serde_json::{Value, json};

use crate::registry::Target;
use crate::registry::services::{DEFAULT_SERVICE_CIDR, SERVICE_CIDRS, ranges_of};
use crate::storage::object::Object;
use crate::storage::snapshot::Snapshot;
use crate::upkeep::chore::{Chore, Place, Watched};
use crate::upkeep::ip_addresses::{IP_ADDRESSES, SERVICES, address_of};

const FINALIZER: &str = "networking.k8s.io/service-cidr-finalizer";

pub struct ServiceCidrs;

#[async_trait]
impl Chore for ServiceCidrs {
    fn name(&self) -> &'static str {
        "ServiceCIDR objects"
    }

    fn watched(&self) -> &'static [Watched] {
        &[
            Watched { resource: SERVICE_CIDRS, namespace: None, name: "" },
            // Each that goes may let a ServiceCIDR go.
            Watched { resource: IP_ADDRESSES, namespace: None, name: "" },
        ]
    }

    async fn keep(&self, place: &Place) -> Result<(), Failure> {
        let default = json!({
            "metadata": {"name": DEFAULT_SERVICE_CIDR},
            "spec": {"cidrs": [place.registry.service_range().to_string()]},
        });
        place.ensure(SERVICE_CIDRS, None, DEFAULT_SERVICE_CIDR, &default).await?;
        let snapshot = place.registry.snapshot();
        // Before it is asked what is held: out of what is to go, nothing is given any more.
        place.registry.follow_service_ranges(&snapshot);
        let known: Vec<(&Object, Vec<Cidr>)> =
            snapshot.list(SERVICE_CIDRS, None).map(|object| (&**object, ranges_of(object))).collect();
        for (object, ranges) in &known {
            if !object.meta.deleting {
                hold(place, object).await?;
                continue;
            }
            let others = known.iter().filter(|(other, _)| other.key != object.key);
            let others: Vec<Cidr> = others.flat_map(|(_, ranges)| ranges).copied().collect();
            if is_needed(place, &snapshot, ranges, &others)? {
                tell_condition(place, object, &blocked(object)).await?;
            } else {
                let_go(place, object).await?;
            }
        }
        Ok(())
    }
}

/// Whether a Service has an address that lies in these ranges alone.
fn is_needed(place: &Place, snapshot: &Snapshot, ranges: &[Cidr], others: &[Cidr]) -> Result<bool, Failure> {
    let is_in = |ranges: &[Cidr], address: &IpAddr| ranges.iter().any(|range| range.contains(*address));
    let is_alone = |address: &IpAddr| is_in(ranges, address) && !is_in(others, address);
    let stored: BTreeSet<IpAddr> = snapshot.list(SERVICES, None).filter_map(|service| address_of(service)).collect();
    if stored.iter().any(is_alone) {
        return Ok(true);
    }
    match place.registry.addresses_of_services().iter().find(|address| is_alone(address)) {
        // The write of a Service is under way; how it ends is not known yet.
        Some(address) => Err(Failure::internal(format!("the address {address} is being given to a Service, or back"))),
        None => Ok(false),
    }
}

async fn hold(place: &Place, object: &Object) -> Result<(), Failure> {
    let finalizers = finalizers(object);
    if !finalizers.iter().any(|finalizer| finalizer == FINALIZER) {
        let with_ours: Vec<String> = finalizers.into_iter().chain([FINALIZER.to_owned()]).collect();
        set_finalizers(place, object, &with_ours).await?;
    }
    let ready = json!({
        "type": "Ready",
        "status": "True",
        "reason": "",
        "message": "Kubernetes Service CIDR is ready",
        // The patch of a chore must come out the same each time.
        "lastTransitionTime": read(object).metadata.creation_timestamp,
    });
    tell_condition(place, object, &ready).await
}

fn blocked(object: &Object) -> Value {
    json!({
        "type": "Ready",
        "status": "False",
        "reason": "Terminating",
        "message": "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR",
        "lastTransitionTime": read(object).metadata.deletion_timestamp,
    })
}

async fn let_go(place: &Place, object: &Object) -> Result<(), Failure> {
    let mut finalizers = finalizers(object);
    let before = finalizers.len();
    finalizers.retain(|finalizer| finalizer != FINALIZER);
    if finalizers.len() == before { Ok(()) } else { set_finalizers(place, object, &finalizers).await }
}

fn read(object: &Object) -> ServiceCIDR {
    api::json::read(&object.bytes).unwrap_or_default()
}

fn finalizers(object: &Object) -> Vec<String> {
    read(object).metadata.finalizers.unwrap_or_default()
}

async fn set_finalizers(place: &Place, object: &Object, finalizers: &[String]) -> Result<(), Failure> {
    // Nobody else's are lost: they are those of this revision.
    let revision = object.revision.to_string();
    let patch = json!({"metadata": {"resourceVersion": revision, "finalizers": finalizers}});
    place.patch(SERVICE_CIDRS, target(object), &patch).await
}

async fn tell_condition(place: &Place, object: &Object, condition: &Value) -> Result<(), Failure> {
    let target = Target { subresource: Some("status"), ..target(object) };
    place.patch(SERVICE_CIDRS, target, &json!({"status": {"conditions": [condition]}})).await
}

fn target(object: &Object) -> Target<'_> {
    Target { namespace: None, name: &object.key.name, subresource: None }
}
