//! The JavaScript client, `@kubernetes/client-node`: `tests/clients/javascript/`.

use std::path::Path;

use tests::account::Account;
use tests::skiff::Skiff;

use super::{place, waiting};

#[test]
fn programs_in_javascript_work() {
    let mut skiff = Skiff::up(Account::Ordinary, &["--runtime", "simulated"]);
    let folder = tempfile::tempdir().expect("make a folder for the scripts");
    lay_out(folder.path());
    place::run("240", Path::new("node"), |command| {
        command.args(["--test", "--test-reporter=spec", "client.test.js"]).current_dir(folder.path());
        command.env("KUBECONFIG", skiff.kubeconfig()).env("WAITING", waiting::path());
    });
    skiff.stop();
}

/// Puts the scripts beside the fetched modules: node looks for these from where a script lies.
fn lay_out(folder: &Path) {
    for entry in std::fs::read_dir(place::sources().join("javascript")).expect("the scripts are part of the sources") {
        let entry = entry.expect("read a folder of the sources");
        std::fs::copy(entry.path(), folder.join(entry.file_name())).expect("copy a script");
    }
    let modules = place::fetched("javascript").join("node_modules");
    std::os::unix::fs::symlink(modules, folder.join("node_modules")).expect("link the modules");
}
