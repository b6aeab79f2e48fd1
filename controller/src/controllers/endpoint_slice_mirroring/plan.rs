//! The slices that show what people wrote into Endpoints.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::well_known::{annotation, label, manager};

use crate::kinds::endpoint_slice::{AddressType, Conditions, Endpoint, EndpointSlice, Port};
use crate::kinds::endpoints::{Address, Endpoints, Subset};
use crate::kinds::pairs::Pairs;
use crate::kinds::service::Service;
use crate::slices::draft::{Draft, Packed};

/// How many addresses of a subset are shown.
const MOST: usize = 1000;

#[derive(Debug, Default)]
pub struct Plan {
    pub packed: Packed,
    pub invalid: usize,
    pub skipped: usize,
}

/// Whether Endpoints are for us to show: written by people, for a Service that selects nothing itself.
pub fn is_mirrored(endpoints: &Endpoints, service: Option<&Service>) -> bool {
    !endpoints.meta.is_deleting()
        && endpoints.meta.labels.get(label::SKIP_MIRROR) != Some("true")
        && !endpoints.meta.annotations.contains(annotation::LEADER)
        && service.is_some_and(|service| service.spec.selector.is_none())
}

/// The annotations that the slices share with the Endpoints.
pub fn annotations(endpoints: &Endpoints) -> Pairs {
    let own = endpoints.meta.annotations.iter();
    own.filter(|(key, _)| *key != annotation::ENDPOINTS_TRIGGER_TIME && *key != annotation::LAST_APPLIED).collect()
}

fn labels(endpoints: &Endpoints) -> Pairs {
    let fixed = [
        (label::SERVICE_NAME, &*endpoints.meta.name),
        (label::ENDPOINT_SLICE_MANAGED_BY, manager::ENDPOINT_SLICE_MIRRORING),
    ];
    let is_free = |(key, _): &(&str, &str)| fixed.iter().all(|(reserved, _)| reserved != key);
    endpoints.meta.labels.iter().filter(is_free).chain(fixed).collect()
}

type Group = (AddressType, Vec<Port>);

/// `endpoints` is absent when nothing is to be shown: then all slices go.
pub fn plan(endpoints: Option<&Endpoints>, existing: Vec<Arc<EndpointSlice>>) -> Plan {
    let mut plan = Plan::default();
    let Some(endpoints) = endpoints else {
        plan.packed.delete = existing;
        return plan;
    };
    let mut wanted: BTreeMap<Group, Vec<Endpoint>> = BTreeMap::new();
    for subset in &endpoints.subsets {
        add_subset(subset, &mut wanted, &mut plan);
    }
    let (labels, annotations) = (labels(endpoints), annotations(endpoints));
    for slice in existing {
        let mut ports = slice.ports.to_vec();
        ports.sort_unstable();
        let group = (slice.address_type, ports);
        let is_own = slice.meta.owner_references.iter().any(|owner| owner.uid == endpoints.meta.uid);
        let Some(shown) = wanted.remove(&group).filter(|_| is_own) else {
            plan.packed.delete.push(slice);
            continue;
        };
        let is_same =
            *slice.endpoints == *shown && slice.meta.labels == labels && slice.meta.annotations == annotations;
        if is_same {
            plan.packed.keep.push(slice);
        } else {
            plan.packed.update.push(draft(group, shown, &labels, Some(slice)));
        }
    }
    plan.packed.create.extend(wanted.into_iter().map(|(group, shown)| draft(group, shown, &labels, None)));
    plan.packed.recycle(|slice| slice.meta.owner_references.iter().any(|owner| owner.uid == endpoints.meta.uid));
    plan
}

fn draft(
    (address_type, ports): Group,
    endpoints: Vec<Endpoint>,
    labels: &Pairs,
    existing: Option<Arc<EndpointSlice>>,
) -> Draft {
    Draft { existing, address_type, ports, endpoints, labels: labels.clone() }
}

fn add_subset(subset: &Subset, wanted: &mut BTreeMap<Group, Vec<Endpoint>>, plan: &mut Plan) {
    let port = |port: &crate::kinds::endpoints::Port| Port {
        name: Some(port.name.clone()),
        protocol: Some(port.protocol),
        port: Some(port.port),
        app_protocol: port.app_protocol.clone(),
    };
    let mut ports: Vec<Port> = subset.ports.iter().map(port).collect();
    ports.sort_unstable();
    let ready = subset.addresses.iter().map(|address| (address, true));
    let all = ready.chain(subset.not_ready_addresses.iter().map(|address| (address, false)));
    let mut added = 0;
    for (address, is_ready) in all {
        let Some(family) = AddressType::of(&address.ip) else {
            plan.invalid += 1;
            continue;
        };
        if added == MOST {
            plan.skipped += 1;
            continue;
        }
        added += 1;
        wanted.entry((family, ports.clone())).or_default().push(endpoint_of(address, is_ready));
    }
}

