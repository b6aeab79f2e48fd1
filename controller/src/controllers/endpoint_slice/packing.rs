//! How endpoints are spread over slices: as few slices as possible change, and few more are made than are needed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::kinds::endpoint_slice::{Endpoint, EndpointSlice, Port};
use crate::slices::draft::{Draft, Packed};

/// What an endpoint is known by: all else about it may change in place.
type Identity<'a> = (&'a [Box<str>], Option<&'a str>, Option<(&'a str, &'a str)>);

fn identity(endpoint: &Endpoint) -> Identity<'_> {
    let target = endpoint.target_ref.as_deref().map(|target| (&*target.namespace, &*target.name));
    (&endpoint.addresses, endpoint.hostname.as_deref(), target)
}

fn is_same_but_for_hints(one: &Endpoint, two: &Endpoint) -> bool {
    one.conditions == two.conditions
        && one.node_name == two.node_name
        && one.zone == two.zone
        && one.target_ref == two.target_ref
}

/// The slices of one set of ports. `template` holds the ports, family and labels of its slices.
pub fn pack(template: &Draft, existing: &[Arc<EndpointSlice>], wanted: &[Endpoint], limit: usize) -> Packed {
    let mut unplaced: BTreeMap<Identity<'_>, &Endpoint> =
        wanted.iter().map(|endpoint| (identity(endpoint), endpoint)).collect();
    let mut packed = Packed::default();
    for slice in existing {
        let mut changed = false;
        let mut kept = Vec::with_capacity(slice.endpoints.len());
        for old in &slice.endpoints {
            let Some(new) = unplaced.remove(&identity(old)) else { continue };
            changed |= !is_same_but_for_hints(old, new);
            kept.push(Endpoint { hints: old.hints.clone(), ..new.clone() });
        }
        let has_lost = kept.len() != slice.endpoints.len();
        if has_lost && kept.is_empty() {
            packed.delete.push(slice.clone());
        } else if changed || has_lost || slice.meta.labels != template.labels {
            packed.update.push(Draft { existing: Some(slice.clone()), endpoints: kept, ..template.clone() });
        } else {
            packed.keep.push(slice.clone());
        }
    }
    let mut rest: Vec<Endpoint> = unplaced.into_values().cloned().collect();
    fill(&mut packed.update, &mut rest, limit);
    place(template, &mut packed, rest, limit);
    packed
}

/// Slices that change anyway take what they can, the fullest first.
fn fill(drafts: &mut [Draft], rest: &mut Vec<Endpoint>, limit: usize) {
    drafts.sort_by_key(|draft| std::cmp::Reverse(draft.endpoints.len()));
    for draft in drafts {
        let room = limit.saturating_sub(draft.endpoints.len()).min(rest.len());
        draft.endpoints.extend(rest.drain(..room));
    }
}

/// What is left goes into the unchanged slice that it fills best, or into new ones.
fn place(template: &Draft, packed: &mut Packed, mut rest: Vec<Endpoint>, limit: usize) {
    while !rest.is_empty() {
        let best = if rest.len() < limit { best_fit(&packed.keep, rest.len(), limit) } else { None };
        if let Some(index) = best {
            let slice = packed.keep.remove(index);
            let mut endpoints = slice.endpoints.to_vec();
            endpoints.append(&mut rest);
            packed.update.push(Draft { existing: Some(slice), endpoints, ..template.clone() });
            return;
        }
        let endpoints = rest.drain(..rest.len().min(limit)).collect();
        packed.create.push(Draft { existing: None, endpoints, ..template.clone() });
    }
}

fn best_fit(slices: &[Arc<EndpointSlice>], count: usize, limit: usize) -> Option<usize> {
    let room = |slice: &Arc<EndpointSlice>| limit.checked_sub(count + slice.endpoints.len());
    let fitting = slices.iter().enumerate().filter_map(|(index, slice)| Some((room(slice)?, index)));
    // One that would stay empty but for the newcomers is no better than a new one.
    fitting.filter(|(room, _)| *room < limit).min().map(|(_, index)| index)
}

