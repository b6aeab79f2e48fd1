//! The kinds that are served. To add one is a file and a line in this list.

mod access_review;
mod addresses;
pub mod answer;
mod autoscaler_spec;
#[cfg(test)]
mod bounds_tests;
pub mod canonical;
pub mod certificates;
mod claim_rules;
mod claim_spec;
#[cfg(test)]
mod container_tests;
mod crd_path;
mod crd_rules;
mod crd_schema;
mod crd_structural;
#[cfg(test)]
mod crd_tests;
mod device;
mod device_rules;
#[cfg(test)]
mod device_tests;
mod difference;
pub mod erased;
pub mod facts;
pub mod flow_initial;
mod job_spec;
pub mod kind;
mod match_rules;
#[cfg(test)]
mod network_tests;
mod pod_spec;
#[cfg(test)]
mod pod_tests;
#[cfg(test)]
mod policy_tests;
mod rbac;
mod resource_names;
pub mod rules;
#[cfg(test)]
mod rules_tests;
mod schedule;
pub mod service_spec;
mod storage_drivers;
pub mod strict;
mod table;
#[cfg(test)]
mod table_tests;
#[cfg(test)]
mod upstream;
mod volume_sources;
mod webhook_address;
mod webhook_rules;
#[cfg(test)]
mod workload_tests;
mod zeros;

mod api_service;
mod binding;
mod certificate_signing_request;
mod cluster_role;
mod component_status;
mod config_map;
mod controller_revision;
mod cron_job;
mod csi_driver;
mod csi_node;
mod csi_storage_capacity;
mod custom_resource_definition;
mod daemon_set;
mod deployment;
mod device_class;
mod endpoint_slice;
mod endpoints;
mod event;
mod flow_schema;
mod horizontal_pod_autoscaler;
mod ingress;
mod ingress_class;
mod ip_address;
mod job;
mod lease;
mod limit_range;
mod local_subject_access_review;
mod mutating_admission_policy;
mod mutating_admission_policy_binding;
mod namespace;
mod network_policy;
mod node;
mod persistent_volume;
mod persistent_volume_claim;
mod pod;
mod pod_disruption_budget;
mod pod_template;
pub mod priority_class;
mod priority_level_configuration;
mod replica_set;
mod replication_controller;
mod resource_claim;
mod resource_claim_template;
mod resource_quota;
mod resource_slice;
mod role;
mod role_binding;
mod runtime_class;
mod secret;
mod self_subject_access_review;
mod self_subject_review;
mod self_subject_rules_review;
mod service;
mod service_account;
mod service_cidr;
mod stateful_set;
mod storage_class;
mod subject_access_review;
mod token_review;
mod validating_admission_policy;
mod validating_admission_policy_binding;
mod volume_attachment;
mod volume_attributes_class;
mod webhook_configuration;

use k8s_openapi::api::{
    admissionregistration::v1 as admission, apps::v1 as apps, authentication::v1 as authentication,
    authorization::v1 as authorization, autoscaling, batch::v1 as batch, certificates::v1 as certificate,
    coordination::v1 as coordination, core::v1 as core, discovery::v1 as discovery, events::v1 as events,
    flowcontrol::v1 as flow, networking::v1 as networking, node::v1 as runtime, policy::v1 as policy,
    rbac::v1 as roles, resource::v1 as resource, scheduling::v1 as scheduling, storage::v1 as storage,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as extensions;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1 as registration;

use crate::kinds::erased::{Builtin, KindRef};

/// All kinds, in the order in which discovery shows them: groups as upstream has them, and of the versions of a group the
/// preferred one first.
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
    &Builtin::<registration::APIService>::ENTRY,
    &Builtin::<apps::ControllerRevision>::ENTRY,
    &Builtin::<apps::DaemonSet>::ENTRY,
    &Builtin::<apps::Deployment>::ENTRY,
    &Builtin::<apps::ReplicaSet>::ENTRY,
    &Builtin::<apps::StatefulSet>::ENTRY,
    &Builtin::<events::Event>::ENTRY,
    &Builtin::<authentication::SelfSubjectReview>::ENTRY,
    &Builtin::<authentication::TokenReview>::ENTRY,
    &Builtin::<authorization::LocalSubjectAccessReview>::ENTRY,
    &Builtin::<authorization::SelfSubjectAccessReview>::ENTRY,
    &Builtin::<authorization::SelfSubjectRulesReview>::ENTRY,
    &Builtin::<authorization::SubjectAccessReview>::ENTRY,
    &Builtin::<autoscaling::v2::HorizontalPodAutoscaler>::ENTRY,
    &Builtin::<autoscaling::v1::HorizontalPodAutoscaler>::ENTRY,
    &Builtin::<batch::CronJob>::ENTRY,
    &Builtin::<batch::Job>::ENTRY,
    &Builtin::<certificate::CertificateSigningRequest>::ENTRY,
    &Builtin::<networking::IngressClass>::ENTRY,
    &Builtin::<networking::Ingress>::ENTRY,
    &Builtin::<networking::IPAddress>::ENTRY,
    &Builtin::<networking::NetworkPolicy>::ENTRY,
    &Builtin::<networking::ServiceCIDR>::ENTRY,
    &Builtin::<policy::PodDisruptionBudget>::ENTRY,
    &Builtin::<roles::ClusterRoleBinding>::ENTRY,
    &Builtin::<roles::ClusterRole>::ENTRY,
    &Builtin::<roles::RoleBinding>::ENTRY,
    &Builtin::<roles::Role>::ENTRY,
    &Builtin::<storage::CSIDriver>::ENTRY,
    &Builtin::<storage::CSINode>::ENTRY,
    &Builtin::<storage::CSIStorageCapacity>::ENTRY,
    &Builtin::<storage::StorageClass>::ENTRY,
    &Builtin::<storage::VolumeAttachment>::ENTRY,
    &Builtin::<storage::VolumeAttributesClass>::ENTRY,
    &Builtin::<admission::MutatingAdmissionPolicy>::ENTRY,
    &Builtin::<admission::MutatingAdmissionPolicyBinding>::ENTRY,
    &Builtin::<admission::MutatingWebhookConfiguration>::ENTRY,
    &Builtin::<admission::ValidatingAdmissionPolicy>::ENTRY,
    &Builtin::<admission::ValidatingAdmissionPolicyBinding>::ENTRY,
    &Builtin::<admission::ValidatingWebhookConfiguration>::ENTRY,
    &Builtin::<extensions::CustomResourceDefinition>::ENTRY,
    &Builtin::<scheduling::PriorityClass>::ENTRY,
    &Builtin::<coordination::Lease>::ENTRY,
    &Builtin::<runtime::RuntimeClass>::ENTRY,
    &Builtin::<discovery::EndpointSlice>::ENTRY,
    &Builtin::<resource::DeviceClass>::ENTRY,
    &Builtin::<resource::ResourceClaim>::ENTRY,
    &Builtin::<resource::ResourceClaimTemplate>::ENTRY,
    &Builtin::<resource::ResourceSlice>::ENTRY,
    &Builtin::<flow::FlowSchema>::ENTRY,
    &Builtin::<flow::PriorityLevelConfiguration>::ENTRY,
];
