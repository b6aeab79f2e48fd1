//! The API server of a cluster: its store, its keys, its socket.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use apiserver::context::User;
use apiserver::http::listener;
use apiserver::http::server::Server;
use apiserver::http::tls::{Tls, TlsFiles};
use apiserver::registry::Registry;
use apiserver::registry::layout::KindLayout;
use apiserver::registry::options::Options as RegistryOptions;
use apiserver::storage::limits::Limits;
use apiserver::storage::{self, Storage};
use apiserver::upkeep;
use kube::Client;
use lifecycle::clock::Clock;
use lifecycle::metrics::Metrics;
use lifecycle::tasks::Tasks;
use tokio::net::TcpListener;

use crate::kubeconfig::Kubeconfig;
use crate::paths::DataDir;
use crate::pki::{Authority, Subject};

/// Loopback, and the port that Kubernetes has everywhere.
pub const STANDARD_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 6443);

/// The names under which workloads and people reach the API.
const SERVER_NAMES: [&str; 5] =
    ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"];

#[derive(Debug, Clone)]
pub struct Options {
    pub data_dir: DataDir,
    pub store: String,
    pub listen: Option<SocketAddr>,
    pub kubeconfig: PathBuf,
    pub clock: Clock,
}

/// An API server that runs in this process.
pub struct ApiServer {
    server: Server,
    authority: Authority,
    address: Option<SocketAddr>,
}

impl ApiServer {
    /// Opens the store, and answers: on a socket if the options name one, and to clients of this process.
    pub async fn start(options: Options, tasks: &Tasks, metrics: &Metrics) -> Result<Self> {
        // The socket first: a port that is taken is found before anything is touched.
        let socket = match options.listen {
            Some(address) => Some(listener::bind(address).await?),
            None => None,
        };
        options.data_dir.claim()?;
        let authority =
            if options.listen.is_some() { Authority::open(&options.data_dir.pki())? } else { Authority::generate()? };
        let registry = open_registry(&options, tasks, metrics).await?;
        let address = socket.as_ref().map(TcpListener::local_addr).transpose();
        let address = address.context("ask for the address of the socket")?;
        // Whoever listens everywhere is told of where this machine reaches itself.
        let reached = address.map(reachable);
        upkeep::start(&registry, reached, tasks).await.context("put in place what every cluster has")?;
        let server = Server::new(registry, options.clock.clone(), metrics, tasks);
        let started = Self { server, authority, address: reached };
        if let (Some(socket), Some(address)) = (socket, address) {
            started.server.serve(socket, started.tls(address.ip())?, tasks);
            started.write_kubeconfig(&Subject::admin(), &options.kubeconfig)?;
        }
        Ok(started)
    }

    fn tls(&self, address: IpAddr) -> Result<Tls> {
        let mut addresses = vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)];
        if !addresses.contains(&address) && !address.is_unspecified() {
            addresses.push(address);
        }
        let identity = self.authority.issue_server(&SERVER_NAMES, &addresses)?;
        Tls::new(&TlsFiles {
            certificate: &identity.certificate,
            key: &identity.key,
            client_authorities: self.authority.certificate(),
        })
    }

    /// Writes a kubeconfig with a new certificate for `subject`.
    pub fn write_kubeconfig(&self, subject: &Subject, path: &std::path::Path) -> Result<()> {
        let identity = self.authority.issue_client(subject)?;
        let server = self.url().context("a kubeconfig needs an API server with an address")?;
        Kubeconfig {
            server: &server,
            authority: self.authority.certificate(),
            user: &subject.user,
            identity: &identity,
        }
        .write(path)
    }

    /// Where clients reach it: loopback, when it listens everywhere.
    pub fn url(&self) -> Option<String> {
        Some(format!("https://{}", self.address?))
    }

    pub fn root_ca(&self) -> &str {
        self.authority.certificate()
    }

    pub fn server(&self) -> &Server {
        &self.server
    }

    /// A client that needs no socket. It is authorised as `subject`, like any other.
    pub fn client(&self, subject: &Subject) -> Client {
        let groups: Vec<&str> = subject.group.as_deref().into_iter().collect();
        let user = User::new(&subject.user, &groups);
        Client::new(self.server.in_process(user), api::well_known::DEFAULT_NAMESPACE)
    }
}

/// Where a client on this machine reaches what is bound to this address.
fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, bound.port())
}

async fn open_registry(options: &Options, tasks: &Tasks, metrics: &Metrics) -> Result<Registry> {
    let engine = storage::engine(&options.store, &options.data_dir.store()).with_context(|| {
        let names: Vec<&str> = storage::ENGINES.iter().map(|(name, _)| *name).collect();
        format!("there is no store called {:?}: choose one of {}", options.store, names.join(", "))
    })?;
    let storage = Storage::open(engine, Arc::new(KindLayout), options.clock.clone(), tasks, Limits::default()).await?;
    storage.measure(metrics);
    let options = RegistryOptions::new(options.clock.clone(), tasks.clone());
    let registry = Registry::new(storage, options).context("read the store")?;
    registry.bootstrap().await.context("create the namespaces that every cluster has")?;
    Ok(registry)
}
