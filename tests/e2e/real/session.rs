//! The session of the README, line by line, with the real kubectl and with `skiff` itself, as root and as an ordinary user.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use tests::account::Account;
use tests::eventually::{check, eventually};
use tests::skiff::Skiff;
use tests::terminal::{Client, Terminal};

use super::reading::{addresses, items, node_address, text};

const SOON: Duration = Duration::from_secs(30);
/// How long a dead address may be in the endpoints after kubectl has told that its pod is gone.
const A_MOMENT: Duration = Duration::from_secs(1);

#[test]
fn the_session_works_with_kubectl_as_an_ordinary_user() {
    session(Client::Kubectl, Account::Ordinary);
}

#[test]
fn the_session_works_with_skiff_as_an_ordinary_user() {
    session(Client::Skiff, Account::Ordinary);
}

#[test]
fn the_session_works_with_kubectl_as_root() {
    session(Client::Kubectl, Account::Root);
}

#[test]
fn the_session_works_with_skiff_as_root() {
    session(Client::Skiff, Account::Root);
}

fn session(client: Client, account: Account) {
    if !account.is_available() {
        return;
    }
    let mut skiff = Skiff::up(account, &[]);
    let said = skiff.standard_output();
    assert!(said.contains(&skiff.address().to_string()), "the address is not told:\n{said}");
    assert!(said.contains(&skiff.kubeconfig().display().to_string()), "the kubeconfig is not told:\n{said}");

    let terminal = skiff.terminal(client);
    the_example_is_applied(&terminal);
    everything_can_be_listed(&terminal);
    the_service_answers_on_every_node_port(&terminal);
    the_service_has_the_nodes_address_as_its_load_balancer(&terminal);
    a_third_pod_is_a_third_address(&terminal);
    the_endpoints_follow_the_selector(&terminal);
    a_deleted_pod_is_replaced(&terminal);
    the_story_is_told(&terminal);
    skiff.look_around();
    the_example_is_deleted(&terminal);
    skiff.stop();
}

fn the_example_is_applied(terminal: &Terminal) {
    let said = terminal.ok("kubectl apply -f examples/web.yaml");
    assert_eq!(said, "deployment.apps/my-app created\nservice/my-service created\n");
    let said = terminal.ok("kubectl apply -f examples/web.yaml");
    assert_eq!(said, "deployment.apps/my-app unchanged\nservice/my-service unchanged\n");
    endpoints_become(terminal, 2);
}

fn everything_can_be_listed(terminal: &Terminal) {
    eventually("the whole table shows two pods that run", SOON, || {
        let table = terminal.ok("kubectl get pods,deployments,replicasets,services,endpointslices,nodes -o wide");
        let has = |words: &[&str]| table.lines().any(|line| words.iter().all(|word| line.contains(word)));
        let rows: [&[&str]; 7] = [
            &["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE"],
            &["pod/my-app-", "1/1", "Running"],
            &["deployment.apps/my-app", "2/2", "skiff.dev/echo", "app=my-app"],
            &["replicaset.apps/my-app-", "skiff.dev/echo"],
            &["service/my-service", "ClusterIP", "80/TCP", "app=my-app"],
            &["endpointslice.discovery.k8s.io/my-service-", "IPv4", "8080"],
            &["node/", "Ready"],
        ];
        let missing: Vec<_> = rows.iter().filter(|words| !has(words)).collect();
        check(missing.is_empty(), || format!("no row with {missing:?} in\n{table}"))
    });
}

