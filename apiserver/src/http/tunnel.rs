//! The ways back to the nodes: byte streams that agents opened outwards, over which the server asks them things.
//!
//! Over each stream the API server is an HTTP/2 client and the agent the server.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::ws::{Message, WebSocket};
use bytes::Bytes;
use futures::{SinkExt, StreamExt, TryStreamExt, future, stream};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use lifecycle::tasks::Tasks;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::io::{CopyToBytes, SinkWriter, StreamReader};

/// All tunnels, by the name of the node. Clones share them.
#[derive(Clone)]
pub struct Tunnels {
    nodes: Arc<Mutex<HashMap<String, Tunnel>>>,
    tasks: Tasks,
}

struct Tunnel {
    number: u64,
    sender: SendRequest<Body>,
}

/// How often a quiet stream over a network is asked whether it still leads anywhere.
const ARE_YOU_THERE: Duration = Duration::from_secs(30);

/// How much of one answer, and of all together, a node may send before it is read: clients that do not read their logs or the
/// output of their commands hold up nobody else.
const STREAM_WINDOW: u32 = 256 << 10;
const WINDOW: u32 = 16 << 20;

/// Why a node could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum TunnelError {
    #[error("the agent of node {0:?} is not connected")]
    NotConnected(String),
    #[error("the connection to the agent of node {node:?} broke: {error}")]
    Broken { node: String, error: hyper::Error },
}

impl Tunnels {
    pub fn new(tasks: &Tasks) -> Self {
        Self { nodes: Arc::default(), tasks: tasks.clone() }
    }

    /// Takes the server's end of a stream inside this process: one half of `tokio::io::duplex`. It replaces
    /// an older stream of that node, and is forgotten when it ends.
    pub async fn attach<S>(&self, node: &str, stream: S) -> Result<(), hyper::Error>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.connect(node, stream, http2::Builder::new(TokioExecutor::new())).await
    }

    /// As `attach`, for a stream that may break without a word.
    async fn attach_remote<S>(&self, node: &str, stream: S) -> Result<(), hyper::Error>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new()).keep_alive_interval(ARE_YOU_THERE).keep_alive_while_idle(true);
        self.connect(node, stream, builder).await
    }

    /// Takes the stream that an agent opened as a WebSocket: binary messages, whose borders mean nothing.
    pub async fn attach_web_socket(&self, node: &str, socket: WebSocket) {
        let stream = bytes_of(socket);
        if let Err(error) = self.attach_remote(node, stream).await {
            tracing::debug!(node, %error, "an agent's tunnel did not begin");
        }
    }

    async fn connect<S>(
        &self,
        node: &str,
        stream: S,
        mut builder: http2::Builder<TokioExecutor>,
    ) -> Result<(), hyper::Error>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        builder.initial_stream_window_size(STREAM_WINDOW).initial_connection_window_size(WINDOW);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
        self.lock().insert(node.to_owned(), Tunnel { number, sender });
        tracing::debug!(node, "tunnel is open");
        let (tunnels, node) = (self.clone(), node.to_owned());
        self.tasks.spawn_until_stop(format!("tunnel to {node}"), async move {
            let ended = connection.await;
            tracing::debug!(node, error = ended.err().map(tracing::field::display), "tunnel is closed");
            let mut nodes = tunnels.lock();
            if nodes.get(&node).is_some_and(|tunnel| tunnel.number == number) {
                nodes.remove(&node);
            }
        });
        Ok(())
    }

    pub fn is_connected(&self, node: &str) -> bool {
        self.lock().contains_key(node)
    }

    /// Asks the agent of a node; the path is one of the kubelet's API.
    pub async fn request(&self, node: &str, request: Request<Body>) -> Result<Response<Incoming>, TunnelError> {
        let sender = self.lock().get(node).map(|tunnel| tunnel.sender.clone());
        let mut sender = sender.ok_or_else(|| TunnelError::NotConnected(node.to_owned()))?;
        let broken = |error| TunnelError::Broken { node: node.to_owned(), error };
        sender.ready().await.map_err(broken)?;
        sender.send_request(request).await.map_err(broken)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Tunnel>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A WebSocket as a stream: the bytes of its binary messages, whose borders mean nothing.
pub fn bytes_of(socket: WebSocket) -> impl AsyncRead + AsyncWrite + Send + Unpin + 'static {
    let (sink, messages) = socket.split();
    let bytes = messages.map_err(io::Error::other).try_filter_map(|message| {
        future::ready(Ok(match message {
            Message::Binary(bytes) => Some(bytes),
            _ => None,
        }))
    });
    let sink = sink
        .sink_map_err(io::Error::other)
        .with(|bytes: Bytes| future::ready(Ok::<_, io::Error>(Message::Binary(bytes))));
    // The end of a WebSocket is a message; to a reader it must look like the end of a stream.
    let reader = StreamReader::new(bytes.chain(stream::empty()));
    tokio::io::join(Box::pin(reader), Box::pin(SinkWriter::new(CopyToBytes::new(sink))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use hyper::service::service_fn;
    use std::convert::Infallible;

    fn agent(tasks: &Tasks, name: &'static str) -> tokio::io::DuplexStream {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        tasks.spawn_until_stop("agent", async move {
            let service = service_fn(move |request: Request<Incoming>| async move {
                Ok::<_, Infallible>(Response::new(Body::from(format!("{name} {}", request.uri().path()))))
            });
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            drop(server.serve_connection(TokioIo::new(theirs), service).await);
        });
        ours
    }

    async fn asked(tunnels: &Tunnels, node: &str) -> Result<String, TunnelError> {
        let request = Request::get("http://node/containerLogs/a/b/c").body(Body::empty()).unwrap();
        let body = tunnels.request(node, request).await?.into_body().collect().await.unwrap().to_bytes();
        Ok(String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_node_is_asked_over_its_newest_tunnel() {
        let tasks = Tasks::new();
        let tunnels = Tunnels::new(&tasks);
        assert!(matches!(asked(&tunnels, "n").await, Err(TunnelError::NotConnected(_))));
        tunnels.attach("n", agent(&tasks, "old")).await.unwrap();
        assert_eq!(asked(&tunnels, "n").await.unwrap(), "old /containerLogs/a/b/c");
        tunnels.attach("n", agent(&tasks, "new")).await.unwrap();
        assert_eq!(asked(&tunnels, "n").await.unwrap(), "new /containerLogs/a/b/c");
        tasks.stop(Duration::from_secs(1)).await;
    }

    #[tokio::test]
    async fn a_tunnel_that_ends_is_forgotten() {
        let (tasks, agents) = (Tasks::new(), Tasks::new());
        let tunnels = Tunnels::new(&tasks);
        tunnels.attach("n", agent(&agents, "one")).await.unwrap();
        assert!(tunnels.is_connected("n"));
        agents.stop(Duration::from_secs(1)).await;
        while tunnels.is_connected("n") {
            tokio::task::yield_now().await;
        }
    }
}
