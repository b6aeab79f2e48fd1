//! The Node object: what the machine is, its registration, and the Lease that says it lives.

pub mod lease;
pub mod machine;
pub mod registration;
