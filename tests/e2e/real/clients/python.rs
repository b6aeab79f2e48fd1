//! The Python client, `kubernetes` from PyPI: `tests/clients/python/`.

use tests::account::Account;
use tests::skiff::Skiff;

use super::place;

#[test]
fn programs_in_python_work() {
    let mut skiff = Skiff::up(Account::Ordinary, &["--runtime", "simulated"]);
    place::run("240", &place::fetched("python").join("bin/python"), |command| {
        // Nothing is written beside the sources.
        command.args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short"]);
        command.current_dir(place::sources().join("python")).env("PYTHONDONTWRITEBYTECODE", "1");
        command.env("KUBECONFIG", skiff.kubeconfig());
    });
    skiff.stop();
}
