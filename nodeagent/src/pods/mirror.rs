//! The mirror of a static pod: an object by which the API shows it. It is never taken as an order.

use api::well_known::annotation;
use k8s_openapi::api::core::v1::{Node, Pod, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use serde_json::json;
use tracing::debug;

use crate::pods::report::difference;
use crate::pods::stored::Stored;
use crate::pods::worker::Worker;

/// What is known of the mirror.
#[derive(Debug, Default)]
pub enum Mirror {
    /// The API has not been heard yet.
    #[default]
    Unknown,
    Absent,
    Held(Stored),
}

/// The uid of the static pod that this object mirrors.
pub fn mirrored_uid(pod: &Pod) -> Option<&str> {
    pod.metadata.annotations.as_ref()?.get(annotation::MIRROR_POD).map(String::as_str)
}

impl Worker {
    /// A static pod with the status that its mirror has, so that what is in it goes on from there.
    pub(super) fn with_mirror_status(&mut self, pod: &Pod) -> Option<Box<Pod>> {
        let Mirror::Held(held) = &self.mirror else { return None };
        let held = held.decode();
        if mirrored_uid(&held) != pod.metadata.uid.as_deref() {
            return None;
        }
        let mut pod = Box::new(pod.clone());
        pod.status = held.status;
        let began = pod.status.as_ref().and_then(|status| status.start_time.as_ref()).map(|time| time.0);
        self.state.started_at = self.state.started_at.into_iter().chain(began).min();
        Some(pod)
    }

    /// Has the mirror show the pod as it is; false if that has to be tried again.
    pub(super) async fn report_mirror(&mut self, pod: &Pod, wanted: PodStatus) -> bool {
        let mut shown = pod.clone();
        shown.status = Some(wanted.clone());
        self.mailbox.show(Stored::new(shown));
        let done = match &self.mirror {
            Mirror::Unknown => return true,
            Mirror::Absent => self.create_mirror(pod, &wanted).await,
            Mirror::Held(held) => {
                let held = held.decode();
                let is_ours = mirrored_uid(&held) == pod.metadata.uid.as_deref();
                if is_ours && held.metadata.deletion_timestamp.is_none() {
                    self.patch_mirror(&held, &wanted).await
                } else {
                    // The watch tells when it is gone, and then a new one is made.
                    self.delete_mirror_object(&held).await
                }
            }
        };
        match done {
            Ok(()) => true,
            Err(error) => {
                debug!(pod = pod.metadata.name, %error, "mirror not written");
                self.retry_later();
                false
            }
        }
    }

    async fn create_mirror(&mut self, pod: &Pod, wanted: &PodStatus) -> kube::Result<()> {
        let node = self.context.node.borrow().clone();
        let Some(node) = node else {
            // Its owner comes first.
            self.retry_later();
            return Ok(());
        };
        let created = match self.api(pod).create(&PostParams::default(), &mirror_of(pod, &node)).await {
            Ok(created) => created,
            // The mirror of a pod before this one is still going.
            Err(kube::Error::Api(status)) if status.code == 409 => {
                self.retry_later();
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        self.mirror = Mirror::Held(Stored::new(created.clone()));
        self.backoff = None;
        self.patch_mirror(&created, wanted).await
    }

    async fn patch_mirror(&mut self, held: &Pod, wanted: &PodStatus) -> kube::Result<()> {
        let Some(difference) = difference(held.status.as_ref(), wanted) else { return Ok(()) };
        let patch = json!({ "metadata": { "uid": held.metadata.uid }, "status": difference });
        let name = held.metadata.name.as_deref().unwrap_or_default();
        match self.api(held).patch_status(name, &PatchParams::default(), &Patch::Merge(&patch)).await {
            Ok(newer) => {
                self.mirror = Mirror::Held(Stored::new(newer));
                Ok(())
            }
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Takes the mirror of a pod that has ended out of the API.
    pub(super) async fn remove_mirror(&mut self) {
        if let Mirror::Held(held) = &self.mirror {
            let held = held.decode();
            if let Err(error) = self.delete_mirror_object(&held).await {
                // The next list of pods shows it once more, and it is deleted then.
                debug!(pod = held.metadata.name, %error, "mirror not deleted");
            }
        }
    }

    async fn delete_mirror_object(&self, held: &Pod) -> kube::Result<()> {
        delete(&self.context.client, held).await
    }
}

/// Deletes this very object, at once.
pub async fn delete(client: &kube::Client, mirror: &Pod) -> kube::Result<()> {
    let namespace = mirror.metadata.namespace.as_deref().unwrap_or_default();
    let api: kube::Api<Pod> = kube::Api::namespaced(client.clone(), namespace);
    let parameters = DeleteParams {
        grace_period_seconds: Some(0),
        preconditions: Some(Preconditions { uid: mirror.metadata.uid.clone(), resource_version: None }),
        ..DeleteParams::default()
    };
    match api.delete(mirror.metadata.name.as_deref().unwrap_or_default(), &parameters).await {
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        other => other.map(drop),
    }
}

fn mirror_of(pod: &Pod, node: &Node) -> Pod {
    let uid = pod.metadata.uid.clone().unwrap_or_default();
    let mut annotations = pod.metadata.annotations.clone().unwrap_or_default();
    annotations.insert(annotation::MIRROR_POD.to_owned(), uid);
    let owner = OwnerReference {
        api_version: "v1".to_owned(),
        kind: "Node".to_owned(),
        name: node.metadata.name.clone().unwrap_or_default(),
        uid: node.metadata.uid.clone().unwrap_or_default(),
        controller: Some(true),
        ..OwnerReference::default()
    };
    Pod {
        metadata: ObjectMeta {
            name: pod.metadata.name.clone(),
            namespace: pod.metadata.namespace.clone(),
            labels: pod.metadata.labels.clone(),
            annotations: Some(annotations),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        spec: pod.spec.clone(),
        status: None,
    }
}
