//! Watches, over a paused clock.

use std::time::Duration;

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use lifecycle::tasks::Tasks;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::ServiceExt;

use super::fixtures::{admin, ask, connect_plainly, head, server, server_with, told};
use crate::http::server::Server;
use crate::storage::limits::{Limits, LogLimits};

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

#[tokio::test(start_paused = true)]
async fn a_watch_may_begin_as_a_list_that_says_when_it_is_whole() {
    let server = server_with_namespace(&Tasks::new()).await;
    write(&server, "POST", "a").await;
    write(&server, "POST", "b").await;
    let whole = "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    for (query, accept) in [
        (whole.to_owned(), ""),
        (format!("{whole}&resourceVersion=0"), ""),
        (format!("{whole}&resourceVersion=1"), ""),
        (whole.to_owned(), "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"),
    ] {
        let mut watcher = Watcher::start(&server, &query, accept).await;
        assert_eq!(seen(&watcher.next().await.unwrap()), ("ADDED", "a"));
        assert_eq!(seen(&watcher.next().await.unwrap()), ("ADDED", "b"));
        let end = watcher.next().await.unwrap();
        assert_eq!((&end["type"], end["object"]["metadata"]["name"].as_str()), (&json!("BOOKMARK"), None));
        assert_eq!(end["object"]["metadata"]["annotations"], json!({"k8s.io/initial-events-end": "true"}));
        let revision = end["object"]["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
        write(&server, "POST", "c").await;
        let added = watcher.next().await.unwrap();
        assert_eq!(seen(&added), ("ADDED", "c"));
        assert!(added["object"]["metadata"]["resourceVersion"].as_str().unwrap() > revision.as_str());
        ask(&server, admin(), "DELETE", &format!("{MAPS}/c"), "").await;
    }
    let mut quiet =
        Watcher::start(&server, "&sendInitialEvents=false&resourceVersionMatch=NotOlderThan&resourceVersion=0", "")
            .await;
    write(&server, "POST", "d").await;
    assert_eq!(seen(&quiet.next().await.unwrap()), ("ADDED", "d"));
}

