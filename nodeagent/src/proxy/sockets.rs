//! What the nodes of one process share: the addresses of the machine, each served by one of them, and the descriptors.
//!
//! Several nodes in a process stand on one loopback. A cluster address can be listened on once, so one node serves it
//! for all, and another takes over when that one no longer wants it.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::sync::{Semaphore, watch};
use tracing::debug;

use crate::proxy::table::EntryKey;

/// Clones share.
#[derive(Clone)]
pub struct Sockets(Arc<Shared>);

struct Shared {
    claims: Mutex<Claims>,
    released: watch::Sender<()>,
    flows: Arc<Semaphore>,
}

#[derive(Default)]
struct Claims {
    last_member: u64,
    held: HashMap<EntryKey, u64>,
    /// Whose own address it is: others leave it to them.
    homes: HashMap<IpAddr, BTreeSet<u64>>,
}

/// Descriptors that are left to everything but forwarding.
const OTHER_FILES: u64 = 512;
/// A TCP flow has two descriptors.
const FILES_PER_FLOW: u64 = 2;
const FEWEST_FLOWS: u64 = 64;
const MOST_FLOWS: u64 = 100_000;

impl Default for Sockets {
    fn default() -> Self {
        Self::new()
    }
}

impl Sockets {
    /// Raises the process's limit of open files to what it is allowed.
    pub fn new() -> Self {
        let flows = (raise_file_limit().saturating_sub(OTHER_FILES) / FILES_PER_FLOW).clamp(FEWEST_FLOWS, MOST_FLOWS);
        Self(Arc::new(Shared {
            claims: Mutex::default(),
            released: watch::Sender::new(()),
            flows: Arc::new(Semaphore::new(usize::try_from(flows).expect("bounded above"))),
        }))
    }

    /// Joins as a node with these addresses of its own.
    pub fn join(&self, homes: &[IpAddr]) -> Member {
        let mut claims = self.lock();
        claims.last_member += 1;
        let id = claims.last_member;
        drop(claims);
        let member = Member { id, sockets: self.clone(), released: self.0.released.subscribe() };
        member.set_homes(homes);
        member
    }

    /// One permit for each connection or UDP client.
    pub fn flows(&self) -> &Arc<Semaphore> {
        &self.0.flows
    }

    fn lock(&self) -> MutexGuard<'_, Claims> {
        self.0.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn raise_file_limit() -> u64 {
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((soft, hard)) if soft < hard => match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
            Ok(()) => hard,
            Err(error) => {
                debug!(soft, hard, %error, "limit of open files stays");
                soft
            }
        },
        Ok((soft, _)) => soft,
        Err(_) => 1_024,
    }
}

/// One node's part.
pub struct Member {
    id: u64,
    sockets: Sockets,
    released: watch::Receiver<()>,
}

impl Member {
    pub fn set_homes(&self, homes: &[IpAddr]) {
        let mut claims = self.sockets.lock();
        claims.homes.retain(|_, members| {
            members.remove(&self.id);
            !members.is_empty()
        });
        for address in homes {
            claims.homes.entry(*address).or_default().insert(self.id);
        }
    }

    /// The right to serve this address, until it is dropped. `None` while another node serves it.
    pub fn claim(&self, key: EntryKey) -> Option<Claim> {
        let mut claims = self.sockets.lock();
        let is_anothers = claims.homes.get(&key.1.ip()).is_some_and(|members| !members.contains(&self.id));
        if is_anothers || claims.held.contains_key(&key) {
            return None;
        }
        claims.held.insert(key, self.id);
        Some(Claim { key, sockets: self.sockets.clone() })
    }

    /// Resolves when another node has given up an address since this was last awaited.
    pub async fn released(&mut self) {
        if self.released.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.set_homes(&[]);
        self.sockets.0.released.send_replace(());
    }
}

pub struct Claim {
    key: EntryKey,
    sockets: Sockets,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.sockets.lock().held.remove(&self.key);
        self.sockets.0.released.send_replace(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::service::Protocol;

    fn key(address: [u8; 4]) -> EntryKey {
        (Protocol::Tcp, (address, 80).into())
    }

    #[tokio::test]
    async fn an_address_is_served_by_one_node_until_it_gives_it_up() {
        let sockets = Sockets::new();
        let (one, mut two) = (sockets.join(&[]), sockets.join(&[]));
        let claim = one.claim(key([127, 96, 0, 1])).unwrap();
        assert!(two.claim(key([127, 96, 0, 1])).is_none());
        assert!(two.claim(key([127, 96, 0, 2])).is_some());
        two.released().await;
        drop(claim);
        two.released().await;
        assert!(two.claim(key([127, 96, 0, 1])).is_some());
    }

    #[test]
    fn a_node_leaves_the_address_of_another_to_it() {
        let sockets = Sockets::new();
        let one = sockets.join(&[[127, 0, 0, 1].into()]);
        let two = sockets.join(&[[127, 0, 0, 2].into()]);
        assert!(one.claim(key([127, 0, 0, 2])).is_none());
        assert!(two.claim(key([127, 0, 0, 2])).is_some());
        drop(two);
        assert!(one.claim(key([127, 0, 0, 2])).is_some());
    }
}
