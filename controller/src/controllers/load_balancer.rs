//! Services of type LoadBalancer: the addresses of the nodes that are ready are their ingress.

use std::sync::Arc;

use api::names::NamespacedName;
use api::well_known::label;
use futures::FutureExt;
use serde_json::{Value, json};

use crate::caches::cache::{Cache, Change};
use crate::cluster::{Cluster, ErrorExt};
use crate::context::Context;
use crate::events::recorder::Recorder;
use crate::kinds::kind::Kind;
use crate::kinds::node::Node;
use crate::kinds::service::Service;
use crate::queue::{Patience, Queue};
use crate::worker::{Next, Synced};

struct LoadBalancers {
    cluster: Cluster,
    recorder: Recorder,
    services: Cache<Service>,
    nodes: Cache<Node>,
    queue: Queue<NamespacedName>,
}

pub fn start(context: &Context) {
    let this = Arc::new(LoadBalancers {
        cluster: context.cluster.clone(),
        recorder: context.recorder.of("service-controller"),
        services: context.caches.of(),
        nodes: context.caches.of(),
        queue: context.queue("load_balancer", Patience::default()),
    });
    let it = this.clone();
    this.services.on_change(move |change| {
        let concerns = |service: &Arc<Service>| is_wanted(service) || has_ingress(service);
        if change.new.is_some_and(concerns) {
            it.queue.add(change.key());
        }
    });
    let it = this.clone();
    this.nodes.on_change(move |change| it.node_changed(change));
    let ready = vec![this.services.clone().ready(), this.nodes.clone().ready()];
    let it = this.clone();
    context.work("load_balancer", 1, &this.queue, ready, move |key| {
        let it = it.clone();
        async move { it.sync(key).await }.boxed()
    });
}

fn is_wanted(service: &Service) -> bool {
    &*service.spec.kind == "LoadBalancer" && service.spec.load_balancer_class.is_none()
}

fn has_ingress(service: &Service) -> bool {
    !service.status.load_balancer.ingress.is_empty()
}

/// The address by which a node is reached from outside.
fn address(node: &Node) -> Option<&str> {
    if !node.is_ready() || node.meta.is_deleting() || node.meta.labels.contains(label::EXCLUDE_FROM_LOAD_BALANCERS) {
        return None;
    }
    let of_kind = |kind: &str| node.status.addresses.iter().find(|address| *address.kind == *kind);
    of_kind("ExternalIP").or_else(|| of_kind("InternalIP")).map(|address| &*address.address)
}

/// The addresses that a Service's status must show, if it shows others. Those of a class are somebody else's.
fn plan(service: &Service, nodes: &[Arc<Node>]) -> Option<Vec<Box<str>>> {
    if service.meta.is_deleting() || service.spec.load_balancer_class.is_some() {
        return None;
    }
    let wanted: Vec<Box<str>> = if is_wanted(service) {
        nodes.iter().filter_map(|node| address(node)).map(Box::from).collect()
    } else {
        Vec::new()
    };
    let shown: Vec<Box<str>> = service.status.load_balancer.ingress.iter().map(|it| it.ip.clone()).collect();
    (wanted != shown).then_some(wanted)
}

impl LoadBalancers {
    fn node_changed(&self, change: &Change<'_, Node>) {
        if change.old.and_then(|node| address(node)) == change.new.and_then(|node| address(node)) {
            return;
        }
        for service in self.services.list(None).iter().filter(|service| is_wanted(service)) {
            self.queue.add(service.meta.key());
        }
    }

    async fn sync(&self, key: NamespacedName) -> Synced {
        let Some(service) = self.services.get(&key) else { return Ok(Next::Wait) };
        let Some(addresses) = plan(&service, &self.nodes.list(None)) else { return Ok(Next::Wait) };
        let ingress: Vec<Value> = addresses.iter().map(|ip| json!({"ip": ip})).collect();
        let status =
            json!({"loadBalancer": {"ingress": if ingress.is_empty() { Value::Null } else { json!(ingress) }}});
        match self.cluster.merge_status(&Service::RESOURCE, &service.meta, &status).await {
            Err(error) if error.is_not_found() => return Ok(Next::Wait),
            result => result?,
        }
        if is_wanted(&service) && !has_ingress(&service) {
            self.recorder.normal(service.as_ref(), "EnsuredLoadBalancer", "Ensured load balancer");
        }
        Ok(Next::Wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::world::World;

    const SERVICE: &str = "/api/v1/namespaces/default/services/web";

    fn ingress(world: &World) -> Vec<String> {
        let status = world.get(SERVICE).unwrap()["status"].clone();
        let ingress = status["loadBalancer"]["ingress"].as_array().cloned().unwrap_or_default();
        ingress.iter().map(|it| it["ip"].as_str().unwrap().to_owned()).collect()
    }

    fn node(name: &str, ip: &str, ready: &str) -> Value {
        json!({"kind": "Node", "metadata": {"name": name}, "status": {
            "addresses": [{"type": "Hostname", "address": name}, {"type": "InternalIP", "address": ip}],
            "conditions": [{"type": "Ready", "status": ready}]}})
    }

    #[tokio::test(start_paused = true)]
    async fn the_ingress_is_the_ready_nodes_and_goes_with_the_type() {
        let world = World::start().await;
        world.create("/api/v1/nodes", node("a", "127.0.0.1", "True"));
        world.create("/api/v1/nodes", node("b", "127.0.0.2", "False"));
        let service = json!({"kind": "Service", "metadata": {"name": "web"}, "spec": {"type": "LoadBalancer"}});
        world.create("/api/v1/namespaces/default/services", service);
        world.eventually("one address", |world| ingress(world) == ["127.0.0.1"]).await;
        world.patch("/api/v1/nodes/b/status", json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}));
        world.eventually("two addresses", |world| ingress(world) == ["127.0.0.1", "127.0.0.2"]).await;
        world.patch(SERVICE, json!({"spec": {"type": "ClusterIP"}}));
        world.eventually("none", |world| ingress(world).is_empty()).await;
    }

    #[test]
    fn a_service_of_a_class_is_left_to_others() {
        let mut service = Service::default();
        service.spec.kind = "LoadBalancer".into();
        assert_eq!(plan(&service, &[]), None);
        service.status.load_balancer.ingress = vec![crate::kinds::service::Ingress { ip: "1.2.3.4".into() }];
        assert_eq!(plan(&service, &[]), Some(Vec::new()));
        service.spec.load_balancer_class = Some("x".into());
        assert_eq!(plan(&service, &[]), None);
    }
}
