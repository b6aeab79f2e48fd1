//! What an authorizer is.

use crate::context::User;
use crate::http::exchange::Attributes;
use crate::kinds::answer::Rules;

/// What one authorizer has to say.
#[derive(Debug, PartialEq, Eq)]
pub enum Decision {
    /// The request may go on, whatever others think.
    Allow,
    /// The user or the request is not this authorizer's business.
    NoOpinion,
    /// Not by this authorizer, and why. Another may still allow it.
    No(String),
}

pub trait Authorizer: Send + Sync {
    fn decide(&self, user: &User, attributes: &Attributes) -> Decision;

    /// What it would allow the user in a namespace; none if the user is not its business.
    fn rules(&self, user: &User, namespace: &str) -> Option<Rules>;
}
