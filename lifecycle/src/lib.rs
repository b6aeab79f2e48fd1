//! How a process lives: its tasks, clock, logs and measurements, how it stops, and how it trusts whom it need not know.

pub mod backoff;
pub mod clock;
pub mod logging;
pub mod metrics;
pub mod signals;
pub mod tasks;
pub mod tls;
