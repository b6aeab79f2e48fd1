//! How long a command takes until it says that it is ready.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::figures::{Durations, Report};
use crate::process::Started;
use crate::work::StartOptions;

pub async fn measure(options: &StartOptions, report: &mut Report) -> Result<()> {
    let mut durations = Durations::default();
    for _ in 0..options.times {
        let folder = tempfile::tempdir().context("make a folder")?;
        let command = in_folder(&options.start.command, folder.path());
        let started = Started::until_line(&command, &options.start.line).await?;
        durations.add(started.took);
        started.end().await?;
    }
    report.add_durations("start to ready", &mut durations);
    Ok(())
}

/// The command with every `{dir}` replaced.
pub fn in_folder(command: &[String], folder: &Path) -> Vec<String> {
    command.iter().map(|word| word.replace("{dir}", &folder.to_string_lossy())).collect()
}
