//! The quality of service that a pod's requests and limits amount to.

use std::collections::BTreeMap;

use api::quantity::Quantity;
use k8s_openapi::api::core::v1::{Container, PodSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Amount;

type Amounts = BTreeMap<&'static str, Quantity>;

const COMPUTE: [&str; 2] = ["cpu", "memory"];

/// `Guaranteed` if everything is limited to what it requests, `BestEffort` if nothing is said, else `Burstable`.
pub fn class_of(spec: &PodSpec) -> &'static str {
    let mut says_something = false;
    let mut is_guaranteed = true;
    for container in spec.init_containers.iter().flatten().chain(&spec.containers) {
        let (requests, limits) = compute(container);
        says_something |= !requests.is_empty() || !limits.is_empty();
        is_guaranteed &= limits.len() == COMPUTE.len() && requests == limits;
    }
    match (says_something, is_guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

fn compute(container: &Container) -> (Amounts, Amounts) {
    let Some(resources) = &container.resources else { return Default::default() };
    let amounts = |list: Option<&BTreeMap<String, Amount>>| -> Amounts {
        let amount = |name: &'static str| {
            let parsed = Quantity::parse(&list?.get(name)?.0).ok()?;
            (!parsed.is_zero()).then_some((name, parsed))
        };
        COMPUTE.into_iter().filter_map(amount).collect()
    };
    (amounts(resources.requests.as_ref()), amounts(resources.limits.as_ref()))
}
