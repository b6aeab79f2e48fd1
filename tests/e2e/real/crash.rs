//! `kill -9` under load, again and again: nothing acknowledged is lost, no revision is given twice, no process is left.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::core::ObjectList;
use tests::account::Account;
use tests::eventually::{check, eventually};
use tests::skiff::Skiff;
use tests::terminal::{Client, Terminal};
use tokio::runtime::Runtime;

use super::reading::{addresses, items};

const RESTARTS: u64 = 50;
const WRITERS: usize = 4;
const SOON: Duration = Duration::from_secs(30);

/// What a name holds: a value, or nothing.
type State = Option<u64>;

/// What was asked for a name, and what of it was acknowledged. They differ only while a request is under way.
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    asked: State,
    acknowledged: State,
}

/// All that the writers know. A name is used once: what is deleted stays so.
#[derive(Debug, Default)]
struct Ledger {
    entries: BTreeMap<String, Entry>,
    revisions: BTreeSet<u64>,
}

impl Ledger {
    fn ask(&mut self, name: &str, state: State) {
        self.entries.entry(name.to_owned()).or_default().asked = state;
    }

    fn acknowledge(&mut self, name: &str, revision: Option<&str>) {
        let entry = self.entries.get_mut(name).expect("it was asked for");
        entry.acknowledged = entry.asked;
        if let Some(revision) = revision {
            let revision = revision.parse().expect("revisions are numbers");
            assert!(self.revisions.insert(revision), "the revision {revision} was given twice");
        }
    }

    /// Compares with what a server holds after it came back, and goes on from there.
    fn compare(&mut self, held: &BTreeMap<String, u64>) -> Vec<String> {
        let mut wrong = Vec::new();
        for (name, entry) in &mut self.entries {
            let found = held.get(name).copied();
            if found != entry.acknowledged && found != entry.asked {
                wrong.push(format!("{name} is {found:?}: {entry:?}"));
            }
            *entry = Entry { asked: found, acknowledged: found };
        }
        wrong.extend(
            held.keys().filter(|name| !self.entries.contains_key(*name)).map(|name| format!("{name} is nobody's")),
        );
        wrong
    }
}

#[test]
fn the_ledger_finds_what_is_lost() {
    let mut ledger = Ledger::default();
    for (name, state) in [("kept", Some(0)), ("lost", Some(0)), ("back", None), ("open", Some(0))] {
        ledger.ask(name, state);
        ledger.acknowledge(name, None);
    }
    ledger.ask("open", Some(1));
    let held = [("kept", 0), ("back", 0), ("open", 1), ("new", 0)].map(|(name, value)| (name.to_owned(), value));
    let wrong = ledger.compare(&held.into());
    assert_eq!(wrong.len(), 3, "{wrong:?}");
    assert!(wrong[0].starts_with("back is Some(0)") && wrong[1].starts_with("lost is None"), "{wrong:?}");
    assert_eq!(wrong[2], "new is nobody's");
}

#[test]
fn nothing_acknowledged_is_lost_in_fifty_kills() {
    let mut skiff = Skiff::up(Account::Ordinary, &[]);
    let terminal = skiff.terminal(Client::Kubectl);
    terminal.ok("kubectl apply -f examples/web.yaml");
    endpoints_are_those_of_living_pods(&terminal);

    let runtime = Runtime::new().expect("start the writers' runtime");
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    for round in 0..RESTARTS {
        let maps = config_maps(&skiff, &runtime);
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| runtime.spawn(write(maps.clone(), format!("round-{round}-writer-{writer}"), ledger.clone())))
            .collect();
        // A different moment each time; the shortest one falls into the first writes.
        std::thread::sleep(Duration::from_millis(10 + round * 37 % 250));
        skiff.kill();
        for writer in writers {
            runtime.block_on(writer).expect("a writer ends when the server does");
        }
        skiff.start();
        let (held, revision) = runtime.block_on(all(&config_maps(&skiff, &runtime)));
        let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let wrong = ledger.compare(&held);
        assert!(wrong.is_empty(), "after kill {round}: {wrong:#?}");
        let highest = ledger.revisions.last().copied().unwrap_or_default();
        assert!(revision >= highest, "after kill {round}: revision {revision}, and {highest} was given before");
    }
    let written = ledger.lock().unwrap_or_else(PoisonError::into_inner).revisions.len();
    assert!(written > 1000, "only {written} writes were under way: this proves little");

    endpoints_are_those_of_living_pods(&terminal);
    skiff.stop();
}

