//! Which endpoint a client gets: each in turn, or the one it had before.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The memory of one Service port, shared by all its entries.
#[derive(Default)]
pub struct Balancer {
    turn: AtomicUsize,
    held: Mutex<HashMap<IpAddr, Held>>,
}

struct Held {
    endpoint: SocketAddr,
    last_used: Instant,
}

/// How many clients one Service port remembers. When there are more, the half that was silent longest is forgotten.
const MOST_CLIENTS: usize = 65_536;

impl Balancer {
    /// An endpoint for this client that is not among the failed ones. With affinity, the one that it has, if that is
    /// still there, and else a new one that it will have.
    pub fn pick(
        &self,
        client: IpAddr,
        endpoints: &[SocketAddr],
        affinity: Option<Duration>,
        failed: &[SocketAddr],
    ) -> Option<SocketAddr> {
        let Some(timeout) = affinity else { return self.in_turn(endpoints, failed) };
        let now = Instant::now();
        let mut held = self.lock();
        if let Some(known) = held.get_mut(&client) {
            let is_good = endpoints.contains(&known.endpoint) && !failed.contains(&known.endpoint);
            if is_good && now.duration_since(known.last_used) < timeout {
                known.last_used = now;
                return Some(known.endpoint);
            }
        }
        let endpoint = self.in_turn(endpoints, failed)?;
        if held.len() >= MOST_CLIENTS {
            forget(&mut held, now, timeout);
        }
        held.insert(client, Held { endpoint, last_used: now });
        Some(endpoint)
    }

    fn in_turn(&self, endpoints: &[SocketAddr], failed: &[SocketAddr]) -> Option<SocketAddr> {
        let start = self.turn.fetch_add(1, Ordering::Relaxed);
        let nth = |offset: usize| endpoints[start.wrapping_add(offset) % endpoints.len()];
        (0..endpoints.len()).map(nth).find(|endpoint| !failed.contains(endpoint))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn forget(held: &mut HashMap<IpAddr, Held>, now: Instant, timeout: Duration) {
    held.retain(|_, known| now.duration_since(known.last_used) < timeout);
    if held.len() >= MOST_CLIENTS {
        let mut uses: Vec<Instant> = held.values().map(|known| known.last_used).collect();
        let half = uses.len() / 2;
        let (_, middle, _) = uses.select_nth_unstable(half);
        let middle = *middle;
        held.retain(|_, known| known.last_used > middle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn endpoint(last: u8) -> SocketAddr {
        ([127, 64, 1, last], 8080).into()
    }

    fn client(last: u8) -> IpAddr {
        [127, 64, 1, last].into()
    }

    #[test]
    fn endpoints_are_taken_in_turn() {
        let balancer = Balancer::default();
        let all = [endpoint(1), endpoint(2), endpoint(3)];
        let picked: Vec<_> = (0..6).map(|_| balancer.pick(client(9), &all, None, &[]).unwrap()).collect();
        assert_eq!(picked, [all, all].concat());
        assert_eq!(balancer.pick(client(9), &all, None, &[endpoint(1)]), Some(endpoint(2)));
        assert_eq!(balancer.pick(client(9), &all, None, &all), None);
        assert_eq!(balancer.pick(client(9), &[], None, &[]), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_keeps_its_endpoint_until_it_is_silent_too_long() {
        let balancer = Balancer::default();
        let all = [endpoint(1), endpoint(2), endpoint(3)];
        let mine = balancer.pick(client(1), &all, Some(HOUR), &[]).unwrap();
        assert_ne!(balancer.pick(client(2), &all, Some(HOUR), &[]).unwrap(), mine);
        for _ in 0..5 {
            tokio::time::advance(HOUR * 3 / 4).await;
            assert_eq!(balancer.pick(client(1), &all, Some(HOUR), &[]), Some(mine));
        }
        tokio::time::advance(HOUR).await;
        assert_ne!(balancer.pick(client(1), &all, Some(HOUR), &[]), Some(mine));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_whose_endpoint_is_gone_or_fails_gets_another_and_keeps_it() {
        let balancer = Balancer::default();
        let all = [endpoint(1), endpoint(2), endpoint(3)];
        let first = balancer.pick(client(1), &all, Some(HOUR), &[]).unwrap();
        let left: Vec<_> = all.iter().copied().filter(|endpoint| *endpoint != first).collect();
        let second = balancer.pick(client(1), &left, Some(HOUR), &[]).unwrap();
        assert_ne!(second, first);
        assert_eq!(balancer.pick(client(1), &all, Some(HOUR), &[]), Some(second));
        let third = balancer.pick(client(1), &all, Some(HOUR), &[second]).unwrap();
        assert_ne!(third, second);
        assert_eq!(balancer.pick(client(1), &all, Some(HOUR), &[]), Some(third));
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_clients_are_remembered() {
        let balancer = Balancer::default();
        for number in 0..70_000_u32 {
            if number % 1_000 == 0 {
                tokio::time::advance(Duration::from_millis(1)).await;
            }
            balancer.pick(IpAddr::from(number.to_be_bytes()), &[endpoint(1)], Some(HOUR), &[]).unwrap();
        }
        let held = balancer.lock();
        assert!(held.len() <= MOST_CLIENTS && held.len() > MOST_CLIENTS / 2);
        assert!(held.contains_key(&IpAddr::from(69_999_u32.to_be_bytes())));
    }
}
