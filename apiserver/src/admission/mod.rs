//! The ordered list of checks that a write passes.
