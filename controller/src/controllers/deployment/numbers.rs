//! How many pods a rollout may have more, and may lack: arithmetic over the sets of a Deployment.

use crate::controllers::deployment::revision;
use crate::kinds::deployment::{Deployment, StrategyKind};
use crate::kinds::replica_set::ReplicaSet;

/// How many pods beyond the wanted ones there may be.
pub fn max_surge(deployment: &Deployment) -> i32 {
    if is_rolling(deployment) { bounds(deployment).0 } else { 0 }
}

/// How many of the wanted pods may be unavailable.
pub fn max_unavailable(deployment: &Deployment) -> i32 {
    if !is_rolling(deployment) || deployment.spec.replicas == 0 {
        return 0;
    }
    bounds(deployment).1.min(deployment.spec.replicas)
}

pub fn is_rolling(deployment: &Deployment) -> bool {
    deployment.spec.strategy.kind == StrategyKind::RollingUpdate
}

/// Surge is rounded up and unavailability down; both cannot be zero, or nothing could ever move.
fn bounds(deployment: &Deployment) -> (i32, i32) {
    let rolling = deployment.spec.strategy.rolling_update.clone().unwrap_or_default();
    let replicas = deployment.spec.replicas;
    let surge = rolling.max_surge.and_then(|surge| surge.share_up(replicas)).unwrap_or(0);
    let unavailable = rolling.max_unavailable.and_then(|most| most.share_down(replicas)).unwrap_or(0);
    if surge == 0 && unavailable == 0 { (0, 1) } else { (surge, unavailable) }
}

pub fn wanted(sets: &[&ReplicaSet]) -> i32 {
    sets.iter().map(|set| set.spec.replicas).sum()
}

/// The size that the new set may have now.
pub fn new_size(deployment: &Deployment, all: &[&ReplicaSet], new: i32) -> i32 {
    let replicas = deployment.spec.replicas;
    if !is_rolling(deployment) {
        return replicas;
    }
    let free = replicas + max_surge(deployment) - wanted(all);
    if free <= 0 { new } else { new + free.min(replicas - new) }
}

/// Sizes of the old sets after a step of a rolling update: first those pods go that do not work anyway, then as many
/// as the available ones allow. Only sets that change are named.
pub fn shrink_old(deployment: &Deployment, old: &[&ReplicaSet], new: &ReplicaSet) -> Vec<(usize, i32)> {
    let mut sizes: Vec<i32> = old.iter().map(|set| set.spec.replicas).collect();
    let all: i32 = sizes.iter().sum::<i32>() + new.spec.replicas;
    let min_available = deployment.spec.replicas - max_unavailable(deployment);
    let new_unavailable = new.spec.replicas - new.status.available_replicas;
    let mut removable = all - min_available - new_unavailable;
    if removable <= 0 {
        return Vec::new();
    }
    let order = oldest_first(old);
    for index in order.iter().copied() {
        let unhealthy = sizes[index] - old[index].status.available_replicas;
        let count = unhealthy.clamp(0, removable.max(0));
        sizes[index] -= count;
        removable -= count;
    }
    let available: i32 =
        old.iter().map(|set| set.status.available_replicas).sum::<i32>() + new.status.available_replicas;
    let mut spare = available - min_available;
    for index in order {
        let count = sizes[index].min(spare.max(0));
        sizes[index] -= count;
        spare -= count;
    }
    let changed = sizes.into_iter().enumerate().filter(|(index, size)| *size != old[*index].spec.replicas);
    changed.collect()
}

fn oldest_first(sets: &[&ReplicaSet]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sets.len()).collect();
    order.sort_by(|one, two| age_key(sets[*one]).cmp(&age_key(sets[*two])));
    order
}

pub fn age_key(set: &ReplicaSet) -> (Option<jiff::Timestamp>, &str) {
    (set.meta.creation_timestamp, &set.meta.name)
}

/// Sizes of active sets when a Deployment is scaled amid a rollout: each in proportion to what it has.
pub fn proportional(deployment: &Deployment, active: &[&ReplicaSet]) -> Vec<(usize, i32)> {
    let replicas = deployment.spec.replicas;
    let allowed = if replicas > 0 { replicas + max_surge(deployment) } else { 0 };
    let change = allowed - wanted(active);
    let mut order: Vec<usize> = (0..active.len()).collect();
    order.sort_by(|one, two| {
        let by_size = active[*two].spec.replicas.cmp(&active[*one].spec.replicas);
        let by_age = age_key(active[*one]).cmp(&age_key(active[*two]));
        by_size.then(if change > 0 { by_age.reverse() } else { by_age })
    });
    let mut done = 0;
    let mut sizes = Vec::new();
    for index in order {
        let set = active[index];
        let share = share(set, deployment, change, done);
        done += share;
        sizes.push((index, set.spec.replicas + share));
    }
    // What rounding left over goes to the largest.
    if let Some((_, size)) = sizes.first_mut() {
        *size = (*size + change - done).max(0);
    }
    sizes
}

fn share(set: &ReplicaSet, deployment: &Deployment, change: i32, done: i32) -> i32 {
    if set.spec.replicas == 0 || change == 0 || change == done {
        return 0;
    }
    let share = fraction(set, deployment);
    if change > 0 { share.min(change - done) } else { share.max(change - done) }
}

