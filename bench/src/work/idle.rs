//! What a server's processes use while nobody asks anything of them.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::figures::Report;
use crate::process::{Started, Usage};
use crate::work::IdleOptions;
use crate::work::start::in_folder;

/// What follows a start or other work is not idleness.
pub const SETTLE: Duration = Duration::from_secs(10);

pub async fn measure(options: &IdleOptions, span: Duration, report: &mut Report) -> Result<()> {
    if options.start.command.is_empty() {
        return sample(&options.pid, span, report).await;
    }
    let folder = tempfile::tempdir().context("make a folder")?;
    let started = Started::until_line(&in_folder(&options.start.command, folder.path()), &options.start.line).await?;
    let pid = started.pid().context("the command has ended")?;
    tokio::time::sleep(SETTLE).await;
    let sampled = sample(&[pid], span, report).await;
    started.end().await?;
    sampled
}

pub async fn sample(pids: &[u32], span: Duration, report: &mut Report) -> Result<()> {
    let (start, before) = (Instant::now(), Usage::of(pids)?);
    tokio::time::sleep(span).await;
    let (seconds, after) = (start.elapsed().as_secs_f64(), Usage::of(pids)?);
    let processor = after.processor.saturating_sub(before.processor).as_secs_f64();
    let written = after.written_bytes.saturating_sub(before.written_bytes);
    report.add("idle, memory", after.resident_bytes as f64 / 1e6, "MB");
    report.add("idle, processor", processor / seconds * 100.0, "%");
    report.add("idle, written", written as f64 / seconds / 1e3, "kB/s");
    Ok(())
}
