//! The kinds that are served. To add one is a file and a line in this list.

mod canonical;
pub mod erased;
pub mod facts;
pub mod kind;
mod pod_spec;
pub mod rules;
#[cfg(test)]
mod rules_tests;

mod config_map;
mod deployment;
mod endpoint_slice;
mod endpoints;
mod event;
mod lease;
mod namespace;
mod node;
mod pod;
mod replica_set;
mod secret;
mod service;
mod service_account;
pub mod service_spec;
mod table;
#[cfg(test)]
mod table_tests;
mod unknown;
mod zeros;

use k8s_openapi::api::{
    apps::v1 as apps, coordination::v1 as coordination, core::v1 as core, discovery::v1 as discovery,
    events::v1 as events,
};

use crate::kinds::erased::{Builtin, KindRef};

/// All kinds, in the order in which discovery shows them.
pub const KINDS: &[KindRef] = &[
    &Builtin::<core::ConfigMap>::ENTRY,
    &Builtin::<core::Endpoints>::ENTRY,
    &Builtin::<core::Event>::ENTRY,
    &Builtin::<core::Namespace>::ENTRY,
    &Builtin::<core::Node>::ENTRY,
    &Builtin::<core::Pod>::ENTRY,
    &Builtin::<core::Secret>::ENTRY,
    &Builtin::<core::ServiceAccount>::ENTRY,
    &Builtin::<core::Service>::ENTRY,
    &Builtin::<apps::Deployment>::ENTRY,
    &Builtin::<apps::ReplicaSet>::ENTRY,
    &Builtin::<events::Event>::ENTRY,
    &Builtin::<coordination::Lease>::ENTRY,
    &Builtin::<discovery::EndpointSlice>::ENTRY,
];
