//! How many commits a second each engine does, how long one takes, what watchers cost, and how long a start takes.
//!
//! `cargo test --release -p apiserver --lib storage::speed -- --ignored --nocapture`

use std::time::{Duration, Instant};

use futures::future::join_all;

use crate::storage::contract::Store;
use crate::storage::fixtures::{PODS, pod_key, pod_of_size};
use crate::storage::limits::Limits;
use crate::storage::watch::{Scope, Watch, WatchEnd};
use crate::storage::{ENGINES, Storage, Write, engine};

const SECONDS: u64 = 3;

/// What is measured.
#[derive(Debug, Clone, Copy)]
struct Case {
    engine: &'static str,
    writers: usize,
    volatile: bool,
    /// Watchers of all pods, and of the pods of one node each.
    watchers: usize,
    node_watchers: usize,
}

/// Creates pods until the time is over; answers with how long each took.
async fn write(storage: Storage, writer: usize, volatile: bool) -> Vec<Duration> {
    let end = Instant::now() + Duration::from_secs(SECONDS);
    let mut times = Vec::new();
    while Instant::now() < end {
        let name = format!("pod-{writer}-{}", times.len());
        let mut create = Write::create(pod_key("default", &name), pod_of_size("default", &name, 1800));
        create.fields = Some(Box::new([format!("node-{}", times.len() % 500).into()]));
        let start = Instant::now();
        storage.commit(create.volatile(volatile)).await.unwrap();
        times.push(start.elapsed());
    }
    times
}

/// Takes in what happens until the store stops; answers with how many changes those were.
async fn follow(mut watch: Watch) -> usize {
    let mut seen = 0;
    loop {
        match watch.next().await {
            Ok(events) => seen += events.len(),
            Err(WatchEnd::Closed) => return seen,
            Err(end) => panic!("{end}"),
        }
    }
}

async fn measure(case: Case) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(engine(case.engine, directory.path()).unwrap(), Limits::default()).await;
    let storage = store.storage.clone();
    let start = storage.revision();
    let scopes = (0..case.node_watchers).map(|node| Scope::Field(0, format!("node-{node}").into()));
    let scopes: Vec<Scope> = scopes.chain((0..case.watchers).map(|_| Scope::All)).collect();
    let watches = scopes.into_iter().map(|scope| storage.watch_scope(PODS, scope, start).unwrap());
    let followers: Vec<_> = watches.map(|watch| tokio::spawn(follow(watch))).collect();
    let writers = (0..case.writers).map(|writer| tokio::spawn(write(storage.clone(), writer, case.volatile)));
    let writers: Vec<_> = writers.collect();
    let mut times = Vec::new();
    for writer in writers {
        times.extend(writer.await.unwrap());
    }
    store.stop().await;
    let mut seen = 0;
    for follower in followers {
        seen += follower.await.unwrap();
    }
    times.sort();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!(
        "{case:?}: {} commits/s, p50 {:?}, p99 {:?}, {seen} events seen",
        times.len() as u64 / SECONDS,
        at(50),
        at(99)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn commits_and_watches_are_quick() {
    let alone = Case { engine: "memory", writers: 1, volatile: false, watchers: 0, node_watchers: 0 };
    for (engine, _) in ENGINES {
        for writers in [1, 32] {
            measure(Case { engine, writers, ..alone }).await;
        }
    }
    measure(Case { engine: "sled", volatile: true, ..alone }).await;
    measure(Case { writers: 32, node_watchers: 500, ..alone }).await;
    measure(Case { writers: 32, watchers: 100, ..alone }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn a_start_is_quick() {
    for objects in [0, 1_000, 10_000] {
        let directory = tempfile::tempdir().unwrap();
        let open = || Store::open(engine("sled", directory.path()).unwrap(), Limits::default());
        let start = Instant::now();
        let store = open().await;
        let fresh = start.elapsed();
        let creates = (0..objects).map(|number| {
            let name = format!("pod-{number}");
            store.storage.commit(Write::create(pod_key("default", &name), pod_of_size("default", &name, 1800)))
        });
        assert!(join_all(creates).await.iter().all(Result::is_ok));
        let start = Instant::now();
        store.stop().await;
        let stopped = start.elapsed();
        let start = Instant::now();
        let store = open().await;
        let again = start.elapsed();
        assert_eq!(store.storage.snapshot().count(PODS, None), objects);
        println!("{objects} objects: first start {fresh:?}, stop {stopped:?}, next start {again:?}");
        store.stop().await;
    }
}
