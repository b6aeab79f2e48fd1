//! Every manifest of `examples/`, run by a real cluster.

use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::time::Duration;

use tests::account::Account;
use tests::eventually::{check, eventually};
use tests::skiff::Skiff;
use tests::terminal::Client;

use super::reading::{addresses, items, node_address, text};

const SOON: Duration = Duration::from_secs(30);

/// Which test runs which file. The first one is the session's.
const RUN_BY: &[(&str, &str)] = &[
    ("web.yaml", "session"),
    ("configmap-env.yaml", "a_program_gets_its_settings_from_a_config_map"),
    ("headless.yaml", "a_headless_service_lists_its_pods"),
    ("static-pod.yaml", "a_static_pod_is_shown_as_long_as_its_file_is_there"),
    ("udp.yaml", "a_service_answers_over_udp"),
];

#[test]
fn every_example_is_run_by_a_test() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");
    let entries = std::fs::read_dir(folder).expect("the repository has examples");
    let there: BTreeSet<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    let run: BTreeSet<String> = RUN_BY.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(there, run);
}

#[test]
fn a_program_gets_its_settings_from_a_config_map() {
    let mut skiff = Skiff::up(Account::Ordinary, &[]);
    let terminal = skiff.terminal(Client::Kubectl);
    terminal.ok("kubectl apply -f examples/configmap-env.yaml");
    eventually("the program has run to its end", SOON, || {
        let phase = terminal.json("pod greeter")["status"]["phase"].clone();
        check(phase == "Succeeded", || phase.to_string())
    });
    assert_eq!(terminal.ok("kubectl logs greeter"), "ahoy, harbour: this is greeter\n");
    assert_eq!(skiff.terminal(Client::Skiff).ok("kubectl logs greeter"), "ahoy, harbour: this is greeter\n");
    skiff.stop();
}

#[test]
fn a_headless_service_lists_its_pods() {
    let mut skiff = Skiff::up(Account::Ordinary, &[]);
    let terminal = skiff.terminal(Client::Kubectl);
    terminal.ok("kubectl apply -f examples/headless.yaml");
    eventually("three peers are listed at the named port", SOON, || {
        let found = addresses(&terminal, "peers");
        check(found.len() == 3 && found.iter().all(|one| one.ends_with(":8080")), || format!("{found:?}"))
    });
    assert_eq!(terminal.json("service peers")["spec"]["clusterIP"], "None");
    skiff.stop();
}

#[test]
fn a_static_pod_is_shown_as_long_as_its_file_is_there() {
    let mut skiff = Skiff::up(Account::Ordinary, &[]);
    let terminal = skiff.terminal(Client::Kubectl);
    let place = skiff.data_dir().join("static-pods");
    terminal.ok(&format!("mkdir -p {0} && cp examples/static-pod.yaml {0}/", place.display()));
    let name = eventually("the static pod runs, under the node's name", SOON, || {
        let pods = terminal.json("pods -l app=beacon");
        let pod = items(&pods).first().ok_or("there is none")?;
        check(pod["status"]["phase"] == "Running", || pod["status"].to_string())?;
        Ok(text(&pod["metadata"]["name"]))
    });
    let node = text(&terminal.json("nodes")["items"][0]["metadata"]["name"]);
    assert_eq!(name, format!("beacon-{node}"));
    terminal.ok(&format!("rm {}/static-pod.yaml", place.display()));
    eventually("the static pod goes with its file", SOON, || {
        let left = terminal.ok("kubectl get pods -l app=beacon -o name");
        check(left.is_empty(), || left)
    });
    skiff.stop();
}

#[test]
fn a_service_answers_over_udp() {
    let mut skiff = Skiff::up(Account::Ordinary, &[]);
    let terminal = skiff.terminal(Client::Kubectl);
    terminal.ok("kubectl apply -f examples/udp.yaml");
    eventually("two pods are behind the Service", SOON, || {
        let found = addresses(&terminal, "tide");
        check(found.len() == 2, || format!("{found:?}"))
    });
    let port = terminal.json("service tide")["spec"]["ports"][0]["nodePort"].clone();
    let place = format!("{}:{port}", node_address(&terminal));
    let pods = terminal.json("pods -l app=tide");
    let names: BTreeSet<String> = items(&pods).iter().map(|pod| text(&pod["metadata"]["name"])).collect();
    let mut heard = BTreeSet::new();
    eventually("both pods send back what they get", SOON, || {
        let answer = ask(&place, "high water").map_err(|error| error.to_string())?;
        check(answer.contains("high water"), || answer.clone())?;
        heard.extend(names.iter().find(|name| answer.contains(name.as_str())).cloned());
        check(heard == names, || format!("{heard:?} of {names:?}"))
    });
    skiff.stop();
}

/// Sends a datagram from a port of its own, and waits a little for an answer.
fn ask(place: &str, question: &str) -> std::io::Result<String> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    socket.send_to(question.as_bytes(), place)?;
    let mut answer = [0; 2048];
    let length = socket.recv(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}
