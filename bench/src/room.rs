//! The namespace that all the work is done in. It is made first and cleared last.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::json;

use crate::cluster::Cluster;
use crate::connection::{Connection, JSON};

/// How long the server may take to be ready for a namespace, and to be rid of it.
const PATIENCE: Duration = Duration::from_secs(60);
const LEAVING: Duration = Duration::from_secs(20);

/// Names in the cluster that are ours alone.
pub struct Room {
    pub namespace: String,
}

impl Room {
    /// The path of a kind of `v1` in the namespace.
    pub fn core(&self, plural: &str) -> String {
        format!("/api/v1/namespaces/{}/{plural}", self.namespace)
    }

    pub fn slices(&self) -> String {
        format!("/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices", self.namespace)
    }

    /// A Node that is nobody's machine; it has the namespace's name.
    pub fn node(&self) -> String {
        format!("/api/v1/nodes/{}", self.namespace)
    }
}

pub async fn make(cluster: &Cluster) -> Result<Room> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let room = Room { namespace: format!("bench-{:x}", now.as_millis()) };
    let mut connection = cluster.connect().await?;
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": room.namespace}});
    connection.create("/api/v1/namespaces", namespace.to_string().into()).await.context("make a namespace")?;
    wait_until_pods_are_taken(&mut connection, &room).await?;
    Ok(room)
}

/// Some servers take pods only when the namespace's default service account is there.
async fn wait_until_pods_are_taken(connection: &mut Connection, room: &Room) -> Result<()> {
    let start = Instant::now();
    let path = format!("{}?dryRun=All", room.core("pods"));
    let body = crate::objects::pod("first", 2_048);
    loop {
        let (status, answer) = connection.call(Method::POST, &path, JSON, body.clone()).await?;
        if status.is_success() {
            return Ok(());
        }
        if start.elapsed() > PATIENCE || status != StatusCode::FORBIDDEN {
            bail!("pods are not taken: {status}: {}", String::from_utf8_lossy(&answer));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub async fn clear(cluster: &Cluster, room: &Room) -> Result<()> {
    let mut connection = cluster.connect().await?;
    // Where no controllers run, nobody else empties a namespace.
    for path in [room.core("pods"), room.core("configmaps"), room.slices()] {
        empty(&mut connection, &path).await?;
    }
    for plural in ["services", "endpoints"] {
        for name in names(&connection.get(&room.core(plural)).await?) {
            connection.delete(&format!("{}/{name}", room.core(plural))).await?;
        }
    }
    connection.delete(&room.node()).await.context("delete the node")?;
    let path = format!("/api/v1/namespaces/{}", room.namespace);
    connection.delete(&path).await.context("delete the namespace")?;
    // Without controllers it stays, empty and marked as deleted.
    let end = Instant::now() + LEAVING;
    while Instant::now() < end && connection.get(&path).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Deletes all of a collection, at once.
pub async fn empty(connection: &mut Connection, path: &str) -> Result<()> {
    let options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0});
    let body = Bytes::from(options.to_string());
    let (status, answer) = connection.call(Method::DELETE, path, JSON, body).await?;
    if status.is_success() || status == StatusCode::NOT_FOUND {
        return Ok(());
    }
    bail!("empty {path}: {status}: {}", String::from_utf8_lossy(&answer))
}

fn names(list: &[u8]) -> Vec<String> {
    let list: serde_json::Value = serde_json::from_slice(list).unwrap_or_default();
    let items = list["items"].as_array().into_iter().flatten();
    items.filter_map(|item| item["metadata"]["name"].as_str().map(str::to_owned)).collect()
}
