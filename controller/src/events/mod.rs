//! Events: what controllers tell the people who look.

pub mod correlator;
pub mod recorder;
