//! All parts in one process.

pub mod api_server;
pub mod cluster;
pub mod kubeconfig;
pub mod node;
pub mod paths;
pub mod pki;
