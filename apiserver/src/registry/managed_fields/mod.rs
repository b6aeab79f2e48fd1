//! Who manages which field: `metadata.managedFields`, and server-side apply, which decides by it.
//!
//! The rules are those of upstream's `apimachinery/pkg/util/managedfields` and of `structured-merge-diff` below it.

#[cfg(test)]
mod behaviour;
#[cfg(test)]
mod client;
mod compare;
mod conflict;
mod element;
mod last_applied;
mod managers;
mod merge;
mod node;
mod pipeline;
mod prune;
mod reset;
mod set;
#[cfg(test)]
mod speed;
#[cfg(test)]
mod tests;
mod types;
mod validate;
mod versions;
mod walk;
mod zero;

pub use managers::same_but_for_times;
pub use pipeline::{Writer, after_change, after_create, apply, check};
pub use set::Set;
