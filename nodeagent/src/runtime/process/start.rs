//! Starts a container's shim, and finds those that an earlier agent started. All of it blocks.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use lifecycle::clock::Clock;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::runtime::interface::{ContainerConfig, Ended};
use crate::runtime::process::launch::{Answer, Bind, Folder, Launch, RunRecord};
use crate::runtime::process::pidfd::PidFd;
use crate::runtime::process::{ECHO_IMAGE, MARK, child, control_group, ended, is_echo, procfs};

/// How long a shim that was just started may take to write its first record.
const SHIM_START: Duration = Duration::from_secs(5);
const STRAY_LOOKS: u32 = 100;
const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A container that was just started.
pub struct Begun {
    pub container: String,
    pub folder: Folder,
    pub launch: Launch,
    pub record: RunRecord,
    pub shim: Child,
    pub warnings: Vec<String>,
}

/// A container that an earlier agent started.
pub struct Left {
    pub container: String,
    pub folder: Folder,
    pub launch: Launch,
    pub record: RunRecord,
    pub state: LeftState,
}

pub enum LeftState {
    /// Its shim lives, and is held.
    Running(PidFd),
    Ended(Ended),
}

pub fn start(pods: &Path, program: &Path, config: &ContainerConfig) -> anyhow::Result<Begun> {
    api::names::dns_label(&config.name).map_err(anyhow::Error::msg)?;
    let runs = pods.join(&*config.pod.uid).join("containers").join(&config.name);
    forget_old_runs(&runs, config);
    let folder = Folder::new(runs.join(config.attempt.to_string()));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder.path()).context("create the container's folder")?;
    let (launch, warnings) = launch_of(config, program)?;
    folder.set_launch(&launch).context("write the container's launch")?;
    let (shim, answer) = start_shim(program, &folder)?;
    match answer {
        Answer::Running(record) => Ok(Begun { container: config.name.clone(), folder, launch, record, shim, warnings }),
        Answer::Failed(problem) => {
            let mut shim = shim;
            let _ = shim.wait();
            control_group::remove(&launch.group_entries);
            let _ = fs::remove_dir_all(folder.path());
            anyhow::bail!("failed to start container: {problem}")
        }
    }
}

/// Keeps the run before this one, and its log: it may still be asked for.
fn forget_old_runs(runs: &Path, config: &ContainerConfig) {
    for (number, path) in numbered(runs) {
        if number + 1 < config.attempt || number == config.attempt {
            let _ = fs::remove_dir_all(path);
        }
    }
    for entry in config.log_file.parent().into_iter().filter_map(|logs| fs::read_dir(logs).ok()).flatten().flatten() {
        let name = entry.file_name();
        let number =
            name.to_str().and_then(|name| name.split('.').next()).and_then(|number| number.parse::<u32>().ok());
        if number.is_some_and(|number| number + 1 < config.attempt) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn numbered(folder: &Path) -> Vec<(u32, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path()))).collect()
}

/// Starts the shim with the lock as its input, so that there is no moment in which it lives without holding it.
fn start_shim(program: &Path, folder: &Folder) -> anyhow::Result<(Child, Answer)> {
    let lock = File::options().write(true).create(true).truncate(false).open(folder.lock()).context("open the lock")?;
    lock.try_lock().context("lock the container's folder")?;
    let mut command = Command::new(program);
    command.arg("container-shim").arg(folder.path()).env_clear().current_dir("/").process_group(0);
    command.stdin(lock).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut shim = command.spawn().context("start the process beside the container")?;
    drop(command);
    let mut text = Vec::new();
    if let Some(mut output) = shim.stdout.take() {
        output.read_to_end(&mut text).context("read the answer of the process beside the container")?;
    }
    let answer = serde_json::from_slice(&text).context("understand the process beside the container")?;
    Ok((shim, answer))
}

fn launch_of(config: &ContainerConfig, program: &Path) -> anyhow::Result<(Launch, Vec<String>)> {
    let id = uuid::Uuid::new_v4().simple().to_string();
    let mut arguments = config.command.clone();
    if arguments.is_empty() && is_echo(&config.image) {
        arguments = vec![program.to_string_lossy().into_owned(), "echo".to_owned()];
        if let (true, Some(port)) = (config.args.is_empty(), config.port) {
            arguments.push(format!("--port={port}"));
        }
    }
    arguments.extend(config.args.iter().cloned());
    let limits = control_group::create(config, &id);
    let is_root = child::is_root();
    let number = |id: i64| u32::try_from(id).context("user and group ids are numbers of 32 bits");
    let mut launch = Launch {
        environment: Vec::new(),
        image: config.image.clone(),
        image_id: if is_echo(&config.image) { ECHO_IMAGE.to_owned() } else { config.image.clone() },
        attempt: config.attempt,
        arguments,
        working_dir: config.working_dir.as_ref().map(PathBuf::from),
        // Only root may become somebody else; all others run containers as themselves.
        user: config.user.filter(|_| is_root).map(number).transpose()?,
        group: config.group.filter(|_| is_root).map(number).transpose()?,
        supplemental_groups: config.supplemental_groups.iter().map(|id| number(*id)).collect::<Result<_, _>>()?,
        data_limit: config.memory_limit.filter(|_| !limits.holds_memory),
        no_new_privileges: config.no_new_privileges,
        mounts: Vec::new(),
        group_entries: limits.entries,
        memory_events: limits.memory_events,
        log_file: config.log_file.clone(),
        stdin: config.stdin,
        id,
    };
    let warnings = mount(config, &mut launch);
    launch.environment = environment(config, &launch.id);
    Ok((launch, warnings))
}

