//! The slices of a Service: what must be created, written and deleted so that they show its pods.

use std::sync::Arc;

use api::well_known::{label, manager};

use crate::controllers::endpoint_slice::hints::{self, Distribution};
use crate::controllers::endpoint_slice::packing;
use crate::controllers::endpoint_slice::topology::{self, Counts, Zones};
use crate::controllers::endpoint_slice::wanted;
use crate::kinds::endpoint_slice::{AddressType, EndpointSlice};
use crate::kinds::node::Node;
use crate::kinds::pairs::Pairs;
use crate::kinds::pod::Pod;
use crate::kinds::service::Service;
use crate::slices::draft::{Draft, Packed};

/// What is known of a Service.
pub struct Observed<'a> {
    pub service: &'a Service,
    pub pods: &'a [Arc<Pod>],
    /// Its slices that we manage, without those that are being deleted.
    pub slices: Vec<Arc<EndpointSlice>>,
    pub node: &'a dyn Fn(&str) -> Option<Arc<Node>>,
    pub zones: &'a Zones,
    pub limit: usize,
}

#[derive(Debug, Default)]
pub struct Plan {
    pub packed: Packed,
    pub missing_nodes: Vec<Box<str>>,
    /// By family: the endpoints of each zone, or why there can be no hints. Only for Services that ask for them.
    pub topology: Vec<(AddressType, Result<Counts, String>)>,
}

/// Labels of slices that a Service cannot set.
const RESERVED: [&str; 3] = [label::SERVICE_NAME, label::ENDPOINT_SLICE_MANAGED_BY, label::HEADLESS_SERVICE];

pub fn plan(observed: Observed<'_>) -> Plan {
    let service = observed.service;
    let mut plan = Plan::default();
    let mut slices = observed.slices.clone();
    for family in wanted::address_types(service) {
        let of_family = slices.extract_if(.., |slice| slice.address_type == family).collect();
        let packed = of_one_family(&observed, family, of_family, &mut plan);
        plan.packed.append(packed);
    }
    // What is left is of a family that the Service has not.
    plan.packed.delete.append(&mut slices);
    if service.meta.is_deleting() {
        // Whoever deletes what belonged to the Service must not find more and more of it.
        plan.packed.create.clear();
    }
    plan
}

fn of_one_family(
    observed: &Observed<'_>,
    family: AddressType,
    slices: Vec<Arc<EndpointSlice>>,
    plan: &mut Plan,
) -> Packed {
    let service = observed.service;
    let wanted = wanted::wanted(service, observed.pods, observed.node, family);
    plan.missing_nodes.extend(wanted.missing_nodes);
    let template = Draft {
        existing: None,
        address_type: family,
        ports: Vec::new(),
        endpoints: Vec::new(),
        labels: labels(service),
    };
    let mut packed = Packed::default();
    let (own, foreign) = slices.into_iter().partition(|slice: &Arc<_>| is_owned(slice, service));
    packed.delete = foreign;
    let mut groups = packing::by_ports(own);
    for (ports, endpoints) in wanted.groups {
        let existing = groups.remove(&ports).unwrap_or_default();
        packed.append(packing::pack(&Draft { ports, ..template.clone() }, &existing, &endpoints, observed.limit));
    }
    let mut unwanted: Vec<Arc<EndpointSlice>> = groups.into_values().flatten().collect();
    unwanted.sort_by(|one, two| one.meta.name.cmp(&two.meta.name));
    packed.delete.extend(unwanted);
    keep_a_placeholder(&mut packed, template);
    if topology::is_wanted(service) {
        let counts = topology::allocate(&mut packed, observed.zones);
        plan.topology.push((family, counts));
    } else {
        hints::distribute(&mut packed, Distribution::of(service));
    }
    packed.recycle(|slice| is_owned(slice, service));
    packed
}

/// A Service without endpoints has one empty slice all the same.
fn keep_a_placeholder(packed: &mut Packed, placeholder: Draft) {
    if !packed.keep.is_empty() || !packed.update.is_empty() || !packed.create.is_empty() {
        return;
    }
    let is_placeholder = |slice: &EndpointSlice| {
        slice.endpoints.is_empty() && slice.ports.is_empty() && slice.meta.labels == placeholder.labels
    };
    match packed.delete.as_slice() {
        [only] if is_placeholder(only) => packed.keep.append(&mut packed.delete),
        _ => packed.create.push(placeholder),
    }
}

/// The labels of a Service's slices: its own, and those that say what they are.
pub fn labels(service: &Service) -> Pairs {
    let own = service.meta.labels.iter().filter(|(key, _)| !RESERVED.contains(key));
    let headless = service.is_headless().then_some((label::HEADLESS_SERVICE, ""));
    let fixed =
        [(label::SERVICE_NAME, &*service.meta.name), (label::ENDPOINT_SLICE_MANAGED_BY, manager::ENDPOINT_SLICE)];
    own.chain(headless).chain(fixed).collect()
}

