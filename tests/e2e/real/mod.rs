//! Real servers, sockets, processes and clients: what a user of the built binary meets.

mod session;
