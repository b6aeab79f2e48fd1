//! The Rust client, `kube`, over a real socket. Each check has a namespace of its own.

#![expect(clippy::unwrap_used, reason = "a check that panics has failed")]

mod informers;
mod objects;
mod operator;

use std::time::Duration;

use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Namespace;
use kube::Client;
use kube::api::{Api, PostParams};
use serde_json::json;
use tests::account::Account;
use tests::client;
use tests::skiff::Skiff;

use super::waiting;

/// A check: what it is called, and what it does in a namespace.
struct Check {
    name: &'static str,
    run: fn(Client, String) -> BoxFuture<'static, ()>,
}

const CHECKS: &[Check] = &[
    Check { name: "typed objects", run: |client, namespace| Box::pin(objects::typed(client, namespace)) },
    Check { name: "dynamic objects", run: |client, namespace| Box::pin(objects::dynamic(client, namespace)) },
    Check { name: "discovery", run: |client, _| Box::pin(objects::discovery(client)) },
    Check { name: "scale and status", run: |client, namespace| Box::pin(objects::parts(client, namespace)) },
    Check { name: "refusals", run: |client, namespace| Box::pin(objects::refusals(client, namespace)) },
    Check { name: "reflectors", run: |client, namespace| Box::pin(informers::reflectors(client, namespace)) },
    Check { name: "metadata", run: |client, namespace| Box::pin(informers::metadata(client, namespace)) },
    Check { name: "conditions", run: |client, namespace| Box::pin(informers::conditions(client, namespace)) },
    Check { name: "an operator", run: |client, namespace| Box::pin(operator::keeps_what_it_owns(client, namespace)) },
    Check { name: "recorded events", run: |client, namespace| Box::pin(operator::records(client, namespace)) },
];

/// The longest that a check may take.
const DEADLINE: Duration = Duration::from_secs(20);

#[test]
fn programs_in_rust_work() {
    let mut skiff = Skiff::up(Account::Ordinary, &["--runtime", "simulated"]);
    let runtime = tokio::runtime::Runtime::new().expect("start a runtime");
    let listed = waiting::of("kube");
    let unknown: Vec<_> = listed.keys().filter(|name| CHECKS.iter().all(|check| check.name != *name)).collect();
    assert!(unknown.is_empty(), "waiting.txt names checks that are not there: {unknown:?}");
    let client = runtime.block_on(client::of(&skiff.kubeconfig()));
    let mut wrong = Vec::new();
    for check in CHECKS {
        let outcome = runtime.block_on(run(check, client.clone()));
        wrong.extend(waiting::verdict(listed.get(check.name), outcome).map(|why| format!("{}: {why}", check.name)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    skiff.stop();
}

/// A check that panics or takes too long has failed; the others go on.
async fn run(check: &Check, client: Client) -> Result<(), String> {
    let namespace = format!("rust-{}", check.name.replace(' ', "-"));
    let object: Namespace = serde_json::from_value(json!({ "metadata": { "name": namespace } })).expect("a namespace");
    Api::all(client.clone()).create(&PostParams::default(), &object).await.expect("create a namespace");
    let task = tokio::spawn((check.run)(client, namespace));
    match tokio::time::timeout(DEADLINE, task).await {
        Ok(ended) => ended.map_err(|error| error.to_string()),
        Err(_) => Err(format!("not done within {DEADLINE:?}")),
    }
}
