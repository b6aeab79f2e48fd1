//! The seam below the store: what an engine must do. Its implementations stand in the list of `mod.rs`.
