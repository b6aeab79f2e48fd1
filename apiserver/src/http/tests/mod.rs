//! The server as its clients meet it: through its router, and through a socket with TLS.

mod creations;
mod deletions;
mod documents;
mod fixtures;
mod guards;
mod lists;
mod logs;
mod objects;
mod patches;
mod pods;
mod protobuf;
mod refusals;
mod reviews;
mod streams;
mod tls;
mod updates;
mod validation;
mod watches;
mod web_sockets;
