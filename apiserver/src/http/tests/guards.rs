//! Filters, seen from outside.

use axum::body::Body;
use http::Request;
use lifecycle::tasks::Tasks;
use serde_json::json;
use tower::ServiceExt;

use super::fixtures::{admin, ask, server, told};
use crate::context::User;

#[tokio::test]
async fn a_socket_without_identity_sees_only_health_and_version() {
    let server = server(&Tasks::new()).await;
    for (path, code) in [("/livez/ping", 200), ("/version", 200), ("/", 401), ("/api/v1/pods", 401), ("/x", 401)] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let (got, body) = told(server.service().oneshot(request).await.unwrap()).await;
        assert_eq!(got, code, "{path}");
        if code == 401 {
            assert_eq!(
                (body["reason"].as_str(), body["message"].as_str()),
                (Some("Unauthorized"), Some("Unauthorized"))
            );
        }
    }
    let request = Request::get("/version").header("authorization", "Bearer x").body(Body::empty()).unwrap();
    assert_eq!(told(server.service().oneshot(request).await.unwrap()).await.0, 401);
}

#[tokio::test]
async fn what_is_not_served_is_told_apart_from_what_is_nowhere() {
    let server = server(&Tasks::new()).await;
    for path in ["/nowhere", "/apis/nobody", "/apis/nobody/v1", "/apis/nobody/v1/namespaces/d/things/x", "/healthz/x"] {
        let (code, body) = told(ask(&server, admin(), "GET", path, "").await).await;
        assert_eq!((code, body.as_str()), (404, Some("404 page not found\n")), "{path}");
    }
    let nothing = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "the server could not find the requested resource", "reason": "NotFound", "details": {},
        "code": 404});
    for path in [
        "/api/v1/nothing",
        "/api/v9",
        "/apis/apps/v9/deployments",
        "/api/v1/pods/p",
        "/api/v1/namespaces/d/nodes",
        "/api/v1/namespaces/d/pods/p/nothing",
        "/api/v1/namespaces/d/pods/p/log/x",
        "/api/v1/namespaces/d/namespaces",
        "/api/v1/namespaces/d/namespaces/e",
    ] {
        let (code, body) = told(ask(&server, admin(), "GET", path, "").await).await;
        assert_eq!((code, &body), (404, &nothing), "{path}");
    }
    for (method, path) in [
        ("POST", "/api/v1/pods"),
        ("DELETE", "/api/v1/pods"),
        ("PUT", "/api/v1/namespaces/d/pods"),
        ("POST", "/api/v1/namespaces/d/pods/p"),
        ("DELETE", "/api/v1/namespaces/d/pods/p/log"),
        ("DELETE", "/api/v1/namespaces"),
        ("OPTIONS", "/api/v1/nodes"),
        ("POST", "/api"),
        ("PATCH", "/api/v1/namespaces/d/pods"),
        ("GET", "/api/v1/namespaces/d/pods/p/binding"),
        ("POST", "/api/v1/namespaces/d/pods/p/status"),
        ("PUT", "/api/v1/namespaces/d/pods/p/eviction"),
        ("PATCH", "/api/v1/namespaces/d/finalize"),
        ("GET", "/api/v1/namespaces/d/bindings"),
        ("POST", "/api/v1/bindings"),
        ("POST", "/api/v1/watch/namespaces/d/pods"),
        ("DELETE", "/api/v1/watch/namespaces/d/pods/p"),
        ("TRACE", "/api/v1/namespaces/d/pods/p"),
    ] {
        let (code, body) = told(ask(&server, admin(), method, path, "{}").await).await;
        let refused = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "the server does not allow this method on the requested resource",
            "reason": "MethodNotAllowed", "details": {}, "code": 405});
        assert_eq!((code, &body), (405, &refused), "{method} {path}");
    }
    let response = ask(&server, admin(), "PUT", "/api/v1/namespaces/d/pods", "{}").await;
    assert_eq!(response.headers()["allow"], "DELETE, GET, POST");
    for path in ["/api/v1/namespaces/d/pods", "/api/v1/namespaces/d/pods/p", "/apis"] {
        let (code, body) = told(ask(&server, admin(), "HEAD", path, "").await).await;
        assert_eq!((code, body.as_str()), (405, Some("")), "{path}");
    }
}

