//! Starts all controllers over one client.

use std::sync::Arc;

use kube::Client;
use lifecycle::metrics::Metrics;
use lifecycle::tasks::Tasks;
use tracing::debug;

use crate::caches::hub::Caches;
use crate::cluster::Cluster;
use crate::context::Context;
use crate::controllers::CONTROLLERS;
use crate::events::recorder::Recorder;
use crate::measure::Measurements;

pub use crate::options::Options;

/// The controllers of a process.
pub struct Manager {
    caches: Caches,
}

impl Manager {
    /// Starts every controller; all end with `tasks`.
    pub fn start(client: Client, options: Options, tasks: &Tasks, metrics: &Metrics) -> Self {
        let cluster = Cluster::new(client.clone());
        let caches = Caches::new(client, tasks.clone());
        let context = Context {
            recorder: Recorder::start(cluster.clone(), options.clock.clone(), tasks),
            cluster,
            caches: caches.clone(),
            clock: options.clock.clone(),
            tasks: tasks.clone(),
            options: Arc::new(options),
            measurements: Measurements::register(metrics),
        };
        for controller in CONTROLLERS {
            debug!(controller = controller.name, "starting");
            (controller.start)(&context);
        }
        // Only now: a watch tells its first objects to the handlers that are there.
        caches.start();
        Self { caches }
    }

    /// Resolves when the controllers have read the cluster.
    pub async fn synced(&self) {
        self.caches.synced().await;
    }
}
