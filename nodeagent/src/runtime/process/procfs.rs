//! Processes as `/proc` shows them.

use std::fs;
use std::io;

use crate::runtime::process::launch::ProcessMark;

/// The mark of a process that exists.
pub fn mark(pid: i32) -> io::Result<ProcessMark> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let start = field(&stat, START).ok_or_else(|| io::Error::other("the process has no start time"))?;
    Ok(ProcessMark { pid, start, boot: boot()? })
}

/// Whether the process that was marked still exists; one that has ended and waits to be collected does too.
pub fn exists(wanted: &ProcessMark) -> bool {
    mark(wanted.pid).is_ok_and(|found| found == *wanted)
}

fn boot() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// Numbers of the fields after the name, which may hold spaces and brackets.
const PARENT: usize = 1;
const START: usize = 19;

fn field<T: std::str::FromStr>(stat: &str, number: usize) -> Option<T> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(number)?.parse().ok()
}

/// The processes whose parent this one is.
pub fn children() -> Vec<i32> {
    let own = std::process::id();
    if let Ok(list) = fs::read_to_string(format!("/proc/self/task/{own}/children")) {
        return list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect();
    }
    let own = i32::try_from(own).unwrap_or(0);
    let is_child = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        field::<i32>(&stat, PARENT) == Some(own)
    };
    all().filter(is_child).collect()
}

/// The processes that carry this variable with this value in the environment that they were started with.
pub fn with_variable(name: &str, value: &str) -> Vec<i32> {
    let wanted = format!("{name}={value}");
    let has_it = |pid: &i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes())
    };
    all().filter(has_it).collect()
}

fn all() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_number_start_and_boot() {
        let own = mark(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(exists(&own));
        assert!(!exists(&ProcessMark { start: own.start + 1, ..own.clone() }));
        assert!(!exists(&ProcessMark { boot: "another".to_owned(), ..own }));
    }

    #[test]
    fn a_name_with_brackets_hides_no_field() {
        let stat = format!("7 (a) b) S 3 {}", (2..30).map(|n| n.to_string()).collect::<Vec<_>>().join(" "));
        assert_eq!((field::<i32>(&stat, PARENT), field::<u64>(&stat, START)), (Some(3), Some(19)));
    }
}
