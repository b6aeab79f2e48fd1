//! How many commits a second each storage engine does, and how long one takes.
//!
//! `cargo run --release -p apiserver --example storage_speed`

use std::sync::Arc;
use std::time::{Duration, Instant};

use api::names::GroupResource;
use apiserver::storage::layout::Layout;
use apiserver::storage::limits::Limits;
use apiserver::storage::object::Key;
use apiserver::storage::{ENGINES, Storage, Write};
use bytes::Bytes;
use lifecycle::clock::Clock;
use lifecycle::tasks::Tasks;

const PODS: GroupResource = GroupResource { group: "", resource: "pods" };
const SECONDS: u64 = 3;

struct OnlyPods;

impl Layout for OnlyPods {
    fn resource(&self, group: &str, resource: &str) -> Option<GroupResource> {
        (group == PODS.group && resource == PODS.resource).then_some(PODS)
    }

    fn fields(&self, _: GroupResource, _: &[u8]) -> Box<[Box<str>]> {
        Box::default()
    }
}

fn pod(name: &str) -> Bytes {
    let filling = "x".repeat(1800);
    Bytes::from(format!(
        r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"{name}","namespace":"default","labels":{{"app":"speed"}}}},"spec":{{"x":"{filling}"}}}}"#
    ))
}

/// Creates pods until the time is over; answers with how long each took.
async fn write(storage: Storage, writer: usize, volatile: bool) -> Vec<Duration> {
    let end = Instant::now() + Duration::from_secs(SECONDS);
    let mut times = Vec::new();
    while Instant::now() < end {
        let name = format!("pod-{writer}-{}", times.len());
        let create = Write::create(Key::new(PODS, "default", name.as_str()), pod(&name)).volatile(volatile);
        let start = Instant::now();
        storage.commit(create).await.expect("a create succeeds");
        times.push(start.elapsed());
    }
    times
}

async fn measure(name: &str, writers: usize, volatile: bool) -> Result<(), anyhow::Error> {
    let directory = std::env::temp_dir().join(format!("storage-speed-{}", std::process::id()));
    let make = ENGINES.iter().find(|(known, _)| *known == name).expect("the engine is in the list").1;
    let tasks = Tasks::new();
    let storage =
        Storage::open(make(&directory), Arc::new(OnlyPods), Clock::system(), &tasks, Limits::default()).await?;
    let runs: Vec<_> = (0..writers).map(|writer| tokio::spawn(write(storage.clone(), writer, volatile))).collect();
    let mut times = Vec::new();
    for run in runs {
        times.extend(run.await?);
    }
    tasks.stop(Duration::from_secs(30)).await;
    std::fs::remove_dir_all(&directory).ok();
    times.sort();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    println!(
        "{name:8} {writers:3} writers{}: {:7} commits/s, p50 {:?}, p99 {:?}",
        if volatile { ", volatile" } else { "" },
        times.len() as u64 / SECONDS,
        at(0.5),
        at(0.99)
    );
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), anyhow::Error> {
    for (name, _) in ENGINES {
        for writers in [1, 32] {
            measure(name, writers, false).await?;
        }
    }
    measure("sled", 1, true).await
}
