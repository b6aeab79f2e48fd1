//! HTTP in and out: routes, filters, content types, streams. Knows no storage.

pub mod app;
pub mod authentication;
pub mod authorization;
pub mod content;
pub mod discovery;
pub mod exchange;
pub mod filters;
pub mod health;
pub mod identity;
pub mod listener;
pub mod measures;
mod methods;
pub mod openapi;
pub mod path;
pub mod query;
pub mod reply;
pub mod resource;
pub mod routes;
pub mod server;
pub mod streaming;
pub mod tls;
pub mod tunnel;
pub mod version;

#[cfg(test)]
mod tests;
