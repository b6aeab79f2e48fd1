//! One client's connection to the server: HTTP/1.1 or HTTP/2 over TLS, with as little work per request as possible.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::cluster::{Cluster, Version};

/// No request waits longer.
const DEADLINE: Duration = Duration::from_secs(60);
/// What Go's clients offer, so that long lists need not stop and wait.
const WINDOW: u32 = 4 << 20;

pub const JSON: &str = "application/json";
pub const MERGE_PATCH: &str = "application/merge-patch+json";

pub struct Connection {
    sender: Sender,
    scheme: &'static str,
    authority: HeaderValue,
    prefix: String,
    token: Option<HeaderValue>,
    driver: Arc<Driver>,
}

/// The task that moves the bytes. It ends with the last user of the connection.
struct Driver(JoinHandle<()>);

enum Sender {
    One(http1::SendRequest<Full<Bytes>>),
    Two(http2::SendRequest<Full<Bytes>>),
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Connection {
    pub async fn open(cluster: &Cluster) -> Result<Self> {
        tokio::time::timeout(DEADLINE, Self::open_at_leisure(cluster)).await.context("connect in time")?
    }

    async fn open_at_leisure(cluster: &Cluster) -> Result<Self> {
        let stream = TcpStream::connect((&*cluster.host, cluster.port)).await.context("connect to the server")?;
        stream.set_nodelay(true)?;
        let (sender, driver) = match &cluster.tls {
            None => speak(stream, cluster.version).await?,
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await.context("agree on TLS")?;
                speak(stream, cluster.version).await?
            }
        };
        let scheme = if cluster.tls.is_some() { "https" } else { "http" };
        let (authority, prefix, token) = (cluster.authority.clone(), cluster.prefix.clone(), cluster.token.clone());
        Ok(Self { sender, scheme, authority, prefix, token, driver: Arc::new(Driver(driver)) })
    }

    /// The same connection for one more user.
    pub fn share(&self) -> Result<Self> {
        let Sender::Two(sender) = &self.sender else { bail!("a connection of HTTP/1.1 has one user: use --http 2") };
        let (authority, prefix, token) = (self.authority.clone(), self.prefix.clone(), self.token.clone());
        let sender = Sender::Two(sender.clone());
        Ok(Self { sender, scheme: self.scheme, authority, prefix, token, driver: self.driver.clone() })
    }

    /// Sends a request and returns the answer's head; its body is still to come.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>> {
        let mut request = Request::builder().method(method).header(header::ACCEPT, JSON);
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, token);
        }
        let prefix = &self.prefix;
        let answer = match &mut self.sender {
            Sender::One(sender) => {
                sender.ready().await.context("wait for the connection")?;
                let request = request.uri(format!("{prefix}{path}")).header(header::HOST, &self.authority);
                sender.send_request(request.body(Full::new(body))?).await
            }
            Sender::Two(sender) => {
                sender.ready().await.context("wait for the connection")?;
                let (scheme, authority) = (self.scheme, self.authority.to_str().context("name the server")?);
                let request = request.uri(format!("{scheme}://{authority}{prefix}{path}"));
                sender.send_request(request.body(Full::new(body))?).await
            }
        };
        answer.with_context(|| format!("ask for {path}"))
    }

    /// Sends a request and reads the whole answer.
    pub async fn call(
        &mut self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes)> {
        let exchange = async {
            let response = self.send(method, path, content_type, body).await?;
            let status = response.status();
            let body = response.into_body().collect().await.context("read the answer")?.to_bytes();
            Ok((status, body))
        };
        tokio::time::timeout(DEADLINE, exchange).await.with_context(|| format!("no answer from {path} in time"))?
    }

    pub async fn get(&mut self, path: &str) -> Result<Bytes> {
        let (status, body) = self.call(Method::GET, path, JSON, Bytes::new()).await?;
        must_succeed(path, status, body)
    }

    pub async fn create(&mut self, path: &str, body: Bytes) -> Result<Bytes> {
        let (status, body) = self.call(Method::POST, path, JSON, body).await?;
        must_succeed(path, status, body)
    }

    pub async fn patch(&mut self, path: &str, body: Bytes) -> Result<Bytes> {
        let (status, body) = self.call(Method::PATCH, path, MERGE_PATCH, body).await?;
        must_succeed(path, status, body)
    }

    /// What is gone already counts as deleted.
    pub async fn delete(&mut self, path: &str) -> Result<()> {
        let (status, body) = self.call(Method::DELETE, path, JSON, Bytes::new()).await?;
        if status == StatusCode::NOT_FOUND { Ok(()) } else { must_succeed(path, status, body).map(drop) }
    }
}

fn must_succeed(path: &str, status: StatusCode, body: Bytes) -> Result<Bytes> {
    if status.is_success() {
        return Ok(body);
    }
    let text = String::from_utf8_lossy(&body);
    bail!("{path}: {status}: {}", text.chars().take(400).collect::<String>())
}

async fn speak<S>(stream: S, version: Version) -> Result<(Sender, JoinHandle<()>)>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = TokioIo::new(stream);
    match version {
        Version::Http1 => {
            let (sender, connection) = http1::handshake(stream).await.context("speak HTTP/1.1")?;
            Ok((Sender::One(sender), tokio::spawn(async move { drop(connection.await) })))
        }
        Version::Http2 => {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder
                .timer(TokioTimer::new())
                .initial_stream_window_size(WINDOW)
                .initial_connection_window_size(4 * WINDOW);
            let (sender, connection) = builder.handshake(stream).await.context("speak HTTP/2")?;
            Ok((Sender::Two(sender), tokio::spawn(async move { drop(connection.await) })))
        }
    }
}
