//! The Service `kubernetes`, by which pods find the API server, with its Endpoints and EndpointSlice.

use std::net::{IpAddr, SocketAddr};

use api::failure::Failure;
use api::names::GroupResource;
use api::well_known::{DEFAULT_NAMESPACE, label};
use async_trait::async_trait;
use serde_json::{Value, json};

use crate::registry::services::SERVICES;
use crate::upkeep::chore::{Chore, Place, Watched};

const ENDPOINTS: GroupResource = GroupResource { group: "", resource: "endpoints" };
const SLICES: GroupResource = GroupResource { group: "discovery.k8s.io", resource: "endpointslices" };
const NAME: &str = "kubernetes";
const NAMESPACE: Option<&str> = Some(DEFAULT_NAMESPACE);

pub struct KubernetesService;

#[async_trait]
impl Chore for KubernetesService {
    fn name(&self) -> &'static str {
        "kubernetes Service"
    }

    fn watched(&self) -> &'static [Watched] {
        &[
            Watched { resource: SERVICES, namespace: NAMESPACE, name: NAME },
            Watched { resource: ENDPOINTS, namespace: NAMESPACE, name: NAME },
            Watched { resource: SLICES, namespace: NAMESPACE, name: NAME },
        ]
    }

    async fn keep(&self, place: &Place) -> Result<(), Failure> {
        let Some(address) = place.address else { return Ok(()) };
        let address_of_service = place.registry.service_range().nth(1);
        place.ensure(SERVICES, NAMESPACE, NAME, &service(address, address_of_service)).await?;
        place.ensure(ENDPOINTS, NAMESPACE, NAME, &endpoints(address)).await?;
        place.ensure(SLICES, NAMESPACE, NAME, &slice(address)).await
    }
}

/// `cluster_ip` is the first of the range, so that it is the same in every cluster with this range.
fn service(address: SocketAddr, cluster_ip: Option<IpAddr>) -> Value {
    let mut service = json!({
        "metadata": {"name": NAME, "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {
            "type": "ClusterIP",
            "sessionAffinity": "None",
            "ports": [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": address.port()}],
        },
    });
    if let Some(cluster_ip) = cluster_ip {
        service["spec"]["clusterIP"] = cluster_ip.to_string().into();
        service["spec"]["clusterIPs"] = json!([cluster_ip.to_string()]);
    }
    service
}

fn endpoints(address: SocketAddr) -> Value {
    json!({
        "metadata": {"name": NAME, "labels": {label::SKIP_MIRROR: "true"}},
        "subsets": [{
            "addresses": [{"ip": address.ip().to_string()}],
            "ports": [{"name": "https", "port": address.port(), "protocol": "TCP"}],
        }],
    })
}

fn slice(address: SocketAddr) -> Value {
    let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
    json!({
        "metadata": {"name": NAME, "labels": {label::SERVICE_NAME: NAME}},
        "addressType": family,
        "endpoints": [{"addresses": [address.ip().to_string()], "conditions": {"ready": true}}],
        "ports": [{"name": "https", "port": address.port(), "protocol": "TCP"}],
    })
}
