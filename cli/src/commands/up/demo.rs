//! The demonstration: two pods behind a Service, and one answer.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::TryStreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Endpoints, Node, Service};
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use serde::de::DeserializeOwned;

use crate::commands::serving::tell;

const MANIFEST: &str = include_str!("../../../../examples/web.yaml");
const PATIENCE: Duration = Duration::from_secs(60);

/// Applies the example, waits until its Service answers, and tells what it says.
pub async fn show(client: Client) -> Result<()> {
    let (deployment, service) = manifests()?;
    let (name, wanted) = (service.name_any(), deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1));
    create(&client, deployment).await?;
    create(&client, service).await?;
    tell("\nApplied examples/web.yaml; waiting for its pods")?;
    let endpoints = tokio::time::timeout(PATIENCE, endpoints(&client, &name, wanted as usize)).await;
    let endpoints = endpoints.with_context(|| format!("{name} has no endpoints yet: see 'skiff get pods'"))??;
    tell(&format!("Endpoints of {name}: {}", endpoints.join(", ")))?;
    let (url, answer) = answer(&client, &name).await?;
    tell(&format!("\n$ curl {url}\n{}", answer.trim_end()))
}

fn manifests() -> Result<(Deployment, Service)> {
    let (deployment, service) = MANIFEST.split_once("\n---\n").context("examples/web.yaml has two documents")?;
    Ok((parse(deployment)?, parse(service)?))
}

fn parse<K: DeserializeOwned>(document: &str) -> Result<K> {
    let value: serde_json::Value = serde_yaml::from_str(document).context("read examples/web.yaml")?;
    K::deserialize(value).context("read examples/web.yaml")
}

async fn create<K>(client: &Client, object: K) -> Result<()>
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    K: Clone + std::fmt::Debug + DeserializeOwned + serde::Serialize,
{
    let api: Api<K> = Api::default_namespaced(client.clone());
    match api.create(&PostParams::default(), &object).await {
        // An earlier demonstration is as good.
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        other => other.map(drop).with_context(|| format!("create {}", object.name_any())),
    }
}

/// `address:port` of each ready endpoint, once there are as many as wanted.
async fn endpoints(client: &Client, name: &str, wanted: usize) -> Result<Vec<String>> {
    let api: Api<Endpoints> = Api::default_namespaced(client.clone());
    let only = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut states = std::pin::pin!(watcher(api, only).default_backoff().applied_objects());
    while let Some(state) = states.try_next().await.context("watch the endpoints")? {
        let addresses = addresses(&state);
        if addresses.len() >= wanted {
            return Ok(addresses);
        }
    }
    bail!("the watch of the endpoints ended")
}

fn addresses(endpoints: &Endpoints) -> Vec<String> {
    let subsets = endpoints.subsets.iter().flatten();
    let pairs = subsets.flat_map(|subset| {
        let ports: Vec<i32> = subset.ports.iter().flatten().map(|port| port.port).collect();
        subset
            .addresses
            .iter()
            .flatten()
            .flat_map(move |address| ports.clone().into_iter().map(move |port| format!("{}:{port}", address.ip)))
    });
    pairs.collect()
}

/// Asks the Service at its own address; where that cannot be bound, at a port of the node.
async fn answer(client: &Client, name: &str) -> Result<(String, String)> {
    let services: Api<Service> = Api::default_namespaced(client.clone());
    let service = services.get(name).await.context("read the Service")?;
    let spec = service.spec.unwrap_or_default();
    let port = spec.ports.iter().flatten().next().context("the Service has a port")?.port;
    let address: IpAddr =
        spec.cluster_ip.as_deref().unwrap_or_default().parse().context("read the Service's address")?;
    let at = SocketAddr::new(address, u16::try_from(port).context("read the Service's port")?);
    if let Ok(answer) = ask(at, Duration::from_secs(1)).await {
        return Ok((format!("http://{at}"), answer));
    }
    tell(&format!("{at} cannot be served here (a port below 1024 needs root): making it a NodePort"))?;
    let change = serde_json::json!({ "spec": { "type": "NodePort" } });
    let changed = services.patch(name, &PatchParams::default(), &Patch::Merge(change)).await;
    let ports = changed.context("make the Service a NodePort")?.spec.unwrap_or_default().ports.unwrap_or_default();
    let port = ports.first().and_then(|port| port.node_port).context("the Service has a node port")?;
    let at = SocketAddr::new(node_address(client).await?, u16::try_from(port).context("read the node port")?);
    let answer = ask(at, PATIENCE).await.with_context(|| format!("ask the Service at {at}"))?;
    Ok((format!("http://{at}"), answer))
}

async fn node_address(client: &Client) -> Result<IpAddr> {
    let nodes = Api::<Node>::all(client.clone()).list(&kube::api::ListParams::default()).await.context("list nodes")?;
    let node = nodes.items.into_iter().next().context("the cluster has a node")?;
    let addresses = node.status.unwrap_or_default().addresses.unwrap_or_default();
    let internal = addresses.into_iter().find(|address| address.type_ == "InternalIP");
    internal.context("the node has an address")?.address.parse().context("read the node's address")
}

/// Tries until there is an answer, or the patience ends.
async fn ask(at: SocketAddr, patience: Duration) -> Result<String> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build()?;
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        match client.get(format!("http://{at}/")).send().await.and_then(reqwest::Response::error_for_status) {
            Ok(response) => return Ok(response.text().await?),
            Err(error) if tokio::time::Instant::now() >= deadline => return Err(error.into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_a_deployment_and_a_service() {
        let (deployment, service) = manifests().unwrap();
        assert_eq!((deployment.name_any().as_str(), service.name_any().as_str()), ("my-app", "my-service"));
    }
}
