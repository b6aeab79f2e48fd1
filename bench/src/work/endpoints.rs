//! Makes a pod ready and unready, and waits until its Service's EndpointSlice says so.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::figures::{Durations, Report};
use crate::objects;
use crate::room::Room;
use crate::work::watch::{Stream, revision_of};

const PATIENCE: Duration = Duration::from_secs(20);
const ROUNDS: usize = 500;
const REST: Duration = Duration::from_millis(20);
/// An address that belongs to nobody here; nothing is sent to it.
const ADDRESS: &str = "10.255.255.1";

/// The pod stands on a Node that is no machine, so that no agent has another opinion of its readiness.
pub async fn measure(cluster: &Cluster, room: &Room, span: Duration, report: &mut Report) -> Result<()> {
    let mut connection = cluster.connect().await?;
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": room.namespace}});
    connection.create("/api/v1/nodes", node.to_string().into()).await.context("make a node")?;
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "measured"},
        "spec": {"selector": {"app": "bench"}, "ports": [{"port": 80, "targetPort": 8080}]}});
    connection.create(&room.core("services"), service.to_string().into()).await.context("make a service")?;
    let pod = objects::padded_pod("measured", 2_048, json!({"nodeName": room.namespace}));
    connection.create(&room.core("pods"), pod.to_string().into()).await.context("make a pod")?;
    let revision = revision_of(&connection.get(&room.slices()).await?)?;
    let mut slices = Stream::open(cluster.connect().await?, &room.slices(), &revision).await?;
    let status_path = format!("{}/measured/status", room.core("pods"));
    let mut durations = Durations::default();
    let end = Instant::now() + span;
    for round in 0..ROUNDS {
        if Instant::now() >= end && round > 5 {
            break;
        }
        let is_ready = round % 2 == 0;
        let start = Instant::now();
        connection.patch(&status_path, status(is_ready).to_string().into()).await.context("patch the pod's status")?;
        let seen = wait_for(&mut slices, is_ready);
        tokio::time::timeout(PATIENCE, seen).await.context("the slice did not follow in time")??;
        if round > 1 {
            durations.add(start.elapsed());
        }
        tokio::time::sleep(REST).await;
    }
    report.add_durations("readiness to EndpointSlice", &mut durations);
    connection.delete(&format!("{}/measured", room.core("services"))).await?;
    connection.delete(&format!("{}/measured?gracePeriodSeconds=0", room.core("pods"))).await?;
    connection.delete(&room.node()).await
}

fn status(is_ready: bool) -> Value {
    let condition = json!({"type": "Ready", "status": if is_ready { "True" } else { "False" }});
    json!({"status": {"phase": "Running", "podIP": ADDRESS, "podIPs": [{"ip": ADDRESS}], "conditions": [condition]}})
}

async fn wait_for(slices: &mut Stream, is_ready: bool) -> Result<()> {
    loop {
        let line = slices.next().await?;
        let event: Value = serde_json::from_slice(&line).context("understand an event")?;
        let endpoints = event["object"]["endpoints"].as_array().into_iter().flatten();
        let mut ours = endpoints.filter(|endpoint| endpoint["addresses"][0] == ADDRESS);
        if ours.any(|endpoint| endpoint["conditions"]["ready"] == is_ready) {
            return Ok(());
        }
    }
}
