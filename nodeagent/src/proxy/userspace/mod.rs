//! Forwarding by this process, with plain sockets: works anywhere, without root.
//!
//! What it cannot do: serve an address that the machine does not have, or a low port without the right to. It does not
//! stay silent where the table says `Drop`, but refuses. Endpoints see the client's address only on the loopback.
//! SCTP is not served.

mod balance;
mod forward;
mod pipes;
mod target;
mod tcp;
mod udp;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use lifecycle::backoff::Backoff;
use lifecycle::tasks::Tasks;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::proxy::backend::{Backend, FAILED_TO_BIND, Place, Problem, UNSUPPORTED_PROTOCOL};
use crate::proxy::listen;
use crate::proxy::measures::Measures;
use crate::proxy::service::Protocol;
use crate::proxy::sockets::{Claim, Member, Sockets};
use crate::proxy::table::{EntryKey, NodeFacts, ServicePort, ServicePortName, Table};
use crate::proxy::userspace::balance::Balancer;
use crate::proxy::userspace::pipes::Pipes;
use crate::proxy::userspace::target::{Target, leads_somewhere};
use crate::proxy::worker::Worker;

/// What the tasks of one node's forwarding share.
struct Shared {
    sockets: Sockets,
    pipes: Pipes,
    tasks: Tasks,
    measures: Measures,
}

pub struct Userspace {
    shared: Arc<Shared>,
    member: Member,
    facts: Arc<NodeFacts>,
    balancers: HashMap<ServicePortName, Arc<Balancer>>,
    open: HashMap<EntryKey, Open>,
    /// Entries that could not be served. Their addresses stay claimed, so that the nodes of a process do not each
    /// complain of the same.
    failed: BTreeMap<EntryKey, Claim>,
    /// Another node of this process serves something that this one wants too.
    is_standing_by: bool,
    backoff: Backoff,
    retry_at: Option<Instant>,
}

struct Open {
    target: watch::Sender<Arc<Target>>,
    /// Holds the claim too, so that the address is free before another node is told so.
    worker: Worker,
}

