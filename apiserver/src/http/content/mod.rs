//! What bodies look like: asked for, sent, and received.

pub mod accept;
pub mod body;
pub mod gzip;
pub mod lent;
pub mod pretty;
pub mod yaml;
