//! A pod's object at rest: its bytes, since a decoded one takes ten times the memory.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;

/// Decoded anew each time that something happens to the pod.
#[derive(Debug, Clone)]
pub struct Stored {
    bytes: Arc<[u8]>,
    /// Zero when the object has none, as the manifest of a static pod.
    pub revision: u64,
}

impl Stored {
    pub fn new(mut pod: Pod) -> Self {
        pod.metadata.managed_fields = None;
        let revision = pod.metadata.resource_version.as_deref().and_then(|text| text.parse().ok()).unwrap_or(0);
        Self { bytes: serde_json::to_vec(&pod).expect("a pod is JSON").into(), revision }
    }

    pub fn decode(&self) -> Box<Pod> {
        api::json::read(&self.bytes).expect("it was encoded from a pod")
    }

    /// Whether this is an older state of the object than the other.
    pub fn is_older_than(&self, other: &Self) -> bool {
        self.revision != 0 && self.revision < other.revision
    }
}
