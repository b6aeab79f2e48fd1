//! Watches over WebSockets.

use lifecycle::tasks::Tasks;
use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt, DuplexStream};

use super::fixtures::{connect_plainly, does, furnished, head, message};

const MAPS: &str = "/api/v1/namespaces/d/configmaps";

async fn event(stream: &mut DuplexStream) -> Value {
    let (kind, content) = message(stream).await;
    assert_eq!(kind, 1, "an event is text");
    serde_json::from_slice(&content).unwrap()
}

async fn ask(stream: &mut DuplexStream, query: &str, protocol: &str) -> String {
    let request = format!(
        "GET {MAPS}?watch=true{query} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{protocol}\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    head(stream).await
}

#[tokio::test]
async fn each_event_is_a_text_message() {
    let tasks = Tasks::new();
    let server = furnished(&tasks).await;
    for name in ["a", "b"] {
        does(&server, "POST", MAPS, &json!({"metadata": {"name": name}})).await;
    }
    let mut stream = connect_plainly(&server, &tasks);
    let offered = "Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.dG9rZW4, v4.example\r\n";
    let head = ask(&mut stream, "", offered).await.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101 switching protocols\r\n"), "{head}");
    assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"), "{head}");
    assert!(head.contains("sec-websocket-protocol: v4.example\r\n"), "the token is nothing to agree on: {head}");
    for name in ["a", "b"] {
        let event = event(&mut stream).await;
        assert_eq!((&event["type"], &event["object"]["metadata"]["name"]), (&json!("ADDED"), &json!(name)));
    }
    does(&server, "DELETE", &format!("{MAPS}/a"), &Value::Null).await;
    assert_eq!(event(&mut stream).await["type"], "DELETED");
}

#[tokio::test]
async fn the_end_of_a_watch_closes_the_socket() {
    let tasks = Tasks::new();
    let server = furnished(&tasks).await;
    let mut stream = connect_plainly(&server, &tasks);
    ask(&mut stream, "&timeoutSeconds=1&allowWatchBookmarks=true", "").await;
    assert_eq!(event(&mut stream).await["type"], "BOOKMARK");
    assert_eq!(message(&mut stream).await.0, 8);
    let mut stream = connect_plainly(&server, &tasks);
    let head = ask(&mut stream, "&resourceVersionMatch=Exact", "").await;
    assert!(head.starts_with("HTTP/1.1 422 "), "what is refused is refused before: {head}");
}
