//! An IPAddress for each address that a Service has, and none for others; addresses that people reserve by making an
//! IPAddress are given to no Service.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use api::failure::Failure;
use api::names::GroupResource;
use async_trait::async_trait;
use futures::future::try_join_all;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::registry::layout::kind_of;
use crate::registry::services::SERVICES;
use crate::storage::object::Object;
use crate::upkeep::chore::{Chore, Place, Watched};

pub const IP_ADDRESSES: GroupResource = GroupResource { group: "networking.k8s.io", resource: "ipaddresses" };
const MANAGED_BY: &str = "ipaddress.kubernetes.io/managed-by";
const MANAGER: &str = "ipallocator.k8s.io";
const FAMILY: &str = "ipaddress.kubernetes.io/ip-family";

pub struct IpAddresses;

#[async_trait]
impl Chore for IpAddresses {
    fn name(&self) -> &'static str {
        "IPAddress objects"
    }

    fn watched(&self) -> &'static [Watched] {
        &[
            Watched { resource: SERVICES, namespace: None, name: "" },
            Watched { resource: IP_ADDRESSES, namespace: None, name: "" },
        ]
    }

    async fn keep(&self, place: &Place) -> Result<(), Failure> {
        let snapshot = place.registry.snapshot();
        let mut wanted: BTreeMap<IpAddr, Owner> = BTreeMap::new();
        for service in snapshot.list(SERVICES, None) {
            if let Some(address) = address_of(service) {
                wanted.insert(address, Owner::of(service));
            }
        }
        let (mut reserved, mut stale) = (BTreeSet::new(), Vec::new());
        for object in snapshot.list(IP_ADDRESSES, None) {
            let Ok(address) = object.meta.name.parse::<IpAddr>() else { continue };
            let known = Known::read(object);
            match wanted.get(&address) {
                Some(owner) if known.owner == *owner => drop(wanted.remove(&address)),
                Some(_) => {}
                None if known.is_ours => stale.push(object.meta.name.to_string()),
                None => drop(reserved.insert(address)),
            }
        }
        place.registry.reserve_addresses(reserved);
        try_join_all(stale.iter().map(|name| place.remove(IP_ADDRESSES, None, name))).await?;
        let wanted: Vec<(String, Value)> =
            wanted.into_iter().map(|(address, owner)| (address.to_string(), object(address, &owner))).collect();
        try_join_all(wanted.iter().map(|(name, wanted)| place.ensure(IP_ADDRESSES, None, name, wanted))).await?;
        Ok(())
    }
}

/// A Service's address, which is among its selectable fields: nothing is decoded for it.
pub fn address_of(service: &Object) -> Option<IpAddr> {
    let place = kind_of(SERVICES)?.field_labels().iter().position(|label| label.label == "spec.clusterIP")?;
    service.fields.get(place)?.parse().ok()
}

/// The Service that an address belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Owner {
    namespace: String,
    name: String,
}

impl Owner {
    fn of(service: &Object) -> Self {
        Self { namespace: service.key.namespace.to_string(), name: service.key.name.to_string() }
    }
}

/// What is known of an IPAddress.
struct Known {
    owner: Owner,
    is_ours: bool,
}

impl Known {
    fn read(object: &Object) -> Self {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Read {
            metadata: Metadata,
            spec: Spec,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Metadata {
            labels: BTreeMap<String, String>,
        }
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        struct Spec {
            parent_ref: Parent,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Parent {
            namespace: String,
            name: String,
        }
        let read: Read = serde_json::from_slice(&object.bytes()).unwrap_or_default();
        let Parent { namespace, name } = read.spec.parent_ref;
        let is_ours = read.metadata.labels.get(MANAGED_BY).is_some_and(|manager| manager == MANAGER);
        Self { owner: Owner { namespace, name }, is_ours }
    }
}

fn object(address: IpAddr, owner: &Owner) -> Value {
    let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
    json!({
        "metadata": {"name": address.to_string(), "labels": {FAMILY: family, MANAGED_BY: MANAGER}},
        "spec": {"parentRef": {"resource": "services", "namespace": owner.namespace, "name": owner.name}},
    })
}
