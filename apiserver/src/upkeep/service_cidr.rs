//! The ServiceCIDR `kubernetes`: where the addresses of Services come from.

use api::failure::Failure;
use api::names::GroupResource;
use async_trait::async_trait;
use serde_json::json;

use crate::upkeep::chore::{Chore, Place, Watched};

const SERVICE_CIDRS: GroupResource = GroupResource { group: "networking.k8s.io", resource: "servicecidrs" };
const NAME: &str = "kubernetes";

pub struct DefaultServiceCidr;

#[async_trait]
impl Chore for DefaultServiceCidr {
    fn name(&self) -> &'static str {
        "default ServiceCIDR"
    }

    fn watched(&self) -> &'static [Watched] {
        &[Watched { resource: SERVICE_CIDRS, namespace: None, name: NAME }]
    }

    async fn keep(&self, place: &Place) -> Result<(), Failure> {
        let wanted = json!({
            "metadata": {"name": NAME},
            "spec": {"cidrs": [place.registry.service_range().to_string()]},
            "status": {"conditions": [{
                "type": "Ready",
                "status": "True",
                "reason": "",
                "message": "Kubernetes Service CIDR is ready",
                // The merge patch of a chore must come out the same each time.
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }]},
        });
        place.ensure(SERVICE_CIDRS, None, NAME, &wanted).await
    }
}
