//! What it costs to note who manages what.
//!
//! `cargo test --release -p apiserver --lib managed_fields::speed -- --ignored --nocapture`

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::kinds::erased::KindRef;
use crate::registry::fixtures::{Fixture, sample};
use crate::registry::managed_fields::pipeline::{Writer, after_change, after_create, apply};

const ROUNDS: u32 = 2000;

fn each(what: &str, mut act: impl FnMut()) {
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        act();
        times.push(start.elapsed());
    }
    println!("{what}: p50 {:?}", median(times));
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn pods() -> KindRef {
    *crate::kinds::KINDS.iter().find(|kind| kind.facts().plural == "pods").unwrap()
}

#[test]
#[ignore = "measures"]
fn noting_is_quick() {
    let mut draft = pods().decode_kept(sample(pods(), "p").to_string().as_bytes()).unwrap();
    draft.fill_defaults();
    let pod = draft.encode();
    let writer = Writer { kind: pods(), manager: "me", subresource: None, now: Timestamp::UNIX_EPOCH };
    let known = after_create(writer, &pod, None).unwrap();
    let mut running: Value = serde_json::from_slice(&pod).unwrap();
    running["status"] = json!({"phase": "Running", "podIP": "127.64.1.2", "conditions": [
        {"type": "Ready", "status": "True"}, {"type": "Initialized", "status": "True"}]});
    let running = Bytes::from(running.to_string());
    let status = Writer { subresource: Some("status"), ..writer };
    let config = sample(pods(), "p");
    let live: Value = serde_json::from_slice(&pod).unwrap();
    println!("a pod of {} bytes", pod.len());
    each("parse", || drop(black_box(serde_json::from_slice::<Value>(&pod).unwrap())));
    each("encode", || drop(black_box(draft.encode())));
    each("read typed", || drop(black_box(pods().decode_kept(&pod).unwrap())));
    each("create", || drop(black_box(after_create(writer, &pod, None).unwrap())));
    each("no change", || drop(black_box(after_change(writer, &pod, &pod, &known, None).unwrap())));
    each("status", || drop(black_box(after_change(status, &pod, &running, &known, None).unwrap())));
    each("apply", || drop(black_box(apply(writer, Some(&live), &known, &config, true).unwrap())));
}

#[tokio::test]
#[ignore = "measures"]
async fn a_create_is_quick() {
    let fixture = Fixture::new().await;
    let mut times = Vec::new();
    for number in 0..ROUNDS {
        let pod = sample(pods(), &format!("p{number}"));
        let start = Instant::now();
        fixture.create_as(pods(), pod).await.unwrap();
        times.push(start.elapsed());
    }
    println!("create: p50 {:?}", median(times));
}
