//! Watches, over a paused clock.

use std::time::Duration;

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use lifecycle::tasks::Tasks;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::fixtures::{admin, ask, server};
use crate::http::server::Server;

const MAPS: &str = "/api/v1/namespaces/d/configmaps";

/// What one watcher sees.
struct Watcher {
    body: Body,
    lines: Vec<Value>,
}

impl Watcher {
    async fn start(server: &Server, query: &str, accept: &str) -> Self {
        let request = Request::get(format!("{MAPS}?watch=true{query}")).header("accept", accept);
        let response = server.in_process(admin()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (200, &"application/json".parse().unwrap())
        );
        Self { body: response.into_body(), lines: Vec::new() }
    }

    /// The next event; `None` at the end.
    async fn next(&mut self) -> Option<Value> {
        while self.lines.is_empty() {
            let frame = self.body.frame().await?.unwrap().into_data().unwrap();
            let lines = frame.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            self.lines = lines.map(|line| serde_json::from_slice(line).unwrap()).collect();
        }
        Some(self.lines.remove(0))
    }
}

async fn server_with_namespace(tasks: &Tasks) -> Server {
    let server = server(tasks).await;
    ask(&server, admin(), "POST", "/api/v1/namespaces", r#"{"metadata":{"name":"d"}}"#).await;
    server
}

async fn write(server: &Server, method: &str, name: &str) {
    let (path, body) = match method {
        "POST" => (MAPS.to_owned(), json!({"metadata": {"name": name}})),
        _ => (format!("{MAPS}/{name}"), json!({"metadata": {"name": name}, "data": {"a": "b"}})),
    };
    let code = ask(server, admin(), method, &path, &body.to_string()).await.status();
    assert!(code.is_success(), "{method} {name}: {code}");
}

fn seen(event: &Value) -> (&str, &str) {
    (event["type"].as_str().unwrap(), event["object"]["metadata"]["name"].as_str().unwrap_or_default())
}

#[tokio::test(start_paused = true)]
async fn a_watcher_sees_what_is_there_and_what_happens() {
    let server = server_with_namespace(&Tasks::new()).await;
    write(&server, "POST", "a").await;
    let mut watcher = Watcher::start(&server, "", "").await;
    assert_eq!(seen(&watcher.next().await.unwrap()), ("ADDED", "a"));
    write(&server, "POST", "b").await;
    let added = watcher.next().await.unwrap();
    assert_eq!((seen(&added), &added["object"]["kind"]), (("ADDED", "b"), &json!("ConfigMap")));
    write(&server, "PUT", "b").await;
    assert_eq!(seen(&watcher.next().await.unwrap()), ("MODIFIED", "b"));
    ask(&server, admin(), "DELETE", &format!("{MAPS}/b"), "").await;
    assert_eq!(seen(&watcher.next().await.unwrap()), ("DELETED", "b"));
}

#[tokio::test(start_paused = true)]
async fn events_that_wait_are_sent_together_and_in_order() {
    let server = server_with_namespace(&Tasks::new()).await;
    let mut watcher = Watcher::start(&server, "&fieldSelector=metadata.name!%3Dn3", "").await;
    for number in 0..6 {
        write(&server, "POST", &format!("n{number}")).await;
    }
    let frame = watcher.body.frame().await.unwrap().unwrap().into_data().unwrap();
    let names: Vec<Value> = frame
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice::<Value>(line).unwrap()["object"]["metadata"]["name"].clone())
        .collect();
    assert_eq!(names, ["n0", "n1", "n2", "n4", "n5"]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_when_it_should_with_a_bookmark() {
    let server = server_with_namespace(&Tasks::new()).await;
    let start = tokio::time::Instant::now();
    let mut watcher = Watcher::start(&server, "&timeoutSeconds=90&allowWatchBookmarks=true", "").await;
    write(&server, "POST", "a").await;
    assert_eq!(seen(&watcher.next().await.unwrap()), ("ADDED", "a"));
    let mut bookmarks = Vec::new();
    while let Some(event) = watcher.next().await {
        assert_eq!(seen(&event), ("BOOKMARK", ""));
        bookmarks.push(start.elapsed().as_secs());
    }
    assert_eq!(bookmarks.last(), Some(&90));
    assert!(start.elapsed() < Duration::from_secs(91));
}

#[tokio::test(start_paused = true)]
async fn a_watch_without_a_limit_ends_within_an_hour() {
    let server = server_with_namespace(&Tasks::new()).await;
    let start = tokio::time::Instant::now();
    let mut watcher = Watcher::start(&server, "", "").await;
    assert!(watcher.next().await.is_none());
    let minutes = start.elapsed().as_secs() / 60;
    assert!((30..=60).contains(&minutes), "{minutes}");
}

#[tokio::test(start_paused = true)]
async fn watches_end_when_the_server_stops() {
    let tasks = Tasks::new();
    let server = server_with_namespace(&tasks).await;
    let mut watcher = Watcher::start(&server, "", "").await;
    let start = tokio::time::Instant::now();
    let (_, end) = tokio::join!(tasks.stop(Duration::from_secs(5)), watcher.next());
    assert_eq!(end, None);
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn only_the_first_table_of_a_watch_says_what_its_columns_are() {
    let server = server_with_namespace(&Tasks::new()).await;
    let mut watcher = Watcher::start(&server, "", "application/json;as=Table;v=v1;g=meta.k8s.io").await;
    write(&server, "POST", "a").await;
    write(&server, "POST", "b").await;
    let (first, second) = (watcher.next().await.unwrap(), watcher.next().await.unwrap());
    assert_eq!(first["object"]["columnDefinitions"][0]["name"], "Name");
    assert_eq!(second["object"]["columnDefinitions"], Value::Null);
    assert_eq!(second["object"]["rows"][0]["cells"][0], "b");
    assert_eq!(second["object"]["rows"][0]["object"]["kind"], "PartialObjectMetadata");
}

#[tokio::test(start_paused = true)]
async fn the_old_path_watches_one_object() {
    let server = server_with_namespace(&Tasks::new()).await;
    write(&server, "POST", "a").await;
    write(&server, "POST", "b").await;
    let request = Request::get("/api/v1/watch/namespaces/d/configmaps/b").body(Body::empty()).unwrap();
    let body = server.in_process(admin()).oneshot(request).await.unwrap().into_body();
    let mut watcher = Watcher { body, lines: Vec::new() };
    assert_eq!(seen(&watcher.next().await.unwrap()), ("ADDED", "b"));
}

#[tokio::test(start_paused = true)]
async fn a_watch_of_what_is_to_come_begins_after_its_revision() {
    let server = server_with_namespace(&Tasks::new()).await;
    write(&server, "POST", "a").await;
    let mut all = Watcher::start(&server, "", "").await;
    let revision = all.next().await.unwrap()["object"]["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let mut later = Watcher::start(&server, &format!("&resourceVersion={revision}"), "").await;
    write(&server, "POST", "b").await;
    assert_eq!(seen(&later.next().await.unwrap()), ("ADDED", "b"));
}