#[tokio::test]
async fn a_body_that_announces_too_much_is_refused_before_it_is_read() {
    let server = server(&Tasks::new()).await;
    let request = Request::post("/api/v1/namespaces/d/pods").header("content-length", "4000000");
    let request = request.body(Body::empty()).unwrap();
    let (code, body) = told(server.in_process(admin()).oneshot(request).await.unwrap()).await;
    assert_eq!((code, body["reason"].as_str()), (413, Some("RequestEntityTooLarge")));
}

#[tokio::test]
async fn a_node_writes_what_is_its_own_and_nothing_else() {
    let server = server(&Tasks::new()).await;
    let node = || User::new("system:node:a", &["system:nodes"]);
    for (method, path, allowed) in [
        ("GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Da", true),
        ("GET", "/apis/discovery.k8s.io/v1/endpointslices", true),
        ("GET", "/api/v1/secrets", false),
        ("GET", "/apis/apps/v1/deployments", false),
        ("PATCH", "/api/v1/nodes/a/status", true),
        ("PATCH", "/api/v1/nodes/b/status", false),
        ("DELETE", "/api/v1/nodes/b", false),
        ("PUT", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/a", true),
        ("PUT", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/b", false),
        ("PUT", "/apis/coordination.k8s.io/v1/namespaces/default/leases/a", false),
        ("POST", "/api/v1/namespaces/d/events", true),
        ("POST", "/api/v1/namespaces/d/pods/p/binding", false),
        ("PUT", "/api/v1/namespaces/d/services/s", false),
        ("GET", "/metrics", false),
    ] {
        let (code, body) = told(ask(&server, node(), method, path, "{}").await).await;
        assert_eq!(code != 403, allowed, "{method} {path}: {body}");
    }
}

#[tokio::test]
async fn a_node_reads_the_secrets_of_its_pods_and_registers_nobody_else() {
    let server = server(&Tasks::new()).await;
    let node = || User::new("system:node:a", &["system:nodes"]);
    let secret = r#"[{"name":"v","secret":{"secretName":"used"}}]"#;
    for (path, body) in [
        ("/api/v1/namespaces", r#"{"metadata":{"name":"d"}}"#.to_owned()),
        ("/api/v1/namespaces/d/serviceaccounts", r#"{"metadata":{"name":"default"}}"#.to_owned()),
        ("/api/v1/namespaces/d/secrets", r#"{"metadata":{"name":"used"}}"#.to_owned()),
        ("/api/v1/namespaces/d/secrets", r#"{"metadata":{"name":"other"}}"#.to_owned()),
        (
            "/api/v1/namespaces/d/pods",
            format!(
                r#"{{"metadata":{{"name":"p"}},"spec":{{"nodeName":"a","volumes":{secret},
                "containers":[{{"name":"c","image":"i"}}]}}}}"#
            ),
        ),
    ] {
        assert_eq!(ask(&server, admin(), "POST", path, &body).await.status(), 201, "{body}");
    }
    for (name, code) in [("used", 200), ("other", 403)] {
        let path = format!("/api/v1/namespaces/d/secrets/{name}");
        assert_eq!(ask(&server, node(), "GET", &path, "").await.status(), code, "{name}");
    }
    for (name, code) in [("b", 403), ("a", 201)] {
        let body = format!(r#"{{"metadata":{{"name":"{name}"}}}}"#);
        assert_eq!(ask(&server, node(), "POST", "/api/v1/nodes", &body).await.status(), code, "{name}");
    }
    let status = "/api/v1/namespaces/d/pods/p/status";
    let patch = r#"[{"op":"add","path":"/status/message","value":"x"}]"#;
    for (user, code) in [("system:node:b", 403), ("system:node:a", 200)] {
        let request = Request::patch(status).header("content-type", "application/json-patch+json");
        let request = request.body(Body::from(patch)).unwrap();
        let user = User::new(user, &["system:nodes"]);
        assert_eq!(server.in_process(user).oneshot(request).await.unwrap().status(), code);
    }
}

#[tokio::test]
async fn every_answer_has_its_headers() {
    let server = server(&Tasks::new()).await;
    let response = ask(&server, admin(), "GET", "/api/v1/nothing", "").await;
    let headers = response.headers();
    assert_eq!(headers["cache-control"], "no-cache, private");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert!(headers.contains_key("x-kubernetes-pf-flowschema-uid") && headers["audit-id"].len() == 36);
    let request = Request::get("/version").header("audit-id", "mine").body(Body::empty()).unwrap();
    let response = server.service().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["audit-id"], "mine");
}

#[tokio::test]
async fn discovery_is_known_again_by_its_tag() {
    let server = server(&Tasks::new()).await;
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
    for path in ["/api", "/apis"] {
        let request = || Request::get(path).header("accept", accept);
        let response = server.in_process(admin()).oneshot(request().body(Body::empty()).unwrap()).await.unwrap();
        let expected = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
        assert_eq!(response.headers()["content-type"], expected);
        assert_eq!(
            (&response.headers()["vary"], &response.headers()["cache-control"]),
            (&"Accept".parse().unwrap(), &"public".parse().unwrap())
        );
        let tag = response.headers()["etag"].clone();
        let again = request().header("if-none-match", tag).body(Body::empty()).unwrap();
        assert_eq!(server.in_process(admin()).oneshot(again).await.unwrap().status().as_u16(), 304);
    }
}

#[tokio::test]
async fn requests_are_counted() {
    let server = server(&Tasks::new()).await;
    ask(&server, admin(), "GET", "/api/v1/nothing", "").await;
    let (_, text) = told(ask(&server, admin(), "GET", "/metrics", "").await).await;
    let text = text.as_str().unwrap();
    assert!(text.contains("apiserver_request_total{verb=\"LIST\"") && text.contains("code=\"404\"} 1"), "{text}");
}

#[tokio::test]
async fn every_path_that_the_root_tells_is_answered() {
    let server = server(&Tasks::new()).await;
    let (code, body) = told(ask(&server, admin(), "GET", "/", "").await).await;
    let paths: Vec<&str> = body["paths"].as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
    assert!(code == 200 && paths.is_sorted(), "{body}");
    for path in ["/api", "/api/v1", "/apis", "/healthz", "/livez", "/metrics", "/openapi/v3", "/readyz", "/version"] {
        assert!(paths.contains(&path), "{path}");
    }
    for path in paths {
        assert_eq!(ask(&server, admin(), "GET", path, "").await.status(), 200, "{path}");
    }
}

#[tokio::test]
async fn health_is_told_in_short_and_in_full() {
    let server = server(&Tasks::new()).await;
    for (path, code, text) in [
        ("/healthz", 200, "ok"),
        ("/livez", 200, "ok"),
        ("/readyz", 200, "ok"),
        ("/readyz/ping", 200, "ok"),
        ("/livez?verbose", 200, "[+]ping ok\nlivez check passed\n"),
        ("/readyz?verbose=1", 200, "[+]ping ok\n[+]shutdown ok\nreadyz check passed\n"),
        ("/readyz?verbose&exclude=ping", 200, "[+]ping excluded: ok\n[+]shutdown ok\nreadyz check passed\n"),
    ] {
        let response = ask(&server, User::new("u", &["system:authenticated"]), "GET", path, "").await;
        assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
        assert_eq!(told(response).await, (code, text.into()), "{path}");
    }
}
