//! What end-to-end tests are made with: real servers, real clients, simulated clusters, and patience.

pub mod account;
pub mod alone;
pub mod client;
pub mod eventually;
pub mod history;
pub mod manifests;
pub mod objects;
pub mod processes;
pub mod simulation;
pub mod skiff;
pub mod terminal;
