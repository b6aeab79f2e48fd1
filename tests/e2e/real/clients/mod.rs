//! Real client libraries and real kubectls against a real server.

mod javascript;
mod kubectl;
mod place;
mod python;
mod rust;
mod schemathesis;
mod waiting;
