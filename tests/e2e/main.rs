//! The end-to-end tests, one binary: how the sources are laid out, whole clusters in one process, and real ones.

mod architecture;
mod in_process;
mod real;
