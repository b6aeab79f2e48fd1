//! What end-to-end tests are made with: real servers, real clients, and patience.

pub mod account;
pub mod alone;
pub mod client;
pub mod eventually;
pub mod processes;
pub mod skiff;
pub mod terminal;
