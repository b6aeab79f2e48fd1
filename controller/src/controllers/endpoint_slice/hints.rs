//! Hints that follow from `spec.trafficDistribution`: traffic stays in its zone, or on its node, where it can.

use std::sync::Arc;

use crate::kinds::endpoint_slice::{Endpoint, EndpointSlice, Hints, Named};
use crate::kinds::service::Service;
use crate::slices::draft::{Draft, Packed};

/// How a Service wants its traffic spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distribution {
    Anywhere,
    SameZone,
    SameNode,
}

impl Distribution {
    pub fn of(service: &Service) -> Self {
        match service.spec.traffic_distribution.as_deref() {
            Some("PreferClose" | "PreferSameZone") => Self::SameZone,
            Some("PreferSameNode") => Self::SameNode,
            _ => Self::Anywhere,
        }
    }

    /// The hints of one endpoint. Only those that are ready get any; others keep what they have.
    fn hints(self, endpoint: &Endpoint) -> Option<Box<Hints>> {
        if self == Self::Anywhere {
            return None;
        }
        if !endpoint.is_ready() {
            return endpoint.hints.clone();
        }
        let named = |name: &Option<Box<str>>| name.iter().map(|name| Named { name: name.clone() }).collect();
        let hints = Hints {
            for_zones: named(&endpoint.zone),
            for_nodes: if self == Self::SameNode { named(&endpoint.node_name) } else { Box::default() },
        };
        (hints != Hints::default()).then(|| Box::new(hints))
    }
}

/// Gives all endpoints their hints; slices that were to be kept are written if theirs are not right.
pub fn distribute(packed: &mut Packed, distribution: Distribution) {
    let is_right =
        |slice: &EndpointSlice| slice.endpoints.iter().all(|endpoint| distribution.hints(endpoint) == endpoint.hints);
    update_kept(packed, |slice| !is_right(slice));
    for draft in packed.create.iter_mut().chain(&mut packed.update) {
        for endpoint in &mut draft.endpoints {
            endpoint.hints = distribution.hints(endpoint);
        }
    }
}

/// Moves kept slices for which `must` holds to those that are written.
pub fn update_kept(packed: &mut Packed, mut must: impl FnMut(&EndpointSlice) -> bool) {
    let (moved, kept) = std::mem::take(&mut packed.keep).into_iter().partition(|slice: &Arc<_>| must(slice));
    packed.keep = kept;
    packed.update.extend(moved.into_iter().map(|slice: Arc<EndpointSlice>| Draft {
        address_type: slice.address_type,
        ports: slice.ports.to_vec(),
        endpoints: slice.endpoints.to_vec(),
        labels: slice.meta.labels.clone(),
        existing: Some(slice),
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::endpoint_slice::Conditions;

    fn endpoint(zone: Option<&str>, node: &str, ready: bool) -> Endpoint {
        Endpoint {
            zone: zone.map(Box::from),
            node_name: Some(node.into()),
            conditions: Conditions { ready: Some(ready), ..Conditions::default() },
            ..Endpoint::default()
        }
    }

    fn kept(endpoints: Vec<Endpoint>) -> Packed {
        let slice = EndpointSlice { endpoints: endpoints.into(), ..EndpointSlice::default() };
        Packed { keep: vec![Arc::new(slice)], ..Packed::default() }
    }

    fn told(packed: &Packed) -> Vec<String> {
        let names = |named: &[Named]| named.iter().map(|named| named.name.to_string()).collect::<Vec<_>>().join(",");
        let hints = |endpoint: &Endpoint| match &endpoint.hints {
            None => "-".to_owned(),
            Some(hints) => format!("{}/{}", names(&hints.for_zones), names(&hints.for_nodes)),
        };
        packed.update.iter().flat_map(|draft| draft.endpoints.iter().map(hints)).collect()
    }

    #[test]
    fn ready_endpoints_are_for_their_zone() {
        let mut packed =
            kept(vec![endpoint(Some("z"), "n", true), endpoint(Some("z"), "m", false), endpoint(None, "o", true)]);
        distribute(&mut packed, Distribution::SameZone);
        assert_eq!(told(&packed), ["z/", "-", "-"]);
    }

    #[test]
    fn the_same_node_is_preferred_besides_the_zone() {
        let mut packed = kept(vec![endpoint(Some("z"), "n", true), endpoint(None, "o", true)]);
        distribute(&mut packed, Distribution::SameNode);
        assert_eq!(told(&packed), ["z/n", "/o"]);
    }

    #[test]
    fn hints_go_when_the_wish_goes_and_nothing_is_written_twice() {
        let mut packed = kept(vec![endpoint(Some("z"), "n", true)]);
        distribute(&mut packed, Distribution::SameZone);
        let written = packed.update.remove(0).endpoints;
        let mut again = kept(written.clone());
        distribute(&mut again, Distribution::SameZone);
        assert!(again.update.is_empty());
        let mut without = kept(written);
        distribute(&mut without, Distribution::Anywhere);
        assert_eq!(told(&without), ["-"]);
        let mut still = kept(vec![endpoint(Some("z"), "n", true)]);
        distribute(&mut still, Distribution::Anywhere);
        assert!(still.update.is_empty());
    }
}
