//! Kinds as the controllers read them: slim types that hold only the fields that a decision needs.
//!
//! A typed Pod of `k8s-openapi` costs 25 KB in memory; ours costs less than its encoded form.

pub mod bare;
pub mod condition;
pub mod config_map;
pub mod deployment;
pub mod endpoint_slice;
pub mod endpoints;
pub mod kind;
pub mod lease;
pub mod meta;
pub mod namespace;
pub mod node;
pub mod pairs;
pub mod pod;
pub mod pod_disruption_budget;
pub mod replica_set;
pub mod requests;
pub mod resource;
pub mod scale;
pub mod service;
pub mod service_account;
pub mod shared;
pub mod template;
pub mod wire;
