//! Who is at the other end: what a connection proved, or what this process says of itself.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use api::well_known::identity::{ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::USER_AGENT;
use http::{HeaderValue, Request};
use std::convert::Infallible;
use tower::Service;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::context::User;
use crate::http::filters::Filtered;

/// What the listener knows of a connection. It stands in the extensions of each of its requests.
#[derive(Debug, Clone)]
pub struct Peer {
    pub address: SocketAddr,
    /// Whom the client's certificate names, if it sent one.
    pub user: Option<Arc<User>>,
}

/// The identity of a client inside this process. Only `InProcess` makes one, so no socket can.
#[derive(Debug, Clone)]
pub(in crate::http) struct Inside(pub(in crate::http) Arc<User>);

/// The API without a socket: for `kube::Client::new`.
#[derive(Clone)]
pub struct InProcess {
    service: Filtered,
    user: Arc<User>,
    agent: HeaderValue,
}

impl InProcess {
    pub(in crate::http) fn new(service: Filtered, user: User) -> Self {
        let agent = HeaderValue::from_str(program_of(&user)).unwrap_or(HeaderValue::from_static("skiff"));
        Self { service, user: Arc::new(authenticated(user)), agent }
    }
}

/// The program that such a user is in a cluster of many: by this name its writes are noted.
fn program_of(user: &User) -> &str {
    match user.name.strip_prefix("system:") {
        Some(node) if node.starts_with("node:") => "kubelet",
        Some(program) => program,
        None => "skiff",
    }
}

impl<B> Service<Request<B>> for InProcess
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = <Filtered as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Inside(self.user.clone()));
        request.headers_mut().entry(USER_AGENT).or_insert_with(|| self.agent.clone());
        self.service.call(request)
    }
}

/// The user of a client certificate: its common name, and its organizations as groups.
pub fn user_of_certificate(der: &[u8]) -> Option<User> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let subject = certificate.subject();
    let name = subject.iter_common_name().next()?.as_str().ok()?.to_owned();
    if name.is_empty() {
        return None;
    }
    let groups = subject.iter_organization().filter_map(|part| part.as_str().ok()).map(str::to_owned).collect();
    Some(authenticated(User { name, groups, ..User::default() }))
}

/// Somebody who has not said who they are.
pub fn anonymous() -> User {
    User::new(ANONYMOUS, &[UNAUTHENTICATED])
}

fn authenticated(mut user: User) -> User {
    if !user.is_in(AUTHENTICATED) {
        user.groups.push(AUTHENTICATED.to_owned());
    }
    user
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_cluster_write_under_their_usual_names() {
        let program = |name: &str| program_of(&User::new(name, &[])).to_owned();
        assert_eq!(program("system:kube-controller-manager"), "kube-controller-manager");
        assert_eq!((program("system:node:n1").as_str(), program("jane").as_str()), ("kubelet", "skiff"));
    }

    #[test]
    fn a_certificate_names_a_user_and_groups() {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, "system:node:a");
        params.distinguished_name.push(rcgen::DnType::OrganizationName, "system:nodes");
        let certificate = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        let user = user_of_certificate(certificate.der()).unwrap();
        assert_eq!(user.name, "system:node:a");
        assert!(user.is_in("system:nodes") && user.is_in("system:authenticated"));
        assert_eq!(user_of_certificate(b"no certificate"), None);
    }
}
