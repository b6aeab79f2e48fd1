//! What an applier no longer names goes from the object, if nobody else manages it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::registry::managed_fields::managers::{Claim, Managers};
use crate::registry::managed_fields::set::Set;
use crate::registry::managed_fields::types::Type;
use crate::registry::managed_fields::versions::Versions;
use crate::registry::managed_fields::walk::{claimed, remove, with_declared};

/// `merged` without the fields and items that the applier named the last time and nobody names now. `managers` hold what it
/// names this time.
pub fn prune(versions: &Versions, merged: Value, managers: &Managers, last: Option<&Claim>) -> Value {
    let Some(last) = last.filter(|last| !last.set.is_empty()) else { return merged };
    let (own, version) = (versions.own.as_str(), last.version.as_str());
    let of = versions.type_at(version);
    let Some(whole) = versions.convert(&merged, own, version) else { return merged };
    let last_paths = with_declared(of, &last.set);
    let pruned = remove(of, whole.clone().into_owned(), &last_paths);
    let Some(pruned) = with_what_is_owned(versions, &whole, pruned, managers, version) else { return merged };
    // What was neither named by the applier nor is managed by anybody stays.
    let mut gone = all_paths(of, &whole);
    gone.subtract(&all_paths(of, &pruned));
    let kept = remove(of, whole.into_owned(), &gone.shared_with(&last_paths));
    versions.convert(&kept, version, own).map(std::borrow::Cow::into_owned).unwrap_or(merged)
}

fn all_paths(of: Type, value: &Value) -> Set {
    with_declared(of, &claimed(of, value))
}

/// Gives the pruned object back what somebody manages, version by version.
fn with_what_is_owned(
    versions: &Versions,
    whole: &Value,
    pruned: Value,
    managers: &Managers,
    version: &str,
) -> Option<Value> {
    let mut owned: BTreeMap<&str, Set> = BTreeMap::new();
    for claim in managers.0.values() {
        owned.entry(&claim.version).or_default().unite(&claim.set);
    }
    let first = owned.remove_entry(version);
    let mut pruned = pruned;
    for (owners_version, owned) in first.into_iter().chain(owned) {
        let Some(whole) = versions.convert(whole, version, owners_version) else { continue };
        let Some(rest) = versions.convert(&pruned, version, owners_version) else { continue };
        let of = versions.type_at(owners_version);
        let mut kept = all_paths(of, &rest);
        kept.unite(&with_declared(of, &owned));
        let mut gone = all_paths(of, &whole);
        gone.subtract(&kept);
        let rest = remove(of, whole.into_owned(), &gone);
        pruned = versions.convert(&rest, owners_version, version)?.into_owned();
    }
    Some(pruned)
}
