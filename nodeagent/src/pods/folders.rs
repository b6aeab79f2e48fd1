//! Where the agent keeps what belongs to a pod, and what it writes down so that the next agent knows the pod.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::Pod;
use tracing::warn;

/// The folder of one pod.
#[derive(Debug, Clone)]
pub struct PodFolder(PathBuf);

impl PodFolder {
    /// None for a uid that is no name of a folder: no API gives such a one.
    pub fn new(data_dir: &Path, uid: &str) -> Option<Self> {
        let is_plain = !uid.is_empty() && uid.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        is_plain.then(|| Self(pods_dir(data_dir).join(uid)))
    }

    pub fn log(&self, container: &str, attempt: u32) -> PathBuf {
        self.0.join("logs").join(container).join(format!("{attempt}.log"))
    }

    pub fn volume(&self, name: &str) -> PathBuf {
        self.0.join("volumes").join(name)
    }

    /// Writes the pod down. Blocks.
    pub fn record(&self, pod: &Pod) -> io::Result<()> {
        fs::create_dir_all(&self.0)?;
        let new = self.0.join("pod.new");
        // Variables may hold what is nobody else's business.
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&serde_json::to_vec(pod).map_err(io::Error::other)?)?;
        fs::rename(new, self.0.join("pod.json"))
    }

    pub fn remove(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

pub fn pods_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("pods")
}

/// All pods that an earlier agent wrote down. Folders without a record hold nothing that ever ran: they go. Blocks.
pub fn recorded(data_dir: &Path) -> Vec<Pod> {
    let entries = fs::read_dir(pods_dir(data_dir)).into_iter().flatten().flatten();
    let mut pods = Vec::new();
    for entry in entries {
        let record = entry.path().join("pod.json");
        let read = fs::read(&record).and_then(|text| api::json::read(&text).map_err(io::Error::other));
        match read {
            Ok(pod) => pods.push(pod),
            Err(error) if error.kind() == io::ErrorKind::NotFound => drop(fs::remove_dir_all(entry.path())),
            Err(error) => warn!(record = %record.display(), %error, "record of a pod not read"),
        }
    }
    pods
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_pods_are_found_and_odd_uids_have_no_folder() {
        let place = tempfile::tempdir().unwrap();
        let folder = PodFolder::new(place.path(), "a-1").unwrap();
        let mut pod = Pod::default();
        pod.metadata.name = Some("web".to_owned());
        folder.record(&pod).unwrap();
        fs::create_dir_all(place.path().join("pods/half")).unwrap();
        assert_eq!(recorded(place.path()), [pod]);
        assert!(!place.path().join("pods/half").exists());
        folder.remove().unwrap();
        folder.remove().unwrap();
        assert!(recorded(place.path()).is_empty());
        for uid in ["", ".", "..", "a/b", "a\0"] {
            assert!(PodFolder::new(place.path(), uid).is_none(), "{uid}");
        }
    }
}
