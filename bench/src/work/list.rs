//! Lists many pods at once, as a controller does when it starts.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::cluster::Cluster;
use crate::connection::Connection;
use crate::figures::{Durations, Report};
use crate::objects;
use crate::room::{self, Room};
use crate::work::{ListOptions, load};

pub async fn measure(
    cluster: &Cluster,
    room: &Room,
    options: &ListOptions,
    span: Duration,
    report: &mut Report,
) -> Result<()> {
    let path = room.core("pods");
    let mut connection = cluster.connect().await?;
    let size = size_to_send(&mut connection, &path, usize::try_from(options.size)?).await?;
    load::make_pods(cluster, path.clone(), u64::from(options.pods), size).await?;
    let mut bytes = connection.get(&path).await?.len();
    let mut durations = Durations::default();
    let end = Instant::now() + span;
    while Instant::now() < end || durations.len() < 3 {
        let start = Instant::now();
        bytes = connection.get(&path).await?.len();
        durations.add(start.elapsed());
    }
    let name = format!("list of {} pods", options.pods);
    report.add(format!("{name}, size"), bytes as f64 / 1e6, "MB");
    report.add_durations(&name, &mut durations);
    room::empty(&mut connection, &path).await
}

/// What to send so that as much is listed on each server: they add to a pod, and more to a large one.
async fn size_to_send(connection: &mut Connection, path: &str, wanted: usize) -> Result<usize> {
    let half = wanted / 2;
    let with_half = stored_size(connection, path, half).await?;
    let with_all = stored_size(connection, path, wanted).await?;
    // Both grow evenly, so two points tell the line.
    let growth = (with_all - with_half) / (wanted - half) as f64;
    Ok((wanted as f64 - (with_all - wanted as f64) / growth).max(0.0) as usize)
}

async fn stored_size(connection: &mut Connection, path: &str, size: usize) -> Result<f64> {
    let stored = connection.create(path, objects::pod("sample", size)).await?.len();
    connection.delete(&format!("{path}/sample?gracePeriodSeconds=0")).await?;
    Ok(stored as f64)
}