/// How much the set would change if it kept its part of the whole.
fn fraction(set: &ReplicaSet, deployment: &Deployment) -> i32 {
    let size = set.spec.replicas;
    if deployment.spec.replicas == 0 {
        return -size;
    }
    let before = match revision::max_replicas(&set.meta) {
        Some(before) if before > 0 => before,
        _ => deployment.status.replicas,
    };
    if before <= 0 {
        return 0;
    }
    let after = f64::from(deployment.spec.replicas + max_surge(deployment));
    (f64::from(size) * after / f64::from(before)).round() as i32 - size
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::deployment::RollingUpdate;
    use crate::kinds::wire::IntOrString;
    use api::well_known::annotation;

    pub fn deployment(replicas: i32, surge: IntOrString, unavailable: IntOrString) -> Deployment {
        let mut deployment = Deployment::default();
        deployment.spec.replicas = replicas;
        deployment.spec.strategy.rolling_update =
            Some(RollingUpdate { max_surge: Some(surge), max_unavailable: Some(unavailable) });
        deployment
    }

    fn set(replicas: i32, available: i32) -> ReplicaSet {
        let mut set = ReplicaSet::default();
        set.spec.replicas = replicas;
        set.status.available_replicas = available;
        set
    }

    fn int(number: i32) -> IntOrString {
        IntOrString::Int(number)
    }

    fn percent(text: &str) -> IntOrString {
        IntOrString::Text(text.into())
    }

    #[test]
    fn surge_is_rounded_up_and_unavailability_down() {
        let deployment = deployment(10, percent("25%"), percent("25%"));
        assert_eq!((max_surge(&deployment), max_unavailable(&deployment)), (3, 2));
    }

    #[test]
    fn a_rollout_can_always_move() {
        let stuck = deployment(1, int(0), percent("25%"));
        assert_eq!((max_surge(&stuck), max_unavailable(&stuck)), (0, 1));
        assert_eq!(max_unavailable(&deployment(2, int(0), int(5))), 2);
        assert_eq!(max_unavailable(&deployment(0, int(0), int(5))), 0);
    }

    #[test]
    fn the_new_set_grows_as_far_as_surge_allows() {
        for (replicas, surge, old, new, expected) in
            [(10, 2, 10, 0, 2), (10, 0, 10, 0, 0), (10, 3, 8, 3, 5), (3, 1, 0, 0, 3), (3, 10, 3, 0, 3)]
        {
            let deployment = deployment(replicas, int(surge), int(1));
            let (old, set) = (set(old, old), set(new, 0));
            assert_eq!(new_size(&deployment, &[&old, &set], new), expected);
        }
    }

    #[test]
    fn old_sets_shrink_as_far_as_availability_allows() {
        // replicas, max unavailable, old (size, available), new (size, available), expected size
        for (replicas, unavailable, old, new, expected) in [
            (10, 0, (10, 10), (0, 0), None),
            (10, 2, (10, 10), (0, 0), Some(8)),
            (10, 2, (10, 8), (0, 0), Some(8)),
            (10, 2, (10, 4), (0, 0), Some(8)),
            (10, 2, (10, 0), (0, 0), Some(8)),
            (10, 2, (8, 8), (5, 0), None),
            (10, 2, (8, 8), (5, 5), Some(3)),
            (10, 0, (10, 10), (2, 2), Some(8)),
        ] {
            let deployment = deployment(replicas, int(2), int(unavailable));
            let shrunk = shrink_old(&deployment, &[&set(old.0, old.1)], &set(new.0, new.1));
            assert_eq!(shrunk.first().map(|(_, size)| *size), expected, "{old:?} {new:?}");
        }
    }

    #[test]
    fn the_oldest_set_shrinks_first_but_the_broken_one_before_it() {
        let deployment = deployment(10, int(0), int(2));
        let mut old = set(5, 5);
        old.meta.creation_timestamp = jiff::Timestamp::from_second(1).ok();
        let mut broken = set(5, 4);
        broken.meta.creation_timestamp = jiff::Timestamp::from_second(2).ok();
        let shrunk = shrink_old(&deployment, &[&broken, &old], &set(0, 0));
        assert_eq!(shrunk, [(0, 4), (1, 4)]);
    }

    #[test]
    fn scaling_amid_a_rollout_is_proportional() {
        let annotated = |replicas: i32, max: &str, second| {
            let mut set = set(replicas, replicas);
            set.meta.annotations = [(annotation::MAX_REPLICAS, max)].into_iter().collect();
            set.meta.creation_timestamp = jiff::Timestamp::from_second(second).ok();
            set
        };
        let sizes = |replicas, surge, sets: &[ReplicaSet]| {
            let deployment = deployment(replicas, int(surge), int(0));
            let sets: Vec<&ReplicaSet> = sets.iter().collect();
            let mut sizes = proportional(&deployment, &sets);
            sizes.sort_by_key(|(index, _)| *index);
            sizes.into_iter().map(|(_, size)| size).collect::<Vec<_>>()
        };
        let half = |max: &str| [annotated(5, max, 2), annotated(5, max, 1)];
        assert_eq!(sizes(12, 0, &half("10")), [6, 6]);
        assert_eq!(sizes(6, 0, &half("10")), [3, 3]);
        assert_eq!(sizes(11, 0, &half("10")), [6, 5]);
        assert_eq!(sizes(0, 0, &half("10")), [0, 0]);
        assert_eq!(sizes(20, 3, &[annotated(8, "13", 2), annotated(5, "13", 1)]), [14, 9]);
    }
}
