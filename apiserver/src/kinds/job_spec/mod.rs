//! What Jobs and the Jobs of CronJobs share: defaults, the selector that is made for them, rules.

mod defaults;
mod indexes;
mod policies;
pub mod rules;
mod selector;
pub mod status;
pub mod update;

pub use defaults::{fill, fill_policies};
pub use selector::{make_selector, validate_selector};

pub const INDEXED: &str = "Indexed";
pub const NON_INDEXED: &str = "NonIndexed";
