//! Made-up requests for every operation of the server's own OpenAPI documents: `tests/clients/schemathesis/`.

use tests::account::Account;
use tests::skiff::Skiff;

use super::{place, waiting};

#[test]
fn made_up_requests_are_answered_as_the_documents_say() {
    let mut skiff = Skiff::api_server(Account::Ordinary, &["--store", "memory"]);
    place::run("600", &place::fetched("schemathesis").join("bin/python"), |command| {
        command.arg("run.py").current_dir(place::sources().join("schemathesis"));
        command
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("KUBECONFIG", skiff.kubeconfig())
            .env("WAITING", waiting::path());
    });
    assert!(skiff.exited().is_none(), "the server ended");
    skiff.stop();
}
