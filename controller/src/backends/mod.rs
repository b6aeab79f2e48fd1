//! What stands behind a Service: which pods it selects, on which ports, and since when.

pub mod membership;
pub mod ports;
pub mod trigger_time;
