//! `pods/log`: finds the pod's node, asks its agent, and hands the answer through.

use std::sync::Arc;

use api::failure::{Failure, Reason};
use api::field::{FieldError, FieldErrors, Path};
use axum::body::Body;
use axum::response::Response;
use form_urlencoded::Serializer;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use k8s_openapi::api::core::v1::{Container, Node, Pod, PodSpec};

use crate::http::app::App;
use crate::http::query::Query;
use crate::http::tunnel::TunnelError;
use crate::registry::Target;

/// What the kubelet's API knows under the same names.
const PASSED_ON: [&str; 8] =
    ["follow", "previous", "sinceSeconds", "sinceTime", "timestamps", "tailLines", "limitBytes", "stream"];

pub async fn serve(app: &Arc<App>, query: &Query<'_>, namespace: &str, name: &str) -> Result<Response, Failure> {
    check_options(query)?;
    let spec = pod_spec(app, namespace, name)?;
    let container = container_of(&spec, name, query.get("container").unwrap_or_default())?;
    let node = spec.node_name.as_deref().unwrap_or_default();
    if node.is_empty() {
        // It runs nowhere yet, and so has said nothing.
        return Ok(plain_text(Body::empty()));
    }
    let uri = format!("http://{node}/containerLogs/{namespace}/{name}/{container}{}", passed_on(query));
    let request =
        Request::get(uri).body(Body::empty()).map_err(|_| Failure::bad_request("the names make no address"))?;
    let answer = app.tunnels.request(node, request).await.map_err(|error| unreachable(app, node, &error))?;
    if answer.status() == StatusCode::OK {
        return Ok(plain_text(Body::new(answer.into_body())));
    }
    let code = answer.status();
    let text = Limited::new(answer.into_body(), 64 * 1024).collect().await.map(|body| body.to_bytes());
    let text = String::from_utf8_lossy(&text.unwrap_or_default()).trim().to_owned();
    Err(match code {
        StatusCode::BAD_REQUEST => Failure::bad_request(text),
        StatusCode::NOT_FOUND => Failure::new(Reason::NotFound, text),
        _ => Failure::internal(text),
    })
}

/// The options as a query for the agent.
fn passed_on(query: &Query<'_>) -> String {
    let mut options = Serializer::for_suffix("?".to_owned(), 1);
    for key in PASSED_ON {
        if let Some(value) = query.get(key) {
            options.append_pair(key, value);
        }
    }
    options.finish()
}

fn plain_text(body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

fn pod_spec(app: &App, namespace: &str, name: &str) -> Result<PodSpec, Failure> {
    let kind = app.registry.find("", "v1", "pods").ok_or_else(Failure::unknown_resource)?;
    let object = app.registry.get(kind, Target { namespace: Some(namespace), name, subresource: None }, "")?;
    let pod: Pod = api::json::read(&object.bytes).map_err(|_| Failure::internal("read a stored pod"))?;
    Ok(pod.spec.unwrap_or_default())
}

/// The container that was asked for, or the only one.
fn container_of(spec: &PodSpec, pod: &str, wanted: &str) -> Result<String, Failure> {
    let names = |containers: &[Container]| -> Vec<String> { containers.iter().map(|c| c.name.clone()).collect() };
    let usual = names(&spec.containers);
    let init = names(spec.init_containers.as_deref().unwrap_or_default());
    let ephemeral: Vec<String> = spec.ephemeral_containers.iter().flatten().map(|c| c.name.clone()).collect();
    if !wanted.is_empty() {
        let is_there = usual.iter().chain(&init).chain(&ephemeral).any(|name| name == wanted);
        let missing = || Failure::bad_request(format!("container {wanted} is not valid for pod {pod}"));
        return is_there.then(|| wanted.to_owned()).ok_or_else(missing);
    }
    if let [only] = &usual[..] {
        return Ok(only.clone());
    }
    let mut text = format!("a container name must be specified for pod {pod}, choose one of: [{}]", usual.join(" "));
    if !init.is_empty() {
        text.push_str(&format!(" or one of the init containers: [{}]", init.join(" ")));
    }
    Err(Failure::bad_request(text))
}

fn check_options(query: &Query<'_>) -> Result<(), Failure> {
    let mut errors = FieldErrors::default();
    let mut at_least = |name: &str, least: i64, detail: &str| -> Result<(), Failure> {
        if let Some(value) = query.integer(name)?.filter(|value| *value < least) {
            errors.push(FieldError::invalid(&Path::new(name), value, detail));
        }
        Ok(())
    };
    at_least("tailLines", 0, "must be greater than or equal to 0")?;
    at_least("limitBytes", 1, "must be greater than 0")?;
    at_least("sinceSeconds", 1, "must be greater than 0")?;
    if query.get("sinceSeconds").is_some() && query.get("sinceTime").is_some() {
        let detail = "at most one of `sinceTime` or `sinceSeconds` may be specified";
        errors.push(FieldError::forbidden(&Path::new(""), detail));
    }
    if errors.0.is_empty() { Ok(()) } else { Err(Failure::invalid("", "PodLogOptions", "", errors)) }
}

fn unreachable(app: &App, node: &str, error: &TunnelError) -> Failure {
    if matches!(error, TunnelError::NotConnected(_)) && has_own_port(app, node) {
        return Failure::internal(format!(
            "node {node:?} is a kubelet with a port of its own, which this server cannot reach yet: read the log on the node"
        ));
    }
    Failure::new(Reason::ServiceUnavailable, error.to_string()).retry_after(1)
}

fn has_own_port(app: &App, node: &str) -> bool {
    let Some(kind) = app.registry.find("", "v1", "nodes") else { return false };
    let target = Target { namespace: None, name: node, subresource: None };
    let object = app.registry.get(kind, target, "").ok();
    let node: Option<Node> = object.and_then(|object| api::json::read(&object.bytes).ok());
    let endpoints = node.and_then(|node| node.status?.daemon_endpoints?.kubelet_endpoint);
    endpoints.is_some_and(|endpoint| endpoint.port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(containers: &[&str], init: &[&str]) -> PodSpec {
        let named = |names: &[&str]| -> Vec<Container> {
            names.iter().map(|name| Container { name: (*name).to_owned(), ..Container::default() }).collect()
        };
        PodSpec {
            containers: named(containers),
            init_containers: (!init.is_empty()).then(|| named(init)),
            ..PodSpec::default()
        }
    }

    #[test]
    fn a_pod_with_several_containers_needs_a_name() {
        let told = |spec: &PodSpec, wanted: &str| container_of(spec, "x", wanted).map_err(|failure| failure.message);
        assert_eq!(told(&spec(&["a"], &["i"]), ""), Ok("a".to_owned()));
        assert_eq!(told(&spec(&["a", "b"], &[]), "b"), Ok("b".to_owned()));
        assert_eq!(told(&spec(&["a"], &["i"]), "i"), Ok("i".to_owned()));
        assert_eq!(
            told(&spec(&["a", "b"], &[]), ""),
            Err("a container name must be specified for pod x, choose one of: [a b]".to_owned())
        );
        assert_eq!(told(&spec(&["a"], &[]), "c"), Err("container c is not valid for pod x".to_owned()));
    }

    #[test]
    fn numbers_that_make_no_sense_are_refused() {
        for query in ["tailLines=-1", "limitBytes=0", "sinceSeconds=0", "sinceSeconds=1&sinceTime=x", "tailLines=x"] {
            assert!(check_options(&Query::parse(query)).is_err(), "{query}");
        }
        assert!(check_options(&Query::parse("tailLines=0&follow=true")).is_ok());
    }
}
