//! Whole clusters in this process, over a clock that is paused: how the parts act together.

mod deployments;
mod disruption;
mod endpoints;
mod garbage;
mod lists;
mod namespaces;
mod nodes;
mod pods;
mod rest;
mod rollouts;
mod scale;
mod scheduling;
mod services;
mod states;
mod watches;
mod writers;
