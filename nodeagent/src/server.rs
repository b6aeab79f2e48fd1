//! What a node answers, under the names of a kubelet: logs, pods, health, measurements.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use jiff::Timestamp;
use k8s_openapi::List;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use lifecycle::metrics::Metrics;
use serde::Deserialize;

use crate::logs;
use crate::pods::context::Context;

/// A refusal, with the sentence that the client shows.
type Refusal = (StatusCode, String);

#[derive(Clone)]
struct Shared {
    context: Arc<Context>,
    metrics: Metrics,
}

pub fn router(context: Arc<Context>, metrics: Metrics) -> Router {
    Router::new()
        .route("/containerLogs/{namespace}/{pod}/{container}", get(container_logs))
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

/// As the API server passes it on.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct LogQuery {
    follow: Option<String>,
    previous: Option<String>,
    timestamps: Option<String>,
    tail_lines: Option<u64>,
    limit_bytes: Option<u64>,
    since_seconds: Option<u64>,
    since_time: Option<Timestamp>,
    stream: Option<String>,
}

/// `true`, `1`, or just the name.
fn is_set(flag: Option<&String>) -> bool {
    flag.is_some_and(|text| matches!(text.as_str(), "" | "1" | "true" | "True"))
}

async fn container_logs(
    State(shared): State<Shared>,
    Path((namespace, name, container)): Path<(String, String, String)>,
    Query(query): Query<LogQuery>,
) -> Result<Response, Refusal> {
    let context = shared.context;
    let pod = find(&context, &namespace, &name)?;
    let status = status_of(&pod, &container)
        .ok_or_else(|| (StatusCode::NOT_FOUND, format!("container \"{container}\" not found in pod \"{name}\"")))?;
    let attempt = attempt(&name, status, is_set(query.previous.as_ref()))?;
    let uid = pod.metadata.uid.as_deref().unwrap_or_default();
    let Some(path) = context.log_file(uid, &container, attempt) else { return Ok(Body::empty().into_response()) };
    let since = query.since_seconds.map(|seconds| context.clock.now() - Duration::from_secs(seconds));
    let request = logs::Request {
        path,
        follow: is_set(query.follow.as_ref()),
        tail_lines: query.tail_lines,
        limit_bytes: query.limit_bytes,
        since: since.or(query.since_time),
        with_times: is_set(query.timestamps.as_ref()),
        stream: stream(query.stream.as_deref())?,
    };
    let id = status.container_id.as_deref().and_then(|id| id.split_once("://")).map(|(_, id)| id.to_owned());
    let runtime = Arc::clone(&context.runtime);
    let is_written = move || id.as_deref().is_some_and(|id| runtime.runs(id));
    Ok(Body::from_stream(logs::read(request, is_written)).into_response())
}

/// The newest pod of this name: one that was replaced may still be ending.
fn find(context: &Context, namespace: &str, name: &str) -> Result<Box<Pod>, Refusal> {
    let residents = context.directory.all().into_iter();
    let named =
        residents.filter(|resident| &*resident.identity.namespace == namespace && &*resident.identity.name == name);
    let pods = named.filter_map(|resident| Some(resident.mailbox.shown()?.decode()));
    let newest = pods.max_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0));
    newest.ok_or_else(|| (StatusCode::NOT_FOUND, format!("pod \"{name}\" not found in namespace \"{namespace}\"")))
}

fn status_of<'a>(pod: &'a Pod, container: &str) -> Option<&'a ContainerStatus> {
    crate::pods::resume::statuses(pod).find(|status| status.name == container)
}

/// Which run of the container is meant.
fn attempt(pod: &str, status: &ContainerStatus, previous: bool) -> Result<u32, Refusal> {
    let name = &status.name;
    let newest = status.restart_count.unsigned_abs();
    let waiting = status.state.as_ref().and_then(|state| state.waiting.as_ref());
    let has_ended = status.last_state.as_ref().is_some_and(|state| state.terminated.is_some());
    match (waiting, previous) {
        (_, true) if !has_ended => {
            let text = format!("previous terminated container \"{name}\" in pod \"{pod}\" not found");
            Err((StatusCode::BAD_REQUEST, text))
        }
        (None, true) => Ok(newest.saturating_sub(1)),
        (Some(waiting), false) if !has_ended => {
            let reason = waiting.reason.as_deref().unwrap_or("ContainerCreating");
            let text = match reason {
                "ErrImagePull" => {
                    format!("container \"{name}\" in pod \"{pod}\" is waiting to start: image can't be pulled")
                }
                "ImagePullBackOff" => {
                    format!(
                        "container \"{name}\" in pod \"{pod}\" is waiting to start: trying and failing to pull image"
                    )
                }
                _ => format!("container \"{name}\" in pod \"{pod}\" is waiting to start: {reason}"),
            };
            Err((StatusCode::BAD_REQUEST, text))
        }
        // One that waits to start again shows its last run.
        _ => Ok(newest),
    }
}

fn stream(name: Option<&str>) -> Result<Option<&'static str>, Refusal> {
    match name {
        None | Some("" | "All") => Ok(None),
        Some("Stdout") => Ok(Some("stdout")),
        Some("Stderr") => Ok(Some("stderr")),
        Some(other) => Err((StatusCode::BAD_REQUEST, format!("unknown stream \"{other}\""))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status(value: serde_json::Value) -> ContainerStatus {
        let mut whole = json!({ "name": "c", "image": "", "imageID": "", "ready": false, "restartCount": 2 });
        whole.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn the_run_that_is_meant_follows_from_the_status() {
        let ended = json!({ "terminated": { "exitCode": 1 } });
        let running = status(json!({ "state": { "running": {} }, "lastState": ended }));
        assert_eq!((attempt("p", &running, false), attempt("p", &running, true)), (Ok(2), Ok(1)));
        let crashing = json!({ "state": { "waiting": { "reason": "CrashLoopBackOff" } }, "lastState": ended });
        assert_eq!(
            (attempt("p", &status(crashing.clone()), false), attempt("p", &status(crashing), true)),
            (Ok(2), Ok(2))
        );
        let new = status(json!({ "state": { "waiting": { "reason": "ContainerCreating" } } }));
        let (code, text) = attempt("p", &new, false).unwrap_err();
        assert_eq!(
            (code.as_u16(), text.as_str()),
            (400, "container \"c\" in pod \"p\" is waiting to start: ContainerCreating")
        );
        assert!(attempt("p", &new, true).unwrap_err().1.starts_with("previous terminated container"));
    }
}
