//! The proxy against an API server of its own, with a backend that only tells what it is handed.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::*;
use crate::fake_api::FakeApi;
use crate::proxy::backend::FAILED_TO_BIND;
use crate::proxy::table::Route;

const SERVICE: &str = "/api/v1/namespaces/default/services/web";
const SLICE: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/web-1";

struct Telling {
    told: mpsc::Sender<Vec<String>>,
    fails: bool,
}

#[async_trait]
impl Backend for Telling {
    fn name(&self) -> &'static str {
        "telling"
    }

    async fn apply(&mut self, table: &Table) -> Vec<Problem> {
        let shown = table.iter().map(|(_, _, entry)| match &entry.route {
            Route::Forward(endpoints) => format!("{} -> {endpoints:?}", entry.address),
            other => format!("{} -> {other:?}", entry.address),
        });
        self.told.try_send(shown.collect()).unwrap();
        let problems = table.iter().map(|(_, port, entry)| Problem::of(port, entry, FAILED_TO_BIND, &"no"));
        problems.filter(|_| self.fails).collect()
    }
}

struct Stage {
    api: FakeApi,
    told: mpsc::Receiver<Vec<String>>,
    facts: watch::Sender<NodeFacts>,
    metrics: Metrics,
    tasks: Tasks,
}

fn start(fails: bool) -> Stage {
    let (api, tasks, metrics) = (FakeApi::new(), Tasks::new(), Metrics::new());
    let (sender, told) = mpsc::channel(64);
    let facts = watch::Sender::new(NodeFacts::new("here", vec!["127.0.0.1".parse().unwrap()]));
    let backend = Box::new(Telling { told: sender, fails });
    let clock = Clock::tokio();
    run(api.client(), facts.subscribe(), backend, clock, &tasks, &metrics);
    Stage { api, told, facts, metrics, tasks }
}

impl Stage {
    async fn next(&mut self) -> Vec<String> {
        tokio::time::timeout(Duration::from_secs(60), self.told.recv()).await.unwrap().unwrap()
    }

    /// Skips tables that are the same as this one or come on the way to it.
    async fn comes_to(&mut self, expected: &[&str]) {
        while self.next().await != expected {}
    }
}

fn service() -> Value {
    json!({"metadata": {"name": "web", "namespace": "default"}, "status": {"loadBalancer": {}},
           "spec": {"type": "ClusterIP", "clusterIP": "127.96.0.10", "clusterIPs": ["127.96.0.10"], "ports": [{"port": 80}]}})
}

fn slice(addresses: &[&str]) -> Value {
    let endpoints: Vec<Value> = addresses.iter().map(|address| json!({"addresses": [address]})).collect();
    json!({"metadata": {"name": "web-1", "namespace": "default", "labels": {"kubernetes.io/service-name": "web"}},
           "addressType": "IPv4", "ports": [{"name": "", "port": 8080}], "endpoints": endpoints})
}

const REFUSED: &[&str] = &["127.96.0.10:80 -> Reject"];
const TO_ONE: &[&str] = &["127.96.0.10:80 -> [127.64.1.2:8080]"];

#[tokio::test(start_paused = true)]
async fn a_change_is_applied_at_once_and_what_comes_together_is_applied_together() {
    let mut stage = start(false);
    assert_eq!(stage.next().await, Vec::<String>::new());
    let before = Instant::now();
    stage.api.put(SERVICE, service());
    stage.comes_to(REFUSED).await;
    stage.api.put(SLICE, slice(&[]));
    stage.api.put(SLICE, slice(&["127.64.1.3"]));
    stage.api.put(SLICE, slice(&["127.64.1.2"]));
    stage.comes_to(TO_ONE).await;
    assert!(before.elapsed() < Duration::from_millis(5), "took {:?}", before.elapsed());
    assert!(stage.told.try_recv().is_err());
    stage.api.remove(SLICE);
    stage.comes_to(REFUSED).await;
    stage.api.remove(SERVICE);
    stage.comes_to(&[]).await;
    stage.tasks.stop(Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_there_before_is_one_table() {
    let mut stage = {
        let (api, tasks, metrics) = (FakeApi::new(), Tasks::new(), Metrics::new());
        api.put(SERVICE, service());
        api.put(SLICE, slice(&["127.64.1.2"]));
        let (sender, told) = mpsc::channel(64);
        let facts = watch::Sender::new(NodeFacts::default());
        let backend = Box::new(Telling { told: sender, fails: false });
        run(api.client(), facts.subscribe(), backend, Clock::tokio(), &tasks, &metrics);
        Stage { api, told, facts, metrics, tasks }
    };
    assert_eq!(stage.next().await, TO_ONE);
    assert!(stage.metrics.encode().contains("skiff_proxy_entries 1"));
}

#[tokio::test(start_paused = true)]
async fn facts_that_change_are_followed() {
    let mut stage = start(false);
    let mut node_port = service();
    node_port["spec"]["type"] = json!("NodePort");
    node_port["spec"]["ports"][0]["nodePort"] = json!(30080);
    stage.api.put(SERVICE, node_port);
    stage.comes_to(&["127.0.0.1:30080 -> Reject", "127.96.0.10:80 -> Reject"]).await;
    stage.facts.send_replace(NodeFacts::new("here", vec!["127.0.0.2".parse().unwrap()]));
    stage.comes_to(&["127.0.0.2:30080 -> Reject", "127.96.0.10:80 -> Reject"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_problem_is_told_by_one_event() {
    let mut stage = start(true);
    stage.api.put(SERVICE, service());
    stage.comes_to(REFUSED).await;
    stage.api.put(SLICE, slice(&["127.64.1.2"]));
    stage.comes_to(TO_ONE).await;
    let events = || stage.api.writes().iter().filter(|write| write.contains("/events")).count();
    while events() == 0 {
        tokio::task::yield_now().await;
    }
    stage.tasks.stop(Duration::from_secs(1)).await;
    assert_eq!(events(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_way_from_a_change_to_traffic_is_measured() {
    let mut stage = start(false);
    assert_eq!(stage.next().await, Vec::<String>::new());
    stage.api.put(SERVICE, service());
    let mut timed = slice(&["127.64.1.2"]);
    let then = Clock::tokio().now().checked_add(Duration::from_secs(1)).unwrap();
    timed["metadata"]["annotations"] = json!({"endpoints.kubernetes.io/last-change-trigger-time": then.to_string()});
    tokio::time::sleep(Duration::from_secs(3)).await;
    stage.api.put(SLICE, timed);
    stage.comes_to(TO_ONE).await;
    stage.facts.send_replace(NodeFacts::default());
    stage.next().await;
    let text = stage.metrics.encode();
    assert!(text.contains("kubeproxy_network_programming_duration_seconds_count 1"), "{text}");
}
