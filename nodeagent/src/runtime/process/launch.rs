//! What is written down about a container, so that it outlives the agent that started it.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::runtime::interface::{Mount, Stdin};

/// All that is needed to start a container. The file holds the environment, and so is for its owner only.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Launch {
    pub id: String,
    pub image: String,
    pub image_id: String,
    pub attempt: u32,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub working_dir: Option<PathBuf>,
    pub user: Option<u32>,
    pub group: Option<u32>,
    pub supplemental_groups: Vec<u32>,
    /// What the container may use of data memory where no control group can say so.
    pub data_limit: Option<u64>,
    pub no_new_privileges: bool,
    pub mounts: Vec<Bind>,
    /// The files in which a process that belongs to the container is entered.
    pub group_entries: Vec<PathBuf>,
    /// The file that counts the kills for want of memory.
    pub memory_events: Option<PathBuf>,
    pub log_file: PathBuf,
    /// Missing in the files of older agents.
    #[serde(default)]
    pub stdin: Stdin,
}

/// A mount in the container's own mount namespace.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Bind {
    pub source: PathBuf,
    pub target: PathBuf,
    pub read_only: bool,
}

impl From<&Mount> for Bind {
    fn from(mount: &Mount) -> Self {
        Self { source: mount.source.clone(), target: mount.target.clone(), read_only: mount.read_only }
    }
}

/// A process, told apart from a later one with the same number by when it started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessMark {
    pub pid: i32,
    /// In ticks since the boot, as `/proc` gives it.
    pub start: u64,
    pub boot: String,
}

/// Written when the main process runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunRecord {
    pub shim: ProcessMark,
    pub main: ProcessMark,
    pub started_at: Timestamp,
}

/// Written when all of the container has ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EndRecord {
    pub code: i32,
    pub lacked_memory: bool,
    pub finished_at: Timestamp,
}

/// What the shim answers to the agent that started it.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    Running(RunRecord),
    Failed(String),
}

/// The folder of one run of a container.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Held by the shim for as long as it lives: the agent opens it and hands it on, so there is no moment in between.
    pub fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// The pipe through which the main process is told something, if it is; gone when it is closed for good.
    pub fn stdin(&self) -> PathBuf {
        self.0.join("stdin")
    }

    pub fn launch(&self) -> io::Result<Launch> {
        read(&self.0.join("launch.json"))
    }

    pub fn set_launch(&self, launch: &Launch) -> io::Result<()> {
        write(&self.0.join("launch.json"), launch)
    }

    pub fn run(&self) -> io::Result<RunRecord> {
        read(&self.0.join("run.json"))
    }

    pub fn set_run(&self, record: &RunRecord) -> io::Result<()> {
        write(&self.0.join("run.json"), record)
    }

    pub fn end(&self) -> io::Result<EndRecord> {
        read(&self.0.join("end.json"))
    }

    pub fn set_end(&self, record: &EndRecord) -> io::Result<()> {
        write(&self.0.join("end.json"), record)
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    serde_json::from_slice(&fs::read(path)?).map_err(io::Error::other)
}

/// Writes a whole file or none. No barrier: after a power cut the process is gone too, and the boot differs.
fn write(path: &Path, value: &impl Serialize) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let new = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(&serde_json::to_vec(value).map_err(io::Error::other)?)?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_as_they_were_written_and_for_the_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::new(place.path());
        assert_eq!(folder.end().unwrap_err().kind(), io::ErrorKind::NotFound);
        let record = EndRecord { code: 3, lacked_memory: false, finished_at: Timestamp::UNIX_EPOCH };
        folder.set_end(&record).unwrap();
        assert_eq!(folder.end().unwrap().code, 3);
        let mode = fs::metadata(place.path().join("end.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
