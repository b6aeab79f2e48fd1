//! Control groups for containers with limits, where this process may make them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::runtime::interface::ContainerConfig;

const ROOT: &str = "/sys/fs/cgroup";
/// All groups of ours are in one of this name.
const OURS: &str = "skiff";
const REMOVALS: u32 = 100;
const REMOVE_EVERY: Duration = Duration::from_millis(10);
/// How often the scheduler looks at a limit, in microseconds.
const PERIOD: u64 = 100_000;

/// What was set up for a container.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The files in which each process of the container is entered.
    pub entries: Vec<PathBuf>,
    pub memory_events: Option<PathBuf>,
    /// Whether the memory limit is kept by a control group.
    pub holds_memory: bool,
}

/// Makes the groups that the container's limits need; those that cannot be made are left out.
pub fn create(config: &ContainerConfig, id: &str) -> Limits {
    create_in(Path::new(ROOT), config, id)
}

fn create_in(root: &Path, config: &ContainerConfig, id: &str) -> Limits {
    if config.memory_limit.is_none() && config.cpu_limit_milli.is_none() && config.cpu_request_milli.is_none() {
        return Limits::default();
    }
    if root.join("cgroup.controllers").exists() {
        return create_unified(root, config, id).unwrap_or_default();
    }
    let mut limits = Limits::default();
    if let Some(bytes) = config.memory_limit {
        let folder = root.join("memory").join(OURS).join(id);
        if set(&folder, &[("memory.limit_in_bytes", bytes.to_string())]).is_ok() {
            limits.entries.push(folder.join("cgroup.procs"));
            limits.memory_events = Some(folder.join("memory.oom_control"));
            limits.holds_memory = true;
        }
    }
    let folder = root.join("cpu").join(OURS).join(id);
    let mut settings = vec![("cpu.shares", shares(config.cpu_request_milli.unwrap_or(0)).to_string())];
    if let Some(milli) = config.cpu_limit_milli {
        settings.push(("cpu.cfs_period_us", PERIOD.to_string()));
        settings.push(("cpu.cfs_quota_us", quota(milli).to_string()));
    }
    if (config.cpu_limit_milli.is_some() || config.cpu_request_milli.is_some()) && set(&folder, &settings).is_ok() {
        limits.entries.push(folder.join("cgroup.procs"));
    }
    limits
}

fn create_unified(root: &Path, config: &ContainerConfig, id: &str) -> io::Result<Limits> {
    let ours = root.join(OURS);
    fs::create_dir_all(&ours)?;
    fs::write(ours.join("cgroup.subtree_control"), "+memory +cpu")?;
    let folder = ours.join(id);
    let mut settings = vec![("cpu.weight", weight(config.cpu_request_milli.unwrap_or(0)).to_string())];
    if let Some(milli) = config.cpu_limit_milli {
        settings.push(("cpu.max", format!("{} {PERIOD}", quota(milli))));
    }
    if let Some(bytes) = config.memory_limit {
        settings.push(("memory.max", bytes.to_string()));
    }
    set(&folder, &settings)?;
    Ok(Limits {
        entries: vec![folder.join("cgroup.procs")],
        memory_events: Some(folder.join("memory.events")),
        holds_memory: config.memory_limit.is_some(),
    })
}

fn set(folder: &Path, settings: &[(&str, String)]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (name, value) in settings {
        // Opened without creating: a file that is not there is a controller that is not there.
        let written = fs::OpenOptions::new().write(true).open(folder.join(name));
        let written = written.and_then(|mut file| io::Write::write_all(&mut file, value.as_bytes()));
        if let Err(error) = written {
            let _ = fs::remove_dir(folder);
            return Err(error);
        }
    }
    Ok(())
}

/// Takes a container's groups away; they are empty by now, or as soon as its last command has ended. It blocks.
pub fn remove(entries: &[PathBuf]) {
    for folder in entries.iter().filter_map(|entry| entry.parent()) {
        for _ in 0..REMOVALS {
            match fs::remove_dir(folder) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => std::thread::sleep(REMOVE_EVERY),
                _ => break,
            }
        }
    }
}

fn quota(milli: u64) -> u64 {
    (milli * PERIOD / 1000).max(1000)
}

fn shares(milli: u64) -> u64 {
    (milli * 1024 / 1000).clamp(2, 262_144)
}

/// The unified hierarchy's scale for the same shares.
fn weight(milli: u64) -> u64 {
    1 + (shares(milli) - 2) * 9999 / 262_142
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_weights_follow_the_request() {
        assert_eq!((shares(0), shares(500), shares(1000)), (2, 512, 1024));
        assert_eq!((weight(0), weight(1000)), (1, 39));
        assert_eq!((quota(500), quota(1)), (50_000, 1000));
    }
}
