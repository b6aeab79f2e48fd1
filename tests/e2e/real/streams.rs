//! Commands in pods, their ports, and what is behind proxies, with kubectl of today and with an old one, which speaks SPDY.

use std::time::Duration;

use tests::account::Account;
use tests::eventually::{check, eventually};
use tests::skiff::Skiff;
use tests::terminal::{self, Client, Terminal};

use super::clients::{kubectl, place};
use super::reading::{addresses, text};

const SOON: Duration = Duration::from_secs(30);

/// A pod that says what it hears.
const PARROT: &str = "apiVersion: v1
kind: Pod
metadata: {name: parrot}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: none
    stdin: true
    env: [{name: GREETING, value: ahoy}]
    command: [sh, -c, 'while read line; do echo \"heard $line\"; done; sleep 1000']
";

#[test]
fn pods_are_entered_and_reached() {
    let mut skiff = Skiff::up(Account::Ordinary, &[]);
    let terminal = skiff.terminal(Client::Kubectl);
    std::fs::write(skiff.path().join("parrot.yaml"), PARROT).expect("write a manifest");
    terminal.ok("kubectl apply -f examples/web.yaml -f parrot.yaml");
    terminal.ok("kubectl wait --for=condition=Ready pod/parrot --timeout=30s");
    eventually("two pods are behind the Service", SOON, || {
        let found = addresses(&terminal, "my-service");
        check(found.len() == 2, || format!("{found:?}"))
    });
    let old = place::fetched(kubectl::OLD);
    for kubectl in [terminal::kubectl(), old.display().to_string()] {
        println!("with {kubectl}");
        let shell = Shell { terminal: &terminal, kubectl };
        commands_have_their_streams(&shell);
        a_terminal_is_one(&shell);
        a_container_is_listened_to(&shell);
        ports_are_forwarded(&shell);
        pages_are_reached(&shell);
    }
    skiff.stop();
}

/// A terminal in which `kubectl` is this one.
struct Shell<'a> {
    terminal: &'a Terminal,
    kubectl: String,
}

impl Shell<'_> {
    fn run(&self, line: &str) -> terminal::Answer {
        self.terminal.run(&format!("KUBECTL={}; export KUBECTL\n{line}", self.kubectl))
    }

    #[track_caller]
    fn ok(&self, line: &str) -> String {
        let answer = self.run(line);
        assert_eq!(answer.code, Some(0), "`{line}` with {}: {answer:#?}", self.kubectl);
        answer.stdout
    }
}

fn commands_have_their_streams(shell: &Shell<'_>) {
    let answer = shell.run(r#"kubectl exec parrot -- sh -c 'echo $GREETING; echo oops >&2; exit 7'"#);
    assert_eq!((answer.code, answer.stdout.as_str()), (Some(7), "ahoy\n"), "{answer:#?}");
    assert!(answer.stderr.contains("oops\n") && answer.stderr.contains("exit code 7"), "{answer:#?}");
    assert_eq!(shell.ok("echo word | kubectl exec -i parrot -- cat"), "word\n");
    // More than all buffers hold, in both directions at once.
    let sum = shell
        .ok("head -c 3000000 /dev/urandom > noise; kubectl exec -i parrot -- cat < noise | cmp - noise && echo same");
    assert_eq!(sum, "same\n");
    shell.ok(r#"kubectl cp examples/web.yaml parrot:"$PWD/copied" && cmp examples/web.yaml copied && rm copied"#);
    let answer = shell.run("kubectl exec parrot -- /no/such/program");
    assert!(answer.code != Some(0) && answer.stderr.contains("/no/such/program"), "{answer:#?}");
    let answer = shell.run("kubectl exec nobody -- true");
    assert!(answer.code == Some(1) && answer.stderr.contains(r#"pods "nobody" not found"#), "{answer:#?}");
}

fn a_terminal_is_one(shell: &Shell<'_>) {
    let said = shell.ok(
        r#"script -qec "\"$KUBECTL\" exec -it parrot -- sh -c 'test -t 0 && test -t 1 && echo terminal'" /dev/null"#,
    );
    assert!(said.contains("terminal\r\n"), "{said:?}");
}

fn a_container_is_listened_to(shell: &Shell<'_>) {
    let answer = shell.run(r#"(sleep 1; echo word; sleep 2) | timeout 6 "$KUBECTL" attach -i parrot || true"#);
    assert!(answer.stdout.contains("heard word\n"), "{answer:#?}");
}

fn ports_are_forwarded(shell: &Shell<'_>) {
    for what in ["service/my-service :80", "deployment/my-app :8080"] {
        // The second request goes over the same connection to the server, as a stream of its own.
        let said = shell.ok(&format!(
            r#"timeout 60 "$KUBECTL" port-forward {what} > forwarded & P=$!
            for _ in $(seq 100); do grep -q '127.0.0.1:' forwarded && break; sleep 0.1; done
            PORT=$(sed -n 's/.*127.0.0.1:\([0-9]*\) ->.*/\1/p' forwarded | head -1)
            curl --silent --show-error --fail --max-time 10 http://127.0.0.1:$PORT http://127.0.0.1:$PORT; CODE=$?
            kill $P; exit $CODE"#
        ));
        assert_eq!(said.matches("my-app-").count() % 2, 0, "{said}");
        assert!(said.contains("my-app-"), "{said}");
    }
}

fn pages_are_reached(shell: &Shell<'_>) {
    let said = shell.ok("kubectl get --raw /api/v1/namespaces/default/services/my-service:80/proxy/");
    assert!(said.contains("my-app-"), "{said}");
    let node = text(&shell.terminal.json("nodes")["items"][0]["metadata"]["name"]);
    assert_eq!(shell.ok(&format!("kubectl get --raw /api/v1/nodes/{node}/proxy/healthz")), "ok");
}
