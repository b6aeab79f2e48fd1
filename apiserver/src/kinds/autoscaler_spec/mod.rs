//! What a HorizontalPodAutoscaler says, in the new form and in the old: defaults, rules, cells, conversion.

pub mod defaults;
pub mod old;
mod old_metrics;
pub mod rules;
pub mod targets;
