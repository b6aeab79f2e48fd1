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
use http::header::CONTENT_LENGTH;
use http::{Method, Request};
use http_body::Body as _;
use tower::Service;

use crate::http::content::{body, lent};
use crate::http::exchange::Exchange;
use crate::http::filters::filter::Filter;
use crate::http::reply::failure;
use crate::http::routes::Routes;

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

/// Everything that the server answers, behind the filters.
#[derive(Clone)]
pub struct Filtered {
    pub routes: Routes,
}

impl Service<Request<Body>> for Filtered {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let routes = self.routes.clone();
        Box::pin(async move { Ok(pass(routes, request).await) })
    }
}

async fn pass(routes: Routes, request: Request<Body>) -> Response {
    let app = &routes.app;
    let (mut parts, body) = request.into_parts();
    let is_head = parts.method == Method::HEAD;
    let mut exchange = Exchange::new(&parts, &app.registry);
    let mut passed = 0;
    let mut refusal = None;
    for filter in FILTERS {
        passed += 1;
        if let Err(failure) = filter.before(app, &mut exchange, &parts) {
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
            // In a box, since each of those around it would move it again.
            let answer = Box::pin(routes.answer(&exchange, Request::from_parts(parts, body)));
            let answer = app.in_flight.admit(&exchange, panic_guard::guarded(answer));
            let answer = trace::spanned(&exchange, deadline::within(&exchange, answer)).await;
            if let Some(rest) = rest.take() {
                body::discard(rest).await;
            }
            answer
        }
    };
    for filter in FILTERS[..passed].iter().rev() {
        filter.after(app, &exchange, &mut response);
    }
    if is_head {
        leave_body_out(&mut response);
    }
    response
}

/// The head says how long the body would have been.
fn leave_body_out(response: &mut Response) {
    if let Some(length) = response.body().size_hint().exact() {
        response.headers_mut().entry(CONTENT_LENGTH).or_insert_with(|| length.into());
    }
    *response.body_mut() = Body::empty();
}
