//! Hints of the annotation `service.kubernetes.io/topology-mode: Auto`: each zone gets a part of the endpoints that is
//! proportional to its CPUs.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::well_known::annotation;

use crate::controllers::endpoint_slice::hints::{self, Distribution};
use crate::kinds::endpoint_slice::{Endpoint, EndpointSlice, Hints, Named};
use crate::kinds::node::Node;
use crate::kinds::service::Service;
use crate::slices::draft::Packed;

/// How much more than its part an endpoint may have to serve.
const OVERLOAD: f64 = 0.2;
const OLD_ANNOTATION: &str = "service.kubernetes.io/topology-aware-hints";
const EXCLUDED: [&str; 2] = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];

pub const ENABLED: &str = "Topology Aware Hints has been enabled";
pub const DISABLED: &str = "Topology Aware Hints has been disabled";
const NO_NODE_INFORMATION: &str =
    "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes";
const TOO_FEW: &str = "Insufficient number of endpoints";
const OVERLOADED: &str =
    "Unable to allocate minimum required endpoints to each zone without exceeding overload threshold";
const NO_ZONE: &str = "One or more endpoints do not have a zone specified";
const NO_HINTS: &str = "No hints allocated for zones";

/// Endpoints by zone.
pub type Counts = BTreeMap<Box<str>, usize>;

/// Each zone's part of all CPUs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Zones(BTreeMap<Box<str>, f64>);

/// Whether a Service asks for such hints.
pub fn is_wanted(service: &Service) -> bool {
    let annotations = &service.meta.annotations;
    let value = annotations.get(OLD_ANNOTATION).or_else(|| annotations.get(annotation::TOPOLOGY_MODE));
    matches!(value, Some("Auto" | "auto"))
}

impl Zones {
    /// Nothing unless every node that counts tells its zone and its CPUs, and there are two zones at least.
    pub fn of(nodes: &[Arc<Node>]) -> Self {
        let mut cpus: BTreeMap<Box<str>, i64> = BTreeMap::new();
        for node in nodes {
            if EXCLUDED.iter().any(|label| node.meta.labels.contains(label)) || !node.is_ready() {
                continue;
            }
            let cpu = node.status.allocatable.cpu;
            match node.zone() {
                Some(zone) if cpu > 0 => *cpus.entry(zone.into()).or_default() += cpu,
                _ => return Self::default(),
            }
        }
        let total: i64 = cpus.values().sum();
        if cpus.len() < 2 || total == 0 {
            return Self::default();
        }
        Self(cpus.into_iter().map(|(zone, cpu)| (zone, cpu as f64 / total as f64)).collect())
    }

    /// Whether a Service with these endpoints serves a zone with too few of them.
    pub fn overload(&self, counts: &Counts) -> bool {
        if counts.is_empty() {
            return false;
        }
        let total: usize = counts.values().sum();
        let is_too_few =
            |zone: &str, ratio: f64| counts.get(zone).is_none_or(|count| *count < minimum(total as f64 * ratio));
        self.0.is_empty() || self.0.iter().any(|(zone, ratio)| is_too_few(zone, *ratio))
    }

    fn allocations(&self, endpoints: usize) -> Result<BTreeMap<Box<str>, Allocation>, String> {
        let zones = self.0.len();
        if zones == 0 {
            return Err(NO_NODE_INFORMATION.to_owned());
        }
        let numbers = format!("({endpoints} endpoints, {zones} zones)");
        if zones > endpoints {
            return Err(format!("{TOO_FEW} {numbers}"));
        }
        let least: usize = self.0.values().map(|ratio| minimum(ratio * endpoints as f64)).sum();
        let Some(spare) = endpoints.checked_sub(least) else {
            return Err(format!("{OVERLOADED} {numbers}"));
        };
        let allocation = |ratio: f64| {
            let desired = ratio * endpoints as f64;
            let least = minimum(desired);
            Allocation { maximum: least + spare, desired: desired.max(least as f64) }
        };
        Ok(self.0.iter().map(|(zone, ratio)| (zone.clone(), allocation(*ratio))).collect())
    }
}

fn minimum(desired: f64) -> usize {
    // Not to round a whole number up because of its last bits.
    let least = desired * (1.0 / (1.0 + OVERLOAD));
    (least - 1e-9).ceil().max(0.0) as usize
}

#[derive(Debug, Clone, Copy)]
struct Allocation {
    maximum: usize,
    desired: f64,
}

/// Gives all endpoints hints, and tells how many each zone has. If that cannot be done well, all hints go, and the
/// error says why.
pub fn allocate(packed: &mut Packed, zones: &Zones) -> Result<Counts, String> {
    let counts = try_allocate(packed, zones);
    if counts.is_err() {
        hints::distribute(packed, Distribution::Anywhere);
    }
    counts
}

