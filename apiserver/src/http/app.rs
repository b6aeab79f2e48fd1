//! What every request can reach: the registry and all that stands beside it.

use lifecycle::clock::Clock;
use lifecycle::metrics::Metrics;
use lifecycle::tasks::Tasks;
use tokio_util::sync::CancellationToken;

use crate::http::authentication::TokenAuthenticators;
use crate::http::authorization::Authorizers;
use crate::http::discovery::Discovery;
use crate::http::filters::in_flight::InFlight;
use crate::http::health::Health;
use crate::http::measures::Measures;
use crate::http::openapi::OpenApi;
use crate::http::reply::recent::Recent;
use crate::http::tunnel::Tunnels;
use crate::registry::Registry;

/// One API server, as its requests see it.
pub struct App {
    pub registry: Registry,
    pub clock: Clock,
    /// Ends every watch when the server stops.
    pub stop: CancellationToken,
    pub authorizers: Authorizers,
    pub token_authenticators: TokenAuthenticators,
    pub in_flight: InFlight,
    pub measures: Measures,
    pub metrics: Metrics,
    pub health: Health,
    pub discovery: Discovery,
    pub openapi: OpenApi,
    /// Where streams go on that have left HTTP.
    pub tasks: Tasks,
    pub tunnels: Tunnels,
    pub recent: Recent,
}
