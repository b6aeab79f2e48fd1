//! The kinds that are served. To add one is a file and a line in this list.

mod autoscaler_spec;
#[cfg(test)]
mod bounds_tests;
pub mod canonical;
mod claim_spec;
mod difference;
pub mod erased;
pub mod facts;
mod job_spec;
pub mod kind;
mod pod_spec;
#[cfg(test)]
mod pod_tests;
mod resource_names;
pub mod rules;
#[cfg(test)]
mod rules_tests;
mod schedule;
pub mod service_spec;
mod table;
#[cfg(test)]
mod table_tests;
pub mod unknown;
#[cfg(test)]
mod upstream;
mod volume_sources;
#[cfg(test)]
mod workload_tests;
mod zeros;

mod binding;
mod component_status;
mod config_map;
mod controller_revision;
mod cron_job;
mod daemon_set;
mod deployment;
mod endpoint_slice;
mod endpoints;
mod event;
mod horizontal_pod_autoscaler;
mod job;
mod lease;
mod limit_range;
mod namespace;
mod node;
mod persistent_volume;
mod persistent_volume_claim;
mod pod;
mod pod_disruption_budget;
mod pod_template;
mod replica_set;
mod replication_controller;
mod resource_quota;
mod secret;
mod service;
mod service_account;
mod stateful_set;

use k8s_openapi::api::{
    apps::v1 as apps, autoscaling, batch::v1 as batch, coordination::v1 as coordination, core::v1 as core,
    discovery::v1 as discovery, events::v1 as events, policy::v1 as policy,
};

use crate::kinds::erased::{Builtin, KindRef};

/// All kinds, in the order in which discovery shows them. Of the versions of a group the preferred one comes first.
pub const KINDS: &[KindRef] = &[
    &Builtin::<core::Binding>::ENTRY,
    &Builtin::<core::ComponentStatus>::ENTRY,
    &Builtin::<core::ConfigMap>::ENTRY,
    &Builtin::<core::Endpoints>::ENTRY,
    &Builtin::<core::Event>::ENTRY,
    &Builtin::<core::LimitRange>::ENTRY,
    &Builtin::<core::Namespace>::ENTRY,
    &Builtin::<core::Node>::ENTRY,
    &Builtin::<core::PersistentVolumeClaim>::ENTRY,
    &Builtin::<core::PersistentVolume>::ENTRY,
    &Builtin::<core::Pod>::ENTRY,
    &Builtin::<core::PodTemplate>::ENTRY,
    &Builtin::<core::ReplicationController>::ENTRY,
    &Builtin::<core::ResourceQuota>::ENTRY,
    &Builtin::<core::Secret>::ENTRY,
    &Builtin::<core::ServiceAccount>::ENTRY,
    &Builtin::<core::Service>::ENTRY,
    &Builtin::<apps::ControllerRevision>::ENTRY,
    &Builtin::<apps::DaemonSet>::ENTRY,
    &Builtin::<apps::Deployment>::ENTRY,
    &Builtin::<apps::ReplicaSet>::ENTRY,
    &Builtin::<apps::StatefulSet>::ENTRY,
    &Builtin::<autoscaling::v2::HorizontalPodAutoscaler>::ENTRY,
    &Builtin::<autoscaling::v1::HorizontalPodAutoscaler>::ENTRY,
    &Builtin::<batch::CronJob>::ENTRY,
    &Builtin::<batch::Job>::ENTRY,
    &Builtin::<coordination::Lease>::ENTRY,
    &Builtin::<discovery::EndpointSlice>::ENTRY,
    &Builtin::<events::Event>::ENTRY,
    &Builtin::<policy::PodDisruptionBudget>::ENTRY,
];
