//! What a server's processes hold in memory before and after many pods are made.

use std::time::Duration;

use anyhow::Result;

use crate::cluster::Cluster;
use crate::figures::Report;
use crate::process::Usage;
use crate::room::{self, Room};
use crate::work::{MemoryOptions, load};

/// What is on its way to being freed is not counted.
pub const SETTLE: Duration = Duration::from_secs(5);

pub async fn measure(cluster: &Cluster, room: &Room, options: &MemoryOptions, report: &mut Report) -> Result<()> {
    report.add("memory before", megabytes(&options.pid)?, "MB");
    let took = load::make_pods(cluster, room.core("pods"), u64::from(options.pods), 2_048).await?;
    report.add(format!("making {} pods", options.pods), took.as_secs_f64(), "s");
    tokio::time::sleep(SETTLE).await;
    report.add(format!("memory with {} pods", options.pods), megabytes(&options.pid)?, "MB");
    if options.keep {
        return Ok(());
    }
    let mut connection = cluster.connect().await?;
    room::empty(&mut connection, &room.core("pods")).await
}

/// What these processes hold together.
pub fn megabytes(pids: &[u32]) -> Result<f64> {
    Ok(Usage::of(pids)?.resident_bytes as f64 / 1e6)
}