/// Writes until the server is gone: makes a name, changes it, and deletes most of the older ones.
async fn write(maps: Api<ConfigMap>, prefix: String, ledger: Arc<Mutex<Ledger>>) {
    let change = |step: u64, f: &mut dyn FnMut(&mut Ledger, &str)| {
        f(&mut ledger.lock().unwrap_or_else(PoisonError::into_inner), &format!("{prefix}-{step}"));
    };
    for step in 0.. {
        change(step, &mut |ledger, name| ledger.ask(name, Some(0)));
        let made = ConfigMap { data: Some(data(0)), ..named(&format!("{prefix}-{step}")) };
        let Ok(made) = maps.create(&PostParams::default(), &made).await else { return };
        change(step, &mut |ledger, name| ledger.acknowledge(name, made.metadata.resource_version.as_deref()));

        change(step, &mut |ledger, name| ledger.ask(name, Some(1)));
        let patch = Patch::Merge(ConfigMap { data: Some(data(1)), ..ConfigMap::default() });
        let name = format!("{prefix}-{step}");
        let Ok(changed) = maps.patch(&name, &PatchParams::default(), &patch).await else { return };
        change(step, &mut |ledger, name| ledger.acknowledge(name, changed.metadata.resource_version.as_deref()));

        if step % 4 != 0 {
            change(step - 1, &mut |ledger, name| ledger.ask(name, None));
            let Ok(_) = maps.delete(&format!("{prefix}-{}", step - 1), &DeleteParams::default()).await else { return };
            change(step - 1, &mut |ledger, name| ledger.acknowledge(name, None));
        }
    }
}

fn named(name: &str) -> ConfigMap {
    let mut map = ConfigMap::default();
    map.metadata.name = Some(name.to_owned());
    map
}

fn data(value: u64) -> BTreeMap<String, String> {
    [("value".to_owned(), value.to_string())].into()
}

/// All that the writers made, and the revision of the list.
async fn all(maps: &Api<ConfigMap>) -> (BTreeMap<String, u64>, u64) {
    let list: ObjectList<ConfigMap> = maps.list(&ListParams::default()).await.expect("list after a restart");
    let revision =
        list.metadata.resource_version.as_deref().unwrap_or_default().parse().expect("revisions are numbers");
    let ours = list.items.into_iter().filter_map(|map| {
        let value = map.data?.get("value")?.parse().ok()?;
        Some((map.metadata.name?, value))
    });
    (ours.collect(), revision)
}

/// A client of its own for each start of the server, as the old one's connections are dead.
fn config_maps(skiff: &Skiff, runtime: &Runtime) -> Api<ConfigMap> {
    Api::namespaced(runtime.block_on(tests::client::of(&skiff.kubeconfig())), "default")
}

/// After all the kills the Service has the addresses of the pods that run, each one answers, and none is stale.
fn endpoints_are_those_of_living_pods(terminal: &Terminal) {
    eventually("the endpoints are those of two pods that answer", SOON, || {
        let pods = terminal.json("pods -l app=my-app");
        let living: BTreeSet<String> = items(&pods)
            .iter()
            .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
            .filter_map(|pod| Some(format!("{}:8080", pod["status"]["podIP"].as_str()?)))
            .collect();
        let found = addresses(terminal, "my-service");
        check(found.len() == 2 && found == living, || format!("endpoints {found:?}, pods {living:?}"))?;
        for address in &found {
            let answer = terminal.run(&format!("curl --silent --show-error --fail --max-time 5 http://{address}"));
            check(answer.code == Some(0), || format!("{address}: {}", answer.stderr))?;
        }
        Ok(())
    });
}
