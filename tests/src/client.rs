//! A typed client of a real server.

use std::path::Path;

use kube::config::{KubeConfigOptions, Kubeconfig};

/// A client with the identity that a kubeconfig holds.
pub async fn of(kubeconfig: &Path) -> kube::Client {
    let file = Kubeconfig::read_from(kubeconfig).expect("read the kubeconfig");
    let config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
    kube::Client::try_from(config.expect("a kubeconfig tells how to connect")).expect("make a client")
}
