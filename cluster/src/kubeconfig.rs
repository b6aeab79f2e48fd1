//! The file that tells clients where the cluster is, whom to trust, and who they are.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;

use crate::pki::{Identity, write_private};

/// The name of the cluster, the user and the context inside the file.
pub const CONTEXT: &str = "skiff";

/// What a kubeconfig says.
pub struct Kubeconfig<'a> {
    /// `https://127.0.0.1:6443`.
    pub server: &'a str,
    /// PEM.
    pub authority: &'a str,
    pub user: &'a str,
    pub identity: &'a Identity,
}

impl Kubeconfig<'_> {
    /// The file's text.
    pub fn text(&self) -> Result<String> {
        let user = format!("{CONTEXT}-{}", self.user.rsplit(':').next().unwrap_or(self.user));
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": CONTEXT,
            "clusters": [{
                "name": CONTEXT,
                "cluster": { "server": self.server, "certificate-authority-data": base64(self.authority) },
            }],
            "contexts": [{ "name": CONTEXT, "context": { "cluster": CONTEXT, "user": user } }],
            "users": [{
                "name": user,
                "user": {
                    "client-certificate-data": base64(&self.identity.certificate),
                    "client-key-data": base64(&self.identity.key),
                },
            }],
        });
        serde_yaml::to_string(&config).context("encode the kubeconfig")
    }

    /// Writes it, readable by its owner alone. The folder is made where it is missing.
    pub fn write(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        }
        write_private(path, &self.text()?)
    }
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::{Authority, Subject};

    #[test]
    fn the_file_is_one_that_clients_read() {
        let authority = Authority::generate().unwrap();
        let identity = authority.issue_client(&Subject::admin()).unwrap();
        let config = Kubeconfig {
            server: "https://127.0.0.1:6443",
            authority: authority.certificate(),
            user: "skiff-admin",
            identity: &identity,
        };
        let read = kube::config::Kubeconfig::from_yaml(&config.text().unwrap()).unwrap();
        assert_eq!(read.current_context.as_deref(), Some("skiff"));
        assert_eq!(read.clusters[0].cluster.as_ref().unwrap().server.as_deref(), Some("https://127.0.0.1:6443"));
    }
}
