//! What pods and the templates of pods share: defaults, rules, and what is worked out of a pod's spec.

pub mod containers;
pub mod defaults;
pub mod probes;
pub mod quality;
pub mod resources;
pub mod rules;
pub mod summary;
pub mod update;
pub mod volumes;
pub mod warnings;
