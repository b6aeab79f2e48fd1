//! The socket: accepts connections, shakes hands, and serves HTTP/1.1 and HTTP/2 on each until it ends.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use lifecycle::tasks::Tasks;
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::Service;

use crate::http::filters::Filtered;
use crate::http::identity::{self, Peer};
use crate::http::measures::Measures;
use crate::http::tls::Tls;

/// Connections at the same time. Each costs a task and some buffers, also before anybody is known.
const MOST_CONNECTIONS: usize = 4096;
const HANDSHAKE: Duration = Duration::from_secs(10);
const REQUEST_HEAD: Duration = Duration::from_secs(30);
/// Informers keep a stream each open over one connection.
const MOST_STREAMS: u32 = 1000;
const LONGEST_HEAD: u32 = 64 * 1024;
/// How often a quiet connection is asked whether somebody is still there.
const ARE_YOU_THERE: Duration = Duration::from_secs(30);
/// How long to wait when the system has no more sockets to give.
const OUT_OF_SOCKETS: Duration = Duration::from_millis(100);

/// Takes the port. The error says which, and what can be done.
pub async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| explain(address, error))
}

fn explain(address: SocketAddr, error: io::Error) -> anyhow::Error {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => {
            let (port, ip) = (address.port(), address.ip());
            format!("{address}: port {port} of {ip} is taken by another program: stop that, or choose another port")
        }
        io::ErrorKind::AddrNotAvailable => {
            format!("{} is no address of this machine: choose one that is, or 127.0.0.1", address.ip())
        }
        io::ErrorKind::PermissionDenied => {
            format!("port {} of {} is for the superuser only: choose one above 1023", address.port(), address.ip())
        }
        _ => format!("cannot listen on {address}"),
    };
    anyhow::Error::new(error).context(advice)
}

/// Everything a connection needs.
#[derive(Clone)]
struct Shared {
    tls: Tls,
    service: Filtered,
    measures: Measures,
    http: Arc<auto::Builder<TokioExecutor>>,
    tasks: Tasks,
}

pub fn serve(socket: TcpListener, tls: Tls, service: Filtered, measures: Measures, tasks: &Tasks) {
    let shared = Shared { tls, service, measures, http: Arc::new(http()), tasks: tasks.clone() };
    tasks.spawn_until_stop("listener", accept(socket, shared));
}

fn http() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(REQUEST_HEAD).max_buf_size(LONGEST_HEAD as usize * 2);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MOST_STREAMS)
        .max_header_list_size(LONGEST_HEAD)
        .keep_alive_interval(ARE_YOU_THERE)
        .adaptive_window(false);
    builder
}

async fn accept(socket: TcpListener, shared: Shared) {
    let free = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let (stream, address) = match socket.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(OUT_OF_SOCKETS).await;
                continue;
            }
        };
        let Ok(permit) = free.clone().try_acquire_owned() else {
            tracing::warn!(%address, "too many connections: one is turned away");
            continue;
        };
        let connection = Connection { shared: shared.clone(), address, _permit: permit };
        shared.tasks.spawn("connection", connection.run(stream));
    }
}

struct Connection {
    shared: Shared,
    address: SocketAddr,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    async fn run(self, stream: TcpStream) {
        let stopping = self.shared.tasks.stopping();
        // In a box, which is gone afterwards: a handshake needs more room than the connection that comes of it.
        let Some(stream) = Box::pin(self.shake_hands(stream)).await else { return };
        let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let user = certificate.and_then(|certificate| identity::user_of_certificate(certificate)).map(Arc::new);
        let peer = Peer { address: self.address, user };
        let _open = Open::new(self.shared.measures.connections.clone());
        let filtered = self.shared.service.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer.clone());
            filtered.clone().call(request)
        });
        let mut connection = pin!(self.shared.http.serve_connection_with_upgrades(TokioIo::new(stream), service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stopping => {
                // What has begun may end; watches do so by themselves.
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(address = %self.address, %error, "a connection ended");
        }
    }

    async fn shake_hands(&self, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
        // Small answers must not wait for larger ones.
        drop(stream.set_nodelay(true));
        let acceptor = TlsAcceptor::from(self.shared.tls.current());
        let handshake = match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
            Ok(handshake) => handshake.context("shake hands"),
            Err(late) => Err(anyhow::Error::new(late).context("shake hands")),
        };
        if let Err(error) = &handshake {
            self.shared.measures.tls_failures.inc();
            tracing::debug!(address = %self.address, error = format!("{error:#}"), "a connection failed early");
        }
        handshake.ok()
    }
}

/// A connection in the count of those that are open.
struct Open(Gauge);

impl Open {
    fn new(gauge: Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_named_with_what_to_do() {
        let first = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = first.local_addr().unwrap();
        let error = format!("{:#}", bind(address).await.unwrap_err());
        assert!(error.contains(&format!("port {} of 127.0.0.1 is taken", address.port())), "{error}");
        assert!(error.contains("choose another port"), "{error}");
    }
}
