//! Objects that tests begin with, and vary.

use serde_json::{Value, json};

/// An image that simulated nodes have.
pub const IMAGE: &str = "skiff.dev/echo";

/// A Deployment of pods with the label `app: <name>` that serve on the port `http`, 8080.
pub fn deployment(name: &str, replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": name },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { "app": name } },
            "template": { "metadata": { "labels": { "app": name } }, "spec": pod_spec() },
        },
    })
}

/// The same with another image.
pub fn deployment_of(name: &str, replicas: u32, image: &str) -> Value {
    let mut deployment = deployment(name, replicas);
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
    deployment
}

/// A pod with the label `app: <name>`.
pub fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "labels": { "app": name } },
        "spec": pod_spec(),
    })
}

/// A Service for the pods with the label `app: <app>`, port 80 to 8080.
pub fn service(name: &str, app: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": name },
        "spec": { "selector": { "app": app }, "ports": [{ "name": "web", "port": 80, "targetPort": 8080 }] },
    })
}

pub fn config_map(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": {} })
}

pub fn namespace(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } })
}

fn pod_spec() -> Value {
    json!({ "containers": [{
        "name": "main", "image": IMAGE, "ports": [{ "name": "http", "containerPort": 8080 }],
    }] })
}
