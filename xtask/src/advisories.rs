//! `cargo xtask advisories`: known faults of dependencies. Apart from the checks, since it fetches a database.

use anyhow::{Result, bail};

use crate::deny;

pub fn run(arguments: Vec<String>) -> Result<()> {
    if let Some(word) = arguments.first() {
        bail!("`{word}` is not understood: this command takes no arguments");
    }
    deny::check(&["advisories"])
}