fn endpoint_of(address: &Address, is_ready: bool) -> Endpoint {
    Endpoint {
        addresses: Box::new([address.ip.clone()]),
        conditions: Conditions { ready: Some(is_ready), ..Conditions::default() },
        hostname: (!address.hostname.is_empty()).then(|| address.hostname.clone()),
        node_name: address.node_name.clone(),
        target_ref: address.target_ref.clone(),
        ..Endpoint::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::endpoints;
    use crate::kinds::kind::Kind;
    use crate::kinds::meta::OwnerReference;

    fn endpoints(subsets: &[(&[&str], &[&str], i32)]) -> Endpoints {
        let addresses = |ips: &[&str]| -> Box<[Address]> {
            ips.iter().map(|ip| Address { ip: (*ip).into(), ..Address::default() }).collect()
        };
        let subset = |(ready, not_ready, port): &(&[&str], &[&str], i32)| Subset {
            addresses: addresses(ready),
            not_ready_addresses: addresses(not_ready),
            ports: Box::new([endpoints::Port { port: *port, ..endpoints::Port::default() }]),
        };
        let mut endpoints = Endpoints { subsets: subsets.iter().map(subset).collect(), ..Endpoints::default() };
        endpoints.meta.name = "web".into();
        endpoints.meta.uid = "u".into();
        endpoints.meta.labels = [("team", "x")].into_iter().collect();
        endpoints
    }

    fn after(endpoints: &Endpoints, plan: Plan) -> Vec<Arc<EndpointSlice>> {
        let written = plan.packed.create.into_iter().chain(plan.packed.update).map(|draft| {
            let mut slice = draft.existing.as_deref().cloned().unwrap_or_default();
            slice.meta.labels = draft.labels;
            slice.meta.annotations = annotations(endpoints);
            slice.meta.owner_references =
                Arc::new([OwnerReference::controlling(&Endpoints::RESOURCE, &endpoints.meta)]);
            slice.address_type = draft.address_type;
            slice.ports = draft.ports.into();
            slice.endpoints = draft.endpoints.into();
            Arc::new(slice)
        });
        written.chain(plan.packed.keep).collect()
    }

    fn counts(plan: &Plan) -> (usize, usize, usize) {
        (plan.packed.create.len(), plan.packed.update.len(), plan.packed.delete.len())
    }

    #[test]
    fn each_subset_and_family_has_a_slice() {
        let endpoints = endpoints(&[(&["10.0.0.1", "fd00::1"], &["10.0.0.2"], 80), (&["10.0.0.3"], &[], 81)]);
        let plan = plan(Some(&endpoints), vec![]);
        let told: Vec<_> = plan
            .packed
            .create
            .iter()
            .map(|draft| (draft.address_type, draft.ports[0].port.unwrap(), draft.endpoints.len()))
            .collect();
        assert_eq!(told, [(AddressType::IPv4, 80, 2), (AddressType::IPv4, 81, 1), (AddressType::IPv6, 80, 1)]);
        assert_eq!(plan.packed.create[0].endpoints[1].conditions.ready, Some(false));
        assert_eq!(plan.packed.create[0].labels.get("team"), Some("x"));
    }

    #[test]
    fn what_is_shown_already_is_not_written() {
        let mut shown = endpoints(&[(&["10.0.0.1"], &[], 80)]);
        let slices = after(&shown, plan(Some(&shown), vec![]));
        assert_eq!(counts(&plan(Some(&shown), slices.clone())), (0, 0, 0));
        shown.meta.annotations = [("x", "y"), (annotation::ENDPOINTS_TRIGGER_TIME, "z")].into_iter().collect();
        assert_eq!(counts(&plan(Some(&shown), slices.clone())), (0, 1, 0));
        let moved = endpoints(&[(&["10.0.0.1"], &[], 81)]);
        assert_eq!(counts(&plan(Some(&moved), slices.clone())), (0, 1, 0));
        assert_eq!(counts(&plan(Some(&endpoints(&[])), slices.clone())), (0, 0, 1));
        assert_eq!(counts(&plan(None, slices)), (0, 0, 1));
    }

    #[test]
    fn addresses_that_are_none_and_those_beyond_a_thousand_are_left_out() {
        let ips: Vec<String> = (0..1005).map(|index| format!("10.0.{}.{}", index / 256, index % 256)).collect();
        let mut ips: Vec<&str> = ips.iter().map(String::as_str).collect();
        ips.push("not-an-address");
        let plan = plan(Some(&endpoints(&[(&ips, &[], 80)])), vec![]);
        assert_eq!((plan.invalid, plan.skipped, plan.packed.create[0].endpoints.len()), (1, 5, 1000));
    }

    #[test]
    fn only_what_people_wrote_for_a_service_without_selector_is_mirrored() {
        let mut service = Service::default();
        let mut endpoints = endpoints(&[]);
        assert!(is_mirrored(&endpoints, Some(&service)));
        assert!(!is_mirrored(&endpoints, None));
        service.spec.selector = Some(Pairs::default());
        assert!(!is_mirrored(&endpoints, Some(&service)));
        service.spec.selector = None;
        endpoints.meta.labels = [(label::SKIP_MIRROR, "true")].into_iter().collect();
        assert!(!is_mirrored(&endpoints, Some(&service)));
        endpoints.meta.labels = Pairs::default();
        endpoints.meta.annotations = [(annotation::LEADER, "me")].into_iter().collect();
        assert!(!is_mirrored(&endpoints, Some(&service)));
    }
}
