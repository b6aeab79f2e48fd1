//! The way back to the node: a stream that the agent opens outwards, over which it is the one that answers.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{SinkExt, StreamExt, TryStreamExt, future};
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use lifecycle::backoff::Backoff;
use lifecycle::duplex::Duplex;
use std::io;
use tokio_util::io::{CopyToBytes, SinkWriter, StreamReader};
use tracing::debug;

/// How much of what is sent to a command may wait until the command takes it.
const STREAM_WINDOW: u32 = 64 * 1024;
/// The same for all requests together: enough for many commands that take nothing, so that they hold up no others.
const CONNECTION_WINDOW: u32 = 256 * STREAM_WINDOW;

/// How an agent reaches its API server for the way back.
#[async_trait]
pub trait Uplink: Send + Sync + 'static {
    async fn open(&self) -> anyhow::Result<Box<dyn Duplex>>;
}

type Open = dyn Fn() -> BoxFuture<'static, anyhow::Result<Box<dyn Duplex>>> + Send + Sync;

/// An API server in the same process, which takes one half of a stream.
pub struct InProcess(Box<Open>);

impl InProcess {
    pub fn new(open: impl Fn() -> BoxFuture<'static, anyhow::Result<Box<dyn Duplex>>> + Send + Sync + 'static) -> Self {
        Self(Box::new(open))
    }
}

#[async_trait]
impl Uplink for InProcess {
    async fn open(&self) -> anyhow::Result<Box<dyn Duplex>> {
        (self.0)().await
    }
}

/// An API server over the network, by a WebSocket.
pub struct WebSocket {
    client: kube::Client,
    node_name: String,
}

impl WebSocket {
    pub fn new(client: kube::Client, node_name: impl Into<String>) -> Self {
        Self { client, node_name: node_name.into() }
    }
}

#[async_trait]
impl Uplink for WebSocket {
    async fn open(&self) -> anyhow::Result<Box<dyn Duplex>> {
        let path = format!("/skiff/v1/nodes/{}/tunnel", self.node_name);
        let request = http::Request::get(path).body(Vec::new())?;
        let (sink, messages) = self.client.connect(request).await?.into_stream().split();
        let bytes = messages
            .map_err(io::Error::other)
            .try_filter_map(|message| future::ready(Ok(message.is_binary().then(|| message.into_data()))));
        let sink =
            sink.sink_map_err(io::Error::other).with(|bytes: Bytes| future::ready(Ok::<_, io::Error>(bytes.into())));
        let reader = StreamReader::new(bytes);
        Ok(Box::new(tokio::io::join(Box::pin(reader), Box::pin(SinkWriter::new(CopyToBytes::new(sink))))))
    }
}

/// Keeps the way back open, for ever, and answers what comes over it.
pub async fn keep(uplink: Arc<dyn Uplink>, router: Router) {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(30));
    loop {
        match uplink.open().await {
            Ok(stream) => {
                let since = tokio::time::Instant::now();
                let service = TowerToHyperService::new(router.clone());
                let mut server = http2::Builder::new(TokioExecutor::new());
                server.initial_stream_window_size(STREAM_WINDOW).initial_connection_window_size(CONNECTION_WINDOW);
                let ended = server.serve_connection(TokioIo::new(stream), service).await;
                debug!(error = ended.err().map(tracing::field::display), "way back closed");
                if since.elapsed() > Duration::from_secs(10) {
                    backoff.reset();
                }
            }
            Err(error) => debug!(error = format!("{error:#}"), "way back not opened"),
        }
        tokio::time::sleep(backoff.next_delay()).await;
    }
}
