//! What controllers and node agents share as clients of an API server.

pub mod watch;
