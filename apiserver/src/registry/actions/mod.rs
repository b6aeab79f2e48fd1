//! What a POST does that makes no object: an action each. To add one is a file and a line in this list.

pub mod action;
mod binding;
mod body;
mod budget;
#[cfg(test)]
mod budget_tests;
mod eviction;
mod token;
#[cfg(test)]
mod token_tests;

use api::names::GroupResource;

use crate::registry::actions::action::Action;

const ACTIONS: &[&dyn Action] = &[&binding::Bind, &binding::LegacyBind, &eviction::Evict, &token::RequestToken];

/// The action at a subresource, or at a collection whose objects are never kept.
pub fn find(resource: GroupResource, subresource: Option<&str>) -> Option<&'static dyn Action> {
    ACTIONS.iter().copied().find(|action| action.place() == (resource, subresource))
}
