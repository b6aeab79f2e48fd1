//! Many clients that each do the same again and again, as fast as the server lets them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use futures::future::{BoxFuture, try_join_all};
use tokio::task::JoinSet;

use crate::cluster::Cluster;
use crate::connection::Connection;
use crate::figures::{Durations, Report};

/// One thing that a client does; each time with another number.
pub type Deed = Arc<dyn for<'a> Fn(&'a mut Connection, u64) -> BoxFuture<'a, Result<()>> + Send + Sync>;

/// When a load ends, whichever comes first.
#[derive(Clone, Copy)]
pub struct Bound {
    pub span: Duration,
    pub count: u64,
}

pub struct Done {
    pub durations: Durations,
    pub rate: f64,
}

/// The first part of a load is not measured: the server and its caches warm up.
const WARM_UP: f64 = 0.1;

/// Every client has a connection of its own, made before the clock starts.
pub async fn run(cluster: &Cluster, clients: usize, bound: Bound, deed: Deed) -> Result<Done> {
    let connections = try_join_all((0..clients).map(|_| cluster.connect())).await?;
    let number = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let (warm, end) = (start + bound.span.mul_f64(WARM_UP), start + bound.span);
    let mut tasks = JoinSet::new();
    for mut connection in connections {
        let (deed, number) = (deed.clone(), number.clone());
        tasks.spawn(async move {
            let mut durations = Durations::default();
            loop {
                let (before, mine) = (Instant::now(), number.fetch_add(1, Ordering::Relaxed));
                if before >= end || mine >= bound.count {
                    return Ok::<_, anyhow::Error>(durations);
                }
                deed(&mut connection, mine).await?;
                // A load that is bounded by its count may be over before the server is warm.
                if before >= warm || bound.count < u64::MAX {
                    durations.add(before.elapsed());
                }
            }
        });
    }
    let mut durations = Durations::default();
    while let Some(done) = tasks.join_next().await {
        durations.append(done.context("wait for a client")??);
    }
    let measured_from = if bound.count < u64::MAX { start } else { warm };
    let rate = durations.len() as f64 / measured_from.elapsed().as_secs_f64();
    Ok(Done { durations, rate })
}

impl Done {
    pub fn report(mut self, name: &str, report: &mut Report) {
        report.add(format!("{name}, rate"), self.rate, "/s");
        report.add_durations(name, &mut self.durations);
    }
}

/// An encoded object in which only the name is put in each time.
pub struct Template {
    before: Bytes,
    after: Bytes,
}

const NAME: &str = "name-goes-here";

impl Template {
    pub fn of(object: impl FnOnce(&str) -> Bytes) -> Result<Self> {
        let whole = object(NAME);
        let at = whole.windows(NAME.len()).position(|window| window == NAME.as_bytes()).context("find the name")?;
        Ok(Self { before: whole.slice(..at), after: whole.slice(at + NAME.len()..) })
    }

    pub fn named(&self, name: &str) -> Bytes {
        [&self.before[..], name.as_bytes(), &self.after[..]].concat().into()
    }
}

/// Makes this many pods with 32 writers; returns how long that took.
pub async fn make_pods(cluster: &Cluster, path: String, pods: u64, size: usize) -> Result<Duration> {
    let template = Arc::new(Template::of(|name| crate::objects::pod(name, size))?);
    let deed: Deed = Arc::new(move |connection, number| {
        let (path, body) = (path.clone(), template.named(&format!("pod-{number:06}")));
        Box::pin(async move { connection.create(&path, body).await.map(drop) })
    });
    let start = Instant::now();
    let bound = Bound { span: Duration::from_secs(600), count: pods };
    run(cluster, 32, bound, deed).await.context("make the pods")?;
    Ok(start.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_has_the_name_in_its_place() {
        let template = Template::of(|name| crate::objects::config_map(name, 500)).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&template.named("a-7")).unwrap();
        assert_eq!(value["metadata"]["name"], "a-7");
    }
}
