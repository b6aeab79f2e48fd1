//! How a client wants its connection to go on: as a WebSocket, or in SPDY as older ones do.

use api::failure::Failure;
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::extract::ws::WebSocketUpgrade;
use axum::response::Response;
use http::header::{CONNECTION, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use hyper::upgrade::OnUpgrade;

const SPDY: &str = "SPDY/3.1";
const STREAM_PROTOCOL: HeaderName = HeaderName::from_static("x-stream-protocol-version");

/// Browsers carry their token in a protocol of this name, which is nothing to agree on.
const TOKEN_PROTOCOL: &str = "base64url.bearer.authorization.k8s.io.";

pub enum Upgrade {
    WebSocket(Box<WebSocketUpgrade>),
    Spdy(OnUpgrade),
}

/// What the client asks for. `parts` give up what is needed for it.
pub async fn asked(parts: &mut Parts) -> Result<Upgrade, Failure> {
    if is_web_socket(parts) {
        return web_socket(parts).await.map(|upgrade| Upgrade::WebSocket(Box::new(upgrade)));
    }
    if leads_to(parts, SPDY)
        && let Some(upgrade) = parts.extensions.remove::<OnUpgrade>()
    {
        return Ok(Upgrade::Spdy(upgrade));
    }
    Err(Failure::bad_request("Upgrade request required"))
}

/// Whether the client wants a WebSocket.
pub fn is_web_socket(parts: &Parts) -> bool {
    leads_to(parts, "websocket")
}

fn leads_to(parts: &Parts, protocol: &str) -> bool {
    parts.headers.get(UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(protocol.as_bytes()))
}

pub async fn web_socket(parts: &mut Parts) -> Result<WebSocketUpgrade, Failure> {
    let upgrade = WebSocketUpgrade::from_request_parts(parts, &()).await;
    upgrade.map_err(|refusal| Failure::bad_request(refusal.body_text()))
}

/// The protocols that a client of a WebSocket offers.
pub fn offered(headers: &HeaderMap) -> Vec<String> {
    let names = listed(headers, SEC_WEBSOCKET_PROTOCOL);
    names.into_iter().filter(|name| !name.starts_with(TOKEN_PROTOCOL)).collect()
}

/// The versions of the streams inside of SPDY that a client offers.
pub fn stream_protocols(headers: &HeaderMap) -> Vec<String> {
    listed(headers, STREAM_PROTOCOL)
}

/// The refusal of a client of whose protocols none is among those that are known.
pub fn unknown(offered: &[String], known: &[&str]) -> Failure {
    Failure::bad_request(format!("none of the protocols {offered:?} is known here: offer one of {known:?}"))
}

fn listed(headers: &HeaderMap, name: HeaderName) -> Vec<String> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    let names = values.flat_map(|value| value.split(',')).map(str::trim);
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The answer behind which a connection goes on in SPDY.
pub fn switched(stream_protocol: Option<&str>) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static(SPDY));
    if let Some(protocol) = stream_protocol.and_then(|protocol| HeaderValue::try_from(protocol).ok()) {
        headers.insert(STREAM_PROTOCOL, protocol);
    }
    response
}
