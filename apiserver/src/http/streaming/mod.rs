//! Requests that become streams: logs, commands, ports and pages of pods, all reached over the way back to their node.

mod ask;
mod command;
mod dial;
mod links;
mod location;
mod logs;
mod numbered_ports;
mod pod;
mod ports;
mod proxy;
pub mod session;
pub mod spdy;
mod stored;
pub mod upgrade;
mod web_socket;

use std::sync::Arc;

use api::failure::Failure;
use axum::body::Body;
use axum::response::Response;
use http::Request;

use crate::http::app::App;
use crate::http::path::Target;

/// The subresources that are streams: whatever their method, they may take as long as the client likes.
const STREAMS: [&str; 5] = ["attach", "exec", "log", "portforward", "proxy"];

pub fn is_stream(subresource: &str) -> bool {
    STREAMS.contains(&subresource)
}

/// Answers a request for one of them. That the kind has it, and the method, is known.
pub async fn serve(app: &Arc<App>, target: &Target, request: Request<Body>) -> Result<Response, Failure> {
    match &*target.subresource {
        "log" => logs::serve(app, target, request.uri()).await,
        "exec" | "attach" => command::serve(app, target, request).await,
        "portforward" => ports::serve(app, target, request).await,
        "proxy" => proxy::serve(app, target, request).await,
        _ => Err(Failure::unknown_resource()),
    }
}
