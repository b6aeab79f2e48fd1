//! What pods and the templates of pods share: defaults and rules of a pod's spec.

pub mod containers;
pub mod defaults;
pub mod probes;
pub mod resources;
pub mod rules;
pub mod volumes;
