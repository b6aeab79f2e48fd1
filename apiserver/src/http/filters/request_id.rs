//! Gives every request an id, which its answer carries as `Audit-Id`.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use api::failure::Failure;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderName, HeaderValue};

use crate::http::app::App;
use crate::http::exchange::Exchange;
use crate::http::filters::filter::Filter;

const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");

pub struct RequestId;

impl Filter for RequestId {
    fn before(&self, _: &App, exchange: &mut Exchange, request: &Parts) -> Result<(), Failure> {
        let given = request.headers.get(AUDIT_ID).and_then(|id| id.to_str().ok()).filter(|id| id.len() <= 64);
        exchange.audit_id = given.map_or_else(fresh, str::to_owned);
        Ok(())
    }

    fn after(&self, _: &App, exchange: &Exchange, response: &mut Response) {
        if let Ok(mut value) = HeaderValue::from_str(&exchange.audit_id) {
            // No secret, but it never comes again: HTTP/2 need not remember it for the next answer.
            value.set_sensitive(true);
            response.headers_mut().insert(AUDIT_ID, value);
        }
    }
}

/// A UUID that no other request of this process has. It is a label, not a secret: so it costs no system call.
fn fresh() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    static KEYS: LazyLock<(RandomState, RandomState)> = LazyLock::new(|| (RandomState::new(), RandomState::new()));
    let count = NEXT.fetch_add(1, Ordering::Relaxed);
    let (high, low) = (KEYS.0.hash_one(count), KEYS.1.hash_one(count));
    uuid::Builder::from_random_bytes((u128::from(high) << 64 | u128::from(low)).to_be_bytes()).into_uuid().to_string()
}
