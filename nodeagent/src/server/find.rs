//! Finds what a request is about: a pod, a container, a run of it.

use http::StatusCode;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

use crate::pods::context::Context;
use crate::pods::resume;

/// A refusal, with the sentence that the client shows.
pub type Refusal = (StatusCode, String);

/// The newest pod of this name: one that was replaced may still be ending.
pub fn pod(context: &Context, namespace: &str, name: &str) -> Result<Box<Pod>, Refusal> {
    let residents = context.directory.all().into_iter();
    let named =
        residents.filter(|resident| &*resident.identity.namespace == namespace && &*resident.identity.name == name);
    let pods = named.filter_map(|resident| Some(resident.mailbox.shown()?.decode()));
    let newest = pods.max_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0));
    newest.ok_or_else(|| (StatusCode::NOT_FOUND, format!("pod \"{name}\" not found in namespace \"{namespace}\"")))
}

pub fn status<'a>(pod: &'a Pod, container: &str) -> Result<&'a ContainerStatus, Refusal> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let found = resume::statuses(pod).find(|status| status.name == container);
    found.ok_or_else(|| (StatusCode::NOT_FOUND, format!("container \"{container}\" not found in pod \"{name}\"")))
}

/// A run of a container that goes on.
pub struct Running {
    pub uid: String,
    pub id: String,
    pub attempt: u32,
}

pub fn running(context: &Context, namespace: &str, name: &str, container: &str) -> Result<Running, Refusal> {
    let pod = pod(context, namespace, name)?;
    let status = status(&pod, container)?;
    let is_running = status.state.as_ref().is_some_and(|state| state.running.is_some());
    let Some(id) = id(status).filter(|_| is_running).map(str::to_owned) else {
        return Err((StatusCode::BAD_REQUEST, format!("container not found (\"{container}\")")));
    };
    let attempt = status.restart_count.unsigned_abs();
    Ok(Running { uid: pod.metadata.uid.unwrap_or_default(), id, attempt })
}

/// What the runtime calls the newest run of a container.
pub fn id(status: &ContainerStatus) -> Option<&str> {
    status.container_id.as_deref().and_then(|id| id.split_once("://")).map(|(_, id)| id)
}
