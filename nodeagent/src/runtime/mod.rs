//! The runtimes, by name.

pub mod interface;
mod simulated;

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use lifecycle::clock::Clock;

use crate::runtime::interface::Runtime;

/// What a runtime is made from.
pub struct Setting<'a> {
    pub data_dir: &'a Path,
    pub clock: Clock,
}

struct Entry {
    kind: RuntimeKind,
    name: &'static str,
    make: fn(&Setting<'_>) -> anyhow::Result<Arc<dyn Runtime>>,
}

/// All runtimes: a new one is its file and its line here.
const RUNTIMES: &[Entry] = &[Entry {
    kind: RuntimeKind::Simulated,
    name: "simulated",
    make: |setting| Ok(Arc::new(simulated::Simulated::new(setting.clock.clone()))),
}];

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

    pub fn make(self, setting: &Setting<'_>) -> anyhow::Result<Arc<dyn Runtime>> {
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
