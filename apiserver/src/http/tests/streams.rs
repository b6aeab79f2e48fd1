//! Commands, ports and pages of pods, over a tunnel to an agent that plays along.

use std::convert::Infallible;
use std::io;

use api::channels::{CLOSE, ERROR, RESIZE, STDERR, STDIN, STDOUT};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::{SinkExt, StreamExt, TryStreamExt};
use http::Request;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use lifecycle::tasks::Tasks;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec};
use tokio_util::io::{ReaderStream, StreamReader};

use super::fixtures::{admin, ask, connect_plainly, does, head, message, patch, server_with_pod, told};
use crate::http::server::Server;

const POD: &str = "/api/v1/namespaces/d/pods/p";

/// The agent of node `n`. A command tells its own path, gives its input back, and ends with it; ports hold a small web server.
async fn attach_agent(server: &Server, tasks: &Tasks) {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let inner = tasks.clone();
    tasks.spawn_until_stop("agent", async move {
        let service = service_fn(move |request: Request<Incoming>| {
            let answer = answer(&inner, request);
            async move { Ok::<_, Infallible>(answer) }
        });
        let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        drop(http.serve_connection(TokioIo::new(theirs), service).await);
    });
    server.tunnels().attach("n", ours).await.unwrap();
}

fn answer(tasks: &Tasks, request: Request<Incoming>) -> Response {
    let path = request.uri().path_and_query().unwrap().to_string();
    let refused = |code: u16, text: &str| Response::builder().status(code).body(Body::from(text.to_owned())).unwrap();
    if path.contains("port=81") {
        return refused(502, "connection refused");
    }
    if !path.starts_with("/exec") && !path.starts_with("/attach") && !path.starts_with("/portForward") {
        return Response::new(Body::from(format!("node {path}")));
    }
    let (near, far) = tokio::io::duplex(64 * 1024);
    let reader = StreamReader::new(request.into_body().into_data_stream().map_err(io::Error::other));
    let stream = tokio::io::join(reader, near);
    tasks.spawn_until_stop("behind the agent", async move {
        if path.starts_with("/portForward") {
            let http = hyper::server::conn::http1::Builder::new();
            drop(http.serve_connection(TokioIo::new(stream), service_fn(page)).with_upgrades().await);
        } else {
            command(stream, &path).await;
        }
    });
    Response::new(Body::from_stream(ReaderStream::new(far)))
}

async fn command(stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite, path: &str) {
    let (reader, writer) = tokio::io::split(stream);
    let mut from = Box::pin(FramedRead::new(reader, LengthDelimitedCodec::new()));
    let mut to = Box::pin(FramedWrite::new(writer, LengthDelimitedCodec::new()));
    let frame = |channel: u8, bytes: &[u8]| Bytes::from([&[channel], bytes].concat());
    to.send(frame(STDERR, path.as_bytes())).await.unwrap();
    while let Some(Ok(message)) = from.next().await {
        match message[0] {
            STDIN => to.send(frame(STDOUT, &message[1..])).await.unwrap(),
            RESIZE => to.send(frame(STDERR, &message[1..])).await.unwrap(),
            _ => break,
        }
    }
    let status = json!({"status": "Failure", "message": "exit 7", "reason": "NonZeroExitCode"});
    to.send(frame(ERROR, status.to_string().as_bytes())).await.unwrap();
    SinkExt::<Bytes>::close(&mut to).await.unwrap();
}

