//! The one list of tests that cannot pass with today's server, each with what it waits for: `tests/clients/waiting.txt`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::place;

pub fn path() -> PathBuf {
    place::sources().join("waiting.txt")
}

/// The tests of `who`, with the reasons. A line is `WHO TEST: REASON`.
pub fn of(who: &str) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(path()).expect("the list is part of the sources");
    let mine = text.lines().filter_map(|line| line.strip_prefix(who)?.strip_prefix(' '));
    mine.filter_map(|line| line.split_once(": ")).map(|(test, reason)| (test.to_owned(), reason.to_owned())).collect()
}

/// What is wrong with an outcome, if anything: it failed, or it passed in spite of the list.
pub fn verdict(reason: Option<&String>, outcome: Result<(), String>) -> Option<String> {
    match (outcome, reason) {
        (Err(_), Some(_)) | (Ok(()), None) => None,
        (Err(error), None) => Some(error),
        (Ok(()), Some(reason)) => Some(format!("it passes, though waiting.txt says that it waits for {reason}")),
    }
}

#[test]
fn every_line_of_the_list_can_be_read_and_belongs_to_somebody() {
    const WHO: [&str; 7] = ["python", "javascript", "kubectl", "kubectl-new", "kubectl-old", "kube", "schemathesis"];
    let text = std::fs::read_to_string(path()).expect("the list is part of the sources");
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (who, rest) = line.split_once(' ').unwrap_or_default();
        assert!(WHO.contains(&who) && rest.contains(": "), "`{line}` is not `WHO TEST: REASON`");
    }
}

#[test]
fn a_test_that_waits_must_fail() {
    let reason = Some(&"x".to_owned());
    assert!(verdict(None, Ok(())).is_none() && verdict(reason, Err(String::new())).is_none());
    assert!(verdict(None, Err(String::new())).is_some() && verdict(reason, Ok(())).is_some());
}
