//! The quality of service that a pod's requests and limits amount to.

use std::collections::BTreeMap;

use api::quantity::Quantity;
use k8s_openapi::api::core::v1::{PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Amount;

type Amounts = BTreeMap<&'static str, Quantity>;

const COMPUTE: [&str; 2] = ["cpu", "memory"];

/// `Guaranteed` if everything is limited to what it requests, `BestEffort` if nothing is said, else `Burstable`. What is
/// said of the pod as a whole counts for all that is in it.
pub fn class_of(spec: &PodSpec) -> &'static str {
    let is_said = |resources: &&ResourceRequirements| {
        [&resources.requests, &resources.limits].into_iter().flatten().any(|list| !list.is_empty())
    };
    if let Some(whole) = spec.resources.as_ref().filter(is_said) {
        return class([compute(Some(whole))]);
    }
    let containers = spec.init_containers.iter().flatten().chain(&spec.containers);
    class(containers.map(|container| compute(container.resources.as_ref())))
}

fn class(parts: impl IntoIterator<Item = (Amounts, Amounts)>) -> &'static str {
    let mut says_something = false;
    let mut is_guaranteed = true;
    for (requests, limits) in parts {
        says_something |= !requests.is_empty() || !limits.is_empty();
        is_guaranteed &= limits.len() == COMPUTE.len() && requests == limits;
    }
    match (says_something, is_guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

fn compute(resources: Option<&ResourceRequirements>) -> (Amounts, Amounts) {
    let Some(resources) = resources else { return Default::default() };
    let amounts = |list: Option<&BTreeMap<String, Amount>>| -> Amounts {
        let amount = |name: &'static str| {
            let parsed = Quantity::parse(&list?.get(name)?.0).ok()?;
            (!parsed.is_zero()).then_some((name, parsed))
        };
        COMPUTE.into_iter().filter_map(amount).collect()
    };
    (amounts(resources.requests.as_ref()), amounts(resources.limits.as_ref()))
}
