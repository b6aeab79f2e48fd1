//! Logs, over a tunnel to an agent.

use std::convert::Infallible;

use axum::body::Body;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use lifecycle::tasks::Tasks;
use serde_json::json;

use super::fixtures::{admin, ask, server_with_pod, told};
use crate::http::server::Server;

const LOG: &str = "/api/v1/namespaces/d/pods/p/log";

/// The agent of node `n`, which answers with what it was asked.
async fn attach_agent(server: &Server, tasks: &Tasks, code: u16) {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    tasks.spawn_until_stop("agent", async move {
        let service = service_fn(move |request: Request<Incoming>| async move {
            let mut response = Response::new(Body::from(format!("{}\n", request.uri().path_and_query().unwrap())));
            *response.status_mut() = code.try_into().unwrap();
            Ok::<_, Infallible>(response)
        });
        let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        drop(http.serve_connection(TokioIo::new(theirs), service).await);
    });
    server.tunnels().attach("n", ours).await.unwrap();
}

#[tokio::test]
async fn the_agent_of_the_pods_node_is_asked() {
    let tasks = Tasks::new();
    let server = server_with_pod(&tasks, "n").await;
    attach_agent(&server, &tasks, 200).await;
    let path = format!("{LOG}?container=b&follow=true&tailLines=3&pretty=true");
    let response = ask(&server, admin(), "GET", &path, "").await;
    assert_eq!(response.headers()["content-type"], "text/plain");
    assert_eq!(told(response).await.1, "/containerLogs/d/p/b?follow=true&tailLines=3\n");
}

#[tokio::test]
async fn what_the_agent_refuses_is_refused() {
    let tasks = Tasks::new();
    let server = server_with_pod(&tasks, "n").await;
    attach_agent(&server, &tasks, 400).await;
    let (code, status) = told(ask(&server, admin(), "GET", &format!("{LOG}?container=a"), "").await).await;
    assert_eq!((code, status["message"].as_str()), (400, Some("/containerLogs/d/p/a?")));
}

#[tokio::test]
async fn wrong_containers_and_missing_agents_are_told() {
    let server = server_with_pod(&Tasks::new(), "n").await;
    for (query, code, message) in [
        ("", 400, "a container name must be specified for pod p, choose one of: [a b]"),
        ("?container=c", 400, "container c is not valid for pod p"),
        ("?container=a", 503, "the agent of node \"n\" is not connected"),
    ] {
        let (got, status) = told(ask(&server, admin(), "GET", &format!("{LOG}{query}"), "").await).await;
        assert_eq!((got, status["message"].as_str()), (code, Some(message)));
    }
    let node = json!({"metadata": {"name": "n"}, "status": {"daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}}}});
    assert_eq!(ask(&server, admin(), "POST", "/api/v1/nodes", &node.to_string()).await.status(), 201);
    let (code, status) = told(ask(&server, admin(), "GET", &format!("{LOG}?container=a"), "").await).await;
    assert_eq!(code, 500);
    assert!(status["message"].as_str().unwrap().contains("is a kubelet with a port of its own"), "{status}");
}

#[tokio::test]
async fn a_pod_that_runs_nowhere_has_said_nothing() {
    let server = server_with_pod(&Tasks::new(), "").await;
    let (code, text) = told(ask(&server, admin(), "GET", &format!("{LOG}?container=a"), "").await).await;
    assert_eq!((code, text.as_str()), (200, Some("")));
}
