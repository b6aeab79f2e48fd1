//! Containers that are only a status: for scale, for teaching, and for tests.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::ContainerStatus;
use lifecycle::clock::Clock;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::runtime::interface::{
    Command, ContainerConfig, Ended, Exit, ExitSink, Found, FoundState, ImageProblem, Input, PodIdentity, Runtime,
    Started, StopSignal, Streams,
};

/// Every container runs until it is told to stop, and then it stops at once.
pub struct Simulated {
    clock: Clock,
    running: Mutex<HashMap<Box<str>, Running>>,
}

struct Running {
    container: Box<str>,
    started_at: jiff::Timestamp,
    exits: ExitSink,
}

impl Simulated {
    pub fn new(clock: Clock) -> Self {
        Self { clock, running: Mutex::default() }
    }

    fn hold(&self, id: &str, running: Running) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(id.into(), running);
    }
}

/// Images by whose name a test asks for one that cannot be had.
fn is_missing(image: &str) -> bool {
    let tag = image.rsplit_once(':').map_or("", |(_, tag)| tag);
    let image = image.to_ascii_lowercase();
    image.contains("non-existent") || image.contains("nonexistent") || tag == "404"
}

#[async_trait]
impl Runtime for Simulated {
    fn name(&self) -> &'static str {
        "simulated"
    }

    fn version(&self) -> String {
        env!("CARGO_PKG_VERSION").to_owned()
    }

    fn is_real(&self) -> bool {
        false
    }

    async fn pull(&self, image: &str, _command: &[String]) -> Result<String, ImageProblem> {
        if is_missing(image) {
            let message = format!("failed to pull image \"{image}\": not found");
            return Err(ImageProblem { message, is_permanent: true });
        }
        Ok(image.to_owned())
    }

    async fn start(&self, config: ContainerConfig, exits: ExitSink) -> anyhow::Result<Started> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let started_at = self.clock.now_seconds();
        self.hold(&id, Running { container: config.name.into(), started_at, exits });
        Ok(Started { id, image_id: config.image, started_at, warnings: Vec::new() })
    }

    /// What the API remembers as running still runs: there is nothing else that could know.
    async fn adopt(&self, _pod: &PodIdentity, statuses: &[ContainerStatus], exits: ExitSink) -> Vec<Found> {
        let mut found = Vec::new();
        for status in statuses {
            let running = status.state.as_ref().and_then(|state| state.running.as_ref());
            let (Some(running), Some((_, id))) =
                (running, status.container_id.as_deref().and_then(|id| id.split_once("://")))
            else {
                continue;
            };
            let started_at = running.started_at.as_ref().map_or_else(|| self.clock.now_seconds(), |time| time.0);
            let container = status.name.clone().into();
            self.hold(id, Running { container, started_at, exits: Arc::clone(&exits) });
            found.push(Found {
                container: status.name.clone(),
                id: id.to_owned(),
                attempt: status.restart_count.unsigned_abs(),
                image: status.image.clone(),
                image_id: status.image_id.clone(),
                state: FoundState::Running { started_at },
            });
        }
        found
    }

    fn runs(&self, id: &str) -> bool {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).contains_key(id)
    }

    async fn signal(&self, id: &str, signal: StopSignal) -> io::Result<()> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        let Some(running) = running else { return Ok(()) };
        let (code, reason) = match signal {
            StopSignal::Terminate => (0, "Completed"),
            StopSignal::Kill => (137, "Error"),
        };
        let ended = Ended {
            code,
            signal: None,
            reason: reason.to_owned(),
            message: String::new(),
            started_at: running.started_at,
            finished_at: self.clock.now_seconds(),
        };
        (running.exits)(Exit { container: running.container.into(), id: id.to_owned(), ended });
        Ok(())
    }

    async fn open(&self, _id: &str, _command: &Command) -> anyhow::Result<Streams> {
        anyhow::bail!(
            "the simulated runtime runs no commands: its containers are only a status; use a node with the process runtime"
        )
    }

    async fn input(&self, _id: &str) -> anyhow::Result<Option<Input>> {
        Ok(None)
    }

    async fn remove_pod(&self, _pod: &PodIdentity) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_that_say_that_they_do_not_exist_do_not() {
        for image in ["foo:non-existent", "webserver:404", "gb-redisslave:nonexistent"] {
            assert!(is_missing(image), "{image}");
        }
        for image in ["nginx", "registry.k8s.io/e2e-test-images/agnhost:2.63.0", "localhost:5000/web"] {
            assert!(!is_missing(image), "{image}");
        }
    }
}
