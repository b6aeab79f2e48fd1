//! Finds a node for each pod that has none: filters say where it can run, scores where it should.

mod board;
mod decide;
mod filters;
mod run;
mod scores;

pub use run::start;
