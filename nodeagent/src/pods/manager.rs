//! Finds the pods of the node, and gives each its worker.

use std::collections::HashSet;
use std::sync::Arc;

use api::well_known::annotation;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use tracing::{debug, info};

use crate::pods::context::{Context, identity};
use crate::pods::directory::Resident;
use crate::pods::folders;
use crate::pods::mailbox::Mailbox;
use crate::pods::stored::Stored;
use crate::pods::worker::Worker;
use crate::watching::WatchBackoff;

/// Follows the pods that are bound to the node, for ever.
pub async fn run(context: Arc<Context>) {
    let mut orphans = recorded(&context).await;
    let api: Api<Pod> = Api::all(context.client.clone());
    let config = watcher::Config::default().fields(&format!("spec.nodeName={}", context.node_name));
    let mut changes = watch(api, config).backoff(WatchBackoff::default()).boxed();
    // The pods of a list that is still coming in: addresses in use are known before new ones are given out.
    let mut listed: Vec<(Stored, Resident)> = Vec::new();
    while let Some(change) = changes.next().await {
        match change {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(pod)) => {
                if let Some(resident) = newcomer(&context, &pod) {
                    keep_address(&context, &pod);
                    listed.push((Stored::new(pod), resident));
                }
            }
            Ok(Event::InitDone) => {
                replace_all(&context, std::mem::take(&mut listed));
                end_orphans(&context, std::mem::take(&mut orphans));
            }
            Ok(Event::Apply(pod)) => {
                if let Some(resident) = newcomer(&context, &pod) {
                    deliver(&context, Stored::new(pod), resident);
                }
            }
            Ok(Event::Delete(pod)) => {
                if let Some(resident) = context.directory.get(&identity(&pod).uid) {
                    let object = Stored::new(pod);
                    resident.mailbox.post(|mail| {
                        mail.object = Some(object);
                        mail.is_gone = true;
                    });
                }
            }
            Err(error) => debug!(%error, "watch of the pods broke"),
        }
    }
}

/// The pods that an earlier agent left, their addresses kept for them.
async fn recorded(context: &Context) -> Vec<Pod> {
    if !context.runtime.is_real() {
        return Vec::new();
    }
    let data_dir = context.data_dir.clone();
    let found = tokio::task::spawn_blocking(move || folders::recorded(&data_dir)).await.unwrap_or_default();
    for pod in &found {
        keep_address(context, pod);
    }
    found
}

/// Ends what is left of pods that were deleted while no agent was there.
fn end_orphans(context: &Arc<Context>, recorded: Vec<Pod>) {
    for pod in recorded {
        let resident = Resident { identity: identity(&pod), mailbox: Arc::new(Mailbox::default()), is_static: false };
        if context.directory.get(&resident.identity.uid).is_none() {
            info!(pod = %resident.identity.name, "pod was deleted meanwhile");
            resident.mailbox.post(|mail| mail.is_gone = true);
            deliver(context, Stored::new(pod), resident);
        }
    }
}

/// The pod as one that lives here; none for the mirror of a static pod.
fn newcomer(context: &Context, pod: &Pod) -> Option<Resident> {
    let is_mirror = pod.metadata.annotations.as_ref().is_some_and(|all| all.contains_key(annotation::MIRROR_POD));
    if is_mirror {
        return None;
    }
    let identity = identity(pod);
    let held = context.directory.get(&identity.uid);
    Some(held.unwrap_or_else(|| Resident { identity, mailbox: Arc::new(Mailbox::default()), is_static: false }))
}

fn keep_address(context: &Context, pod: &Pod) {
    let status = pod.status.as_ref();
    let address = status.and_then(|status| status.pod_ip.as_deref()).and_then(|address| address.parse().ok());
    if let Some(address) = address {
        context.pool().adopt(&identity(pod).uid, address);
    }
}

/// Takes a whole list: pods that are not in it are gone.
fn replace_all(context: &Arc<Context>, listed: Vec<(Stored, Resident)>) {
    let present: HashSet<Box<str>> = listed.iter().map(|(_, resident)| resident.identity.uid.clone()).collect();
    for resident in context.directory.all() {
        if !resident.is_static && !present.contains(&resident.identity.uid) {
            resident.mailbox.post(|mail| mail.is_gone = true);
        }
    }
    info!(pods = listed.len(), "pods of the node listed");
    for (object, resident) in listed {
        deliver(context, object, resident);
    }
}

/// Hands the newest object to the pod's worker; starts the worker if there is none.
fn deliver(context: &Arc<Context>, object: Stored, resident: Resident) {
    if context.tasks.is_stopping() {
        return;
    }
    if !context.directory.add(&resident) {
        return resident.mailbox.post(|mail| mail.object = Some(object));
    }
    let name = format!("pod {}/{}", resident.identity.namespace, resident.identity.name);
    context.tasks.spawn(name, Worker::run(Arc::clone(context), resident, object));
}
