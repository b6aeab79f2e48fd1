//! Whether and when a container that ended starts again.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod};

use crate::pods::state::{ContainerState, Past, Role};
use crate::runtime::interface::Ended;

const FIRST_DELAY: Duration = Duration::from_secs(10);
const LONGEST_DELAY: Duration = Duration::from_secs(300);
/// After a run of this length an end is no longer one of a series.
const LONG_RUN: Duration = Duration::from_secs(600);

pub fn ran_long(ended: &Ended) -> bool {
    ended.finished_at.duration_since(ended.started_at) >= jiff::SignedDuration::try_from(LONG_RUN).unwrap_or_default()
}

/// How long a start waits after the last end: the first restart is immediate.
pub fn delay(failures: u32) -> Duration {
    match failures {
        0 => Duration::ZERO,
        n => FIRST_DELAY.saturating_mul(1_u32.checked_shl(n - 1).unwrap_or(u32::MAX)).min(LONGEST_DELAY),
    }
}

/// When the container may start again after this end.
pub fn due(state: &ContainerState, past: &Past) -> Timestamp {
    past.ended.finished_at.checked_add(delay(state.failures)).unwrap_or(Timestamp::MAX)
}

pub fn policy(pod: &Pod) -> &str {
    pod.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref()).unwrap_or("Always")
}

/// Whether a container that ended so starts again. A changed image always makes it start again.
pub fn wants_restart(pod: &Pod, role: Role, container: &Container, past: &Past) -> bool {
    if container.image.as_deref().unwrap_or_default() != past.image {
        return true;
    }
    let own = container.restart_policy.as_deref();
    let failed = past.ended.code != 0;
    match (role, own.unwrap_or_else(|| policy(pod))) {
        (Role::Sidecar, _) => true,
        // An init container that succeeded is done.
        (Role::Init, "Never") => false,
        (Role::Init, _) => failed,
        (Role::Main, "Always") => true,
        (Role::Main, "OnFailure") => failed,
        (Role::Main, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_ten_seconds_to_five_minutes() {
        let seconds: Vec<u64> = (0..9).map(|failures| delay(failures).as_secs()).collect();
        assert_eq!(seconds, [0, 10, 20, 40, 80, 160, 300, 300, 300]);
        assert_eq!(delay(u32::MAX), LONGEST_DELAY);
    }
}
