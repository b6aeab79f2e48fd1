//! Bytes to a port of a pod and back, as the kubelet's `/portForward` carries them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use futures::TryStreamExt;
use http::StatusCode;
use k8s_openapi::api::core::v1::Pod;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio_util::io::{ReaderStream, StreamReader};

use crate::server::find::{self, Refusal};
use crate::server::{Shared, query};

/// How long a port may take to answer.
const CONNECT: Duration = Duration::from_secs(10);

/// Answers once the port does. Each direction ends by itself, and both with the client.
pub async fn port_forward(
    State(shared): State<Shared>,
    Path((namespace, name)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Response, Refusal> {
    let port = query::all(&query.unwrap_or_default(), "port").into_iter().next().unwrap_or_default();
    let port: u16 = port.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
        (StatusCode::BAD_REQUEST, format!("unable to parse \"{port}\" as a port: give a number from 1 to 65535"))
    })?;
    let context = shared.context;
    let pod = find::pod(&context, &namespace, &name)?;
    let address = address(&pod).ok_or_else(|| {
        (StatusCode::BAD_REQUEST, format!("pod \"{name}\" in namespace \"{namespace}\" has no address yet: try again"))
    })?;
    let target = SocketAddr::new(address, port);
    let stream = connect(target).await.map_err(|error| {
        let text = format!(
            "failed to connect to localhost:{port} inside namespace \"{namespace}/{name}\": dial tcp {target}: {error}"
        );
        (StatusCode::BAD_GATEWAY, text)
    })?;
    let (reader, writer) = stream.into_split();
    context.tasks.spawn_until_stop(format!("port {port} of {namespace}/{name}"), async move {
        if let Err(error) = send(body, writer).await {
            tracing::debug!(%target, %error, "bytes to a port of a pod ended early");
        }
    });
    Ok(Body::from_stream(ReaderStream::new(reader)).into_response())
}

/// Where the pod listens. One in the host's network is reached as the host reaches itself.
fn address(pod: &Pod) -> Option<IpAddr> {
    if pod.spec.as_ref().and_then(|spec| spec.host_network) == Some(true) {
        return Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok()
}

async fn connect(target: SocketAddr) -> io::Result<TcpStream> {
    let stream = tokio::time::timeout(CONNECT, TcpStream::connect(target)).await??;
    // What is small is often half of a conversation.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The end of what the client sends is an end for the pod, which may still answer.
async fn send(body: Body, mut writer: OwnedWriteHalf) -> io::Result<()> {
    let mut bytes = StreamReader::new(body.into_data_stream().map_err(io::Error::other));
    tokio::io::copy_buf(&mut bytes, &mut writer).await?;
    writer.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_is_reached_at_its_address_or_where_the_host_reaches_itself() {
        let at = |value| address(&serde_json::from_value(value).unwrap()).map(|address| address.to_string());
        let status = json!({ "podIP": "127.64.1.2" });
        assert_eq!(at(json!({ "status": status })), Some("127.64.1.2".to_owned()));
        let in_host = json!({ "containers": [], "hostNetwork": true });
        assert_eq!(at(json!({ "spec": in_host, "status": status })), Some("127.0.0.1".to_owned()));
        assert_eq!(at(json!({ "status": {} })), None);
    }
}