fn try_allocate(packed: &mut Packed, zones: &Zones) -> Result<Counts, String> {
    let drafts = packed.create.iter().chain(&packed.update).flat_map(|draft| draft.endpoints.iter());
    let all = drafts.chain(packed.keep.iter().flat_map(|slice| slice.endpoints.iter()));
    let allocations = zones.allocations(all.filter(|endpoint| endpoint.is_ready()).count())?;
    let mut counts = Counts::new();
    hints::update_kept(packed, |slice| match hints_of(slice, &counts, &allocations) {
        None => true,
        Some(more) => {
            more.into_iter().for_each(|(zone, count)| *counts.entry(zone).or_default() += count);
            false
        }
    });
    let drafts = packed.create.iter_mut().chain(&mut packed.update);
    let mut endpoints: Vec<&mut Endpoint> = drafts.flat_map(|draft| draft.endpoints.iter_mut()).collect();
    for endpoint in &mut endpoints {
        if !endpoint.is_ready() {
            endpoint.hints = None;
            continue;
        }
        let Some(zone) = endpoint.zone.clone() else { return Err(NO_ZONE.to_owned()) };
        *counts.entry(zone.clone()).or_default() += 1;
        endpoint.hints = Some(for_zone(zone));
    }
    redistribute(&mut endpoints, &mut counts, &allocations);
    if counts.is_empty() { Err(NO_HINTS.to_owned()) } else { Ok(counts) }
}

fn for_zone(zone: Box<str>) -> Box<Hints> {
    Box::new(Hints { for_zones: Box::new([Named { name: zone }]), for_nodes: Box::default() })
}

/// The hints of a slice that is as it was, unless they are missing, for a zone that is gone, or too many.
fn hints_of(slice: &EndpointSlice, counts: &Counts, allocations: &BTreeMap<Box<str>, Allocation>) -> Option<Counts> {
    let mut found = Counts::new();
    for endpoint in slice.endpoints.iter().filter(|endpoint| endpoint.is_ready()) {
        let zones = &endpoint.hints.as_ref()?.for_zones;
        if zones.is_empty() {
            return None;
        }
        for zone in zones {
            *found.entry(zone.name.clone()).or_default() += 1;
        }
    }
    let fits = |zone: &str, count: usize| {
        let present = counts.get(zone).copied().unwrap_or(0);
        allocations.get(zone).is_some_and(|allocation| count + present <= allocation.maximum)
    };
    found.iter().all(|(zone, count)| fits(zone, *count)).then_some(found)
}

/// Zones with more than their part give endpoints to those with less.
fn redistribute(endpoints: &mut [&mut Endpoint], counts: &mut Counts, allocations: &BTreeMap<Box<str>, Allocation>) {
    let (mut giving, mut receiving) = givers_and_receivers(counts, allocations);
    for endpoint in endpoints.iter_mut().filter(|endpoint| endpoint.is_ready()) {
        let Some(zone) = endpoint.zone.clone() else { continue };
        let Some(give) = giving.get_mut(&zone).filter(|give| **give > 0) else { continue };
        let Some((receiver, receive)) = receiving.iter_mut().find(|(_, receive)| **receive > 0) else { return };
        endpoint.hints = Some(for_zone(receiver.clone()));
        *give -= 1;
        *receive -= 1;
        *counts.entry(receiver.clone()).or_default() += 1;
        if let Some(count) = counts.get_mut(&zone) {
            *count -= 1;
        }
    }
}

fn givers_and_receivers(counts: &Counts, allocations: &BTreeMap<Box<str>, Allocation>) -> (Counts, Counts) {
    let surplus =
        |zone: &str, allocation: &Allocation| counts.get(zone).copied().unwrap_or(0) as f64 - allocation.desired;
    let mut surplus: BTreeMap<Box<str>, f64> =
        allocations.iter().map(|(zone, allocation)| (zone.clone(), surplus(zone, allocation))).collect();
    let (mut giving, mut receiving) = (Counts::new(), Counts::new());
    while let Some((giver, most)) = extreme(&surplus, 1.0)
        && let Some((taker, least)) = extreme(&surplus, -1.0)
    {
        if (most < 1.0 && least < 1.0) || most < 0.5 || least < 0.5 {
            break;
        }
        *surplus.entry(giver.clone()).or_default() -= 1.0;
        *surplus.entry(taker.clone()).or_default() += 1.0;
        *giving.entry(giver).or_default() += 1;
        *receiving.entry(taker).or_default() += 1;
    }
    (giving, receiving)
}

