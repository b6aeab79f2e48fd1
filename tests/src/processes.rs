//! The machine's processes, to find out which ones a server leaves behind.

use std::collections::BTreeSet;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A process. Its start tells it from a later one with the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    pub id: u32,
    start: u64,
}

struct Entry {
    process: Process,
    parent: u32,
    is_dead: bool,
}

/// All that descend from `id`, itself left out.
pub fn descendants(id: u32) -> BTreeSet<Process> {
    let all = entries();
    let mut found = BTreeSet::new();
    let mut parents = vec![id];
    while let Some(parent) = parents.pop() {
        for entry in all.iter().filter(|entry| entry.parent == parent) {
            if found.insert(entry.process) {
                parents.push(entry.process.id);
            }
        }
    }
    found
}

/// All that run a program of this folder, work in it, or name it in their command line.
pub fn at_work_in(folder: &Path) -> BTreeSet<Process> {
    let named = folder.to_string_lossy().into_owned();
    let is_at_work = |id: u32| {
        let links = ["exe", "cwd"].map(|name| std::fs::read_link(format!("/proc/{id}/{name}")).unwrap_or_default());
        let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        links.iter().any(|link| link.starts_with(folder)) || String::from_utf8_lossy(&line).contains(&named)
    };
    entries().iter().filter(|entry| !entry.is_dead && is_at_work(entry.process.id)).map(|entry| entry.process).collect()
}

/// Those that still live. One that only waits for its parent to take note of its end does not.
pub fn living(processes: &BTreeSet<Process>) -> Vec<String> {
    let all = entries();
    let alive = all.iter().filter(|entry| !entry.is_dead && processes.contains(&entry.process));
    alive.map(|entry| described(entry.process.id)).collect()
}

/// Ends those that still live.
pub fn end(processes: &BTreeSet<Process>) {
    for entry in entries().iter().filter(|entry| !entry.is_dead && processes.contains(&entry.process)) {
        if let Ok(id) = i32::try_from(entry.process.id) {
            let _ = kill(Pid::from_raw(id), Signal::SIGKILL);
        }
    }
}

fn described(id: u32) -> String {
    let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    format!("{id}: {}", String::from_utf8_lossy(&line).replace('\0', " ").trim())
}

fn entries() -> Vec<Entry> {
    let folders = std::fs::read_dir("/proc").expect("this system tells of its processes");
    let ids = folders.filter_map(|folder| folder.ok()?.file_name().to_str()?.parse::<u32>().ok());
    ids.filter_map(|id| parse(id, &std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?)).collect()
}

/// Reads `id (name) state parent ...`; the name may hold blanks and brackets.
fn parse(id: u32, stat: &str) -> Option<Entry> {
    const START: usize = 19;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let process = Process { id, start: fields.get(START)?.parse().ok()? };
    Some(Entry { process, parent: fields.get(1)?.parse().ok()?, is_dead: matches!(*fields.first()?, "Z" | "X") })
}