impl Userspace {
    pub fn new(place: &Place<'_>) -> Self {
        Self {
            shared: Arc::new(Shared {
                sockets: place.sockets.clone(),
                pipes: Pipes::default(),
                tasks: place.tasks.clone(),
                measures: Measures::of(place.metrics),
            }),
            member: place.sockets.join(&place.facts.addresses),
            facts: Arc::new(place.facts.clone()),
            balancers: HashMap::new(),
            open: HashMap::new(),
            failed: BTreeMap::new(),
            is_standing_by: false,
            backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(60)),
            retry_at: None,
        }
    }

    fn take_facts(&mut self, facts: &Arc<NodeFacts>) {
        if self.facts.addresses != facts.addresses {
            self.member.set_homes(&facts.addresses);
        }
        if self.facts != *facts {
            self.facts = facts.clone();
        }
    }

    /// Closes what the table does not want; its addresses are free afterwards.
    async fn close_others(&mut self, table: &Table) {
        let is_wanted =
            |key: &EntryKey| table.entries.get(key).is_some_and(|(port, index)| leads_somewhere(&port.entries[*index]));
        self.failed.retain(|key, _| is_wanted(key));
        let closed: Vec<EntryKey> = self.open.keys().filter(|key| !is_wanted(key)).copied().collect();
        let closed = closed.iter().filter_map(|key| self.open.remove(key)).map(|open| open.worker.stop());
        join_all(closed.collect::<Vec<_>>()).await;
        if !self.balancers.is_empty() {
            let named: HashSet<&ServicePortName> = table.iter().map(|(_, port, _)| &port.name).collect();
            self.balancers.retain(|name, _| named.contains(name));
        }
    }

    /// Points an entry that is served already at where it leads now. False if it is not served.
    fn update(&mut self, key: EntryKey, port: &Arc<ServicePort>, entry: usize) -> bool {
        let Some(open) = self.open.get(&key) else { return false };
        let known = open.target.borrow().clone();
        let is_same = Arc::ptr_eq(&known.port, port) && known.entry == entry && Arc::ptr_eq(&known.facts, &self.facts);
        if !is_same {
            let target = self.target(port, entry);
            if let Some(open) = self.open.get(&key) {
                open.target.send_replace(target);
            }
        }
        true
    }

    fn target(&mut self, port: &Arc<ServicePort>, entry: usize) -> Arc<Target> {
        let balancer = self.balancers.entry(port.name.clone()).or_default().clone();
        Arc::new(Target { port: port.clone(), entry, balancer, facts: self.facts.clone() })
    }

    fn start(&mut self, key: EntryKey, port: &Arc<ServicePort>, entry: usize) -> Result<(), NotServed> {
        let claim = self.failed.remove(&key).or_else(|| self.member.claim(key)).ok_or(NotServed::ByAnother)?;
        let (protocol, address) = key;
        let socket = match protocol {
            Protocol::Tcp => listen::tcp(address).map(Socket::Stream).map_err(NotServed::Error),
            Protocol::Udp => listen::udp(address).map(Socket::Datagrams).map_err(NotServed::Error),
            Protocol::Sctp => Err(NotServed::UnknownProtocol),
        };
        let socket = match socket {
            Ok(socket) => socket,
            Err(why) => {
                self.failed.insert(key, claim);
                return Err(why);
            }
        };
        let target = watch::Sender::new(self.target(port, entry));
        let (seen, shared) = (target.subscribe(), self.shared.clone());
        let worker = Worker::spawn(&self.shared.tasks, format!("proxy of {} {address}", protocol.name()), async move {
            let _claim = claim;
            match socket {
                Socket::Stream(listener) => tcp::serve(listener, seen, shared).await,
                Socket::Datagrams(socket) => udp::serve(socket, seen, shared).await,
            }
        });
        self.open.insert(key, Open { target, worker });
        Ok(())
    }
}

enum Socket {
    Stream(TcpListener),
    Datagrams(UdpSocket),
}

enum NotServed {
    ByAnother,
    UnknownProtocol,
    Error(io::Error),
}

#[async_trait]
impl Backend for Userspace {
    fn name(&self) -> &'static str {
        "userspace"
    }

    async fn apply(&mut self, table: &Table) -> Vec<Problem> {
        self.take_facts(&table.facts);
        self.close_others(table).await;
        self.is_standing_by = false;
        let mut may_succeed_later = false;
        let mut problems = Vec::new();
        for (key, (port, index)) in &table.entries {
            let entry = &port.entries[*index];
            if !leads_somewhere(entry) || self.update(*key, port, *index) {
                continue;
            }
            match self.start(*key, port, *index) {
                Ok(()) => {}
                Err(NotServed::ByAnother) => self.is_standing_by = true,
                Err(NotServed::UnknownProtocol) => {
                    let why = "the user-space proxy serves TCP and UDP";
                    problems.push(Problem::of(port, entry, UNSUPPORTED_PROTOCOL, &why));
                }
                Err(NotServed::Error(error)) => {
                    may_succeed_later |= listen::is_temporary(&error);
                    problems.push(Problem::of(port, entry, FAILED_TO_BIND, &listen::explain(&error, entry.address)));
                }
            }
        }
        if !may_succeed_later {
            self.backoff.reset();
        }
        self.retry_at = may_succeed_later.then(|| Instant::now() + self.backoff.next_delay());
        problems
    }

    async fn retry(&mut self) {
        let retry_at = self.retry_at.unwrap_or_else(Instant::now);
        tokio::select! {
            () = self.member.released(), if self.is_standing_by => {}
            () = tokio::time::sleep_until(retry_at), if self.retry_at.is_some() => self.retry_at = None,
            else => std::future::pending().await,
        }
    }
}
