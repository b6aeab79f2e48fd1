//! The server as its clients meet it: through its router, and through a socket with TLS.

mod fixtures;
mod guards;
mod logs;
mod objects;
mod patches;
mod tls;
mod watches;
