//! Real servers, sockets, processes and clients: what a user of the built binary meets.

mod clients;
mod crash;
mod examples;
mod reading;
mod refusals;
mod session;
mod streams;
