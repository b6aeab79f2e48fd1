//! Whole lives of pods against an API of the tests' own.

mod process;
mod simulated;
mod static_pods;
mod streams;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use lifecycle::clock::Clock;
use lifecycle::duplex::Duplex;
use lifecycle::metrics::Metrics;
use lifecycle::tasks::Tasks;
use serde_json::{Value, json};
use tokio::io::DuplexStream;

use crate::agent::{Agent, Options};
use crate::fake_api::FakeApi;
use crate::runtime::RuntimeKind;
use crate::tunnel::InProcess;

struct Setup {
    /// The API server's end of the newest way back.
    way_back: Arc<Mutex<Option<DuplexStream>>>,
    runtime: RuntimeKind,
    api: FakeApi,
    tasks: Tasks,
    folder: tempfile::TempDir,
    clock: Clock,
}

impl Setup {
    fn new(runtime: RuntimeKind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = if runtime == RuntimeKind::Simulated { Clock::tokio() } else { Clock::system() };
        Self { way_back: Arc::default(), runtime, api: FakeApi::new(), tasks: Tasks::new(), folder, clock }
    }

    fn options(&self) -> Options {
        Options { runtime: self.runtime, clock: self.clock.clone(), ..Options::local("node-1", 1, self.folder.path()) }
    }

    async fn start(&self) -> Agent {
        self.start_with(self.options()).await
    }

    async fn start_with(&self, options: Options) -> Agent {
        let way_back = Arc::clone(&self.way_back);
        let uplink = InProcess::new(move || {
            let (ours, theirs) = tokio::io::duplex(64 * 1024);
            *way_back.lock().unwrap() = Some(theirs);
            Box::pin(async { Ok(Box::new(ours) as Box<dyn Duplex>) })
        });
        Agent::start(self.api.client(), Arc::new(uplink), options, &self.tasks, &Metrics::new()).await.unwrap()
    }

    /// A client at the other end of the way back.
    async fn way_back(&self) -> WayBack {
        let stream = loop {
            if let Some(stream) = self.way_back.lock().unwrap().take() {
                break stream;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
        self.tasks.spawn_until_stop("way back of the test", async move { drop(connection.await) });
        WayBack(sender)
    }

    async fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        for _ in 0..3000 {
            if is_so() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{what}");
    }

    /// Waits for a state of a pod.
    async fn eventually(&self, what: &str, name: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..3000 {
            let pod = self.api.pod(name).unwrap_or(Value::Null);
            if is_so(&pod) {
                return pod;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{what}: {:#}", self.api.pod(name).unwrap_or(Value::Null));
    }
}

/// Ends the containers of a test that failed on its way.
impl Drop for Setup {
    fn drop(&mut self) {
        let folder = self.folder.path().display().to_string();
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let command = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if let Some(pid) = pid.filter(|_| command.contains("container-shim") && command.contains(&folder)) {
                let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM);
            }
        }
    }
}

fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    let conditions = object["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    conditions.iter().find(|condition| condition["type"] == kind).unwrap_or(&Value::Null)
}

fn shell(script: &str) -> Value {
    json!({ "terminationGracePeriodSeconds": 2,
        "containers": [{ "name": "main", "image": "host", "command": ["sh", "-c", script] }] })
}

fn is_running(pod: &Value) -> bool {
    pod["status"]["phase"] == "Running" && condition(pod, "Ready")["status"] == "True"
}

/// The processes that have this word in their environment.
fn marked(word: &str) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let has_it = |path: &Path| std::fs::read(path.join("environ")).is_ok_and(|text| contains(&text, word));
    processes.filter(|entry| has_it(&entry.path())).count()
}

fn contains(text: &[u8], word: &str) -> bool {
    text.windows(word.len()).any(|part| part == word.as_bytes())
}

#[derive(Clone)]
struct WayBack(SendRequest<Body>);

impl WayBack {
    async fn ask(&mut self, path: &str) -> String {
        let request = http::Request::get(format!("http://node{path}")).body(Body::empty()).unwrap();
        let answer = self.0.send_request(request).await.unwrap();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    }
}
