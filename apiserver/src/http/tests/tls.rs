//! Through a socket.

use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use lifecycle::tasks::Tasks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::fixtures::{Keys, connect, get, http2, server};
use crate::http::listener;

async fn start(tasks: &Tasks, keys: &Keys) -> std::net::SocketAddr {
    let socket = listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = socket.local_addr().unwrap();
    server(tasks).await.serve(socket, keys.tls(), tasks);
    address
}

#[tokio::test]
async fn a_certificate_says_who_asks() {
    let (tasks, keys) = (Tasks::new(), Keys::new());
    let address = start(&tasks, &keys).await;
    for (user, path, code) in [
        (None, "/version", 200),
        (None, "/readyz", 200),
        (None, "/api", 401),
        (Some(("u", "g")), "/api", 200),
        (Some(("u", "g")), "/api/v1/nodes", 403),
        (Some(("u", "g")), "/metrics", 403),
        (Some(("u", "system:masters")), "/metrics", 200),
        (Some(("u", "system:masters")), "/nowhere", 404),
    ] {
        let mut client = http2(address, keys.client(user, b"h2"), &tasks).await;
        let response = client.send_request(get(path)).await.unwrap();
        assert_eq!(response.status().as_u16(), code, "{user:?} {path}");
        assert!(response.headers().contains_key("audit-id"));
    }
    tasks.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn the_older_http_works_as_well() {
    let (tasks, keys) = (Tasks::new(), Keys::new());
    let address = start(&tasks, &keys).await;
    let stream = TokioIo::new(connect(address, keys.client(None, b"http/1.1")).await);
    let (mut sender, connection) = hyper::client::conn::http1::handshake::<_, Body>(stream).await.unwrap();
    tasks.spawn_until_stop("client", async move { drop(connection.await) });
    let mut request = get("/healthz");
    request.headers_mut().insert("host", "localhost".parse().unwrap());
    let body = sender.send_request(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "ok");
    tasks.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_stranger_to_the_authority_is_not_let_in() {
    let (tasks, keys) = (Tasks::new(), Keys::new());
    let address = start(&tasks, &keys).await;
    // It trusts the server, but its own certificate is signed by somebody else.
    let mut config = keys.client(None, b"h2");
    config.client_auth_cert_resolver =
        Keys::new().client(Some(("admin", "system:masters")), b"h2").client_auth_cert_resolver;
    let mut stream = connect(address, config).await;
    drop(stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await);
    let mut rest = Vec::new();
    assert!(stream.read_to_end(&mut rest).await.is_err());
    tasks.stop(Duration::from_secs(5)).await;
}
