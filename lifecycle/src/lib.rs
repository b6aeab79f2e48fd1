//! How a process lives: its tasks, clock, logs and measurements, how it stops, what it speaks over, and how it trusts
//! whom it need not know.

pub mod backoff;
pub mod clock;
pub mod duplex;
pub mod logging;
pub mod metrics;
pub mod signals;
pub mod tasks;
pub mod tls;
