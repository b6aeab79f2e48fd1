//! `/proxy` of pods, services and nodes: a request goes on to what is behind it, and its answer comes back.
//!
//! As upstream's `apimachinery/pkg/util/proxy`: hop-by-hop headers stay behind, redirects and the links of pages lead back to the proxy.

use std::sync::Arc;

use api::failure::{Failure, Reason};
use axum::body::Body;
use axum::response::Response;
use http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, LOCATION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION,
    TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use hyper::client::conn::http1;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use lifecycle::duplex::Duplex;

use crate::http::app::App;
use crate::http::path::Target;
use crate::http::streaming::dial;
use crate::http::streaming::location::{self, Holder, Location, Port};
use crate::http::streaming::{ask, links};

/// The longest page whose links are looked at.
const LONGEST_PAGE: usize = 16 << 20;

/// What is between two neighbours alone.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

pub async fn serve(app: &Arc<App>, target: &Target, request: Request<Body>) -> Result<Response, Failure> {
    let (mut parts, body) = request.into_parts();
    // `/api/v1/nodes/NAME/proxy`, or `/api/v1/namespaces/NAMESPACE/RESOURCE/NAME/proxy`.
    let length = if target.namespace.is_empty() { 5 } else { 7 };
    let (prefix, rest) = split(parts.uri.path(), length);
    let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    if rest.is_empty() {
        return Ok(moved(&format!("{prefix}/{query}")));
    }
    let place = location::find(app, target)?;
    let back = Back { prefix: prefix.to_owned(), host: host(&parts).to_owned() };
    let upgrade = parts.extensions.remove::<OnUpgrade>().filter(|_| parts.headers.contains_key(UPGRADE));
    let uri: Uri = format!("{rest}{query}").parse().map_err(|_| Failure::bad_request("the path is no address"))?;
    let headers = passed_on(&parts, upgrade.is_some());
    let answer = match place {
        Location::Node(node) => {
            let mut builder = Request::builder().method(parts.method).uri(uri);
            builder.headers_mut().into_iter().for_each(|all| all.extend(without_host(&headers)));
            ask::any(app, &node, builder, body).await?
        }
        Location::Port(port) => {
            let mut onward = Request::new(body);
            (*onward.method_mut(), *onward.uri_mut(), *onward.headers_mut()) = (parts.method, uri, headers);
            send(app, connect(app, &port).await?, onward).await?
        }
    };
    match upgrade {
        Some(upgrade) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => Ok(switch(app, upgrade, answer)),
        _ => back.answer(answer.map(Body::new)).await,
    }
}

/// The path of the proxy, which has so many parts, and what comes behind it as the client wrote it.
fn split(path: &str, parts: usize) -> (&str, &str) {
    let slashes = path.len() - path.trim_start_matches('/').len();
    let end = path[slashes..].match_indices('/').nth(parts - 1).map_or(path.len(), |(end, _)| slashes + end);
    path.split_at(end)
}

/// Relative links of a page need the slash at the end of its path.
fn moved(to: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    set(response.headers_mut(), LOCATION, to);
    response
}

/// Sets a header. What cannot stand in one is left out.
fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

fn host(parts: &Parts) -> &str {
    let header = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    header.or_else(|| parts.uri.authority().map(|authority| authority.as_str())).unwrap_or_default()
}

/// The headers for what is behind the proxy, which also learns how it was reached.
fn passed_on(parts: &Parts, is_upgrade: bool) -> HeaderMap {
    let mut headers = parts.headers.clone();
    let upgrade = headers.get(UPGRADE).cloned().filter(|_| is_upgrade);
    strip(&mut headers);
    // Pages are looked into.
    headers.remove(ACCEPT_ENCODING);
    let host = host(parts).to_owned();
    let told =
        [(HOST, &*host), (X_FORWARDED_HOST, &*host), (X_FORWARDED_PROTO, "https"), (X_FORWARDED_URI, parts.uri.path())];
    for (name, value) in told {
        set(&mut headers, name, value);
    }
    if let Some(upgrade) = upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, upgrade);
    }
    headers
}

const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");

