//! A server, certificates and clients for tests.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::Request;
use http_body_util::BodyExt;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use lifecycle::clock::Clock;
use lifecycle::metrics::Metrics;
use lifecycle::tasks::Tasks;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, DuplexStream};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tower::ServiceExt;

use crate::context::User;
use crate::http::server::Server;
use crate::http::tls::{Tls, TlsFiles};
use crate::registry::Registry;
use crate::registry::layout::KindLayout;
use crate::registry::options::Options;
use crate::storage::Storage;
use crate::storage::limits::Limits;
use crate::storage::memory::Memory;

/// A server with an empty store.
pub async fn server(tasks: &Tasks) -> Server {
    server_with(tasks, Limits::default()).await
}

/// A server that keeps this much of the past.
pub async fn server_with(tasks: &Tasks, limits: Limits) -> Server {
    let clock = Clock::tokio();
    let (engine, layout) = (Arc::new(Memory::default()), Arc::new(KindLayout));
    let storage = Storage::open(engine, layout, clock.clone(), tasks, limits).await.unwrap();
    let registry = Registry::new(storage, Options::new(clock.clone(), tasks.clone())).unwrap();
    Server::new(registry, clock, &Metrics::new(), tasks)
}

pub fn admin() -> User {
    User::new("admin", &["system:masters"])
}

/// Asks as this user; a body is JSON.
pub async fn ask(server: &Server, user: User, method: &str, path: &str, body: &str) -> Response {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    let request = request.body(Body::from(body.to_owned())).unwrap();
    server.in_process(user).oneshot(request).await.unwrap()
}

/// Patches as this user, with a merge patch.
pub async fn patch(server: &Server, path: &str, body: &Value) -> (u16, Value) {
    let request = Request::patch(path).header("content-type", "application/merge-patch+json");
    let request = request.body(Body::from(body.to_string())).unwrap();
    told(server.in_process(admin()).oneshot(request).await.unwrap()).await
}

/// Asks as an administrator, and is told the code and the JSON.
pub async fn does(server: &Server, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    told(ask(server, admin(), method, path, &body).await).await
}

/// A server with a namespace `d` that has its ServiceAccount.
pub async fn furnished(tasks: &Tasks) -> Server {
    let server = server(tasks).await;
    for (path, name) in [("/api/v1/namespaces", "d"), ("/api/v1/namespaces/d/serviceaccounts", "default")] {
        let (code, answer) = does(&server, "POST", path, &serde_json::json!({"metadata": {"name": name}})).await;
        assert_eq!(code, 201, "{answer}");
    }
    server
}

/// The code and the JSON of an answer.
pub async fn told(response: Response) -> (u16, Value) {
    let code = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let value = serde_json::from_slice(&bytes);
    (code, value.unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&bytes).into_owned())))
}

/// A connection over which this server speaks HTTP/1.1 with an administrator.
pub fn connect_plainly(server: &Server, tasks: &Tasks) -> DuplexStream {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let service = TowerToHyperService::new(server.in_process(admin()));
    tasks.spawn_until_stop("connection", async move {
        let http = hyper::server::conn::http1::Builder::new();
        drop(http.serve_connection(TokioIo::new(theirs), service).with_upgrades().await);
    });
    ours
}

/// The head of the next answer.
pub async fn head(stream: &mut DuplexStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// The kind and the content of the next message of a WebSocket.
pub async fn message(stream: &mut DuplexStream) -> (u8, Vec<u8>) {
    let kind = stream.read_u8().await.unwrap() & 0x0f;
    let length = match stream.read_u8().await.unwrap() {
        126 => usize::from(stream.read_u16().await.unwrap()),
        length => usize::from(length),
    };
    let mut content = vec![0; length];
    stream.read_exact(&mut content).await.unwrap();
    (kind, content)
}

/// A server with a pod `p` of two containers, on the node `n` or on none.
pub async fn server_with_pod(tasks: &Tasks, node: &str) -> Server {
    let server = server(tasks).await;
    let pod = json!({"metadata": {"name": "p"}, "spec": {"nodeName": node,
        "containers": [{"name": "a", "image": "i"}, {"name": "b", "image": "i"}]}});
    for (path, body) in [
        ("/api/v1/namespaces", json!({"metadata": {"name": "d"}})),
        ("/api/v1/namespaces/d/serviceaccounts", json!({"metadata": {"name": "default"}})),
        ("/api/v1/namespaces/d/pods", pod),
    ] {
        let (code, answer) = told(ask(&server, admin(), "POST", path, &body.to_string()).await).await;
        assert_eq!(code, 201, "{answer}");
    }
    server
}

/// An authority, and what it signed.
pub struct Keys {
    authority: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Keys {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap().pem();
        Self { authority, issuer: Issuer::new(params, key) }
    }

    fn sign(&self, params: CertificateParams) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    pub fn tls(&self) -> Tls {
        let (certificate, key) = self.sign(CertificateParams::new(vec!["localhost".to_owned()]).unwrap());
        let files = TlsFiles { certificate: &certificate, key: &key, client_authorities: &self.authority };
        Tls::new(&files).unwrap()
    }

    /// A client's side of TLS; `user` and `group` are what its certificate says.
    pub fn client(&self, user: Option<(&str, &str)>, protocol: &[u8]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        let mut config = match user {
            None => builder.with_no_client_auth(),
            Some((name, group)) => {
                let mut params = CertificateParams::new(Vec::new()).unwrap();
                params.distinguished_name.push(DnType::CommonName, name);
                params.distinguished_name.push(DnType::OrganizationName, group);
                let (certificate, key) = self.sign(params);
                let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
                builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap()
            }
        };
        config.alpn_protocols = vec![protocol.to_vec()];
        config
    }
}

pub async fn connect(address: SocketAddr, config: ClientConfig) -> tokio_rustls::client::TlsStream<TcpStream> {
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

/// An HTTP/2 client over a connection, which runs as one of the tasks.
pub async fn http2(address: SocketAddr, config: ClientConfig, tasks: &Tasks) -> SendRequest<Body> {
    let stream = TokioIo::new(connect(address, config).await);
    let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tasks.spawn_until_stop("client", async move { drop(connection.await) });
    sender
}

pub fn get(path: &str) -> Request<Body> {
    Request::get(format!("https://localhost{path}")).body(Body::empty()).unwrap()
}
