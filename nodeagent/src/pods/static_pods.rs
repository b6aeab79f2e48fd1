//! Pods from a folder of manifests, which run without an API server.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use api::well_known::{DEFAULT_NAMESPACE, annotation};
use k8s_openapi::api::core::v1::{Pod, Toleration};
use sha2::{Digest, Sha256};
use tracing::{info, warn};

use crate::folder_watch::FolderWatch;
use crate::pods::context::{Context, identity};
use crate::pods::directory::Resident;
use crate::pods::mailbox::Mailbox;
use crate::pods::manager::deliver;
use crate::pods::stored::Stored;

/// A manifest larger than this is none.
const LARGEST: u64 = 3 * 1024 * 1024;

/// Starts the pods of the folder, and from then on follows it.
pub async fn start(context: &Arc<Context>, folder: PathBuf) {
    let watch = prepare(&folder);
    let mut source = Source { context: Arc::clone(context), folder, wanted: BTreeMap::new() };
    source.read().await;
    source.settle();
    match watch {
        Ok(watch) => context.tasks.spawn_until_stop("static pods", source.follow(watch)),
        Err(error) => warn!(folder = %source.folder.display(), error = format!("{error:#}"), "folder not watched"),
    }
}

fn prepare(folder: &Path) -> anyhow::Result<FolderWatch> {
    fs::create_dir_all(folder).context("create the folder of the static pods")?;
    FolderWatch::new(folder, false).context("watch the folder of the static pods")
}

struct Source {
    context: Arc<Context>,
    folder: PathBuf,
    /// The pods of the files, by their uid.
    wanted: BTreeMap<Box<str>, Pod>,
}

impl Source {
    async fn follow(mut self, mut watch: FolderWatch) {
        let context = Arc::clone(&self.context);
        loop {
            tokio::select! {
                changes = watch.changed() => match changes {
                    Ok(changes) if changes.is_gone => {
                        warn!(folder = %self.folder.display(), "folder of the static pods is gone");
                        self.wanted.clear();
                        self.settle();
                        return;
                    }
                    Ok(_) => self.read().await,
                    Err(error) => return warn!(%error, "folder of the static pods is no longer watched"),
                },
                // A pod that takes the place of another waits until that one has ended.
                () = context.directory.removed() => {}
            }
            self.settle();
        }
    }

    async fn read(&mut self) {
        let (folder, node) = (self.folder.clone(), self.context.node_name.clone());
        let pods = tokio::task::spawn_blocking(move || read_folder(&folder, &node)).await;
        let mut wanted = BTreeMap::new();
        for mut pod in pods.unwrap_or_default() {
            let seen = self.context.clock.now().to_string();
            pod.metadata.annotations.get_or_insert_default().insert(annotation::CONFIG_SEEN.to_owned(), seen);
            wanted.insert(identity(&pod).uid, pod);
        }
        self.wanted = wanted;
    }

    /// Ends what is no longer wanted, and starts what is.
    fn settle(&self) {
        let residents: Vec<Resident> =
            self.context.directory.all().into_iter().filter(|resident| resident.is_static).collect();
        for resident in residents.iter().filter(|resident| !self.wanted.contains_key(&resident.identity.uid)) {
            info!(pod = %resident.identity.name, "static pod is no longer wanted");
            resident.mailbox.post(|mail| mail.is_gone = true);
        }
        for pod in self.wanted.values() {
            let identity = identity(pod);
            let is_taken = residents.iter().any(|resident| {
                resident.identity.name == identity.name && resident.identity.namespace == identity.namespace
            });
            if !is_taken {
                info!(pod = %identity.name, "static pod starts");
                let resident = Resident { identity, mailbox: Arc::new(Mailbox::default()), is_static: true };
                deliver(&self.context, Stored::new(pod.clone()), resident);
            }
        }
    }
}

/// All pods of a folder. A file that is none is told, and does no harm to the others. Blocks.
fn read_folder(folder: &Path, node: &str) -> Vec<Pod> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    let mut pods = Vec::new();
    for file in files {
        let is_hidden = file.file_name().and_then(|name| name.to_str()).is_none_or(|name| name.starts_with('.'));
        if is_hidden || !file.is_file() {
            continue;
        }
        match read_file(&file, node) {
            Ok(Some(pod)) => pods.push(pod),
            // It is just being written.
            Ok(None) => {}
            Err(error) => {
                warn!(file = %file.display(), error = format!("{error:#}"), "manifest of a static pod not used")
            }
        }
    }
    pods
}

