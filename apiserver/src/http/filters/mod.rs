//! What every request passes on its way in, and every answer on its way out: an ordered list, a file each.

pub mod authentication;
pub mod authorization;
pub mod body_limit;
pub mod deadline;
pub mod filter;
pub mod headers;
pub mod in_flight;
pub mod measure;
pub mod panic_guard;
pub mod refusal;
pub mod request_id;
pub mod trace;
pub mod warnings;

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::Response;
use futures::future::BoxFuture;
use http::Request;
use tower::{Layer, Service, ServiceExt};

use crate::http::app::App;
use crate::http::content::{body, lent};
use crate::http::exchange::Exchange;
use crate::http::filters::filter::Filter;
use crate::http::reply::failure;

/// The filters, in the order in which a request meets them. An answer meets them in the reverse order.
const FILTERS: [&dyn Filter; 9] = [
    &request_id::RequestId,
    &headers::Headers,
    &refusal::Refusal,
    &measure::Measure,
    &deadline::Deadline,
    &body_limit::BodyLimit,
    &authentication::Authenticate,
    &authorization::Authorize,
    &warnings::SendWarnings,
];

/// Puts the filters around everything that the server answers.
#[derive(Clone)]
pub struct Filters {
    pub app: Arc<App>,
}

impl<S> Layer<S> for Filters {
    type Service = Filtered<S>;

    fn layer(&self, inner: S) -> Filtered<S> {
        Filtered { app: self.app.clone(), inner }
    }
}

/// A service behind the filters.
#[derive(Clone)]
pub struct Filtered<S> {
    app: Arc<App>,
    inner: S,
}

impl<S> Service<Request<Body>> for Filtered<S>
where
    S: Service<Request<Body>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The inner service is readied for each request by `oneshot`.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (app, inner) = (self.app.clone(), self.inner.clone());
        Box::pin(async move { Ok(pass(app, inner, request).await) })
    }
}

async fn pass<S>(app: Arc<App>, inner: S, request: Request<Body>) -> Response
where
    S: Service<Request<Body>, Response = Response, Error = Infallible> + Send,
    S::Future: Send,
{
    let (mut parts, body) = request.into_parts();
    let mut exchange = Exchange::new(&parts, &app.registry);
    let mut passed = 0;
    let mut refusal = None;
    for filter in FILTERS {
        passed += 1;
        if let Err(failure) = filter.before(&app, &mut exchange, &parts) {
            refusal = Some(failure);
            break;
        }
    }
    let exchange = Arc::new(exchange);
    let mut response = match refusal {
        Some(failure) => {
            body::discard(body).await;
            failure::failure(&failure)
        }
        None => {
            parts.extensions.insert(exchange.clone());
            let (body, rest) = lent::lend(body);
            let answer = inner.oneshot(Request::from_parts(parts, body));
            let answer = app.in_flight.admit(&exchange, panic_guard::guarded(answer));
            let answer = trace::spanned(&exchange, deadline::within(&exchange, answer)).await;
            if let Some(rest) = rest.take() {
                body::discard(rest).await;
            }
            answer
        }
    };
    for filter in FILTERS[..passed].iter().rev() {
        filter.after(&app, &exchange, &mut response);
    }
    response
}