/// The zone with the most of what `sign` makes positive.
fn extreme(surplus: &BTreeMap<Box<str>, f64>, sign: f64) -> Option<(Box<str>, f64)> {
    let signed = surplus.iter().map(|(zone, amount)| (zone.clone(), amount * sign));
    signed.max_by(|one, two| one.1.total_cmp(&two.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::condition::Condition;
    use crate::kinds::endpoint_slice::{AddressType, Conditions};
    use crate::kinds::node::NodeCondition;
    use crate::kinds::pairs::Pairs;
    use crate::slices::draft::Draft;
    use api::well_known::label;

    fn node(zone: &str, cpu: i64) -> Arc<Node> {
        let mut node = Node::default();
        if !zone.is_empty() {
            node.meta.labels = [(label::ZONE, zone)].into_iter().collect();
        }
        node.status.allocatable.cpu = cpu;
        let condition = Condition { kind: "Ready".into(), status: "True".into(), ..Condition::default() };
        node.status.conditions = vec![NodeCondition { condition, last_heartbeat_time: None }];
        Arc::new(node)
    }

    fn packed(zones: &[&str]) -> Packed {
        let endpoint = |zone: &&str| Endpoint {
            zone: (!zone.is_empty()).then(|| (*zone).into()),
            conditions: Conditions { ready: Some(true), ..Conditions::default() },
            ..Endpoint::default()
        };
        let draft = Draft {
            existing: None,
            address_type: AddressType::IPv4,
            ports: Vec::new(),
            endpoints: zones.iter().map(endpoint).collect(),
            labels: Pairs::default(),
        };
        Packed { create: vec![draft], ..Packed::default() }
    }

    fn counts(pairs: &[(&str, usize)]) -> Counts {
        pairs.iter().map(|(zone, count)| ((*zone).into(), *count)).collect()
    }

    fn even() -> Zones {
        Zones::of(&[node("a", 1000), node("b", 1000)])
    }

    #[test]
    fn endpoints_are_shared_among_zones_by_their_cpus() {
        assert_eq!(allocate(&mut packed(&["a", "b", "a", "b"]), &even()), Ok(counts(&[("a", 2), ("b", 2)])));
        assert_eq!(allocate(&mut packed(&["a", "a", "a", "b"]), &even()), Ok(counts(&[("a", 2), ("b", 2)])));
        let uneven = Zones::of(&[node("a", 3000), node("b", 1000)]);
        assert_eq!(allocate(&mut packed(&["a", "b", "a", "b"]), &uneven), Ok(counts(&[("a", 3), ("b", 1)])));
    }

    #[test]
    fn without_enough_endpoints_or_zones_there_are_no_hints() {
        let few = allocate(&mut packed(&["a"]), &even()).unwrap_err();
        assert_eq!(few, "Insufficient number of endpoints (1 endpoints, 2 zones)");
        let three = allocate(&mut packed(&["a", "b", "a"]), &even()).unwrap_err();
        assert!(three.starts_with(OVERLOADED), "{three}");
        let one_zone = Zones::of(&[node("a", 1000), node("a", 1000)]);
        assert_eq!(allocate(&mut packed(&["a", "a"]), &one_zone).unwrap_err(), NO_NODE_INFORMATION);
        let untold = Zones::of(&[node("a", 1000), node("", 1000)]);
        assert_eq!(untold, Zones::default());
        assert_eq!(allocate(&mut packed(&["a", ""]), &even()).unwrap_err(), NO_ZONE);
    }

    #[test]
    fn hints_that_are_good_enough_are_left_alone() {
        let mut first = packed(&["a", "a", "b", "b"]);
        allocate(&mut first, &even()).unwrap();
        let endpoints = first.create.remove(0).endpoints;
        let slice = Arc::new(EndpointSlice { endpoints: endpoints.into(), ..EndpointSlice::default() });
        let mut second = Packed { keep: vec![slice], ..Packed::default() };
        assert_eq!(allocate(&mut second, &even()), Ok(counts(&[("a", 2), ("b", 2)])));
        assert!(second.update.is_empty());
        assert!(allocate(&mut second, &Zones::default()).is_err());
        assert!(second.update[0].endpoints.iter().all(|endpoint| endpoint.hints.is_none()));
    }

    #[test]
    fn a_zone_with_too_few_endpoints_is_noticed() {
        assert!(!even().overload(&counts(&[("a", 2), ("b", 2)])));
        assert!(even().overload(&counts(&[("a", 9), ("b", 2)])));
        assert!(even().overload(&counts(&[("a", 4)])));
        assert!(!even().overload(&Counts::new()));
        assert!(Zones::default().overload(&counts(&[("a", 4)])));
    }
}
