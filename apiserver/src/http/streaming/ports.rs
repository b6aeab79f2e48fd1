//! `pods/portforward`: connections to ports of a pod.
//!
//! Clients speak SPDY, by itself or inside of a WebSocket. Older WebSockets name the ports in the query, and have two channels for each: `numbered_ports`.

use std::sync::Arc;

use api::failure::Failure;
use axum::body::Body;
use axum::response::Response;
use http::Request;
use hyper_util::rt::TokioIo;
use lifecycle::duplex::Duplex;

use crate::http::app::App;
use crate::http::path::Target;
use crate::http::query::Query;
use crate::http::streaming::dial;
use crate::http::streaming::upgrade::{self, Upgrade};
use crate::http::streaming::{numbered_ports, pod, spdy};
use crate::http::tunnel;

/// SPDY in the messages of a WebSocket.
const TUNNELED: &str = "SPDY/3.1+portforward.k8s.io";
const PORT_FORWARD: &str = "portforward.k8s.io";

pub async fn serve(app: &Arc<App>, target: &Target, request: Request<Body>) -> Result<Response, Failure> {
    let (mut parts, _) = request.into_parts();
    let pod = pod::find(app, &target.namespace, &target.name)?;
    let node = pod::node_of(&pod, &target.name)?;
    let forward = Forward {
        app: app.clone(),
        node: node.to_owned(),
        namespace: target.namespace.clone(),
        pod: target.name.clone(),
    };
    match upgrade::asked(&mut parts).await? {
        Upgrade::WebSocket(upgrade) => {
            let offered = upgrade::offered(&parts.headers);
            if offered.iter().any(|name| name == TUNNELED) {
                let upgrade = upgrade.protocols([TUNNELED]);
                return Ok(upgrade.on_upgrade(move |socket| forward.over(Box::new(tunnel::bytes_of(socket)))));
            }
            if !offered.is_empty() && !offered.iter().any(|name| name == numbered_ports::PROTOCOL) {
                return Err(upgrade::unknown(&offered, &[TUNNELED, numbered_ports::PROTOCOL]));
            }
            let query = Query::parse(parts.uri.query().unwrap_or(""));
            let ports = numbered_ports::named(&query).ok_or_else(|| {
                Failure::bad_request("query parameter \"ports\" is required: numbers from 1 to 65535, 127 at most")
            })?;
            let upgrade = upgrade.protocols([numbered_ports::PROTOCOL]);
            Ok(upgrade.on_upgrade(move |socket| numbered_ports::serve(socket, ports, forward)))
        }
        Upgrade::Spdy(upgraded) => {
            let offered = upgrade::stream_protocols(&parts.headers);
            let version =
                (offered.is_empty() || offered.iter().any(|name| name == PORT_FORWARD)).then_some(PORT_FORWARD);
            let version = version.ok_or_else(|| upgrade::unknown(&offered, &[PORT_FORWARD]))?;
            app.tasks.spawn_until_stop("ports over SPDY", async move {
                if let Ok(io) = upgraded.await {
                    forward.over(Box::new(TokioIo::new(io))).await;
                }
            });
            Ok(upgrade::switched(Some(version)))
        }
    }
}

/// The pod whose ports are reached.
pub struct Forward {
    app: Arc<App>,
    node: String,
    namespace: String,
    pub pod: String,
}

impl Forward {
    async fn over(self, io: Box<dyn Duplex>) {
        spdy::ports::serve(io, |port| self.dial(port)).await;
    }

    /// A connection, or why there is none.
    pub async fn dial(&self, port: u16) -> Result<Box<dyn Duplex>, String> {
        let connected = dial::port(&self.app, &self.node, (&self.namespace, &self.pod), port).await;
        connected.map_err(|failure| failure.message)
    }
}
