//! One entry over UDP: each client has a socket of its own towards its endpoint, for as long as datagrams go either way.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::UdpSocket;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{debug, warn};

use crate::proxy::listen;
use crate::proxy::userspace::Shared;
use crate::proxy::userspace::forward::with_buffer;
use crate::proxy::userspace::target::Target;

/// How long a client that asked once is remembered without a datagram, and one that goes on talking.
const SILENCE_AFTER_QUESTION: Duration = Duration::from_secs(30);
const SILENCE_IN_TALK: Duration = Duration::from_secs(120);
/// When there is no room, so many of the oldest flows are looked at for one that is silent.
const LOOKED_AT: usize = 8;
const SHORT_SILENCE: Duration = Duration::from_secs(1);
/// So many datagrams are taken before other tasks have their turn.
const BATCH: usize = 64;

/// Takes datagrams until it is dropped; all flows end with it.
pub async fn serve(socket: UdpSocket, mut target: watch::Receiver<Arc<Target>>, shared: Arc<Shared>) {
    let flows = Flows { socket: Arc::new(socket), all: Arc::default(), shared };
    loop {
        tokio::select! {
            readable = flows.socket.readable() => {
                if let Err(error) = readable {
                    warn!(%error, "cannot wait for datagrams");
                    return;
                }
                let target = target.borrow().clone();
                flows.take_batch(&target);
                tokio::task::yield_now().await;
            }
            changed = target.changed() => {
                if changed.is_err() {
                    return;
                }
                flows.end_where_not_allowed(&target.borrow());
            }
        }
    }
}