async fn page(request: Request<Incoming>) -> Result<Response, Infallible> {
    let told = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let response = match request.uri().path() {
        "/page" => Response::builder().header("content-type", "text/html").body(Body::from("<a href=\"/x\">x</a>")),
        "/moved" => Response::builder().status(302).header("location", "/there").body(Body::empty()),
        "/socket" => {
            let upgrade = hyper::upgrade::on(request);
            tokio::spawn(async move {
                let mut io = TokioIo::new(upgrade.await.unwrap());
                let byte = io.read_u8().await.unwrap();
                io.write_all(&[byte + 1]).await.unwrap();
            });
            Response::builder().status(101).header("connection", "upgrade").header("upgrade", "x").body(Body::empty())
        }
        _ => {
            let said = json!({"method": request.method().as_str(), "uri": request.uri().to_string(),
                "forwarded": told("x-forwarded-uri"), "te": told("te"), "host": told("host"),
                "body": String::from_utf8(request.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()});
            Ok(Response::new(Body::from(said.to_string())))
        }
    };
    Ok(response.unwrap())
}

async fn upgraded(server: &Server, tasks: &Tasks, path: &str, headers: &str) -> (DuplexStream, String) {
    let mut stream = connect_plainly(server, tasks);
    let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = head(&mut stream).await.to_ascii_lowercase();
    (stream, head)
}

fn web_socket(protocol: &str) -> String {
    format!(
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: {protocol}\r\n"
    )
}

/// A short message of a client: binary, under the mask 0.
async fn send(stream: &mut DuplexStream, kind: u8, content: &[u8]) {
    let head = [0x80 | kind, 0x80 | content.len() as u8, 0, 0, 0, 0];
    stream.write_all(&[&head[..], content].concat()).await.unwrap();
}

async fn cluster(tasks: &Tasks) -> Server {
    let server = server_with_pod(tasks, "n").await;
    attach_agent(&server, tasks).await;
    let status = json!({"status": {"podIP": "10.0.0.1"}});
    assert_eq!(patch(&server, &format!("{POD}/status"), &status).await.0, 200);
    server
}

#[tokio::test]
async fn a_command_has_its_streams_in_messages() {
    let tasks = Tasks::new();
    let server = cluster(&tasks).await;
    let path = format!("{POD}/exec?container=b&command=a&command=b+c&stdin=true&stdout=true&stderr=1");
    let offered = web_socket("v4.channel.k8s.io, v5.channel.k8s.io");
    let (mut stream, head) = upgraded(&server, &tasks, &path, &offered).await;
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert!(head.contains("sec-websocket-protocol: v5.channel.k8s.io\r\n"), "{head}");
    assert_eq!(message(&mut stream).await, (2, vec![STDOUT]), "it is connected");
    let asked = "/exec/d/p/b?input=true&output=true&error=true&command=a&command=b+c";
    assert_eq!(message(&mut stream).await, (2, [&[STDERR], asked.as_bytes()].concat()));
    send(&mut stream, 2, &[STDIN, b'h', b'i']).await;
    assert_eq!(message(&mut stream).await, (2, vec![STDOUT, b'h', b'i']));
    send(&mut stream, 9, b"ping").await;
    assert_eq!(message(&mut stream).await, (10, b"ping".to_vec()));
    send(&mut stream, 2, &[CLOSE, STDIN]).await;
    let (kind, last) = message(&mut stream).await;
    let status: Value = serde_json::from_slice(&last[1..]).unwrap();
    assert_eq!((kind, last[0], &status["reason"]), (2, ERROR, &json!("NonZeroExitCode")));
    assert_eq!(message(&mut stream).await, (8, vec![3, 232]), "closed as usual");
}

#[tokio::test]
async fn older_protocols_say_less() {
    let tasks = Tasks::new();
    let server = cluster(&tasks).await;
    let path = format!("{POD}/attach?container=a&stdin=true&stderr=true&tty=true");
    let (mut stream, head) = upgraded(&server, &tasks, &path, &web_socket("base64.channel.k8s.io")).await;
    assert!(head.contains("sec-websocket-protocol: base64.channel.k8s.io\r\n"), "{head}");
    assert_eq!(message(&mut stream).await, (1, b"3".to_vec()), "a terminal has no stream of errors");
    assert_eq!(message(&mut stream).await.1, b"2L2F0dGFjaC9kL3AvYT9pbnB1dD10cnVlJnR0eT10cnVl");
    send(&mut stream, 1, b"4eyJ9").await;
    assert_eq!(message(&mut stream).await.1, b"2eyJ9");
    send(&mut stream, 1, "\u{cf}".as_bytes()).await;
    assert!(stream.read_u8().await.is_err(), "nonsense ends it");
}

#[tokio::test]
async fn what_cannot_be_is_refused_before() {
    let tasks = Tasks::new();
    let server = cluster(&tasks).await;
    for (path, code, message) in [
        ("exec?container=a&stdout=true", 400, "you must specify at least 1 command for the container"),
        ("exec?container=a&command=x", 400, "you must specify at least 1 of stdin, stdout, stderr"),
        ("exec?container=c&command=x&stdout=true", 400, "container c is not valid for pod p"),
        ("exec?container=a&command=x&stdout=true", 400, "Upgrade request required"),
        ("portforward", 400, "Upgrade request required"),
    ] {
        let (got, status) = told(ask(&server, admin(), "GET", &format!("{POD}/{path}"), "").await).await;
        assert_eq!((got, status["message"].as_str()), (code, Some(message)));
    }
    let path = format!("{POD}/exec?container=a&command=x&stdout=true");
    let (_, head) = upgraded(&server, &tasks, &path, &web_socket("v9.example")).await;
    assert!(head.starts_with("http/1.1 400 "), "{head}");
    let nowhere = server_with_pod(&tasks, "").await;
    let (code, status) = told(ask(&nowhere, admin(), "POST", &path, "").await).await;
    assert_eq!((code, status["message"].as_str()), (400, Some("pod p does not have a host assigned")));
}

#[tokio::test]
async fn what_is_behind_a_pod_is_reached() {
    let tasks = Tasks::new();
    let server = cluster(&tasks).await;
    let base = format!("{POD}:8080/proxy");
    let response = ask(&server, admin(), "GET", &format!("{base}?a=b"), "").await;
    assert_eq!(response.status(), 301);
    assert_eq!(response.headers()["location"], *format!("{base}/?a=b"));
    let (code, said) = told(ask(&server, admin(), "POST", &format!("{base}/a%2Fb//c/?d=e"), "text").await).await;
    assert_eq!((code, &said["uri"], &said["body"]), (200, &json!("/a%2Fb//c/?d=e"), &json!("text")));
    assert_eq!((&said["method"], &said["forwarded"]), (&json!("POST"), &json!(format!("{base}/a%2Fb//c/"))));
    let (_, page) = told(ask(&server, admin(), "GET", &format!("{base}/page"), "").await).await;
    assert_eq!(page, json!(format!("<a href=\"{base}/x\">x</a>")));
    let response = ask(&server, admin(), "GET", &format!("{base}/moved"), "").await;
    assert_eq!(response.headers()["location"], *format!("{base}/there"));
    let (code, status) = told(ask(&server, admin(), "GET", &format!("{POD}:81/proxy/"), "").await).await;
    assert_eq!((code, status["message"].as_str()), (503, Some("error trying to reach service: connection refused")));
    let (code, _) = told(ask(&server, admin(), "GET", &format!("{POD}:x/proxy/"), "").await).await;
    assert_eq!(code, 400);
    assert_eq!(ask(&server, admin(), "HEAD", &format!("{base}/"), "").await.status(), 200);
}

#[tokio::test]
async fn a_connection_may_become_another_behind_the_proxy() {
    let tasks = Tasks::new();
    let server = cluster(&tasks).await;
    let (mut stream, head) = upgraded(&server, &tasks, &format!("{POD}:80/proxy/socket"), "Upgrade: x\r\n").await;
    assert!(head.starts_with("http/1.1 101 ") && head.contains("upgrade: x\r\n"), "{head}");
    stream.write_all(&[41]).await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), 42);
}

