//! Finds out who asks.

use std::sync::{Arc, LazyLock};

use api::failure::Failure;
use http::header::AUTHORIZATION;
use http::request::Parts;

use crate::context::User;
use crate::http::app::App;
use crate::http::exchange::Exchange;
use crate::http::filters::filter::Filter;
use crate::http::health;
use crate::http::identity::{self, Inside, Peer};

pub struct Authenticate;

impl Filter for Authenticate {
    fn before(&self, _: &App, exchange: &mut Exchange, request: &Parts) -> Result<(), Failure> {
        exchange.user = user(request, &exchange.attributes.path)?;
        Ok(())
    }
}

fn user(request: &Parts, path: &str) -> Result<Arc<User>, Failure> {
    static ANONYMOUS: LazyLock<Arc<User>> = LazyLock::new(|| Arc::new(identity::anonymous()));
    if let Some(Inside(user)) = request.extensions.get::<Inside>() {
        return Ok(user.clone());
    }
    if let Some(user) = request.extensions.get::<Peer>().and_then(|peer| peer.user.clone()) {
        return Ok(user);
    }
    // Tokens of ServiceAccounts will be tried here. Until then no token is a good one.
    let has_token = request.headers.contains_key(AUTHORIZATION);
    if !has_token && is_open_to_all(path) {
        return Ok(ANONYMOUS.clone());
    }
    Err(Failure::unauthorized())
}

/// What load balancers and people look at before they have a certificate.
pub fn is_open_to_all(path: &str) -> bool {
    path == "/version" || path == "/version/" || health::is_health_path(path)
}
