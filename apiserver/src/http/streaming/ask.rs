//! Asking the agent of a node, in the words of the kubelet's API.

use std::sync::Arc;

use api::failure::{Failure, Reason};
use axum::body::Body;
use http::request::Builder;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use k8s_openapi::api::core::v1::Node;

use crate::http::app::App;
use crate::http::streaming::stored;
use crate::http::tunnel::TunnelError;

/// The longest refusal that is passed on.
const MOST_TEXT: usize = 64 * 1024;

/// What a node's agent answers, if it does what it is asked. `request` has a path and no host.
pub async fn node(app: &Arc<App>, node: &str, request: Builder, body: Body) -> Result<Response<Incoming>, Failure> {
    let answer = any(app, node, request, body).await?;
    if answer.status() == StatusCode::OK {
        return Ok(answer);
    }
    let code = answer.status();
    let text = Limited::new(answer.into_body(), MOST_TEXT).collect().await.map(|body| body.to_bytes());
    let text = String::from_utf8_lossy(&text.unwrap_or_default()).trim().to_owned();
    Err(match code {
        StatusCode::BAD_REQUEST => Failure::bad_request(text),
        StatusCode::NOT_FOUND => Failure::new(Reason::NotFound, text),
        // Something in a pod could not be reached.
        StatusCode::BAD_GATEWAY => Failure::new(Reason::ServiceUnavailable, text),
        _ => Failure::internal(text),
    })
}

/// What a node's agent answers, whatever it is.
pub async fn any(app: &Arc<App>, node: &str, request: Builder, body: Body) -> Result<Response<Incoming>, Failure> {
    let mut request = request.body(body).map_err(|_| Failure::bad_request("the names make no address"))?;
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    // A node's name is one of DNS.
    let uri = format!("http://{node}{path}").parse();
    *request.uri_mut() = uri.map_err(|_| Failure::bad_request("the names make no address"))?;
    app.tunnels.request(node, request).await.map_err(|error| unreachable(app, node, &error))
}

fn unreachable(app: &App, node: &str, error: &TunnelError) -> Failure {
    if matches!(error, TunnelError::NotConnected(_)) && has_own_port(app, node) {
        return Failure::internal(format!(
            "node {node:?} is a kubelet with a port of its own, which this server cannot reach yet: ask on the node"
        ));
    }
    Failure::new(Reason::ServiceUnavailable, error.to_string()).retry_after(1)
}

fn has_own_port(app: &App, node: &str) -> bool {
    let node: Option<Node> = stored::read(app, "nodes", None, node).ok();
    let endpoints = node.and_then(|node| node.status?.daemon_endpoints?.kubelet_endpoint);
    endpoints.is_some_and(|endpoint| endpoint.port > 0)
}
