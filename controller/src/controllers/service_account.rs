//! Every namespace has a ServiceAccount `default`.

use std::sync::Arc;

use api::names::NamespacedName;
use futures::FutureExt;
use serde::de::IgnoredAny;
use serde_json::json;

use crate::caches::cache::Cache;
use crate::cluster::{Cluster, ErrorExt};
use crate::context::Context;
use crate::kinds::kind::Kind;
use crate::kinds::namespace::Namespace;
use crate::kinds::service_account::ServiceAccount;
use crate::queue::Patience;
use crate::worker::{Next, Synced};

const NAME: &str = "default";

struct ServiceAccounts {
    cluster: Cluster,
    namespaces: Cache<Namespace>,
    accounts: Cache<ServiceAccount>,
}

pub fn start(context: &Context) {
    let this = Arc::new(ServiceAccounts {
        cluster: context.cluster.clone(),
        namespaces: context.caches.of(),
        accounts: context.caches.of(),
    });
    let queue = context.queue("serviceaccount", Patience::default());
    let namespaces = queue.clone();
    this.namespaces.on_change(move |change| namespaces.add(change.key()));
    let accounts = queue.clone();
    this.accounts.on_change(move |change| {
        if change.new.is_none() && *change.object().meta.name == *NAME {
            accounts.add(NamespacedName::new("", &*change.object().meta.namespace));
        }
    });
    let ready = vec![this.namespaces.clone().ready(), this.accounts.clone().ready()];
    context.work("serviceaccount", 1, &queue, ready, move |key| {
        let this = this.clone();
        async move { this.sync(key).await }.boxed()
    });
}

impl ServiceAccounts {
    async fn sync(&self, key: NamespacedName) -> Synced {
        let namespace = &key.name;
        let is_active = self.namespaces.get(&key).is_some_and(|namespace| namespace.is_active());
        if !is_active || self.accounts.find(namespace, NAME).is_some() {
            return Ok(Next::Wait);
        }
        let account = json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NAME, "namespace": namespace},
        });
        match self.cluster.create::<IgnoredAny>(&ServiceAccount::RESOURCE, namespace, &account).await {
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
    async fn a_namespace_has_an_account_that_comes_back() {
        let world = World::start().await;
        world.create("/api/v1/namespaces", json!({"kind": "Namespace", "metadata": {"name": "a"}}));
        let path = "/api/v1/namespaces/a/serviceaccounts/default";
        world.eventually("the account", |world| world.get(path).is_some()).await;
        let first = world.get(path).unwrap()["metadata"]["uid"].clone();
        world.delete(path, json!({}));
        world.eventually("another", |world| world.get(path).is_some_and(|it| it["metadata"]["uid"] != first)).await;
    }
}
