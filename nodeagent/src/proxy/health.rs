//! Answers load balancers that ask whether this node has endpoints of a Service (`healthCheckNodePort`).

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use api::names::NamespacedName;
use bytes::Bytes;
use futures::StreamExt;
use futures::future::join_all;
use futures::stream::FuturesUnordered;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use lifecycle::tasks::Tasks;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tracing::debug;

use crate::proxy::backend::{FAILED_TO_START_HEALTH_CHECK, Problem};
use crate::proxy::listen;
use crate::proxy::service::Protocol;
use crate::proxy::table::{HealthCheck, Table};
use crate::proxy::worker::Worker;

/// How many may ask a server at once; more wait.
const MOST_CONNECTIONS: usize = 64;
/// How long one question and its answer may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// One small server per Service that wants one and per address of the node.
pub struct HealthServers {
    tasks: Tasks,
    running: BTreeMap<NamespacedName, Running>,
}

struct Running {
    port: u16,
    addresses: Vec<IpAddr>,
    local_endpoints: Arc<AtomicUsize>,
    workers: Vec<Worker>,
}

struct Asked {
    service: NamespacedName,
    local_endpoints: Arc<AtomicUsize>,
}

impl HealthServers {
    pub fn new(tasks: &Tasks) -> Self {
        Self { tasks: tasks.clone(), running: BTreeMap::new() }
    }

    /// Makes the servers be as the table says; tells which could not be started.
    pub async fn apply(&mut self, table: &Table) -> Vec<Problem> {
        let addresses = &table.facts.node_port_addresses;
        let (kept, others) = std::mem::take(&mut self.running).into_iter().partition(|(service, running)| {
            let wanted = table.health_checks.get(service);
            wanted.is_some_and(|wanted| wanted.port == running.port) && running.addresses == *addresses
        });
        self.running = kept;
        let others: BTreeMap<NamespacedName, Running> = others;
        join_all(others.into_values().flat_map(|running| running.workers).map(Worker::stop)).await;
        let mut problems = Vec::new();
        for (service, check) in &table.health_checks {
            if let Some(running) = self.running.get(service) {
                running.local_endpoints.store(check.local_endpoints, Ordering::Relaxed);
                continue;
            }
            match self.start(service, check, addresses) {
                Ok(running) => drop(self.running.insert(service.clone(), running)),
                Err((address, error)) => problems.push(Problem {
                    service: service.clone(),
                    uid: check.uid.clone(),
                    protocol: Protocol::Tcp,
                    address,
                    reason: FAILED_TO_START_HEALTH_CHECK,
                    message: format!("health check {address}: {}", listen::explain(&error, address)),
                }),
            }
        }
        problems
    }

    fn start(
        &self,
        service: &NamespacedName,
        check: &HealthCheck,
        addresses: &[IpAddr],
    ) -> Result<Running, (SocketAddr, io::Error)> {
        let listeners = addresses.iter().map(|address| {
            let address = SocketAddr::new(*address, check.port);
            listen::tcp(address).map_err(|error| (address, error))
        });
        let listeners = listeners.collect::<Result<Vec<TcpListener>, _>>()?;
        let local_endpoints = Arc::new(AtomicUsize::new(check.local_endpoints));
        let worker = |listener: TcpListener| {
            let asked = Asked { service: service.clone(), local_endpoints: local_endpoints.clone() };
            Worker::spawn(&self.tasks, format!("health check of {service}"), serve(listener, asked))
        };
        let workers = listeners.into_iter().map(worker).collect();
        Ok(Running { port: check.port, addresses: addresses.to_vec(), local_endpoints, workers })
    }
}

async fn serve(listener: TcpListener, asked: Asked) {
    let mut open = FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if open.len() < MOST_CONNECTIONS => match accepted {
                Ok((stream, _)) => open.push(tokio::time::timeout(DEADLINE, answer(stream, &asked))),
                Err(error) => {
                    debug!(%error, "health check not taken");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = open.next() => {}
        }
    }
}

async fn answer(stream: TcpStream, asked: &Asked) {
    let service = service_fn(|_| std::future::ready(Ok::<_, Infallible>(asked.response())));
    let mut server = http1::Builder::new();
    let server = server.timer(TokioTimer::new()).keep_alive(false);
    if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
        debug!(%error, "health check ended early");
    }
}

impl Asked {
    fn response(&self) -> Response<Full<Bytes>> {
        let count = self.local_endpoints.load(Ordering::Relaxed);
        let body = json!({
            "service": {"namespace": self.service.namespace, "name": self.service.name},
            "localEndpoints": count,
            "serviceProxyHealthy": true,
        });
        let mut response = Response::new(Full::from(body.to_string()));
        *response.status_mut() = if count == 0 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert("X-Load-Balancing-Endpoint-Weight", HeaderValue::from(count));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::fixtures::{fresh_address, service, slice, table};
    use crate::proxy::table::NodeFacts;

    async fn asked(address: SocketAddr) -> Result<(StatusCode, String, serde_json::Value), reqwest::Error> {
        rustls::crypto::ring::default_provider().install_default().ok();
        let response =
            reqwest::Client::builder().no_proxy().build()?.get(format!("http://{address}/healthz")).send().await?;
        let weight = response.headers()["X-Load-Balancing-Endpoint-Weight"].to_str().unwrap().to_owned();
        Ok((response.status(), weight, response.json().await?))
    }

    #[tokio::test]
    async fn a_load_balancer_learns_how_many_endpoints_are_here() {
        let node = fresh_address();
        let facts = NodeFacts::new("here", vec![node]);
        let tasks = Tasks::new();
        let mut servers = HealthServers::new(&tasks);
        let balanced =
            service(json!({"type": "LoadBalancer", "clusterIP": "127.96.0.10", "externalTrafficPolicy": "Local",
            "healthCheckNodePort": 32000, "ports": [{"port": 80, "nodePort": 30080}]}));
        let address = SocketAddr::new(node, 32000);
        for (count, status) in [(0, 503), (2, 200), (0, 503)] {
            let endpoint = |last: u8| json!({"addresses": [format!("127.64.1.{last}")], "nodeName": "here"});
            let endpoints: Vec<_> = (0..count).map(endpoint).collect();
            let table = table(&facts, &[(balanced.clone(), vec![slice(8080, json!(endpoints))])]);
            assert_eq!(servers.apply(&table).await, []);
            let (code, weight, body) = asked(address).await.unwrap();
            assert_eq!((code.as_u16(), weight), (status, count.to_string()));
            let service = json!({"namespace": "default", "name": "web"});
            assert_eq!(body, json!({"service": service, "localEndpoints": count, "serviceProxyHealthy": true}));
        }
        assert_eq!(servers.apply(&table(&facts, &[])).await, []);
        assert!(asked(address).await.is_err());
        let taken = TcpListener::bind(address).await.unwrap();
        let problems = servers.apply(&table(&facts, &[(balanced, vec![])])).await;
        assert_eq!(problems.iter().map(|problem| problem.reason).collect::<Vec<_>>(), [FAILED_TO_START_HEALTH_CHECK]);
        drop(taken);
    }
}
