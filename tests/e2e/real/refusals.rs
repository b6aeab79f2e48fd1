//! What is refused: bad requests in the API's own words, and starts that would do harm, with what to do instead.

use std::net::TcpListener;

use tests::account::Account;
use tests::skiff::{Skiff, free_address};
use tests::terminal::{Client, Terminal};

/// Just over the 3 MiB that a body may have.
const TOO_MUCH: usize = 3 * 1024 * 1024 + 1;

#[test]
fn bad_requests_are_told_as_kubectl_tells_them() {
    let mut skiff = Skiff::up(Account::Ordinary, &[]);
    for client in [Client::Kubectl, Client::Skiff] {
        bad_requests(&skiff, &skiff.terminal(client));
    }
    skiff.stop();
}

fn bad_requests(skiff: &Skiff, terminal: &Terminal) {
    let write = |name: &str, text: &str| std::fs::write(skiff.path().join(name), text).expect("write a manifest");

    let said = terminal.fails("kubectl get pod nobody");
    assert_eq!(said, "Error from server (NotFound): pods \"nobody\" not found\n");

    let said = terminal.fails("kubectl get wibbles");
    assert_eq!(said.trim_end(), "error: the server doesn't have a resource type \"wibbles\"");

    terminal.ok("kubectl create -f examples/web.yaml");
    let said = terminal.fails("kubectl create -f examples/web.yaml");
    for what in ["deployments.apps \"my-app\"", "services \"my-service\""] {
        let sentence = format!(
            "Error from server (AlreadyExists): error when creating \"examples/web.yaml\": {what} already exists"
        );
        assert!(said.contains(&sentence), "{said}");
    }
    terminal.ok("kubectl delete -f examples/web.yaml");

    write("invalid.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: wrong}\nspec: {ports: [{port: 0}]}\n");
    let said = terminal.fails("kubectl create -f invalid.yaml");
    assert!(said.contains("The Service \"wrong\" is invalid"), "{said}");
    assert!(said.contains("spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"), "{said}");

    write("broken.yaml", "apiVersion: v1\nkind: [Service\n");
    let said = terminal.fails("kubectl create -f broken.yaml");
    assert!(said.starts_with("error: error parsing broken.yaml: "), "{said}");

    let data = "x".repeat(TOO_MUCH);
    write("large.yaml", &format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: large}}\ndata: {{x: {data}}}\n"));
    let said = terminal.fails("kubectl create -f large.yaml");
    assert!(said.contains("(RequestEntityTooLarge)"), "{said}");
    assert!(said.contains("limit is 3145728"), "{said}");
}

#[test]
fn a_second_server_on_the_same_folder_is_refused() {
    let mut skiff = Skiff::up(Account::Ordinary, &[]);
    let data = skiff.data_dir().display().to_string();
    let said = refused(&skiff, &format!("--data-dir {data} --listen {}", free_address()));
    assert!(said.contains(&data), "the folder is not named: {said}");
    skiff.terminal(Client::Kubectl).ok("kubectl get nodes");
    skiff.stop();
}

#[test]
fn a_port_that_is_taken_is_named() {
    let skiff = Skiff::prepared(Account::Ordinary, &[]);
    let taken = TcpListener::bind("127.0.0.1:0").expect("this machine has a free port");
    let address = taken.local_addr().expect("a bound socket has an address").to_string();
    let said = refused(&skiff, &format!("--data-dir {} --listen {address}", skiff.data_dir().display()));
    assert!(said.contains(&address), "the port is not named: {said}");
    skiff.assert_no_strays();
}

#[test]
fn a_foreign_folder_is_refused_and_left_as_it_is() {
    let skiff = Skiff::prepared(Account::Ordinary, &[]);
    let place = skiff.path().join("home/letters");
    std::fs::create_dir(&place).expect("make a folder in one's own");
    std::fs::write(place.join("letter.txt"), "dear").expect("write a letter");
    Account::Ordinary.own(&place);
    let said = refused(&skiff, &format!("--data-dir {} --listen {}", place.display(), free_address()));
    assert!(said.contains(&place.display().to_string()), "the folder is not named: {said}");
    assert_eq!(std::fs::read_dir(&place).expect("it is there still").count(), 1, "something was put into it");
}

#[test]
fn a_damaged_store_is_refused_with_what_to_do() {
    let mut skiff = Skiff::up(Account::Ordinary, &[]);
    skiff.stop();
    let damaged = damage(&skiff.data_dir().join("store"));
    assert!(damaged > 0, "there is nothing to damage");
    let data = skiff.data_dir().display().to_string();
    let said = refused(&skiff, &format!("--data-dir {data} --listen {}", free_address()));
    assert!(said.contains(&data), "the folder is not named: {said}");
    skiff.assert_no_strays();
}

/// Starts a second `skiff up`, which must end by itself with exit code 1, and gives what it said.
#[track_caller]
fn refused(skiff: &Skiff, options: &str) -> String {
    let said = skiff.terminal(Client::Skiff).fails(&format!("\"$SKIFF\" up --kubeconfig ./other {options}"));
    assert!(!said.contains("panicked"), "a refusal is a sentence: {said}");
    said
}

/// Overwrites the first half of every file of some size, and tells how many there were.
fn damage(folder: &std::path::Path) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            count += damage(&path);
        } else if let Ok(mut content) = std::fs::read(&path)
            && content.len() > 64
        {
            let half = content.len() / 2;
            content[..half].fill(0xa5);
            std::fs::write(&path, content).expect("write to a file of one's own");
            count += 1;
        }
    }
    count
}
