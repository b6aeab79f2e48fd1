//! What a node answers, under the names of a kubelet: logs, commands, ports, pods, health, measurements.

mod attach;
mod exec;
mod find;
mod logs;
mod messages;
mod outcome;
mod port_forward;
mod query;

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use k8s_openapi::List;
use k8s_openapi::api::core::v1::Pod;
use lifecycle::metrics::Metrics;

use crate::pods::context::Context;

#[derive(Clone)]
struct Shared {
    context: Arc<Context>,
    metrics: Metrics,
}

pub fn router(context: Arc<Context>, metrics: Metrics) -> Router {
    Router::new()
        .route("/containerLogs/{namespace}/{pod}/{container}", get(logs::container_logs))
        .route("/exec/{namespace}/{pod}/{container}", post(exec::exec))
        .route("/attach/{namespace}/{pod}/{container}", post(attach::attach))
        .route("/run/{namespace}/{pod}/{container}", post(exec::run))
        .route("/portForward/{namespace}/{pod}", post(port_forward::port_forward))
        .route("/pods", get(pods))
        .route("/healthz", get(async || "ok"))
        .route("/metrics", get(measurements))
        .with_state(Shared { context, metrics })
}

async fn pods(State(shared): State<Shared>) -> Json<List<Pod>> {
    let residents = shared.context.directory.all();
    let items = residents.iter().filter_map(|resident| Some(*resident.mailbox.shown()?.decode())).collect();
    Json(List { items, ..List::default() })
}

async fn measurements(State(shared): State<Shared>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(http::header::CONTENT_TYPE, kind)], shared.metrics.encode()).into_response()
}