/// Existing slices by their ports, sorted as ours are.
pub fn by_ports(slices: Vec<Arc<EndpointSlice>>) -> HashMap<Vec<Port>, Vec<Arc<EndpointSlice>>> {
    let mut groups: HashMap<Vec<Port>, Vec<Arc<EndpointSlice>>> = HashMap::new();
    for slice in slices {
        let mut ports = slice.ports.to_vec();
        ports.sort_unstable();
        groups.entry(ports).or_default().push(slice);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::endpoint_slice::AddressType;
    use crate::kinds::pairs::Pairs;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn endpoint(index: usize, ready: bool) -> Endpoint {
        let mut endpoint = Endpoint {
            addresses: Box::new([format!("10.0.{}.{}", index / 256, index % 256).into()]),
            ..Endpoint::default()
        };
        endpoint.conditions.ready = Some(ready);
        endpoint
    }

    fn endpoints(indexes: impl IntoIterator<Item = usize>) -> Vec<Endpoint> {
        indexes.into_iter().map(|index| endpoint(index, true)).collect()
    }

    fn slice(name: &str, indexes: impl IntoIterator<Item = usize>) -> Arc<EndpointSlice> {
        let mut slice = EndpointSlice { endpoints: endpoints(indexes).into(), ..EndpointSlice::default() };
        slice.meta.name = name.into();
        Arc::new(slice)
    }

    fn template() -> Draft {
        Draft {
            existing: None,
            address_type: AddressType::IPv4,
            ports: Vec::new(),
            endpoints: Vec::new(),
            labels: Pairs::default(),
        }
    }

    fn told(packed: &Packed) -> Vec<String> {
        let name = |draft: &Draft| draft.existing.as_ref().unwrap().meta.name.to_string();
        let created = packed.create.iter().map(|draft| format!("create {}", draft.endpoints.len()));
        let updated = packed.update.iter().map(|draft| format!("update {} {}", name(draft), draft.endpoints.len()));
        let deleted = packed.delete.iter().map(|slice| format!("delete {}", slice.meta.name));
        created.chain(updated).chain(deleted).collect()
    }

    #[test]
    fn many_endpoints_need_many_slices() {
        let packed = pack(&template(), &[], &endpoints(0..250), 100);
        assert_eq!(told(&packed), ["create 100", "create 100", "create 50"]);
    }

    #[test]
    fn what_is_as_wanted_is_left_alone() {
        let existing = [slice("a", 0..62), slice("b", 62..123)];
        let packed = pack(&template(), &existing, &endpoints(0..123), 100);
        assert!(told(&packed).is_empty());
        assert_eq!(packed.keep.len(), 2);
    }

    #[test]
    fn newcomers_fill_slices_that_change_anyway() {
        // 62 + 61 endpoints, of which 20 of the first go; 20 new ones fit into it.
        let existing = [slice("a", 0..62), slice("b", 62..123)];
        let packed = pack(&template(), &existing, &endpoints((20..123).chain(200..220)), 100);
        assert_eq!(told(&packed), ["update a 62"]);
    }

    #[test]
    fn a_few_newcomers_go_where_they_fit_best() {
        let existing = [slice("a", 0..62), slice("b", 100..180), slice("c", 200..295)];
        let packed =
            pack(&template(), &existing, &endpoints((0..62).chain(100..180).chain(200..295).chain(400..415)), 100);
        assert_eq!(told(&packed), ["update b 95"]);
    }

    #[test]
    fn newcomers_that_fit_nowhere_get_a_slice() {
        let existing = [slice("a", 0..95), slice("b", 100..195)];
        let packed = pack(&template(), &existing, &endpoints((0..95).chain(100..195).chain(300..310)), 100);
        assert_eq!(told(&packed), ["create 10"]);
    }

    #[test]
    fn an_endpoint_changes_in_place() {
        let mut wanted = endpoints(0..10);
        wanted[3].conditions.ready = Some(false);
        let packed = pack(&template(), &[slice("a", 0..10)], &wanted, 100);
        assert_eq!(told(&packed), ["update a 10"]);
        assert_eq!(packed.update[0].endpoints[3].conditions.ready, Some(false));
    }

    #[test]
    fn a_slice_that_loses_all_is_deleted() {
        let packed = pack(&template(), &[slice("a", 0..10), slice("b", 10..20)], &endpoints(0..10), 100);
        assert_eq!(told(&packed), ["delete b"]);
    }

    #[test]
    fn labels_alone_are_a_reason_to_write() {
        let template = Draft { labels: [("x", "y")].into_iter().collect(), ..template() };
        assert_eq!(told(&pack(&template, &[slice("a", 0..10)], &endpoints(0..10), 100)), ["update a 10"]);
    }

    #[test]
    fn deleted_slices_become_created_ones() {
        let mut packed = pack(&template(), &[slice("a", 0..10)], &endpoints(50..60), 100);
        assert_eq!(told(&packed), ["create 10", "delete a"]);
        packed.delete[0] =
            Arc::new(EndpointSlice { address_type: AddressType::IPv4, ..EndpointSlice::clone(&packed.delete[0]) });
        packed.recycle(|_| true);
        assert_eq!(told(&packed), ["update a 10"]);
    }

    /// Endpoints that are in several slices by mistake.
    fn duplicates(slices: &[&[Endpoint]]) -> usize {
        let all: Vec<_> = slices.iter().flat_map(|endpoints| endpoints.iter().map(identity)).collect();
        all.len() - all.iter().collect::<HashSet<_>>().len()
    }

    proptest! {
        #[test]
        fn every_wanted_endpoint_is_in_one_slice(
            old in proptest::collection::vec(proptest::collection::btree_set(0..200_usize, 0..20), 0..8),
            wanted in proptest::collection::btree_set(0..200_usize, 0..150),
            limit in 1..30_usize,
        ) {
            let mut seen = HashSet::new();
            let existing: Vec<_> = old.iter().enumerate().map(|(index, set)| {
                slice(&index.to_string(), set.iter().copied().filter(|it| seen.insert(*it)).take(limit))
            }).collect();
            let wanted = endpoints(wanted);
            let packed = pack(&template(), &existing, &wanted, limit);
            let drafts = packed.create.iter().chain(&packed.update).map(|draft| draft.endpoints.as_slice());
            let all: Vec<&[Endpoint]> = drafts.chain(packed.keep.iter().map(|slice| &*slice.endpoints)).collect();
            prop_assert_eq!(duplicates(&all), 0);
            prop_assert_eq!(all.iter().map(|endpoints| endpoints.len()).sum::<usize>(), wanted.len());
            prop_assert!(all.iter().all(|endpoints| endpoints.len() <= limit));
            // A second look finds nothing to do.
            let after: Vec<_> = all.iter().enumerate().filter(|(_, endpoints)| !endpoints.is_empty()).map(|(index, endpoints)| {
                let mut slice = EndpointSlice { endpoints: endpoints.to_vec().into(), ..EndpointSlice::default() };
                slice.meta.name = index.to_string().into();
                Arc::new(slice)
            }).collect();
            prop_assert!(told(&pack(&template(), &after, &wanted, limit)).is_empty());
        }
    }
}
