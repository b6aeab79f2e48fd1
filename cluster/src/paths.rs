//! Where a cluster keeps its things on this machine.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The file that tells a cluster's folder from others.
const MARK: &str = "skiff-cluster";

/// The folder of one cluster, and what lies where inside it.
#[derive(Debug, Clone)]
pub struct DataDir(PathBuf);

impl DataDir {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        // What runs in pods stands in other folders than who started the cluster.
        Self(std::path::absolute(&path).unwrap_or(path))
    }

    /// `$SKIFF_DATA_DIR`, else `/var/lib/skiff` for root, else the user's own data folder.
    pub fn standard() -> Self {
        if let Some(path) = std::env::var_os("SKIFF_DATA_DIR").filter(|path| !path.is_empty()) {
            return Self::new(path);
        }
        if is_root() {
            return Self(PathBuf::from("/var/lib/skiff"));
        }
        let data = std::env::var_os("XDG_DATA_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
        let data = data.or_else(|| std::env::home_dir().map(|home| home.join(".local/share")));
        Self(data.unwrap_or_else(std::env::temp_dir).join("skiff"))
    }

    /// Makes the folder, or makes sure that it is a cluster's: nothing is ever put among somebody else's files.
    pub fn claim(&self) -> Result<()> {
        let (folder, mark) = (&self.0, self.0.join(MARK));
        if mark.exists() {
            return Ok(());
        }
        std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        let mut entries = std::fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
        if entries.next().is_some() {
            bail!(
                "{} has files in it that are not Skiff's: choose another folder with --data-dir, or an empty one",
                folder.display()
            );
        }
        std::fs::write(&mark, "The folder of a Skiff cluster. Stop the cluster before you move or remove it.\n")
            .with_context(|| format!("write {}", mark.display()))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn store(&self) -> PathBuf {
        self.0.join("store")
    }

    pub fn pki(&self) -> PathBuf {
        self.0.join("pki")
    }

    pub fn kubeconfig(&self) -> PathBuf {
        self.0.join("kubeconfig")
    }

    /// What the agent of this node keeps: volumes, logs, records of running containers.
    pub fn node(&self, name: &str) -> PathBuf {
        self.0.join("nodes").join(name)
    }

    /// Manifests of pods that the first node runs by itself.
    pub fn static_pods(&self) -> PathBuf {
        self.0.join("static-pods")
    }
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_claimed_once_and_known_again() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().join("new"));
        data.claim().unwrap();
        std::fs::write(data.path().join("kubeconfig"), "").unwrap();
        data.claim().unwrap();
    }

    #[test]
    fn a_foreign_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("letter"), "dear").unwrap();
        let refusal = DataDir::new(folder.path()).claim().unwrap_err().to_string();
        assert!(refusal.contains("--data-dir"), "{refusal}");
    }
}
