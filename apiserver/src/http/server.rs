//! The API server put together.

use std::sync::Arc;

use lifecycle::clock::Clock;
use lifecycle::metrics::Metrics;
use lifecycle::tasks::Tasks;
use tokio::net::TcpListener;

use crate::context::User;
use crate::http::app::App;
use crate::http::authentication::TokenAuthenticators;
use crate::http::authorization::Authorizers;
use crate::http::discovery::Discovery;
use crate::http::filters::Filtered;
use crate::http::filters::in_flight::InFlight;
use crate::http::health::{Health, Only};
use crate::http::identity::InProcess;
use crate::http::listener;
use crate::http::measures::Measures;
use crate::http::openapi::OpenApi;
use crate::http::reply::recent::Recent;
use crate::http::routes::Routes;
use crate::http::tls::Tls;
use crate::http::tunnel::Tunnels;
use crate::kinds::KINDS;
use crate::registry::Registry;

/// An API server over a registry. It answers as a service; a socket is one way to that, not the only one.
pub struct Server {
    app: Arc<App>,
    service: Filtered,
}

impl Server {
    /// `tasks` is whose stop ends all watches.
    pub fn new(registry: Registry, clock: Clock, metrics: &Metrics, tasks: &Tasks) -> Self {
        let measures = Measures::new(metrics);
        let health = Health::default();
        health.add("ping", Only::All, || true);
        let stop = tasks.token().clone();
        let stopping = stop.clone();
        health.add("shutdown", Only::Readiness, move || !stopping.is_cancelled());
        let app = Arc::new(App {
            authorizers: Authorizers::new(&registry),
            token_authenticators: TokenAuthenticators::default(),
            in_flight: InFlight::new(&measures),
            discovery: Discovery::new(KINDS),
            openapi: OpenApi::new(KINDS),
            tasks: tasks.clone(),
            tunnels: Tunnels::new(tasks),
            recent: Recent::default(),
            metrics: metrics.clone(),
            registry,
            clock,
            stop,
            measures,
            health,
        });
        let service = Filtered { routes: Routes::new(app.clone()) };
        Self { app, service }
    }

    /// Everything the server answers. Its requests have no identity unless `in_process` or the listener gives them one.
    pub fn service(&self) -> Filtered {
        self.service.clone()
    }

    /// The API for a client in this process, which acts as this user: `kube::Client::new(server.in_process(user), …)`.
    pub fn in_process(&self, user: User) -> InProcess {
        InProcess::new(self.service(), user)
    }

    /// The ways back to the nodes: agents in this process attach theirs here.
    pub fn tunnels(&self) -> &Tunnels {
        &self.app.tunnels
    }

    /// What `/healthz` and its siblings ask, besides whether the server answers at all.
    pub fn health(&self) -> &Health {
        &self.app.health
    }

    /// Answers on a socket, made with `listener::bind`, until `tasks` stop.
    pub fn serve(&self, socket: TcpListener, tls: Tls, tasks: &Tasks) {
        listener::serve(socket, tls, self.service(), self.app.measures.clone(), tasks);
    }
}
