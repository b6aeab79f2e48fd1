//! What pods and the templates of pods share: defaults, rules, and what is worked out of a pod's spec.

pub mod containers;
pub mod defaults;
mod downward;
mod environment;
pub mod ephemeral;
mod mounts;
pub mod own_labels;
pub mod probes;
pub mod quality;
pub mod resize;
mod resolution;
pub mod resources;
mod restarts;
pub mod rules;
mod security;
mod spread;
pub mod status;
pub mod summary;
pub mod update;
pub mod volumes;
pub mod warnings;
