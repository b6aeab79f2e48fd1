//! The pods of a node: one worker for each, which asks a pure plan what to do next.

pub mod addresses;
pub mod admission;
mod config;
pub mod context;
pub mod directory;
mod environment;
mod expansion;
pub mod folders;
mod handlers;
mod hooks;
pub mod mailbox;
pub mod manager;
mod mirror;
mod plan;
mod prepare;
mod probes;
mod quality;
mod report;
mod restart;
pub mod resume;
mod state;
mod static_pods;
mod status;
mod steps;
mod stored;
mod worker;
