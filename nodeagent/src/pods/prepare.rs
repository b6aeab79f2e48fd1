//! Gives a pod what it needs before its containers start: an address, a record, and its volumes.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod, PodStatus};
use tracing::warn;

use crate::events::Kind;
use crate::pods::context::identity;
use crate::pods::mailbox::Outcome;
use crate::pods::plan;
use crate::pods::state::Readiness;
use crate::pods::worker::Worker;
use crate::references::fields::Fields;
use crate::references::{Reference, Sources};
use crate::volumes::{self, Content};

impl Worker {
    pub(super) async fn prepare(&mut self, pod: &Pod) {
        let prepared = match self.allocate(pod) {
            true => self.fill_volumes(pod, true).await,
            false => Err(Problem::new(
                "FailedCreatePodSandBox",
                "Failed to create pod sandbox: no address is free in the range of this node".to_owned(),
            )),
        };
        self.state.preparation = match prepared {
            Ok(()) => Readiness::Ready,
            Err(problem) => {
                self.context.tell(pod, None, Kind::Warning, problem.reason, problem.message);
                let attempts = match self.state.preparation {
                    Readiness::Waiting { attempts, .. } => attempts + 1,
                    _ => 0,
                };
                let retry_at = plan::after(self.context.clock.now(), plan::retry_wait(attempts));
                Readiness::Waiting { retry_at, attempts }
            }
        };
    }

    /// Brings the volumes up to what they show; what is missing by now stays as it was.
    pub(super) async fn refresh(&mut self, pod: &Pod) {
        self.state.is_stale = false;
        if let Err(problem) = self.fill_volumes(pod, false).await {
            self.context.tell(pod, None, Kind::Warning, problem.reason, problem.message);
        }
    }

    /// Gives the pod its address: that of the node where it asks for the node's network.
    fn allocate(&mut self, pod: &Pod) -> bool {
        let is_on_host = pod.spec.as_ref().and_then(|spec| spec.host_network).unwrap_or(false);
        self.state.address = match is_on_host {
            true => Some(self.context.address),
            false => self.context.pool().allocate(&identity(pod).uid),
        };
        self.state.address.is_some()
    }

    async fn fill_volumes(&mut self, pod: &Pod, is_first: bool) -> Result<(), Problem> {
        if !self.context.runtime.is_real() {
            return Ok(());
        }
        let (Some(folder), Some(address)) = (self.folder(pod), self.state.address) else {
            return Err(Problem::new("FailedCreatePodSandBox", "the pod has no folder".to_owned()));
        };
        // Followed before it is read, so that no change is missed in between.
        self.follow(pod);
        let needs = volumes::needs(pod);
        let namespace = identity(pod).namespace;
        let sources = Sources::fetch(&self.context.client, &namespace, &needs).await;
        let sources = sources.map_err(|error| Problem::mount("", &error.to_string()))?;
        let node = self.context.node();
        let fields = Fields { pod, node: &node, host: self.context.address, address };
        let inputs = volumes::Inputs { fields, sources: &sources };
        let mut contents: Vec<(std::path::PathBuf, Content)> = Vec::new();
        for volume in pod.spec.iter().filter_map(|spec| spec.volumes.as_ref()).flatten() {
            let content =
                volumes::content(volume, &inputs).map_err(|problem| Problem::mount(&volume.name, &problem))?;
            contents.push((folder.volume(&volume.name), content));
        }
        let context = pod.spec.as_ref().and_then(|spec| spec.security_context.as_ref());
        let group = context.and_then(|context| context.fs_group).and_then(|group| u32::try_from(group).ok());
        let mut record = pod.clone();
        record.status.get_or_insert_with(PodStatus::default).pod_ip = Some(address.to_string());
        let written = tokio::task::spawn_blocking(move || -> std::io::Result<()> {
            if is_first {
                folder.record(&record)?;
            }
            contents.iter().try_for_each(|(path, content)| volumes::write(path, content, group))
        });
        match written.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Problem::mount("", &error.to_string())),
            Err(error) => {
                warn!(%error, "volumes not written");
                Err(Problem::mount("", "the write was cut short"))
            }
        }
    }

    /// Follows what the pod's volumes show, and what its containers wait for; nothing once the pod ends.
    pub(super) fn follow(&mut self, pod: &Pod) {
        if !self.context.runtime.is_real() {
            return;
        }
        let mut wanted: BTreeSet<Reference> = BTreeSet::new();
        if self.state.ending.is_none() {
            wanted = volumes::needs(pod);
            wanted.extend(self.missing.iter().cloned());
        }
        if wanted == self.followed {
            return;
        }
        let mailbox = Arc::clone(&self.mailbox);
        let identity = identity(pod);
        let listener: crate::references::Listener = Arc::new(move || mailbox.post_outcome(Outcome::ReferencesChanged));
        self.context.followers.follow(&identity.uid, &identity.namespace, &wanted, &listener);
        self.followed = wanted;
    }
}

/// Why a pod cannot be prepared now.
struct Problem {
    reason: &'static str,
    message: String,
}

impl Problem {
    fn new(reason: &'static str, message: String) -> Self {
        Self { reason, message }
    }

    fn mount(volume: &str, problem: &str) -> Self {
        Self::new("FailedMount", format!("MountVolume.SetUp failed for volume \"{volume}\" : {problem}"))
    }
}
