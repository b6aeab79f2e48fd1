//! Real client libraries and real kubectls against a real server.

mod javascript;
pub mod kubectl;
pub mod place;
mod python;
mod rust;
mod schemathesis;
mod waiting;
