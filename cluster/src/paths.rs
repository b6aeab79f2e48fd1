//! Where a cluster keeps its things on this machine.

use std::path::{Path, PathBuf};

/// The folder of one cluster, and what lies where inside it.
#[derive(Debug, Clone)]
pub struct DataDir(PathBuf);

impl DataDir {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// `$SKIFF_DATA_DIR`, else `/var/lib/skiff` for root, else the user's own data folder.
    pub fn standard() -> Self {
        if let Some(path) = std::env::var_os("SKIFF_DATA_DIR").filter(|path| !path.is_empty()) {
            return Self(path.into());
        }
        if is_root() {
            return Self(PathBuf::from("/var/lib/skiff"));
        }
        let data = std::env::var_os("XDG_DATA_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
        let data = data.or_else(|| std::env::home_dir().map(|home| home.join(".local/share")));
        Self(data.unwrap_or_else(std::env::temp_dir).join("skiff"))
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
