//! What a controller has asked for and not yet seen: while something is missing, it must not ask again.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use api::names::NamespacedName;
use tokio::time::Instant;

/// After this long, what was expected will not be seen any more.
const PATIENCE: Duration = Duration::from_secs(300);

/// By owner. Creations are counted, since their names are not known beforehand; deletions are known by uid.
#[derive(Debug, Default)]
pub struct Expectations(Mutex<HashMap<NamespacedName, Expected>>);

#[derive(Debug)]
struct Expected {
    creations: usize,
    deletions: HashSet<Box<str>>,
    since: Instant,
}

impl Expectations {
    /// Whether everything was seen that was asked for on behalf of `owner`.
    pub fn are_met(&self, owner: &NamespacedName) -> bool {
        let mut all = self.all();
        let Some(expected) = all.get(owner) else { return true };
        let met = expected.creations == 0 && expected.deletions.is_empty() || expected.since.elapsed() > PATIENCE;
        if met {
            all.remove(owner);
        }
        met
    }

    /// Must come before the requests: what is asked for may be seen before the answer is.
    pub fn expect_creations(&self, owner: &NamespacedName, count: usize) {
        self.expect(owner, |expected| expected.creations += count);
    }

    pub fn expect_deletions<'a>(&self, owner: &NamespacedName, uids: impl Iterator<Item = &'a str>) {
        self.expect(owner, |expected| expected.deletions.extend(uids.map(Box::from)));
    }

    /// One was seen, or will not come.
    pub fn creation_seen(&self, owner: &NamespacedName) {
        if let Some(expected) = self.all().get_mut(owner) {
            expected.creations = expected.creations.saturating_sub(1);
        }
    }

    pub fn deletion_seen(&self, owner: &NamespacedName, uid: &str) {
        if let Some(expected) = self.all().get_mut(owner) {
            expected.deletions.remove(uid);
        }
    }

    pub fn forget(&self, owner: &NamespacedName) {
        self.all().remove(owner);
    }

    fn expect(&self, owner: &NamespacedName, add: impl FnOnce(&mut Expected)) {
        let mut all = self.all();
        let now = Instant::now();
        let new = || Expected { creations: 0, deletions: HashSet::new(), since: now };
        let expected = all.entry(owner.clone()).or_insert_with(new);
        expected.since = now;
        add(expected);
    }

    fn all(&self) -> MutexGuard<'_, HashMap<NamespacedName, Expected>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_owner_waits_until_all_was_seen() {
        let expectations = Expectations::default();
        let owner = NamespacedName::new("a", "b");
        assert!(expectations.are_met(&owner));
        expectations.expect_creations(&owner, 2);
        expectations.expect_deletions(&owner, ["u"].into_iter());
        expectations.creation_seen(&owner);
        expectations.creation_seen(&owner);
        assert!(!expectations.are_met(&owner));
        expectations.deletion_seen(&owner, "u");
        expectations.deletion_seen(&owner, "u");
        assert!(expectations.are_met(&owner));
    }

    #[tokio::test(start_paused = true)]
    async fn an_owner_does_not_wait_for_ever() {
        let expectations = Expectations::default();
        let owner = NamespacedName::new("a", "b");
        expectations.expect_creations(&owner, 1);
        tokio::time::sleep(PATIENCE + Duration::from_secs(1)).await;
        assert!(expectations.are_met(&owner));
    }
}
