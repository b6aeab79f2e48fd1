//! The server as its clients meet it: through its router, and through a socket with TLS.

mod documents;
mod fixtures;
mod guards;
mod logs;
mod objects;
mod tls;
mod watches;