#[tokio::test]
async fn ports_may_be_numbered_in_the_query() {
    let tasks = Tasks::new();
    let server = cluster(&tasks).await;
    let path = format!("{POD}/portforward?ports=80&ports=81");
    let (mut stream, head) = upgraded(&server, &tasks, &path, &web_socket("v4.channel.k8s.io")).await;
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    let mut said: Vec<Vec<u8>> = vec![Vec::new(); 4];
    for _ in 0..5 {
        let (_, bytes) = message(&mut stream).await;
        said[usize::from(bytes[0])].extend_from_slice(&bytes[1..]);
    }
    let refused = [&[81, 0], &b"error forwarding port 81 to pod p: connection refused"[..]].concat();
    assert_eq!(said, [vec![80, 0], vec![80, 0], vec![81, 0], refused]);
    send(&mut stream, 2, b"\0GET /moved HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let (_, bytes) = message(&mut stream).await;
    assert!(bytes.starts_with(b"\0HTTP/1.1 302 Found\r\n"), "{}", String::from_utf8_lossy(&bytes));
    let (_, head) =
        upgraded(&server, &tasks, &format!("{POD}/portforward?ports=x"), &web_socket("v4.channel.k8s.io")).await;
    assert!(head.starts_with("http/1.1 400 "), "{head}");
}

#[tokio::test]
async fn services_and_nodes_are_reached_by_name() {
    let tasks = Tasks::new();
    let server = cluster(&tasks).await;
    let services = "/api/v1/namespaces/d/services";
    let spec = json!({"ports": [{"name": "web", "port": 80, "targetPort": 8080}]});
    does(&server, "POST", services, &json!({"metadata": {"name": "s"}, "spec": spec})).await;
    let at = async |name: &str| {
        let (code, said) = told(ask(&server, admin(), "GET", &format!("{services}/{name}/proxy/x"), "").await).await;
        (code, said["message"].as_str().map(str::to_owned).unwrap_or_else(|| said["uri"].to_string()))
    };
    assert_eq!(at("s:80").await, (503, "no endpoints available for service \"s\"".to_owned()));
    assert_eq!(at("s:81").await, (503, "no service port 81 found for service \"s\"".to_owned()));
    let subsets = json!([{"ports": [{"name": "web", "port": 8080}],
        "addresses": [{"ip": "10.0.0.1", "targetRef": {"kind": "Pod", "namespace": "d", "name": "p"}}]}]);
    let endpoints = json!({"metadata": {"name": "s"}, "subsets": subsets});
    does(&server, "POST", "/api/v1/namespaces/d/endpoints", &endpoints).await;
    for name in ["s:80", "s:web", "http:s:web"] {
        assert_eq!(at(name).await, (200, "\"/x\"".to_owned()), "{name}");
    }
    assert_eq!(at("s").await.0, 503, "no port is without a name");
    assert_eq!(at("ftp:s:80").await.0, 400);
    does(&server, "POST", "/api/v1/nodes", &json!({"metadata": {"name": "n"}})).await;
    let (code, said) = told(ask(&server, admin(), "GET", "/api/v1/nodes/n/proxy/pods?x=y", "").await).await;
    assert_eq!((code, said), (200, json!("node /pods?x=y")));
}