struct Flows {
    socket: Arc<UdpSocket>,
    all: Arc<Mutex<All>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct All {
    by_client: HashMap<SocketAddr, Flow>,
    /// From the oldest on; may name flows that have ended.
    by_age: VecDeque<(SocketAddr, u64)>,
    last_number: u64,
}

struct Flow {
    number: u64,
    endpoint: SocketAddr,
    upstream: Arc<UdpSocket>,
    life: Arc<Life>,
    /// Ends the task that carries answers back.
    _stop: DropGuard,
}

struct Life {
    last_used: Mutex<Instant>,
    was_answered: AtomicBool,
    is_talk: AtomicBool,
}

impl Life {
    fn touch(&self) {
        *self.last_used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn last_used(&self) -> Instant {
        *self.last_used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ends_at(&self) -> Instant {
        let is_talk = self.is_talk.load(Ordering::Relaxed);
        self.last_used() + if is_talk { SILENCE_IN_TALK } else { SILENCE_AFTER_QUESTION }
    }
}

fn lock(all: &Mutex<All>) -> MutexGuard<'_, All> {
    all.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Flows {
    fn take_batch(&self, target: &Arc<Target>) {
        with_buffer(|buffer| {
            for _ in 0..BATCH {
                match self.socket.try_recv_from(buffer) {
                    Ok((length, client)) => self.take(client, &buffer[..length], target),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                    // What an earlier answer met; it is not about this socket.
                    Err(error) => debug!(%error, "datagram not received"),
                }
            }
        });
    }

    fn take(&self, client: SocketAddr, datagram: &[u8], target: &Target) {
        if !target.admits(client.ip()) {
            return;
        }
        let mut failed = Vec::new();
        // Where the endpoint's host has said that nobody listens, another is tried. The only one is tried again: what
        // was said is of an earlier datagram.
        for _ in 0..2 {
            let flow = self.flow_of(client, target, &failed).or_else(|| self.flow_of(client, target, &[]));
            let Some((endpoint, upstream)) = flow else { break };
            // Past tokio, which does not know yet that a new socket can be written to.
            match SockRef::from(&*upstream).send(datagram) {
                Ok(_) => return,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    debug!(%endpoint, %error, "endpoint takes no datagrams");
                    lock(&self.all).by_client.remove(&client);
                    failed.push(endpoint);
                }
            }
        }
        self.shared.measures.dropped_datagrams.inc();
    }

    fn flow_of(
        &self,
        client: SocketAddr,
        target: &Target,
        failed: &[SocketAddr],
    ) -> Option<(SocketAddr, Arc<UdpSocket>)> {
        let mut all = lock(&self.all);
        if let Some(flow) = all.by_client.get(&client) {
            flow.life.touch();
            if flow.life.was_answered.load(Ordering::Relaxed) {
                flow.life.is_talk.store(true, Ordering::Relaxed);
            }
            return Some((flow.endpoint, flow.upstream.clone()));
        }
        let endpoint = target.pick(client.ip(), failed)?;
        let permit = self.permit(&mut all)?;
        let upstream = match listen::udp_to(endpoint, client.ip()) {
            Ok(upstream) => Arc::new(upstream),
            Err(error) => {
                debug!(%endpoint, %error, "endpoint not reached");
                return None;
            }
        };
        self.start(&mut all, client, endpoint, upstream.clone(), permit);
        Some((endpoint, upstream))
    }

    /// Room for one more flow, if need be that of an old one that is silent.
    fn permit(&self, all: &mut All) -> Option<OwnedSemaphorePermit> {
        let permits = self.shared.sockets.flows();
        for _ in 0..LOOKED_AT {
            if let Ok(permit) = permits.clone().try_acquire_owned() {
                return Some(permit);
            }
            let (client, number) = all.by_age.pop_front()?;
            match all.by_client.get(&client).filter(|flow| flow.number == number) {
                Some(flow) if flow.life.last_used().elapsed() < SHORT_SILENCE => all.by_age.push_back((client, number)),
                Some(_) => drop(all.by_client.remove(&client)),
                None => {}
            }
        }
        permits.clone().try_acquire_owned().ok()
    }

    fn start(
        &self,
        all: &mut All,
        client: SocketAddr,
        endpoint: SocketAddr,
        upstream: Arc<UdpSocket>,
        permit: OwnedSemaphorePermit,
    ) {
        all.last_number += 1;
        let number = all.last_number;
        let stop = CancellationToken::new();
        let life = Arc::new(Life {
            last_used: Mutex::new(Instant::now()),
            was_answered: AtomicBool::new(false),
            is_talk: AtomicBool::new(false),
        });
        let answers = Answers {
            client,
            number,
            upstream: upstream.clone(),
            socket: self.socket.clone(),
            life: life.clone(),
            all: self.all.clone(),
            shared: self.shared.clone(),
            _permit: permit,
        };
        self.shared.tasks.spawn("proxy datagrams", answers.run(stop.clone()));
        all.by_client.insert(client, Flow { number, endpoint, upstream, life, _stop: stop.drop_guard() });
        if all.by_age.len() > 2 * all.by_client.len() + BATCH {
            let All { by_client, by_age, .. } = &mut *all;
            by_age.retain(|(client, number)| by_client.get(client).is_some_and(|flow| flow.number == *number));
        }
        all.by_age.push_back((client, number));
    }

    /// Ends the flows to endpoints that are gone, so that their clients' next datagrams find a new one.
    fn end_where_not_allowed(&self, target: &Target) {
        lock(&self.all).by_client.retain(|client, flow| target.allows(client.ip(), flow.endpoint));
    }
}

impl Drop for Flows {
    fn drop(&mut self) {
        lock(&self.all).by_client.clear();
    }
}

/// The way back of one flow.
struct Answers {
    client: SocketAddr,
    number: u64,
    upstream: Arc<UdpSocket>,
    socket: Arc<UdpSocket>,
    life: Arc<Life>,
    all: Arc<Mutex<All>>,
    shared: Arc<Shared>,
    _permit: OwnedSemaphorePermit,
}

impl Answers {
    async fn run(self, stop: CancellationToken) {
        self.shared.measures.datagram_flows.inc();
        tokio::select! {
            () = self.carry() => {}
            () = stop.cancelled() => {}
            () = self.shared.tasks.token().cancelled() => {}
        }
        self.shared.measures.datagram_flows.dec();
        let mut all = lock(&self.all);
        if all.by_client.get(&self.client).is_some_and(|flow| flow.number == self.number) {
            all.by_client.remove(&self.client);
        }
    }

    async fn carry(&self) {
        loop {
            let end = self.life.ends_at();
            tokio::select! {
                readable = self.upstream.readable() => {
                    if readable.is_err() || self.give_batch().is_err() {
                        return;
                    }
                    tokio::task::consume_budget().await;
                }
                () = tokio::time::sleep_until(end) => {
                    if self.life.ends_at() <= Instant::now() {
                        return;
                    }
                }
            }
        }
    }

    /// An error means that the endpoint does not listen.
    fn give_batch(&self) -> io::Result<()> {
        with_buffer(|buffer| {
            for _ in 0..BATCH {
                let length = match self.upstream.try_recv(buffer) {
                    Ok(length) => length,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                    Err(error) => return Err(error),
                };
                self.life.was_answered.store(true, Ordering::Relaxed);
                self.life.touch();
                if SockRef::from(&*self.socket).send_to(&buffer[..length], &self.client.into()).is_err() {
                    self.shared.measures.dropped_datagrams.inc();
                }
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests;