fn is_owned(slice: &EndpointSlice, service: &Service) -> bool {
    let is_this = |owner: &crate::kinds::meta::OwnerReference| {
        owner.uid == service.meta.uid && &*owner.kind == "Service" && &*owner.api_version == "v1"
    };
    slice.meta.owner_references.iter().any(is_this)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::kind::Kind;
    use crate::kinds::meta::OwnerReference;
    use crate::kinds::pod::Phase;
    use crate::kinds::service;
    use crate::kinds::wire::IntOrString;

    fn service() -> Service {
        let mut service = Service::default();
        service.meta.name = "web".into();
        service.meta.uid = "service".into();
        service.meta.labels = [("team", "x"), (label::SERVICE_NAME, "stolen")].into_iter().collect();
        service.spec.cluster_ip = "127.96.0.1".into();
        service.spec.ip_families = vec!["IPv4".into()];
        service.spec.ports = vec![service::Port {
            name: "http".into(),
            target_port: IntOrString::Int(8080),
            ..service::Port::default()
        }];
        service
    }

    fn pods(count: usize) -> Vec<Arc<Pod>> {
        let pod = |index: usize| {
            let mut pod = Pod::default();
            pod.meta.name = format!("pod-{index}").into();
            pod.status.phase = Phase::Running;
            pod.status.is_ready = true;
            pod.status.ips = Box::new([format!("127.64.{}.{}", index / 256, index % 256).into()]);
            Arc::new(pod)
        };
        (0..count).map(pod).collect()
    }

    fn run(service: &Service, pods: &[Arc<Pod>], slices: Vec<Arc<EndpointSlice>>) -> Plan {
        let node = |_: &str| Some(Arc::new(Node::default()));
        let zones = Zones::default();
        plan(Observed { service, pods, slices, node: &node, zones: &zones, limit: 100 })
    }

    /// The slices that there are after a plan.
    fn after(service: &Service, plan: Plan) -> Vec<Arc<EndpointSlice>> {
        let written = plan.packed.create.into_iter().chain(plan.packed.update).enumerate().map(|(index, draft)| {
            let mut slice = draft.existing.as_deref().cloned().unwrap_or_default();
            if slice.meta.name.is_empty() {
                slice.meta.name = format!("new-{index}").into();
            }
            slice.meta.labels = draft.labels;
            slice.meta.owner_references = Arc::new([OwnerReference::controlling(&Service::RESOURCE, &service.meta)]);
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
    fn a_service_without_pods_has_a_placeholder() {
        let service = service();
        let first = run(&service, &[], vec![]);
        assert_eq!(counts(&first), (1, 0, 0));
        let draft = &first.packed.create[0];
        assert!(draft.endpoints.is_empty() && draft.ports.is_empty());
        let slices = after(&service, first);
        assert_eq!(counts(&run(&service, &[], slices.clone())), (0, 0, 0));
        let filled = run(&service, &pods(1), slices);
        assert_eq!(counts(&filled), (0, 1, 0));
        let slices = after(&service, filled);
        assert_eq!(slices[0].ports[0].port, Some(8080));
        let emptied = run(&service, &[], slices);
        assert_eq!(counts(&emptied), (0, 1, 0));
        assert!(after(&service, emptied)[0].ports.is_empty());
    }

    #[test]
    fn labels_are_the_services_and_reserved_ones_are_ours() {
        let mut service = service();
        let told =
            |service: &Service| labels(service).iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>();
        let expected = [
            "endpointslice.kubernetes.io/managed-by=endpointslice-controller.k8s.io",
            "kubernetes.io/service-name=web",
            "team=x",
        ];
        assert_eq!(told(&service), expected);
        service.spec.cluster_ip = "None".into();
        assert!(told(&service).contains(&"service.kubernetes.io/headless=".to_owned()));
    }

    #[test]
    fn a_label_alone_is_written() {
        let mut service = service();
        let slices = after(&service, run(&service, &pods(250), vec![]));
        assert_eq!(slices.len(), 3);
        assert_eq!(counts(&run(&service, &pods(250), slices.clone())), (0, 0, 0));
        service.meta.labels = [("team", "y")].into_iter().collect();
        assert_eq!(counts(&run(&service, &pods(250), slices)), (0, 3, 0));
    }

    #[test]
    fn slices_of_another_family_or_owner_go() {
        let service = service();
        let six = EndpointSlice { address_type: AddressType::IPv6, ..EndpointSlice::default() };
        let stranger = EndpointSlice { address_type: AddressType::IPv4, ..EndpointSlice::default() };
        let plan = run(&service, &pods(1), vec![Arc::new(six), Arc::new(stranger)]);
        assert_eq!(counts(&plan), (1, 0, 2));
    }

    #[test]
    fn a_service_with_two_families_has_slices_of_both() {
        let mut service = service();
        service.spec.ip_families = vec!["IPv4".into(), "IPv6".into()];
        let plan = run(&service, &pods(1), vec![]);
        let told: Vec<_> = plan.packed.create.iter().map(|draft| (draft.address_type, draft.endpoints.len())).collect();
        assert_eq!(told, [(AddressType::IPv4, 1), (AddressType::IPv6, 0)]);
    }

    #[test]
    fn a_service_that_is_being_deleted_gets_no_new_slices() {
        let mut service = service();
        service.meta.deletion_timestamp = Some(jiff::Timestamp::UNIX_EPOCH);
        assert_eq!(counts(&run(&service, &pods(1), vec![])), (0, 0, 0));
    }

    #[test]
    fn a_new_port_rewrites_the_slices_that_are_there() {
        let mut service = service();
        let slices = after(&service, run(&service, &pods(150), vec![]));
        service.spec.ports[0].target_port = IntOrString::Int(9090);
        let plan = run(&service, &pods(150), slices);
        assert_eq!(counts(&plan), (0, 2, 0));
        assert!(plan.packed.update.iter().all(|draft| draft.ports[0].port == Some(9090)));
    }
}
