//! The real kubectls, today's and the one of 2021: the transcripts in `tests/clients/kubectl/`, row by row.

mod row;
mod transcript;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{Api, ListParams, PostParams};
use tests::account::Account;
use tests::skiff::Skiff;
use tests::{client, terminal};

use self::row::Table;
use self::transcript::{Age, Row};
use super::{place, waiting};

/// How many rows run at a time. Each spends most of its time starting kubectl.
const HANDS: usize = 4;

/// What is fetched for rows of an older kubectl, unpacked from Debian's package.
pub const OLD: &str = "kubectl/usr/bin/kubectl";

#[test]
fn every_row_works_with_todays_kubectl() {
    if terminal::minor_version() < terminal::VALIDATES_SINCE {
        println!("skipped: the kubectl on the PATH is an old one itself");
        return;
    }
    every_row_works(Age::New, PathBuf::from(terminal::kubectl()));
}

#[test]
fn every_row_works_with_an_old_kubectl() {
    every_row_works(Age::Old, place::fetched(OLD));
}

fn every_row_works(age: Age, kubectl: PathBuf) {
    let mut skiff = Skiff::up(Account::Ordinary, &["--runtime", "simulated", "--nodes", "3"]);
    let rows: Vec<Row> = transcript::read_all().into_iter().filter(|row| row.is_for(age)).collect();
    let mut waiting = waiting::of("kubectl");
    waiting.extend(waiting::of(age.who()));
    make_namespaces(&skiff, &rows);
    let table = Table::new(&skiff, age, kubectl);
    let wrong = run_all(&table, &rows, &waiting);
    assert!(wrong.is_empty(), "{} rows are wrong:\n\n{}", wrong.len(), wrong.join("\n\n"));
    skiff.stop();
}

/// The rows that are wrong, with what was said in them.
fn run_all(table: &Table, rows: &[Row], waiting: &BTreeMap<String, String>) -> Vec<String> {
    let (next, wrong) = (Mutex::new(rows.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..HANDS {
            scope.spawn(|| {
                loop {
                    let Some(row) = next.lock().expect("no row panics").next() else { return };
                    let verdict = waiting::verdict(waiting.get(&row.name), table.run(row));
                    let told = verdict.map(|why| format!("== {}\n{why}", row.name));
                    wrong.lock().expect("no row panics").extend(told);
                }
            });
        }
    });
    wrong.into_inner().expect("no row panics")
}

/// A namespace for each row, with its account, made before the first row begins.
fn make_namespaces(skiff: &Skiff, rows: &[Row]) {
    let runtime = tokio::runtime::Runtime::new().expect("start a runtime");
    runtime.block_on(async {
        let client = client::of(&skiff.kubeconfig()).await;
        let namespaces = Api::<Namespace>::all(client.clone());
        for row in rows {
            let namespace = serde_json::from_value(serde_json::json!({ "metadata": { "name": row.namespace() } }));
            let namespace = namespace.expect("a namespace is made of its name");
            namespaces.create(&PostParams::default(), &namespace).await.expect("create a namespace");
        }
        let accounts = Api::<ServiceAccount>::all(client);
        let ours = ListParams::default().fields("metadata.name=default");
        while accounts.list(&ours).await.expect("list accounts").items.len() < rows.len() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}

#[test]
fn the_list_of_what_waits_names_rows_that_are_there() {
    let rows = transcript::read_all();
    for (who, age) in [("kubectl", None), ("kubectl-new", Some(Age::New)), ("kubectl-old", Some(Age::Old))] {
        let names: BTreeSet<String> =
            rows.iter().filter(|row| age.is_none_or(|age| row.is_for(age))).map(|row| row.name.clone()).collect();
        let unknown: Vec<String> = waiting::of(who).into_keys().filter(|name| !names.contains(name)).collect();
        assert!(unknown.is_empty(), "no rows of {who}: {unknown:?}");
    }
}