/// Which volumes can be seen where the container wants them; the others have only their variable.
fn mount(config: &ContainerConfig, launch: &mut Launch) -> Vec<String> {
    let mut warnings = Vec::new();
    let can_mount = child::can_mount();
    for mount in &config.mounts {
        if can_mount && child::is_mountable(&mount.source, &mount.target) {
            launch.mounts.push(Bind::from(mount));
            continue;
        }
        let reason = if can_mount { "the host has no such place" } else { "this needs root" };
        warnings.push(format!(
            "volume \"{}\" is not mounted at {}: {reason}; its folder is in the variable {}",
            mount.volume,
            mount.target.display(),
            volume_variable(&mount.volume)
        ));
    }
    warnings
}

fn volume_variable(volume: &str) -> String {
    format!("SKIFF_VOLUME_{}", volume.to_ascii_uppercase().replace(['-', '.'], "_"))
}

/// What every container finds in its environment, under what its own specification says.
fn environment(config: &ContainerConfig, id: &str) -> Vec<(String, String)> {
    let own = |name: &str, usual: &str| std::env::var(name).unwrap_or_else(|_| usual.to_owned());
    let mut all = vec![
        ("PATH".to_owned(), own("PATH", USUAL_PATH)),
        ("HOME".to_owned(), own("HOME", "/")),
        ("POD_IP".to_owned(), config.address.to_string()),
        ("POD_NAME".to_owned(), config.pod.name.to_string()),
    ];
    for mount in &config.mounts {
        all.push((volume_variable(&mount.volume), mount.source.display().to_string()));
    }
    for (name, value) in &config.environment {
        all.retain(|(held, _)| held != name);
        all.push((name.clone(), value.clone()));
    }
    all.push((MARK.to_owned(), id.to_owned()));
    all
}

/// How a container ended whose shim has ended.
pub fn end_of(folder: &Folder, launch: &Launch, record: &RunRecord, clock: &Clock) -> Ended {
    let ended = match folder.end() {
        Ok(end) => ended(&end, record),
        // The shim was killed: its container goes with it, and nobody knows how it went.
        Err(_) => {
            end_strays(&launch.id);
            Ended {
                code: 137,
                signal: None,
                reason: "ContainerStatusUnknown".to_owned(),
                message: "The process beside the container ended before it".to_owned(),
                started_at: record.started_at,
                finished_at: clock.now_seconds(),
            }
        }
    };
    control_group::remove(&launch.group_entries);
    ended
}

/// Kills the processes of a container that nobody looks after any more. One that is just becoming another program
/// shows no environment for a moment: so there is none left only when none is found twice.
fn end_strays(id: &str) {
    let mut quiet = 0;
    for _ in 0..STRAY_LOOKS {
        let found = procfs::with_variable(MARK, id);
        for pid in &found {
            let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
        quiet = if found.is_empty() { quiet + 1 } else { 0 };
        if quiet == 2 {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// All runs of all containers that an earlier agent left in this folder.
pub fn find(containers: &Path, clock: &Clock) -> Vec<Left> {
    let mut left = Vec::new();
    let names = fs::read_dir(containers).into_iter().flatten().flatten();
    for entry in names {
        let Ok(container) = entry.file_name().into_string() else { continue };
        for (_, path) in numbered(&entry.path()) {
            left.extend(find_run(&container, Folder::new(path), clock));
        }
    }
    left
}

fn find_run(container: &str, folder: Folder, clock: &Clock) -> Option<Left> {
    let Ok(launch) = folder.launch() else {
        // Written first of all: without it nothing was ever started.
        let _ = fs::remove_dir_all(folder.path());
        return None;
    };
    let deadline = Instant::now() + SHIM_START;
    // The lock is looked at before the records: once it is free, no record comes any more.
    while is_locked(&folder).unwrap_or(false) && Instant::now() < deadline {
        if let Ok(record) = folder.run()
            && let Ok(shim) = PidFd::of(&record.shim)
        {
            let state = LeftState::Running(shim);
            return Some(Left { container: container.to_owned(), folder, launch, record, state });
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let Ok(record) = folder.run() else {
        end_strays(&launch.id);
        control_group::remove(&launch.group_entries);
        let _ = fs::remove_dir_all(folder.path());
        return None;
    };
    let state = LeftState::Ended(end_of(&folder, &launch, &record, clock));
    Some(Left { container: container.to_owned(), folder, launch, record, state })
}

/// Whether the shim lives.
fn is_locked(folder: &Folder) -> io::Result<bool> {
    let lock = File::options().write(true).open(folder.lock())?;
    match lock.try_lock() {
        Ok(()) => Ok(false),
        Err(fs::TryLockError::WouldBlock) => Ok(true),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}