#[tokio::test(start_paused = true)]
async fn what_a_watch_cannot_mean_is_refused_before_it_begins() {
    let server = server_with_namespace(&Tasks::new()).await;
    let start = "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: ";
    for (query, code, message) in [
        ("&resourceVersionMatch=NotOlderThan", 422, format!("{start}resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")),
        ("&sendInitialEvents=true", 422, format!("{start}sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")),
        ("&resourceVersion=x", 400, "invalid resource version: resourceVersion: Invalid value: \"x\": strconv.ParseUint: parsing \"x\": invalid syntax".to_owned()),
        ("&timeoutSeconds=1m", 400, "strconv.ParseInt: parsing \"1m\": invalid syntax".to_owned()),
        ("&timeoutSeconds=null", 400, "strconv.ParseInt: parsing \"null\": invalid syntax".to_owned()),
        ("&fieldSelector=x%3Dy", 400, "\"x\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"".to_owned()),
    ] {
        let path = format!("{MAPS}?watch=1{query}");
        let (got, status) = told(ask(&server, admin(), "GET", &path, "").await).await;
        assert_eq!((got, status["message"].as_str()), (code, Some(message.as_str())));
    }
    let exact = format!("{MAPS}?watch=1&sendInitialEvents=true&resourceVersionMatch=Exact");
    let (_, status) = told(ask(&server, admin(), "GET", &exact, "").await).await;
    assert_eq!(status["details"]["causes"].as_array().unwrap().len(), 2, "{status}");
}

#[tokio::test(start_paused = true)]
async fn a_past_that_is_gone_ends_a_watch_with_an_event() {
    let log = LogLimits { events: 2, ..Limits::default().log };
    let limits = Limits { scope_log: log.clone(), log, ..Limits::default() };
    let server = server_with(&Tasks::new(), limits).await;
    ask(&server, admin(), "POST", "/api/v1/namespaces", r#"{"metadata":{"name":"d"}}"#).await;
    let _keeps_the_log = Watcher::start(&server, "", "").await;
    for number in 0..6 {
        write(&server, "POST", &format!("n{number}")).await;
    }
    let mut watcher = Watcher::start(&server, "&resourceVersion=2", "").await;
    let end = watcher.next().await.unwrap();
    assert_eq!(
        (&end["type"], &end["object"]["code"], &end["object"]["reason"]),
        (&json!("ERROR"), &json!(410), &json!("Expired"))
    );
    assert!(end["object"]["message"].as_str().unwrap().starts_with("too old resource version: 2 ("), "{end}");
    assert!(watcher.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_too_slow_is_ended_and_misses_nothing_before() {
    let log = LogLimits { events: 4, ..Limits::default().log };
    let limits = Limits { scope_log: log.clone(), log, ..Limits::default() };
    let server = server_with(&Tasks::new(), limits).await;
    ask(&server, admin(), "POST", "/api/v1/namespaces", r#"{"metadata":{"name":"d"}}"#).await;
    let (mut slow, mut quick) = (Watcher::start(&server, "", "").await, Watcher::start(&server, "", "").await);
    write(&server, "POST", "n0").await;
    assert_eq!(seen(&slow.next().await.unwrap()), ("ADDED", "n0"));
    assert_eq!(seen(&quick.next().await.unwrap()), ("ADDED", "n0"));
    for number in 1..20 {
        let name = format!("n{number}");
        write(&server, "POST", &name).await;
        assert_eq!(seen(&quick.next().await.unwrap()), ("ADDED", name.as_str()), "the others go on");
    }
    let end = slow.next().await.unwrap();
    assert_eq!((&end["type"], &end["object"]["reason"]), (&json!("ERROR"), &json!("Expired")), "no event is skipped");
    assert!(slow.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn all_watchers_see_the_same_order() {
    let server = server_with_namespace(&Tasks::new()).await;
    let mut early = Watcher::start(&server, "", "").await;
    let mut by_name = Watcher::start(&server, "&fieldSelector=metadata.namespace%3Dd", "").await;
    let writes = (0..30).map(|number| {
        let (server, method) = (&server, if number < 15 { "POST" } else { "PUT" });
        async move {
            let (path, body) = match method {
                "POST" => (MAPS.to_owned(), json!({"metadata": {"name": format!("n{number}")}})),
                _ => (
                    format!("{MAPS}/n{}", number - 15),
                    json!({"metadata": {"name": format!("n{}", number - 15)}, "data": {"a": "b"}}),
                ),
            };
            ask(server, admin(), method, &path, &body.to_string()).await.status()
        }
    });
    let (creations, updates) = writes.into_iter().enumerate().partition::<Vec<_>, _>(|(number, _)| *number < 15);
    for wave in [creations, updates] {
        for code in futures::future::join_all(wave.into_iter().map(|(_, write)| write)).await {
            assert!(code.is_success());
        }
    }
    let mut late = Watcher::start(&server, "&resourceVersion=2", "").await;
    let mut last = 0;
    for _ in 0..30 {
        let event = early.next().await.unwrap();
        let revision: u64 = event["object"]["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
        assert!(revision > last);
        last = revision;
        assert_eq!(by_name.next().await.unwrap(), event);
        assert_eq!(late.next().await.unwrap(), event);
    }
}

#[tokio::test(start_paused = true)]
async fn what_leaves_a_selection_is_gone_and_what_enters_is_new() {
    let server = server_with_namespace(&Tasks::new()).await;
    let mut watcher = Watcher::start(&server, "&labelSelector=show%3Dyes", "").await;
    let put = async |label: &str, data: &str| {
        let map = json!({"metadata": {"name": "a", "labels": {"show": label}}, "data": {"k": data}});
        let (_, put) = told(ask(&server, admin(), "PUT", &format!("{MAPS}/a"), &map.to_string()).await).await;
        put["metadata"]["resourceVersion"].clone()
    };
    write(&server, "POST", "a").await;
    put("yes", "1").await;
    put("yes", "2").await;
    let left = put("no", "3").await;
    put("no", "4").await;
    let entered = put("yes", "5").await;
    ask(&server, admin(), "DELETE", &format!("{MAPS}/a"), "").await;
    let mut events = Vec::new();
    for _ in 0..5 {
        let event = watcher.next().await.unwrap();
        let data = event["object"]["data"]["k"].as_str().unwrap_or_default().to_owned();
        events.push((
            event["type"].as_str().unwrap().to_owned(),
            data,
            event["object"]["metadata"]["resourceVersion"].clone(),
        ));
    }
    let shown: Vec<(&str, &str)> = events.iter().map(|(kind, data, _)| (kind.as_str(), data.as_str())).collect();
    assert_eq!(shown, [("ADDED", "1"), ("MODIFIED", "2"), ("DELETED", "2"), ("ADDED", "5"), ("DELETED", "5")]);
    assert_eq!(
        (&events[2].2, &events[3].2),
        (&left, &entered),
        "the last state seen, at the revision at which it left"
    );
    let revision = |value: &Value| value.as_str().unwrap().parse::<u64>().unwrap();
    assert!(revision(&events[4].2) > revision(&entered), "a deletion has a revision of its own");
}

#[tokio::test(start_paused = true)]
async fn a_bookmark_holds_a_revision_and_nothing_else() {
    let server = server_with_namespace(&Tasks::new()).await;
    let start = tokio::time::Instant::now();
    let mut watcher = Watcher::start(&server, "&allowWatchBookmarks=true&timeoutSeconds=200", "").await;
    let mut without = Watcher::start(&server, "&timeoutSeconds=200", "").await;
    ask(&server, admin(), "POST", "/api/v1/namespaces", r#"{"metadata":{"name":"other"}}"#).await;
    let bookmark = watcher.next().await.unwrap();
    assert!((59..=61).contains(&start.elapsed().as_secs()));
    let revision = bookmark["object"]["metadata"]["resourceVersion"].clone();
    let expected = json!({"type": "BOOKMARK", "object": {"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"resourceVersion": revision}}});
    assert_eq!(bookmark, expected);
    assert!(without.next().await.is_none(), "only who asks gets them");
    assert_eq!(start.elapsed().as_secs(), 200);
}

#[tokio::test(start_paused = true)]
async fn the_old_paths_watch_collections_too() {
    let server = server_with_namespace(&Tasks::new()).await;
    write(&server, "POST", "a").await;
    for path in ["/api/v1/watch/configmaps", "/api/v1/watch/namespaces/d/configmaps", "/api/v1/configmaps?watch=1"] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let body = server.in_process(admin()).oneshot(request).await.unwrap().into_body();
        let mut watcher = Watcher { body, lines: Vec::new() };
        assert_eq!(seen(&watcher.next().await.unwrap()), ("ADDED", "a"), "{path}");
    }
}

#[tokio::test]
async fn the_head_of_a_watch_comes_before_its_events_and_each_event_at_once() {
    let tasks = Tasks::new();
    let server = server_with_namespace(&tasks).await;
    let mut stream = connect_plainly(&server, &tasks);
    let request = format!("GET {MAPS}?watch=true HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = head(&mut stream).await.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200 ok\r\n") && head.contains("transfer-encoding: chunked\r\n"), "{head}");
    assert!(!head.contains("content-encoding"), "{head}");
    for name in ["a", "b"] {
        write(&server, "POST", name).await;
        let mut chunk = Vec::new();
        while !chunk.ends_with(b"}\n\r\n") {
            chunk.push(stream.read_u8().await.unwrap());
        }
        let text = String::from_utf8(chunk).unwrap();
        let (_, line) = text.split_once("\r\n").unwrap();
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(seen(&event), ("ADDED", name));
    }
}
