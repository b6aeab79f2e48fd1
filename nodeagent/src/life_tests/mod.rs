//! Whole lives of pods against an API of the tests' own.

mod process;
mod simulated;

use std::time::Duration;

use lifecycle::clock::Clock;
use lifecycle::metrics::Metrics;
use lifecycle::tasks::Tasks;
use serde_json::Value;

use crate::agent::{Agent, Options};
use crate::fake_api::FakeApi;
use crate::runtime::RuntimeKind;

struct Setup {
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
        Self { runtime, api: FakeApi::new(), tasks: Tasks::new(), folder, clock }
    }

    fn options(&self) -> Options {
        Options { runtime: self.runtime, clock: self.clock.clone(), ..Options::local("node-1", 1, self.folder.path()) }
    }

    async fn start(&self) -> Agent {
        self.start_with(self.options()).await
    }

    async fn start_with(&self, options: Options) -> Agent {
        Agent::start(self.api.client(), options, &self.tasks, &Metrics::new()).await.unwrap()
    }

    async fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        for _ in 0..1000 {
            if is_so() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{what}");
    }

    /// Waits for a state of a pod.
    async fn eventually(&self, what: &str, name: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..1000 {
            let pod = self.api.pod(name).unwrap_or(Value::Null);
            if is_so(&pod) {
                return pod;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{what}: {:#}", self.api.pod(name).unwrap_or(Value::Null));
    }
}

fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    let conditions = object["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    conditions.iter().find(|condition| condition["type"] == kind).unwrap_or(&Value::Null)
}
