//! Which path leads where.

use std::sync::Arc;

use api::failure::Failure;
use axum::Router;
use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use http::header::{ALLOW, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use serde_json::json;
use tower::ServiceExt;

use crate::http::app::App;
use crate::http::content::accept::{self, Accepted, Offer};
use crate::http::exchange::Exchange;
use crate::http::path::ApiPath;
use crate::http::query::Query;
use crate::http::reply::failure::{failure, no_such_path};
use crate::http::reply::object;
use crate::http::{resource, version};

/// Where a request goes that has passed the filters.
#[derive(Clone)]
pub struct Routes {
    pub app: Arc<App>,
    others: Router,
}

impl Routes {
    pub fn new(app: Arc<App>) -> Self {
        Self { others: others(app.clone()), app }
    }

    /// Below `/api` and `/apis` the kind list decides, elsewhere the router does.
    pub async fn answer(&self, exchange: &Exchange, request: Request<Body>) -> Response {
        if exchange.place == ApiPath::Unknown {
            return self.others.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
        }
        api(&self.app, exchange, request).await
    }
}

/// The paths that are no part of the API.
fn others(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(root))
        .route("/version", get(version))
        .route("/version/", get(version))
        .route("/metrics", get(metrics))
        .route("/openapi/v2", get(openapi_v2))
        .route("/openapi/v3", get(openapi_index))
        .route("/openapi/v3/", get(openapi_index))
        .route("/openapi/v3/{*path}", get(openapi_document))
        .route("/skiff/v1/nodes/{name}/tunnel", get(tunnel))
        .route("/healthz", get(health))
        .route("/healthz/{check}", get(health))
        .route("/livez", get(health))
        .route("/livez/{check}", get(health))
        .route("/readyz", get(health))
        .route("/readyz/{check}", get(health))
        .fallback(async || no_such_path())
        .with_state(app)
}

/// Besides those of the API and of the health checks.
const PATHS: [&str; 5] = ["/metrics", "/openapi/v2", "/openapi/v3", "/openapi/v3/", "/version"];

async fn root(State(app): State<Arc<App>>, headers: HeaderMap, uri: Uri) -> Response {
    let mut paths: Vec<String> = PATHS.iter().map(|path| (*path).to_owned()).collect();
    paths.extend(app.discovery.paths());
    paths.extend(app.health.paths());
    paths.sort_unstable();
    document(&headers, &uri, &json!({"paths": paths}))
}

async fn version(headers: HeaderMap, uri: Uri) -> Response {
    // Upstream always writes it in lines, and programs without a parser have come to count on that.
    match accept::negotiate(&headers, Query::parse(uri.query().unwrap_or("")).get("pretty"), || Offer::Document) {
        Ok(accepted) => {
            let accepted = Accepted { pretty: true, ..accepted };
            object::document(StatusCode::OK, accepted, version::info().to_string(), &headers)
        }
        Err(refusal) => failure(&refusal),
    }
}

fn document(headers: &HeaderMap, uri: &Uri, document: &serde_json::Value) -> Response {
    let query = Query::parse(uri.query().unwrap_or(""));
    match accept::negotiate(headers, query.get("pretty"), || Offer::Document) {
        Ok(accepted) => object::document(StatusCode::OK, accepted, document.to_string(), headers),
        Err(refusal) => failure(&refusal),
    }
}

async fn metrics(State(app): State<Arc<App>>) -> Response {
    let mut response = Response::new(Body::from(app.metrics.encode()));
    let media_type = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}

async fn health(State(app): State<Arc<App>>, uri: Uri) -> Response {
    app.health.answer(uri.path(), &Query::parse(uri.query().unwrap_or("")))
}

async fn openapi_index(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    app.openapi.index(&headers)
}

/// Documents take some milliseconds to write.
async fn openapi_document(
    State(app): State<Arc<App>>,
    Path(path): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let write = move || app.openapi.document(&path, &headers, &Query::parse(uri.query().unwrap_or("")));
    aside(write).await
}

async fn openapi_v2(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    aside(move || app.openapi.swagger(&headers)).await
}

async fn aside(write: impl FnOnce() -> Response + Send + 'static) -> Response {
    let written = tokio::task::spawn_blocking(write).await;
    written.unwrap_or_else(|_| failure(&Failure::internal("the document could not be written")))
}

/// The agent of a node opens the way back to itself. That the node may do so for itself alone is for authorization.
async fn tunnel(State(app): State<Arc<App>>, Path(node): Path<String>, upgrade: WebSocketUpgrade) -> Response {
    // Clients of Kubernetes ask for one of these by habit, and give up without it; the messages are plain bytes.
    let upgrade = upgrade.protocols(["v5.channel.k8s.io", "v4.channel.k8s.io"]);
    upgrade.on_upgrade(async move |socket| app.tunnels.attach_web_socket(&node, socket).await)
}

async fn api(app: &Arc<App>, exchange: &Exchange, request: Request<Body>) -> Response {
    let answer = match &exchange.place {
        place if place.group().is_some_and(|group| !app.registry.has_group(group)) => return no_such_path(),
        ApiPath::Resource(target) => resource::serve(app, exchange, target, request).await,
        place => {
            let (parts, _) = request.into_parts();
            discovery(app, place, &parts)
        }
    };
    answer.unwrap_or_else(|refusal| failure(&refusal))
}

fn discovery(app: &App, place: &ApiPath, request: &Parts) -> Result<Response, Failure> {
    if request.method != Method::GET {
        let mut refusal = failure(&Failure::method_not_allowed());
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
        return Ok(refusal);
    }
    app.discovery.answer(place, request)
}