fn read_file(file: &Path, node: &str) -> anyhow::Result<Option<Pod>> {
    anyhow::ensure!(fs::metadata(file)?.len() <= LARGEST, "the file is larger than a manifest may be");
    let text = fs::read_to_string(file).context("read the file")?;
    if text.trim().is_empty() {
        return Ok(None);
    }
    let value: serde_json::Value = match file.extension().is_some_and(|end| end == "json") {
        true => serde_json::from_str(&text).context("understand the JSON")?,
        false => serde_yaml::from_str(&text).context("understand the YAML")?,
    };
    let kind = value["kind"].as_str().unwrap_or_default();
    anyhow::ensure!(kind == "Pod" && value["apiVersion"] == "v1", "a v1 Pod is expected, and this is a \"{kind}\"");
    pod_of(value, node).map(Some)
}

/// The pod as it runs on this node. Its uid follows from what the file says, so that a changed file is another pod.
fn pod_of(value: serde_json::Value, node: &str) -> anyhow::Result<Pod> {
    let text = value.to_string();
    let mut pod: Pod = serde_json::from_str(&text).context("understand the pod")?;
    let hash = hex(&Sha256::new().chain_update(node).chain_update("\0").chain_update(text).finalize()[..16]);
    let own_name = pod.metadata.name.as_deref().unwrap_or_default();
    let name = format!("{own_name}-{}", node.to_ascii_lowercase());
    api::names::dns_subdomain(&name).map_err(anyhow::Error::msg).context("name the pod")?;
    pod.metadata.name = Some(name);
    pod.metadata.namespace.get_or_insert_with(|| DEFAULT_NAMESPACE.to_owned());
    pod.metadata.uid = Some(hash.clone());
    let annotations = pod.metadata.annotations.get_or_insert_default();
    annotations.insert(annotation::CONFIG_HASH.to_owned(), hash);
    annotations.insert(annotation::CONFIG_SOURCE.to_owned(), "file".to_owned());
    pod.status = None;
    let spec = pod.spec.as_mut().context("find the pod's spec")?;
    anyhow::ensure!(!spec.containers.is_empty(), "a pod needs a container");
    spec.node_name = Some(node.to_owned());
    let stays = Toleration {
        operator: Some("Exists".to_owned()),
        effect: Some("NoExecute".to_owned()),
        ..Toleration::default()
    };
    spec.tolerations.get_or_insert_default().push(stays);
    Ok(pod)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB: &str =
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\nspec:\n  containers:\n  - name: a\n    image: i\n";

    #[test]
    fn manifests_become_pods_of_the_node_and_all_else_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        put("web.yaml", WEB);
        put(
            "db.json",
            r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"db","namespace":"x"},"spec":{"containers":[{"name":"a"}]}}"#,
        );
        put(".hidden.yaml", WEB);
        put("broken.yaml", "a: [");
        put("other.yaml", &WEB.replace("kind: Pod", "kind: Service"));
        put("odd.yaml", &WEB.replace("name: web", "name: Not_A_Name"));
        let pods = read_folder(folder.path(), "Node-1");
        let names: Vec<String> = pods.iter().map(crate::pods::status::full_name).collect();
        assert_eq!(names.len(), 2, "{names:?}");
        assert!(names[0].starts_with("db-node-1_x(") && names[1].starts_with("web-node-1_default("), "{names:?}");
        let annotations = pods[1].metadata.annotations.as_ref().unwrap();
        assert_eq!(annotations["kubernetes.io/config.source"], "file");
        assert_eq!(Some(&annotations["kubernetes.io/config.hash"]), pods[1].metadata.uid.as_ref());
        assert_eq!(pods[1].spec.as_ref().unwrap().node_name.as_deref(), Some("Node-1"));
    }

    #[test]
    fn a_changed_file_is_another_pod() {
        let uid = |text: &str| {
            let value = serde_yaml::from_str(text).unwrap();
            pod_of(value, "n").unwrap().metadata.uid.unwrap()
        };
        assert_eq!(uid(WEB), uid(WEB));
        assert_ne!(uid(WEB), uid(&WEB.replace("image: i", "image: j")));
        assert_eq!(uid(WEB).len(), 32);
    }
}
