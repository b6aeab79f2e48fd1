//! Lists: which moment they show, and their pages.

use std::time::Duration;

use lifecycle::tasks::Tasks;
use serde_json::{Value, json};

use super::fixtures::{admin, ask, does, furnished, server_with, told};
use crate::http::server::Server;
use crate::storage::limits::Limits;

const MAPS: &str = "/api/v1/namespaces/d/configmaps";

async fn make(server: &Server, name: &str) -> u64 {
    let map = json!({"metadata": {"name": name, "labels": {"name": name}}});
    let (code, made) = does(server, "POST", MAPS, &map).await;
    assert_eq!(code, 201, "{made}");
    made["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

async fn get(server: &Server, query: &str) -> (u16, Value) {
    does(server, "GET", &format!("{MAPS}{query}"), &Value::Null).await
}

fn names(list: &Value) -> String {
    list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_list_shows_the_moment_that_is_asked_for() {
    let server = furnished(&Tasks::new()).await;
    let first = make(&server, "a").await;
    make(&server, "b").await;
    for (query, expected) in [
        (String::new(), "ab"),
        ("?resourceVersion=0".to_owned(), "ab"),
        ("?resourceVersion=0&limit=1".to_owned(), "a"),
        ("?resourceVersion=0&resourceVersionMatch=NotOlderThan".to_owned(), "ab"),
        (format!("?resourceVersion={first}"), "ab"),
        (format!("?resourceVersion={first}&resourceVersionMatch=NotOlderThan"), "ab"),
        (format!("?resourceVersion={first}&resourceVersionMatch=NotOlderThan&limit=5"), "ab"),
        (format!("?resourceVersion={first}&resourceVersionMatch=Exact"), "a"),
        // A limit without a match means the same moment for all pages.
        (format!("?resourceVersion={first}&limit=5"), "a"),
    ] {
        let (code, list) = get(&server, &query).await;
        assert_eq!((code, names(&list).as_str()), (200, expected), "{query}");
        let shown: u64 = list["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
        assert_eq!(shown == first, expected == "a" && !query.contains("=0"), "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn options_that_contradict_each_other_are_all_named() {
    let server = furnished(&Tasks::new()).await;
    let start = "ListOptions.meta.k8s.io \"\" is invalid:";
    let field = "resourceVersionMatch: Forbidden: resourceVersionMatch";
    for (query, code, message) in [
        ("?resourceVersionMatch=Exact", 422, format!("{start} {field} is forbidden unless resourceVersion is provided")),
        (
            "?resourceVersion=0&resourceVersionMatch=Exact",
            422,
            format!("{start} {field} \"exact\" is forbidden for resourceVersion \"0\""),
        ),
        (
            "?resourceVersion=1&resourceVersionMatch=Newest",
            422,
            format!("{start} resourceVersionMatch: Unsupported value: \"Newest\": supported values: \"Exact\", \"NotOlderThan\", \"\""),
        ),
        (
            "?resourceVersionMatch=Exact&continue=x",
            422,
            format!(
                "{start} [{field} is forbidden unless resourceVersion is provided, {field} is forbidden when continue is provided]"
            ),
        ),
        (
            "?sendInitialEvents=true",
            422,
            format!("{start} sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"),
        ),
        (
            "?resourceVersion=x",
            400,
            "invalid resource version: resourceVersion: Invalid value: \"x\": strconv.ParseUint: parsing \"x\": invalid syntax".to_owned(),
        ),
        ("?limit=x", 400, "strconv.ParseInt: parsing \"x\": invalid syntax".to_owned()),
        ("?timeoutSeconds=null", 400, "strconv.ParseInt: parsing \"null\": invalid syntax".to_owned()),
        ("?resourceVersion=5&continue=eyJ2IjoiIn0", 400, "specifying resource version is not allowed when using continue".to_owned()),
    ] {
        let (got, status) = get(&server, query).await;
        assert_eq!((got, status["message"].as_str()), (code, Some(message.as_str())), "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_revision_that_is_still_to_come_is_waited_for_and_then_refused() {
    let server = furnished(&Tasks::new()).await;
    let now = make(&server, "a").await;
    for path in [format!("{MAPS}?resourceVersion=999999"), format!("{MAPS}/a?resourceVersion=999999")] {
        let began = tokio::time::Instant::now();
        let response = ask(&server, admin(), "GET", &path, "").await;
        assert_eq!(response.headers()["retry-after"], "1");
        let (code, status) = told(response).await;
        assert_eq!((code, began.elapsed().as_secs()), (504, 3));
        let message = format!("Timeout: Too large resource version: 999999, current: {now}");
        assert_eq!((&status["reason"], &status["message"]), (&json!("Timeout"), &json!(message)));
        assert_eq!(
            status["details"],
            json!({"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
                "retryAfterSeconds": 1})
        );
    }
    let soon = format!("{MAPS}?resourceVersion={}", now + 1);
    let (answer, _) = tokio::join!(does(&server, "GET", &soon, &Value::Null), make(&server, "b"));
    assert_eq!((answer.0, names(&answer.1).as_str()), (200, "ab"));
}

#[tokio::test(start_paused = true)]
async fn a_client_may_wait_for_less_time_than_is_usual() {
    let server = furnished(&Tasks::new()).await;
    for (query, code, seconds) in [
        ("&timeout=1s", 504, 1),
        ("&timeout=1500ms", 504, 1),
        ("&timeout=0", 504, 3),
        ("&timeout=2h", 504, 3),
        ("&timeout=x", 400, 0),
    ] {
        let began = tokio::time::Instant::now();
        let (got, status) = get(&server, &format!("?resourceVersion=999999{query}")).await;
        assert_eq!((got, began.elapsed().as_secs()), (code, seconds), "{query} {status}");
        let expected = match (code, seconds) {
            (400, _) => "invalid timeout specified in the request URL - time: invalid duration \"x\"",
            (_, 1) => "Timeout: request did not complete within requested timeout - context deadline exceeded",
            _ => "Timeout: Too large resource version: ",
        };
        assert!(status["message"].as_str().unwrap().starts_with(expected), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn how_many_are_left_is_told_where_nothing_is_selected() {
    let server = furnished(&Tasks::new()).await;
    for name in ["a", "b", "c"] {
        make(&server, name).await;
    }
    let (_, first) = get(&server, "?limit=2").await;
    assert_eq!((names(&first).as_str(), &first["metadata"]["remainingItemCount"]), ("ab", &json!(1)));
    let token = first["metadata"]["continue"].as_str().unwrap();
    let (_, last) = get(&server, &format!("?limit=2&continue={token}")).await;
    assert_eq!((names(&last).as_str(), &last["metadata"]["remainingItemCount"]), ("c", &Value::Null));
    assert!(last["metadata"]["continue"].is_null());
    assert_eq!(last["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    let (_, selected) = get(&server, "?limit=1&labelSelector=name%20in%20(a,c)").await;
    assert_eq!((names(&selected).as_str(), &selected["metadata"]["remainingItemCount"]), ("a", &Value::Null));
    let token = selected["metadata"]["continue"].as_str().unwrap();
    let (_, rest) = get(&server, &format!("?limit=1&labelSelector=name%20in%20(a,c)&continue={token}")).await;
    assert_eq!((names(&rest).as_str(), &rest["metadata"]["continue"]), ("c", &Value::Null));
    let (_, all) = get(&server, "?limit=0").await;
    assert_eq!(names(&all), "abc");
    // Zero as a revision is as good as none beside a token.
    let (code, rest) = get(&server, &format!("?resourceVersion=0&continue={}", token)).await;
    assert_eq!((code, names(&rest).as_str()), (200, "bc"));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_too_old_is_answered_with_a_fresh_one() {
    let server = furnished(&Tasks::new()).await;
    for name in ["a", "b", "c"] {
        make(&server, name).await;
    }
    let (_, first) = get(&server, "?limit=1").await;
    let token = first["metadata"]["continue"].as_str().unwrap();
    make(&server, "d").await;
    tokio::time::sleep(Duration::from_secs(240)).await;
    assert_eq!(names(&get(&server, &format!("?continue={token}")).await.1), "bc");
    tokio::time::sleep(Duration::from_secs(120)).await;
    let (code, status) = get(&server, &format!("?continue={token}")).await;
    assert_eq!((code, &status["reason"]), (410, &json!("Expired")));
    let start = "The provided continue parameter is too old to display a consistent list result.";
    assert!(status["message"].as_str().unwrap().starts_with(start), "{status}");
    let fresh = status["metadata"]["continue"].as_str().unwrap();
    let (code, page) = get(&server, &format!("?limit=2&continue={fresh}")).await;
    assert_eq!((code, names(&page).as_str(), &page["metadata"]["remainingItemCount"]), (200, "bc", &json!(1)));
    let next = page["metadata"]["continue"].as_str().unwrap();
    assert_eq!(names(&get(&server, &format!("?continue={next}")).await.1), "d");
    let (code, status) = get(&server, "?resourceVersion=1&resourceVersionMatch=Exact").await;
    let text = "The resourceVersion for the provided list is too old.";
    assert_eq!((code, status["message"].as_str()), (410, Some(text)));
}

#[tokio::test(start_paused = true)]
async fn tokens_of_another_making_are_refused() {
    let server = furnished(&Tasks::new()).await;
    let token = |json: &str| {
        use base64::Engine;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json)
    };
    for (token, why) in [
        (token(r#"{"v":"other","rv":1,"start":"a/b"}"#), "server does not recognize this encoded version other"),
        (
            token(r#"{"v":"meta.k8s.io/v1","rv":0,"start":"a/b"}"#),
            "incorrect encoded start resourceVersion (version meta.k8s.io/v1)",
        ),
        (token(r#"{"v":"meta.k8s.io/v1","rv":1,"start":""}"#), "encoded start key empty (version meta.k8s.io/v1)"),
    ] {
        let (code, status) = get(&server, &format!("?continue={token}")).await;
        let message = format!("invalid continue token: continue key is not valid: {why}");
        assert_eq!((code, status["message"].as_str()), (400, Some(message.as_str())));
    }
    assert_eq!(get(&server, "?continue=%21%21").await.0, 400);
}

#[tokio::test(start_paused = true)]
async fn a_moment_that_is_no_longer_kept_is_not_made_up() {
    let limits = Limits { history_batches: 1, kept_snapshots: 0, ..Limits::default() };
    let server = server_with(&Tasks::new(), limits).await;
    let (_, made) = does(&server, "POST", "/api/v1/namespaces", &json!({"metadata": {"name": "d"}})).await;
    let then = made["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    for name in ["a", "b", "c"] {
        make(&server, name).await;
    }
    let (code, status) = get(&server, &format!("?resourceVersion={then}&resourceVersionMatch=Exact")).await;
    assert_eq!((code, &status["reason"]), (410, &json!("Expired")));
    assert_eq!(names(&get(&server, &format!("?resourceVersion={then}")).await.1), "abc");
}

#[tokio::test(start_paused = true)]
async fn selectors_choose_and_bad_ones_are_refused() {
    let server = furnished(&Tasks::new()).await;
    for name in ["a", "b", "c"] {
        make(&server, name).await;
    }
    for (query, expected) in [
        ("?labelSelector=name%3Da", "a"),
        ("?labelSelector=name%3D%3Da", "a"),
        ("?labelSelector=name!%3Da", "bc"),
        ("?labelSelector=name%20notin%20(a,b)", "c"),
        ("?labelSelector=!name", ""),
        ("?labelSelector=name,name!%3Db", "ac"),
        ("?fieldSelector=metadata.name%3Db", "b"),
        ("?fieldSelector=metadata.name!%3Db,metadata.namespace%3Dd", "ac"),
        ("?fieldSelector=metadata.namespace%3Dother", ""),
    ] {
        assert_eq!(names(&get(&server, query).await.1), expected, "{query}");
    }
    let only = "\"spec.x\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"";
    for (path, message) in [
        (format!("{MAPS}?fieldSelector=spec.x%3Da"), only),
        ("/api/v1/pods?fieldSelector=spec.x%3Da".to_owned(), "field label not supported: spec.x"),
        (format!("{MAPS}?fieldSelector=a"), "invalid selector: 'a'; can't understand 'a'"),
    ] {
        let (code, status) = does(&server, "GET", &path, &Value::Null).await;
        assert_eq!((code, status["message"].as_str()), (400, Some(message)));
    }
    let (code, status) = get(&server, "?labelSelector=a%20b").await;
    assert!(
        code == 400 && status["message"].as_str().unwrap().starts_with("unable to parse requirement: "),
        "{status}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_list_over_all_namespaces_goes_on_behind_its_last_object() {
    let server = furnished(&Tasks::new()).await;
    does(&server, "POST", "/api/v1/namespaces", &json!({"metadata": {"name": "e"}})).await;
    for (namespace, name) in [("d", "b"), ("e", "a"), ("d", "a"), ("e", "b")] {
        let path = format!("/api/v1/namespaces/{namespace}/configmaps");
        does(&server, "POST", &path, &json!({"metadata": {"name": name}})).await;
    }
    let (mut token, mut seen) = (String::new(), Vec::new());
    loop {
        let path = format!("/api/v1/configmaps?limit=1&continue={token}");
        let (_, page) = does(&server, "GET", &path, &Value::Null).await;
        let metadata = &page["items"][0]["metadata"];
        seen.push(format!("{}/{}", metadata["namespace"].as_str().unwrap(), metadata["name"].as_str().unwrap()));
        match page["metadata"]["continue"].as_str() {
            Some(next) => token = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, ["d/a", "d/b", "e/a", "e/b"]);
}
