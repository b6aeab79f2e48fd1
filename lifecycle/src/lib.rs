//! How a process lives: its tasks, clock, logs and measurements, and how it stops.

pub mod backoff;
pub mod clock;
pub mod logging;
pub mod metrics;
pub mod signals;
pub mod tasks;
