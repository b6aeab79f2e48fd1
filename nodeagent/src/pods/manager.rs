//! Finds the pods of the node, and gives each its worker.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use api::well_known::annotation;
use client::watch::{all, changes};
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event};
use tracing::{debug, info, warn};

use crate::pods::context::{Context, identity};
use crate::pods::directory::Resident;
use crate::pods::folders::{self, PodFolder};
use crate::pods::mailbox::Mailbox;
use crate::pods::mirror::{self, Mirror, mirrored_uid};
use crate::pods::static_pods;
use crate::pods::stored::Stored;
use crate::pods::worker::Worker;
use crate::watching::WatchBackoff;

/// Follows the pods that are bound to the node, for ever.
pub async fn run(context: Arc<Context>, static_pods: Option<PathBuf>) {
    let recorded = recorded(&context).await;
    if let Some(folder) = static_pods {
        static_pods::start(&context, folder).await;
    }
    // Whether a file is gone is known now; whether an object is gone only the API can tell.
    let (static_ones, mut orphans): (Vec<Pod>, Vec<Pod>) = recorded.into_iter().partition(is_from_file);
    end_orphans(&context, static_ones);
    let api = all::<Pod>(context.client.clone());
    let config = watcher::Config::default().fields(&format!("spec.nodeName={}", context.node_name));
    let mut changes = changes(api, config).backoff(WatchBackoff::default()).boxed();
    // The pods of a list that is still coming in: addresses in use are known before new ones are given out.
    let mut listed: Vec<(Stored, Resident)> = Vec::new();
    let mut mirrors: Vec<Pod> = Vec::new();
    while let Some(change) = changes.next().await {
        match change {
            Ok(Event::Init) => {
                listed.clear();
                mirrors.clear();
            }
            Ok(Event::InitApply(pod)) => {
                if mirrored_uid(&pod).is_some() {
                    mirrors.push(pod);
                } else if let Some(resident) = newcomer(&context, &pod) {
                    keep_address(&context, &pod);
                    listed.push((Stored::new(pod), resident));
                }
            }
            Ok(Event::InitDone) => {
                replace_all(&context, std::mem::take(&mut listed));
                replace_mirrors(&context, std::mem::take(&mut mirrors));
                end_orphans(&context, std::mem::take(&mut orphans));
            }
            Ok(Event::Apply(pod)) => {
                if mirrored_uid(&pod).is_some() {
                    take_mirror(&context, pod);
                } else if let Some(resident) = newcomer(&context, &pod) {
                    deliver(&context, Stored::new(pod), resident);
                }
            }
            Ok(Event::Delete(pod)) => {
                if let Some(uid) = mirrored_uid(&pod) {
                    lose_mirror(&context, uid);
                } else if let Some(resident) = context.directory.get(&identity(&pod).uid) {
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

fn is_from_file(pod: &Pod) -> bool {
    let source = pod.metadata.annotations.as_ref().and_then(|all| all.get(annotation::CONFIG_SOURCE));
    source.is_some_and(|source| source == "file")
}

/// The pod as one that lives here; none if no folder can be named after its uid.
fn newcomer(context: &Context, pod: &Pod) -> Option<Resident> {
    let identity = identity(pod);
    if PodFolder::new(&context.data_dir, &identity.uid).is_none() {
        warn!(pod = %identity.name, uid = %identity.uid, "pod with an odd uid left alone");
        return None;
    }
    let held = context.directory.get(&identity.uid);
    Some(held.unwrap_or_else(|| Resident { identity, mailbox: Arc::new(Mailbox::default()), is_static: false }))
}

/// All mirrors that there are: static pods without one make theirs, and those without a static pod go.
fn replace_mirrors(context: &Arc<Context>, mirrors: Vec<Pod>) {
    // Before the residents are gone through, so that one who comes meanwhile knows by itself.
    context.is_listed.store(true, Ordering::SeqCst);
    let present: HashSet<Box<str>> = mirrors.iter().filter_map(mirrored_uid).map(Box::from).collect();
    for resident in context.directory.all() {
        if resident.is_static && !present.contains(&resident.identity.uid) {
            resident.mailbox.post(|mail| mail.mirror = Some(Mirror::Absent));
        }
    }
    for mirror in mirrors {
        take_mirror(context, mirror);
    }
}

fn take_mirror(context: &Arc<Context>, mirror: Pod) {
    if let Some(resident) = mirrored_uid(&mirror).and_then(|uid| context.directory.get(uid)) {
        return resident.mailbox.post(|mail| mail.mirror = Some(Mirror::Held(Stored::new(mirror))));
    }
    let client = context.client.clone();
    context.tasks.spawn_until_stop("deletion of a mirror", async move {
        if let Err(error) = mirror::delete(&client, &mirror).await {
            debug!(pod = mirror.metadata.name, %error, "mirror not deleted");
        }
    });
}

fn lose_mirror(context: &Context, uid: &str) {
    if let Some(resident) = context.directory.get(uid) {
        resident.mailbox.post(|mail| mail.mirror = Some(Mirror::Absent));
    }
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
pub(super) fn deliver(context: &Arc<Context>, object: Stored, resident: Resident) {
    if context.tasks.is_stopping() {
        return;
    }
    if !context.directory.add(&resident) {
        return resident.mailbox.post(|mail| mail.object = Some(object));
    }
    let name = format!("pod {}/{}", resident.identity.namespace, resident.identity.name);
    context.tasks.spawn(name, Worker::run(Arc::clone(context), resident, object));
}
