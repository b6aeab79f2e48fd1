//! The runtimes, by name.

pub mod interface;
pub mod process;
mod simulated;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use lifecycle::clock::Clock;
use lifecycle::tasks::Tasks;

use crate::runtime::interface::Runtime;

/// What a runtime is made from.
pub struct Setting {
    /// One folder for each pod, by its uid.
    pub pods_dir: PathBuf,
    pub clock: Clock,
    pub tasks: Tasks,
    /// The program that is started again for the runtime's own small processes.
    pub program: PathBuf,
    /// Whether pods end when the agent stops.
    pub ends_with_agent: bool,
}

struct Entry {
    kind: RuntimeKind,
    name: &'static str,
    make: fn(&Setting) -> anyhow::Result<Arc<dyn Runtime>>,
}

/// All runtimes: a new one is its file and its line here.
const RUNTIMES: &[Entry] = &[
    Entry {
        kind: RuntimeKind::Simulated,
        name: "simulated",
        make: |setting| Ok(Arc::new(simulated::Simulated::new(setting.clock.clone()))),
    },
    Entry {
        kind: RuntimeKind::Process,
        name: "process",
        make: |setting| Ok(Arc::new(process::Process::new(setting)?)),
    },
];

/// Which runtime a node uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuntimeKind {
    Simulated,
    Process,
}

impl RuntimeKind {
    /// The names that a user may give.
    pub fn names() -> impl Iterator<Item = &'static str> {
        RUNTIMES.iter().map(|entry| entry.name).chain(["auto"])
    }

    pub fn make(self, setting: &Setting) -> anyhow::Result<Arc<dyn Runtime>> {
        let entry = RUNTIMES.iter().find(|entry| entry.kind == self);
        (entry.ok_or_else(|| anyhow::anyhow!("runtime {self:?} is not built in"))?.make)(setting)
    }
}

impl FromStr for RuntimeKind {
    type Err = String;

    /// `auto` stands for the best that this machine can do.
    fn from_str(name: &str) -> Result<Self, String> {
        if name == "auto" {
            return Ok(Self::Process);
        }
        let entry = RUNTIMES.iter().find(|entry| entry.name == name);
        entry.map(|entry| entry.kind).ok_or_else(|| {
            let names: Vec<&str> = Self::names().collect();
            format!("no runtime is called \"{name}\"; there are {}", names.join(", "))
        })
    }
}

impl fmt::Display for RuntimeKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = RUNTIMES.iter().find(|entry| entry.kind == *self);
        out.write_str(entry.map_or("unknown", |entry| entry.name))
    }
}