fn strip(headers: &mut HeaderMap) {
    let named: Vec<String> = headers
        .get_all(CONNECTION)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_owned())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Over HTTP/2 the host is part of the address.
fn without_host(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    headers.remove(HOST);
    headers
}

async fn connect(app: &Arc<App>, port: &Port) -> Result<Box<dyn Duplex>, Failure> {
    let refused = |error: std::io::Error| trouble(&error);
    let stream: Box<dyn Duplex> = match &port.of {
        Holder::Pod { node, namespace, name } => {
            let connected = dial::port(app, node, (namespace, name), port.port).await;
            connected.map_err(|failure| trouble(&failure.message))?
        }
        Holder::Address(address) => {
            let connected = tokio::net::TcpStream::connect((*address, port.port)).await;
            Box::new(connected.map_err(refused)?)
        }
    };
    if !port.is_tls {
        return Ok(stream);
    }
    let encrypted = dial::encrypted(stream).await;
    encrypted.map_err(refused)
}

fn trouble(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Reason::ServiceUnavailable, format!("error trying to reach service: {error}"))
}

async fn send(
    app: &Arc<App>,
    stream: Box<dyn Duplex>,
    request: Request<Body>,
) -> Result<Response<hyper::body::Incoming>, Failure> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| trouble(&error))?;
    app.tasks.spawn_until_stop("proxied connection", async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "a proxied connection broke");
        }
    });
    sender.send_request(request).await.map_err(|error| trouble(&error))
}

/// Both sides have agreed on another protocol: from now on only bytes are handed on.
fn switch(app: &Arc<App>, upgrade: OnUpgrade, answer: Response<hyper::body::Incoming>) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = answer.headers().clone();
    app.tasks.spawn_until_stop("proxied upgrade", async move {
        let (Ok(client), Ok(behind)) = (upgrade.await, hyper::upgrade::on(answer).await) else { return };
        let (mut client, mut behind) = (TokioIo::new(client), TokioIo::new(behind));
        // That one of them hangs up is how it ends.
        drop(tokio::io::copy_bidirectional(&mut client, &mut behind).await);
    });
    response
}

/// The way back to the client.
struct Back {
    prefix: String,
    host: String,
}

impl Back {
    async fn answer(&self, answer: Response) -> Result<Response, Failure> {
        let (mut head, body) = answer.into_parts();
        strip(&mut head.headers);
        if let Some(to) = head.headers.get(LOCATION).and_then(|to| to.to_str().ok()) {
            let to = links::through(&self.prefix, &self.host, to);
            set(&mut head.headers, LOCATION, &to);
        }
        let is_page = head.headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        if !is_page {
            return Ok(Response::from_parts(head, body));
        }
        let page = Limited::new(body, LONGEST_PAGE).collect().await.map_err(|error| trouble(&error))?.to_bytes();
        let page = match std::str::from_utf8(&page) {
            Ok(text) => links::rewritten(text, &self.prefix, &self.host).into(),
            Err(_) => page,
        };
        head.headers.remove(CONTENT_LENGTH);
        Ok(Response::from_parts(head, Body::from(page)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_behind_the_proxy_is_kept_as_it_is() {
        for (path, prefix, rest) in [
            ("/api/v1/namespaces/d/pods/p/proxy", "/api/v1/namespaces/d/pods/p/proxy", ""),
            ("/api/v1/namespaces/d/pods/p/proxy/", "/api/v1/namespaces/d/pods/p/proxy", "/"),
            (
                "/api/v1/namespaces/d/services/proxy/proxy/a%2Fb//proxy/",
                "/api/v1/namespaces/d/services/proxy/proxy",
                "/a%2Fb//proxy/",
            ),
            ("/api/v1/namespaces/proxy/pods/p/proxy/x", "/api/v1/namespaces/proxy/pods/p/proxy", "/x"),
            ("/api/v1/nodes/n/proxy/pods", "/api/v1/nodes/n/proxy", "/pods"),
        ] {
            let parts = if path.contains("/nodes/") { 5 } else { 7 };
            assert_eq!(split(path, parts), (prefix, rest));
        }
    }
}
