//! All parts in one process.

pub mod kubeconfig;
pub mod paths;
pub mod pki;
