//! Every namespace has a ConfigMap with the certificate authority of the API server.

use std::sync::Arc;

use api::names::NamespacedName;
use api::well_known::ROOT_CA_CONFIG_MAP;
use futures::FutureExt;
use serde::de::IgnoredAny;
use serde_json::json;

use crate::caches::cache::Cache;
use crate::cluster::{Cluster, ErrorExt, Patch};
use crate::context::Context;
use crate::kinds::config_map::{CA_KEY, CaHash, ConfigMap};
use crate::kinds::kind::Kind;
use crate::kinds::namespace::Namespace;
use crate::options::Options;
use crate::queue::Patience;
use crate::worker::{Next, Synced};

struct RootCa {
    cluster: Cluster,
    options: Arc<Options>,
    hash: CaHash,
    namespaces: Cache<Namespace>,
    maps: Cache<ConfigMap>,
}

pub fn start(context: &Context) {
    let this = Arc::new(RootCa {
        cluster: context.cluster.clone(),
        options: context.options.clone(),
        hash: CaHash::of(&context.options.root_ca_pem),
        namespaces: context.caches.of(),
        maps: context.caches.of(),
    });
    let queue = context.queue("root_ca", Patience::default());
    let namespaces = queue.clone();
    this.namespaces.on_change(move |change| namespaces.add(change.key()));
    let maps = queue.clone();
    this.maps.on_change(move |change| {
        if *change.object().meta.name == *ROOT_CA_CONFIG_MAP {
            maps.add(NamespacedName::new("", &*change.object().meta.namespace));
        }
    });
    let ready = vec![this.namespaces.clone().ready(), this.maps.clone().ready()];
    context.work("root_ca", 1, &queue, ready, move |key| {
        let this = this.clone();
        async move { this.sync(key).await }.boxed()
    });
}

impl RootCa {
    async fn sync(&self, key: NamespacedName) -> Synced {
        let namespace = &key.name;
        if !self.namespaces.get(&key).is_some_and(|namespace| namespace.is_active()) {
            return Ok(Next::Wait);
        }
        let data = json!({CA_KEY: self.options.root_ca_pem});
        let written = match self.maps.find(namespace, ROOT_CA_CONFIG_MAP) {
            Some(map) if map.data.ca == Some(self.hash) => return Ok(Next::Wait),
            Some(map) => {
                let path = ConfigMap::RESOURCE.object(namespace, ROOT_CA_CONFIG_MAP, "");
                let change = json!({"metadata": {"resourceVersion": map.meta.resource_version}, "data": data});
                self.cluster.patch::<IgnoredAny>(&path, Patch::Merge, &change).await
            }
            None => {
                let meta = json!({"name": ROOT_CA_CONFIG_MAP, "namespace": namespace});
                let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data});
                self.cluster.create::<IgnoredAny>(&ConfigMap::RESOURCE, namespace, &map).await
            }
        };
        match written {
            Err(error) if error.is_already_exists() || error.is_namespace_terminating() => Ok(Next::Wait),
            result => Ok(result.map(|_| Next::Wait)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::fake::world::World;
    use serde_json::json;

    #[tokio::test(start_paused = true)]
    async fn the_certificate_authority_is_in_every_namespace_and_cannot_be_changed() {
        let world = World::start().await;
        world.create("/api/v1/namespaces", json!({"kind": "Namespace", "metadata": {"name": "a"}}));
        let path = "/api/v1/namespaces/a/configmaps/kube-root-ca.crt";
        let holds = |world: &World| world.get(path).is_some_and(|map| map["data"]["ca.crt"] == "CA");
        world.eventually("the map", holds).await;
        world.patch(path, json!({"data": {"ca.crt": "forged"}}));
        world.eventually("mended", holds).await;
        world.delete(path, json!({}));
        world.eventually("there again", holds).await;
    }
}
