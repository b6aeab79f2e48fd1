//! One entry over TCP: takes connections, finds each an endpoint, carries its bytes.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lifecycle::backoff::Backoff;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tracing::{debug, warn};

use crate::proxy::listen;
use crate::proxy::userspace::target::Target;
use crate::proxy::userspace::{Shared, forward};

/// How long each attempt to reach an endpoint may take. A refusal does not wait: the next endpoint is tried at once.
const ATTEMPTS: [Duration; 5] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// How long connections may go on when the process stops.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Takes connections until it is dropped. Those that it took go on without it.
pub async fn serve(listener: TcpListener, target: watch::Receiver<Arc<Target>>, shared: Arc<Shared>) {
    let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(1));
    loop {
        let (stream, client) = match listener.accept().await {
            Ok(accepted) => accepted,
            // The connection is still there to be taken: without a wait this would spin.
            Err(error) if listen::is_exhaustion(&error) => {
                if backoff.failures() == 0 {
                    warn!(%error, "connections wait");
                }
                tokio::time::sleep(backoff.next_delay()).await;
                continue;
            }
            Err(error) => {
                debug!(%error, "connection lost before it was taken");
                continue;
            }
        };
        backoff.reset();
        if !target.borrow().admits(client.ip()) {
            forward::break_off(&stream);
            continue;
        }
        // At the limit of descriptors, clients wait in the backlog.
        let Ok(permit) = shared.sockets.flows().clone().acquire_owned().await else { return };
        let connection = Connection { stream, client, target: target.clone(), shared: shared.clone(), _permit: permit };
        shared.tasks.spawn("proxy connection", connection.run());
    }
}

struct Connection {
    stream: TcpStream,
    client: SocketAddr,
    target: watch::Receiver<Arc<Target>>,
    shared: Arc<Shared>,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    async fn run(self) {
        let measures = &self.shared.measures;
        measures.connections.inc();
        measures.open_connections.inc();
        let stop = self.shared.tasks.token();
        let until_stop = async {
            stop.cancelled().await;
            tokio::time::sleep(LAST_WORDS).await;
        };
        tokio::select! {
            () = self.carry() => {}
            () = until_stop => {}
        }
        measures.open_connections.dec();
    }

    async fn carry(&self) {
        let Some(server) = self.reach_endpoint().await else {
            self.shared.measures.failed_connections.inc();
            forward::break_off(&self.stream);
            return;
        };
        watch_for_silence(&self.stream, self.client);
        let carried = forward::both_ways(&self.stream, &server, &self.shared.pipes).await;
        self.shared.measures.bytes.inc_by(carried);
    }

    /// Tries endpoints in turn, those that are wanted at that moment. Each is tried once while others are left.
    async fn reach_endpoint(&self) -> Option<TcpStream> {
        let mut failed = Vec::new();
        let mut may_come_up = false;
        for patience in ATTEMPTS {
            let target = self.target.borrow().clone();
            let endpoint = match target.pick(self.client.ip(), &failed) {
                Some(endpoint) => endpoint,
                // All were tried. Those that refused will refuse again, those that were slow may not be.
                None if may_come_up => {
                    failed.clear();
                    target.pick(self.client.ip(), &[])?
                }
                None => return None,
            };
            match tokio::time::timeout(patience, self.connect(endpoint)).await {
                Ok(Ok(server)) => return Some(server),
                Ok(Err(error)) => debug!(%endpoint, %error, "endpoint not reached"),
                Err(_) => may_come_up = true,
            }
            failed.push(endpoint);
        }
        None
    }

    async fn connect(&self, endpoint: SocketAddr) -> io::Result<TcpStream> {
        let socket = || {
            let socket = if endpoint.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            socket.set_nodelay(true)?;
            Ok::<_, io::Error>(socket)
        };
        let first = socket()?;
        listen::keep_address(&first, self.client.ip(), endpoint);
        match first.connect(endpoint).await {
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => socket()?.connect(endpoint).await,
            other => other,
        }
    }
}

/// A client elsewhere may vanish without a word; the kernel finds out.
fn watch_for_silence(stream: &TcpStream, client: SocketAddr) {
    if !client.ip().is_loopback() {
        drop(socket2::SockRef::from(stream).set_keepalive(true));
    }
}
