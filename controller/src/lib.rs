//! The controllers: what turns objects that are wished for into objects that are. They know the cluster only as a
//! `kube::Client`.

pub mod backends;
pub mod caches;
pub mod cluster;
pub mod context;
pub mod controllers;
pub mod discovery;
pub mod events;
pub mod expectations;
pub mod kinds;
pub mod manager;
pub mod measure;
pub mod options;
pub mod ownership;
pub mod queue;
pub mod scheduler;
pub mod slices;
pub mod worker;

#[cfg(test)]
mod fake;
