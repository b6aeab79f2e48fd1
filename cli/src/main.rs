//! The program `skiff`: a whole cluster, each of its parts, and a client for any Kubernetes.

use std::process::ExitCode;

mod allocator;
mod commands;
mod connection;
mod discovery;
mod error;
mod manifests;
mod merge;
#[cfg(test)]
mod mock;
mod object;
mod output;
mod request;
mod screen;
mod session;
mod targets;

#[global_allocator]
static ALLOCATOR: allocator::Allocator = allocator::Allocator;

fn main() -> ExitCode {
    nodeagent::entry();
    // Every TLS client of this process takes it from here; a second call would only find it there.
    rustls::crypto::ring::default_provider().install_default().ok();
    commands::run()
}
