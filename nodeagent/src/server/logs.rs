//! What a container wrote, as the kubelet's `/containerLogs` answers it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ContainerStatus;
use serde::Deserialize;

use crate::logs;
use crate::server::find::{self, Refusal};
use crate::server::{Shared, query};

/// As the API server passes it on.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LogQuery {
    follow: Option<String>,
    previous: Option<String>,
    timestamps: Option<String>,
    tail_lines: Option<u64>,
    limit_bytes: Option<u64>,
    since_seconds: Option<u64>,
    since_time: Option<Timestamp>,
    stream: Option<String>,
}

pub async fn container_logs(
    State(shared): State<Shared>,
    Path((namespace, name, container)): Path<(String, String, String)>,
    Query(parameters): Query<LogQuery>,
) -> Result<Response, Refusal> {
    let context = shared.context;
    let pod = find::pod(&context, &namespace, &name)?;
    let status = find::status(&pod, &container)?;
    let attempt = attempt(&name, status, query::is_set(parameters.previous.as_deref()))?;
    let uid = pod.metadata.uid.as_deref().unwrap_or_default();
    let Some(path) = context.log_file(uid, &container, attempt) else { return Ok(Body::empty().into_response()) };
    let since = parameters.since_seconds.map(|seconds| context.clock.now() - Duration::from_secs(seconds));
    let request = logs::Request {
        path,
        follow: query::is_set(parameters.follow.as_deref()),
        tail_lines: parameters.tail_lines,
        limit_bytes: parameters.limit_bytes,
        since: since.or(parameters.since_time),
        with_times: query::is_set(parameters.timestamps.as_deref()),
        stream: stream(parameters.stream.as_deref())?,
    };
    let id = find::id(status).map(str::to_owned);
    let runtime = Arc::clone(&context.runtime);
    let is_written = move || id.as_deref().is_some_and(|id| runtime.runs(id));
    Ok(Body::from_stream(logs::read(request, is_written)).into_response())
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