fn the_service_answers_on_every_node_port(terminal: &Terminal) {
    let said = terminal.ok(r#"kubectl patch service my-service -p '{"spec":{"type":"NodePort"}}'"#);
    assert_eq!(said, "service/my-service patched\n");
    let port = terminal.json("service my-service")["spec"]["ports"][0]["nodePort"].clone();
    let address = node_address(terminal);
    answers_come_from(terminal, &format!("http://{address}:{port}"), &pod_names(terminal));
}

fn the_service_has_the_nodes_address_as_its_load_balancer(terminal: &Terminal) {
    terminal.ok(r#"kubectl patch service my-service -p '{"spec":{"type":"LoadBalancer"}}'"#);
    let address = node_address(terminal);
    eventually("the load balancer has the node's address", SOON, || {
        let service = terminal.json("service my-service");
        let ingress = &service["status"]["loadBalancer"]["ingress"][0]["ip"];
        check(*ingress == address.as_str(), || format!("it is {ingress}, not {address}"))
    });
    let port = terminal.json("service my-service")["spec"]["ports"][0]["nodePort"].clone();
    answers_come_from(terminal, &format!("http://{address}:{port}"), &pod_names(terminal));

    terminal.ok(r#"kubectl patch service my-service -p '{"spec":{"type":"ClusterIP"}}'"#);
    let service = terminal.json("service my-service");
    assert_eq!(service["spec"]["ports"][0]["nodePort"], Value::Null, "a ClusterIP has no node port");
    eventually("nothing answers on the port that was given back", SOON, || {
        let answer = terminal.run(&format!("curl --silent --max-time 5 http://{address}:{port}"));
        check(answer.code != Some(0), || answer.stdout)
    });
}

fn a_third_pod_is_a_third_address(terminal: &Terminal) {
    assert_eq!(terminal.ok("kubectl scale deployment my-app --replicas=3"), "deployment.apps/my-app scaled\n");
    endpoints_become(terminal, 3);
}

fn the_endpoints_follow_the_selector(terminal: &Terminal) {
    terminal.ok(r#"kubectl patch service my-service -p '{"spec":{"selector":{"app":"other"}}}'"#);
    endpoints_become(terminal, 0);
    terminal.ok(r#"kubectl patch service my-service -p '{"spec":{"selector":{"app":"my-app"}}}'"#);
    endpoints_become(terminal, 3);
}

fn a_deleted_pod_is_replaced(terminal: &Terminal) {
    let pods = terminal.json("pods -l app=my-app");
    let victim = &pods["items"][0];
    let (name, address) = (text(&victim["metadata"]["name"]), text(&victim["status"]["podIP"]));
    let before = addresses(terminal, "my-service");
    assert!(
        before.iter().any(|endpoint| endpoint.starts_with(&format!("{address}:"))),
        "{address} is not in {before:?}"
    );
    let said = terminal.ok(&format!("kubectl delete pod {name}"));
    assert!(said.starts_with(&format!("pod \"{name}\" deleted")), "{said}");
    eventually("the dead address is gone from the endpoints, or is another pod's", A_MOMENT, || {
        let living = pod_addresses(terminal);
        let dead: Vec<String> =
            addresses(terminal, "my-service").into_iter().filter(|one| !living.contains(host(one))).collect();
        check(dead.is_empty(), || format!("{dead:?} are nobody's"))
    });
    endpoints_become(terminal, 3);
    assert!(!pod_names(terminal).contains(&name), "{name} is still there");
}

fn the_story_is_told(terminal: &Terminal) {
    let description = terminal.ok("kubectl describe service my-service");
    for word in [
        "Name:",
        "my-service",
        "Selector:",
        "app=my-app",
        "Type:",
        "ClusterIP",
        "TargetPort:",
        "8080/TCP",
        "Endpoints:",
    ] {
        assert!(description.contains(word), "no {word} in\n{description}");
    }
    for address in addresses(terminal, "my-service") {
        assert!(description.contains(&address), "no {address} in\n{description}");
    }
    let events = terminal.ok("kubectl get events");
    for reason in ["ScalingReplicaSet", "SuccessfulCreate", "Scheduled", "Started", "Killing"] {
        assert!(events.contains(reason), "no {reason} in\n{events}");
    }
}

fn the_example_is_deleted(terminal: &Terminal) {
    let said = terminal.ok("kubectl delete -f examples/web.yaml");
    for line in [r#"deployment.apps "my-app" deleted"#, r#"service "my-service" deleted"#] {
        assert!(said.contains(line), "no `{line}` in\n{said}");
    }
    eventually("nothing of the example is left", SOON, || {
        let left = terminal.ok("kubectl get pods,deployments,replicasets,endpoints,endpointslices -o name");
        let of_the_example: Vec<&str> = left.lines().filter(|line| line.contains("/my-")).collect();
        check(of_the_example.is_empty(), || format!("{of_the_example:?}"))
    });
}

/// Waits until the Service has so many endpoints, as `kubectl get endpoints` shows them.
fn endpoints_become(terminal: &Terminal, count: usize) {
    eventually(&format!("my-service has {count} endpoints"), SOON, || {
        let found = addresses(terminal, "my-service");
        check(found.len() == count, || format!("{found:?}"))
    });
}

/// Waits until each of these pods has answered, and lets nobody else answer.
fn answers_come_from(terminal: &Terminal, url: &str, pods: &BTreeSet<String>) {
    let mut heard = BTreeSet::new();
    eventually(&format!("all of {pods:?} answer at {url}"), SOON, || {
        let answer = terminal.run(&format!("curl --silent --show-error --fail --max-time 5 {url}"));
        check(answer.code == Some(0), || answer.stderr.clone())?;
        let name = pods.iter().find(|name| answer.stdout.contains(name.as_str()));
        heard.insert(name.ok_or_else(|| format!("none of the pods: {}", answer.stdout))?.clone());
        check(heard == *pods, || format!("only {heard:?}"))
    });
}

fn pod_names(terminal: &Terminal) -> BTreeSet<String> {
    let pods = terminal.json("pods -l app=my-app");
    items(&pods).iter().map(|pod| text(&pod["metadata"]["name"])).collect()
}

fn pod_addresses(terminal: &Terminal) -> BTreeSet<String> {
    let pods = terminal.json("pods -l app=my-app");
    let living = items(&pods).iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    living.filter_map(|pod| pod["status"]["podIP"].as_str().map(str::to_owned)).collect()
}

fn host(endpoint: &str) -> &str {
    endpoint.rsplit_once(':').map_or(endpoint, |(host, _)| host)
}
