//! Connections to ports of pods, over the way back to their node.

use std::io;
use std::sync::Arc;

use api::failure::Failure;
use axum::body::Body;
use futures::TryStreamExt;
use http::Request;
use http_body_util::BodyExt;
use lifecycle::duplex::Duplex;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tokio_util::io::{ReaderStream, StreamReader};

use crate::http::app::App;
use crate::http::streaming::ask;

/// How many bytes may be on their way to the agent.
const UNDER_WAY: usize = 64 * 1024;

/// A connection to a port of a pod that runs on this node.
pub async fn port(
    app: &Arc<App>,
    node: &str,
    (namespace, pod): (&str, &str),
    port: u16,
) -> Result<Box<dyn Duplex>, Failure> {
    let (ours, theirs) = tokio::io::duplex(UNDER_WAY);
    let request = Request::post(format!("/portForward/{namespace}/{pod}?port={port}"));
    let answer = ask::node(app, node, request, Body::from_stream(ReaderStream::new(theirs))).await?;
    let reader = StreamReader::new(answer.into_body().into_data_stream().map_err(io::Error::other));
    Ok(Box::new(tokio::io::join(reader, ours)))
}

/// The same connection with TLS over it. As upstream's, it takes any certificate: what runs in pods makes its own.
pub async fn encrypted(stream: Box<dyn Duplex>) -> io::Result<Box<dyn Duplex>> {
    let config = lifecycle::tls::any_server();
    let nobody = ServerName::IpAddress(std::net::Ipv4Addr::UNSPECIFIED.into());
    Ok(Box::new(TlsConnector::from(Arc::new(config)).connect(nobody, stream).await?))
}
