//! The demonstration: two pods behind a Service, and one answer.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use http::{Method, Request};
use kube::Client;
use serde_json::{Value, json};

use crate::commands::serving::tell;

const MANIFEST: &str = include_str!("../../../../examples/web.yaml");
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at what is waited for.
const PAUSE: Duration = Duration::from_millis(20);

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const SERVICES: &str = "/api/v1/namespaces/default/services";
const ENDPOINTS: &str = "/api/v1/namespaces/default/endpoints";
const NODES: &str = "/api/v1/nodes";

/// Applies the example, waits until its Service answers, and tells what it says.
pub async fn show(client: Client) -> Result<()> {
    let (deployment, service) = manifests()?;
    let name = service["metadata"]["name"].as_str().unwrap_or_default();
    let wanted = deployment["spec"]["replicas"].as_u64().unwrap_or(1);
    create(&client, DEPLOYMENTS, &deployment).await?;
    create(&client, SERVICES, &service).await?;
    tell("\nApplied examples/web.yaml; waiting for its pods")?;
    let endpoints = tokio::time::timeout(PATIENCE, endpoints(&client, name, usize::try_from(wanted)?)).await;
    let endpoints = endpoints.with_context(|| format!("{name} has no endpoints yet: see 'skiff get pods'"))??;
    tell(&format!("Endpoints of {name}: {}", endpoints.join(", ")))?;
    let (url, answer) = answer(&client, name).await?;
    tell(&format!("\n$ curl {url}\n{}", answer.trim_end()))
}

fn manifests() -> Result<(Value, Value)> {
    let (deployment, service) = MANIFEST.split_once("\n---\n").context("examples/web.yaml has two documents")?;
    let parse = |document| serde_yaml::from_str(document).context("read examples/web.yaml");
    Ok((parse(deployment)?, parse(service)?))
}

/// Asks the API. Objects stay as they came: of each only a field or two is of interest.
async fn call(client: &Client, method: Method, path: &str, body: &Value) -> kube::Result<Value> {
    let sends = *body != Value::Null;
    let media_type = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
    let request = Request::builder().method(method).uri(path).header(http::header::CONTENT_TYPE, media_type);
    let body = if sends { body.to_string().into_bytes() } else { Vec::new() };
    client.request(request.body(body).map_err(kube::Error::HttpError)?).await
}

async fn read(client: &Client, path: &str) -> Result<Value> {
    call(client, Method::GET, path, &Value::Null).await.with_context(|| format!("read {path}"))
}

async fn create(client: &Client, path: &str, object: &Value) -> Result<()> {
    match call(client, Method::POST, path, object).await {
        // An earlier demonstration is as good.
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        other => other.map(drop).with_context(|| format!("create in {path}")),
    }
}

/// `address:port` of each ready endpoint, once there are as many as wanted.
async fn endpoints(client: &Client, name: &str, wanted: usize) -> Result<Vec<String>> {
    let path = format!("{ENDPOINTS}/{name}");
    loop {
        // The controllers make them a moment after the Service.
        let found = match call(client, Method::GET, &path, &Value::Null).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => Value::Null,
            other => other.context("read the endpoints")?,
        };
        let addresses = addresses(&found);
        if addresses.len() >= wanted {
            return Ok(addresses);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn addresses(endpoints: &Value) -> Vec<String> {
    let pairs = items(&endpoints["subsets"]).flat_map(|subset| {
        let ports = || items(&subset["ports"]).filter_map(|port| port["port"].as_u64());
        let addresses = items(&subset["addresses"]).filter_map(|address| address["ip"].as_str());
        addresses.flat_map(move |address| ports().map(move |port| format!("{address}:{port}")))
    });
    pairs.collect()
}

/// Of a list; of anything else there are none.
fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// Asks the Service at its own address; where that cannot be bound, at a port of the node.
async fn answer(client: &Client, name: &str) -> Result<(String, String)> {
    let path = format!("{SERVICES}/{name}");
    let service = read(client, &path).await?;
    let at = socket(&service["spec"]["clusterIP"], &service["spec"]["ports"][0]["port"])?;
    if let Ok(answer) = ask(at, Duration::from_secs(1)).await {
        return Ok((format!("http://{at}"), answer));
    }
    tell(&format!("{at} cannot be served here (a port below 1024 needs root): making it a NodePort"))?;
    let change = json!({ "spec": { "type": "NodePort" } });
    let changed = call(client, Method::PATCH, &path, &change).await.context("make the Service a NodePort")?;
    let nodes = read(client, NODES).await?;
    let internal = items(&nodes["items"][0]["status"]["addresses"]).find(|address| address["type"] == "InternalIP");
    let at =
        socket(&internal.context("the node has an address")?["address"], &changed["spec"]["ports"][0]["nodePort"])?;
    let answer = ask(at, PATIENCE).await.with_context(|| format!("ask the Service at {at}"))?;
    Ok((format!("http://{at}"), answer))
}

fn socket(address: &Value, port: &Value) -> Result<SocketAddr> {
    let ip = address.as_str().and_then(|text| text.parse::<IpAddr>().ok());
    let port = port.as_u64().and_then(|port| u16::try_from(port).ok());
    let (Some(ip), Some(port)) = (ip, port) else { bail!("{address} and {port:?} are no address and port") };
    Ok(SocketAddr::new(ip, port))
}

/// Tries until there is an answer, or the patience ends.
async fn ask(at: SocketAddr, patience: Duration) -> Result<String> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build()?;
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        match client.get(format!("http://{at}/")).send().await.and_then(reqwest::Response::error_for_status) {
            Ok(response) => return Ok(response.text().await?),
            Err(error) if tokio::time::Instant::now() >= deadline => return Err(error.into()),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_a_deployment_and_a_service() {
        let names = manifests().map(|(one, other)| [one, other].map(|object| object["metadata"]["name"].clone()));
        assert_eq!(names.unwrap(), ["my-app", "my-service"]);
    }

    #[test]
    fn addresses_are_paired_with_ports() {
        let endpoints = json!({"subsets": [{"addresses": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}],
                                            "ports": [{"port": 80}, {"port": 443}]}]});
        assert_eq!(addresses(&endpoints), ["10.0.0.1:80", "10.0.0.1:443", "10.0.0.2:80", "10.0.0.2:443"]);
        assert!(addresses(&Value::Null).is_empty());
    }
}
