//! A fake cluster with the controllers running on it, for tests over a paused clock.

use std::time::Duration;

use http::Method;
use lifecycle::clock::Clock;
use lifecycle::metrics::Metrics;
use lifecycle::tasks::Tasks;
use serde_json::{Value, json};

use crate::fake::service::{Fake, Interruption};
use crate::manager::{Manager, Options};

pub struct World {
    pub fake: Fake,
}

impl World {
    /// Starts the controllers on an empty cluster.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        let (fake, tasks) = (Fake::new(), Tasks::new());
        let mut options = Options::new("CA", Clock::tokio());
        // Nodes here do not speak, unless a test says otherwise.
        options.node_grace = Duration::from_secs(365 * 86_400);
        change(&mut options);
        let manager = Manager::start(fake.client(), options, &tasks, &Metrics::new());
        manager.synced().await;
        Self { fake }
    }

    /// A node with enough of everything.
    pub fn create_node(&self, name: &str) {
        let amounts = json!({"cpu": "64", "memory": "64Gi", "pods": "1000"});
        let conditions = json!([{"type": "Ready", "status": "True"}]);
        let status = json!({"allocatable": amounts, "conditions": conditions});
        self.create("/api/v1/nodes", json!({"kind": "Node", "metadata": {"name": name}, "status": status}));
    }

    pub fn create(&self, path: &str, object: Value) -> Value {
        self.fake.act(&Method::POST, path, object, false).unwrap()
    }

    pub fn patch(&self, path: &str, change: Value) -> Value {
        self.fake.act(&Method::PATCH, path, change, true).unwrap()
    }

    pub fn delete(&self, path: &str, options: Value) {
        self.fake.act(&Method::DELETE, path, options, false).unwrap();
    }

    pub fn get(&self, path: &str) -> Option<Value> {
        self.fake.act(&Method::GET, path, Value::Null, false).ok()
    }

    pub fn list(&self, path: &str) -> Vec<Value> {
        self.get(path).unwrap()["items"].as_array().unwrap().clone()
    }

    /// Changes an object just before the next patch that a controller sends to `path`.
    pub fn change_before_patch(&self, path: &str, object: &str, change: Value) {
        let object = object.to_owned();
        let act = move |fake: &Fake| drop(fake.act(&Method::PATCH, &object, change, true).unwrap());
        let interruption = Interruption { method: Method::PATCH, path: path.to_owned(), act: Box::new(act) };
        *self.fake.interruption.lock().unwrap() = Some(interruption);
    }

    /// Whether what was to come before a patch has come.
    pub fn was_interrupted(&self) -> bool {
        self.fake.interruption.lock().unwrap().is_none()
    }

    /// Waits until `state` holds, with all the time there is.
    pub async fn eventually(&self, what: &str, mut state: impl FnMut(&Self) -> bool) {
        let mut changed = self.fake.changed.subscribe();
        for _ in 0..10_000 {
            if state(self) {
                return;
            }
            let _ = tokio::time::timeout(Duration::from_secs(1), changed.changed()).await;
        }
        let store = self.fake.store.lock().unwrap();
        let objects: Vec<String> = store.objects.values().map(Value::to_string).collect();
        panic!("never happened: {what}\n{}\n{:#?}", objects.join("\n"), self.fake.writes.lock().unwrap());
    }

    /// Lets everything that follows from the present happen, within this time.
    pub async fn settle(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    pub fn writes(&self) -> Vec<String> {
        std::mem::take(&mut self.fake.writes.lock().unwrap())
    }

    /// Makes all pods run and ready, as node agents would; deleted ones go.
    pub fn run_pods(&self, now: jiff::Timestamp) {
        let running = json!({"status": {"phase": "Running", "conditions": [
            {"type": "Ready", "status": "True", "lastTransitionTime": now.to_string()}]}});
        for pod in self.list("/api/v1/pods") {
            let path = path_of("pods", &pod);
            if !pod["metadata"]["deletionTimestamp"].is_null() {
                self.delete(&path, json!({"gracePeriodSeconds": 0}));
            } else if pod["status"]["phase"] == "Pending" && !pod["spec"]["nodeName"].is_null() {
                self.patch(&format!("{path}/status"), running.clone());
            }
        }
    }
}

pub fn path_of(plural: &str, object: &Value) -> String {
    let meta = &object["metadata"];
    format!("/api/v1/namespaces/{}/{plural}/{}", meta["namespace"].as_str().unwrap(), meta["name"].as_str().unwrap())
}
