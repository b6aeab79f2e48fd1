//! The ServiceCIDR `kubernetes`, and what becomes of those that people make: their addresses are given to Services, and none
//! goes as long as a Service has an address that lies in no other (upstream: pkg/controller/servicecidrs).

use std::net::IpAddr;

use api::cidr::Cidr;
use api::failure::Failure;
use async_trait::async_trait;
use jiff::Timestamp;
use k8s_openapi::api::networking::v1::ServiceCIDR;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde_json::json;

use crate::registry::Target;
use crate::registry::services::{DEFAULT_SERVICE_CIDR, SERVICE_CIDRS, SERVICES, ranges_of, service_cidr};
use crate::storage::object::Object;
use crate::storage::snapshot::Snapshot;
use crate::upkeep::chore::{Chore, Place, Watched};
use crate::upkeep::ip_addresses::{IP_ADDRESSES, address_of};

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
        let known: Vec<(&Object, ServiceCIDR)> =
            snapshot.list(SERVICE_CIDRS, None).map(|object| (&**object, service_cidr(object))).collect();
        for (object, known_as) in &known {
            if !object.meta.deleting {
                hold(place, object, known_as).await?;
                continue;
            }
            let others = known.iter().filter(|(other, _)| other.key != object.key);
            let others: Vec<Cidr> = others.flat_map(|(_, other)| ranges_of(other)).collect();
            if is_needed(place, &snapshot, &ranges_of(known_as), &others)? {
                tell_condition(place, object, known_as, blocked(known_as)).await?;
            } else {
                let_go(place, object, known_as).await?;
            }
        }
        Ok(())
    }
}

/// Whether a Service has an address that lies in these ranges alone.
fn is_needed(place: &Place, snapshot: &Snapshot, ranges: &[Cidr], others: &[Cidr]) -> Result<bool, Failure> {
    let is_in = |ranges: &[Cidr], address: &IpAddr| ranges.iter().any(|range| range.contains(*address));
    let is_alone = |address: &IpAddr| is_in(ranges, address) && !is_in(others, address);
    if snapshot.list(SERVICES, None).filter_map(|service| address_of(service)).any(|address| is_alone(&address)) {
        return Ok(true);
    }
    match place.registry.addresses_of_services().iter().find(|address| is_alone(address)) {
        // The write of a Service is under way; how it ends is not known yet.
        Some(address) => Err(Failure::internal(format!("the address {address} is being given to a Service, or back"))),
        None => Ok(false),
    }
}

async fn hold(place: &Place, object: &Object, known_as: &ServiceCIDR) -> Result<(), Failure> {
    let finalizers = finalizers(known_as);
    if !finalizers.iter().any(|finalizer| finalizer == FINALIZER) {
        set_finalizers(place, object, &[finalizers, &[FINALIZER.to_owned()]].concat()).await?;
    }
    let since = known_as.metadata.creation_timestamp.clone();
    tell_condition(place, object, known_as, ready("True", "", "Kubernetes Service CIDR is ready", since)).await
}

fn blocked(known_as: &ServiceCIDR) -> Condition {
    let message =
        "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR";
    ready("False", "Terminating", message, known_as.metadata.deletion_timestamp.clone())
}

/// `since` is a time of the object's own, so that the condition comes out the same each time.
fn ready(status: &str, reason: &str, message: &str, since: Option<Time>) -> Condition {
    Condition {
        type_: "Ready".to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        last_transition_time: since.unwrap_or(Time(Timestamp::UNIX_EPOCH)),
        observed_generation: None,
    }
}

async fn let_go(place: &Place, object: &Object, known_as: &ServiceCIDR) -> Result<(), Failure> {
    let finalizers = finalizers(known_as);
    let others: Vec<String> = finalizers.iter().filter(|finalizer| *finalizer != FINALIZER).cloned().collect();
    if others.len() == finalizers.len() { Ok(()) } else { set_finalizers(place, object, &others).await }
}

fn finalizers(known_as: &ServiceCIDR) -> &[String] {
    known_as.metadata.finalizers.as_deref().unwrap_or_default()
}

async fn set_finalizers(place: &Place, object: &Object, finalizers: &[String]) -> Result<(), Failure> {
    // Nobody else's are lost: they are those of this revision.
    let revision = object.revision.to_string();
    let patch = json!({"metadata": {"resourceVersion": revision, "finalizers": finalizers}});
    place.patch(SERVICE_CIDRS, target(object), &patch).await
}

/// Every Service that comes or goes leads here: what is told already costs nothing.
async fn tell_condition(
    place: &Place,
    object: &Object,
    known_as: &ServiceCIDR,
    condition: Condition,
) -> Result<(), Failure> {
    let told = [condition];
    if known_as.status.as_ref().and_then(|status| status.conditions.as_deref()) == Some(&told) {
        return Ok(());
    }
    let target = Target { subresource: Some("status"), ..target(object) };
    place.patch(SERVICE_CIDRS, target, &json!({"status": {"conditions": told}})).await
}

fn target(object: &Object) -> Target<'_> {
    Target { namespace: None, name: &object.key.name, subresource: None }
}
