//! Names that the whole field agrees on: labels, annotations, taints, finalizers, namespaces, identities.

pub const DEFAULT_NAMESPACE: &str = "default";
pub const SYSTEM_NAMESPACE: &str = "kube-system";
pub const PUBLIC_NAMESPACE: &str = "kube-public";
pub const NODE_LEASE_NAMESPACE: &str = "kube-node-lease";
/// The namespaces that a cluster has from its first moment.
pub const INITIAL_NAMESPACES: [&str; 4] = [DEFAULT_NAMESPACE, SYSTEM_NAMESPACE, PUBLIC_NAMESPACE, NODE_LEASE_NAMESPACE];
pub const ROOT_CA_CONFIG_MAP: &str = "kube-root-ca.crt";

pub mod label {
    pub const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";
    pub const HOSTNAME: &str = "kubernetes.io/hostname";
    pub const OS: &str = "kubernetes.io/os";
    pub const ARCH: &str = "kubernetes.io/arch";
    pub const ZONE: &str = "topology.kubernetes.io/zone";
    pub const REGION: &str = "topology.kubernetes.io/region";
    pub const POD_TEMPLATE_HASH: &str = "pod-template-hash";
    pub const SERVICE_NAME: &str = "kubernetes.io/service-name";
    pub const ENDPOINT_SLICE_MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
    pub const ENDPOINTS_MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
    pub const SKIP_MIRROR: &str = "endpointslice.kubernetes.io/skip-mirror";
    pub const HEADLESS_SERVICE: &str = "service.kubernetes.io/headless";
    pub const SERVICE_PROXY_NAME: &str = "service.kubernetes.io/service-proxy-name";
    pub const EXCLUDE_FROM_LOAD_BALANCERS: &str = "node.kubernetes.io/exclude-from-external-load-balancers";
}

pub mod annotation {
    pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
    pub const ENDPOINTS_TRIGGER_TIME: &str = "endpoints.kubernetes.io/last-change-trigger-time";
    pub const ENDPOINTS_OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";
    pub const DEPLOYMENT_REVISION: &str = "deployment.kubernetes.io/revision";
    pub const DEPLOYMENT_REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
    pub const DESIRED_REPLICAS: &str = "deployment.kubernetes.io/desired-replicas";
    pub const MAX_REPLICAS: &str = "deployment.kubernetes.io/max-replicas";
    pub const POD_DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
    pub const TOPOLOGY_MODE: &str = "service.kubernetes.io/topology-mode";
    /// Set by a node agent on the mirror of a static pod.
    pub const MIRROR_POD: &str = "kubernetes.io/config.mirror";
    pub const CONFIG_HASH: &str = "kubernetes.io/config.hash";
    pub const CONFIG_SOURCE: &str = "kubernetes.io/config.source";
    pub const CONFIG_SEEN: &str = "kubernetes.io/config.seen";
    pub const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";
    pub const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";
}

pub mod taint {
    pub const NOT_READY: &str = "node.kubernetes.io/not-ready";
    pub const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
    pub const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
}

pub mod finalizer {
    /// In `spec.finalizers` of a Namespace.
    pub const KUBERNETES: &str = "kubernetes";
    pub const ORPHAN: &str = "orphan";
    pub const FOREGROUND: &str = "foregroundDeletion";
}

/// Users and groups that authorization knows by name.
pub mod identity {
    pub const MASTERS: &str = "system:masters";
    pub const NODES: &str = "system:nodes";
    pub const NODE_PREFIX: &str = "system:node:";
    pub const CONTROLLER_MANAGER: &str = "system:kube-controller-manager";
    pub const ANONYMOUS: &str = "system:anonymous";
    pub const AUTHENTICATED: &str = "system:authenticated";
    pub const UNAUTHENTICATED: &str = "system:unauthenticated";
}

/// The `managed-by` of slices and Endpoints that our controllers write.
pub mod manager {
    pub const ENDPOINT_SLICE: &str = "endpointslice-controller.k8s.io";
    pub const ENDPOINT_SLICE_MIRRORING: &str = "endpointslicemirroring-controller.k8s.io";
    pub const ENDPOINTS: &str = "endpoint-controller";
}
