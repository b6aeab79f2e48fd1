//! The ordered list of checks that a write passes.

pub mod check;

mod certificate_requester;
mod default_toleration_seconds;
mod namespace_lifecycle;
mod node_restriction;
mod priority;
mod service_account;
mod taint_nodes;

use api::failure::Failure;

use crate::admission::check::{Check, Request};
use crate::kinds::erased::Draft;

/// All checks, in upstream's order.
pub const CHECKS: &[&dyn Check] = &[
    &namespace_lifecycle::NamespaceLifecycle,
    &certificate_requester::CertificateRequester,
    &node_restriction::NodeRestriction,
    &service_account::ServiceAccount,
    &taint_nodes::TaintNodes,
    &priority::Priority,
    &default_toleration_seconds::DefaultTolerationSeconds,
];

/// Lets every check change the write that has to do with it.
pub async fn mutate(request: &Request<'_>, draft: &mut dyn Draft) -> Result<(), Failure> {
    for check in CHECKS.iter().filter(|check| check.handles(request)) {
        check.mutate(request, draft).await?;
    }
    Ok(())
}

/// Lets every check refuse the write that has to do with it.
pub async fn validate(request: &Request<'_>, draft: Option<&dyn Draft>) -> Result<(), Failure> {
    for check in CHECKS.iter().filter(|check| check.handles(request)) {
        check.validate(request, draft).await?;
    }
    Ok(())
}
