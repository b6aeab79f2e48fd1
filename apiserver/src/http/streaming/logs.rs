//! `pods/log`: finds the pod's node, asks its agent, and hands the answer through.

use std::sync::Arc;

use api::failure::Failure;
use api::field::{FieldError, FieldErrors, Path};
use axum::body::Body;
use axum::response::Response;
use form_urlencoded::Serializer;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Uri};

use crate::http::app::App;
use crate::http::path::Target;
use crate::http::query::Query;
use crate::http::streaming::{ask, pod};

/// What the kubelet's API knows under the same names.
const PASSED_ON: [&str; 8] =
    ["follow", "previous", "sinceSeconds", "sinceTime", "timestamps", "tailLines", "limitBytes", "stream"];

pub async fn serve(app: &Arc<App>, target: &Target, uri: &Uri) -> Result<Response, Failure> {
    let query = Query::parse(uri.query().unwrap_or(""));
    let (namespace, name) = (&target.namespace, &target.name);
    check_options(&query)?;
    let pod = pod::find(app, namespace, name)?;
    let container = pod::container(&pod, name, query.get("container").unwrap_or_default())?;
    let node = pod::node(&pod);
    if node.is_empty() {
        // It runs nowhere yet, and so has said nothing.
        return Ok(plain_text(Body::empty()));
    }
    let path = format!("/containerLogs/{namespace}/{name}/{container}{}", passed_on(&query));
    let answer = ask::node(app, node, Request::get(path), Body::empty()).await?;
    Ok(plain_text(Body::new(answer.into_body())))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_make_no_sense_are_refused() {
        for query in ["tailLines=-1", "limitBytes=0", "sinceSeconds=0", "sinceSeconds=1&sinceTime=x", "tailLines=x"] {
            assert!(check_options(&Query::parse(query)).is_err(), "{query}");
        }
        assert!(check_options(&Query::parse("tailLines=0&follow=true")).is_ok());
    }
}
