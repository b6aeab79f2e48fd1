//! Objects for the tests of the storage.

use api::names::GroupResource;
use bytes::Bytes;

use crate::storage::draft::Draft;
use crate::storage::engine::Change;
use crate::storage::layout::Layout;
use crate::storage::object::{Key, Revision};
use crate::storage::store::Write;

pub const PODS: GroupResource = GroupResource { group: "", resource: "pods" };
pub const LEASES: GroupResource = GroupResource { group: "coordination.k8s.io", resource: "leases" };

/// Pods, which can be selected by their node, and leases.
pub struct TestLayout;

impl Layout for TestLayout {
    fn resource(&self, group: &str, resource: &str) -> Option<GroupResource> {
        [PODS, LEASES].into_iter().find(|known| known.group == group && known.resource == resource)
    }

    fn fields(&self, resource: GroupResource, bytes: &[u8]) -> Box<[Box<str>]> {
        if resource != PODS {
            return Box::default();
        }
        let pod: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
        Box::new([pod["spec"]["nodeName"].as_str().unwrap_or_default().into()])
    }
}

pub fn pod_key(namespace: &str, name: &str) -> Key {
    Key::new(PODS, namespace, name)
}

pub fn pod_bytes(namespace: &str, name: &str, node: &str) -> Bytes {
    let text = format!(
        r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"{name}","namespace":"{namespace}"}},"spec":{{"nodeName":"{node}"}}}}"#
    );
    Bytes::from(text)
}

pub fn pod_change(revision: u64, namespace: &str, name: &str, node: &str) -> Change {
    let key = pod_key(namespace, name);
    let draft = Draft::new(&key, pod_bytes(namespace, name, node), None, &TestLayout).unwrap();
    Change { key, revision: Revision(revision), draft: Some(draft), volatile: false }
}

pub fn lease_key(name: &str) -> Key {
    Key::new(LEASES, "kube-node-lease", name)
}

/// A renewal: volatile, as renewals are.
pub fn lease_write(name: &str, expected: Option<Revision>, renewals: u32) -> Write {
    let text = format!(
        r#"{{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{{"name":"{name}","namespace":"kube-node-lease"}},"spec":{{"leaseTransitions":{renewals}}}}}"#
    );
    Write { key: lease_key(name), expected, value: Some(Bytes::from(text)), fields: None, volatile: true }
}

/// A pod with an annotation of so many characters.
pub fn pod_of_size(namespace: &str, name: &str, size: usize) -> Bytes {
    let filling = noise(size, 1);
    let text = format!(
        r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"{name}","namespace":"{namespace}","annotations":{{"filling":"{filling}"}}}}}}"#
    );
    Bytes::from(text)
}

/// Letters that cannot be made shorter by looking for what repeats.
pub fn noise(size: usize, seed: u64) -> String {
    let next =
        |state: &u64| Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
    let letters =
        std::iter::successors(Some(seed), next).skip(1).map(|state: u64| char::from(b'A' + (state >> 33) as u8 % 26));
    letters.take(size).collect()
}
