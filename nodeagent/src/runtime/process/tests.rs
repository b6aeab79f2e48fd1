//! Real processes, each in a folder of its own, each ended by its number.

mod commands;

use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::*;
use crate::runtime::interface::{Mount, Stdin};

struct Place {
    folder: tempfile::TempDir,
    ends: Receiver<Exit>,
    exits: ExitSink,
}

impl Place {
    fn new() -> Self {
        let (sender, ends) = channel();
        let sender = Mutex::new(sender);
        let exits: ExitSink = Arc::new(move |exit| {
            let _ = sender.lock().unwrap().send(exit);
        });
        Self { folder: tempfile::tempdir().unwrap(), ends, exits }
    }

    fn runtime(&self) -> Process {
        let setting = Setting {
            pods_dir: self.folder.path().join("pods"),
            clock: Clock::system(),
            tasks: Tasks::new(),
            program: PathBuf::from("/proc/self/exe"),
            ends_with_agent: false,
        };
        Process::new(&setting).unwrap()
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("logs/0.log")
    }

    fn config(&self, command: &[&str]) -> ContainerConfig {
        ContainerConfig {
            pod: pod(),
            name: "main".to_owned(),
            attempt: 0,
            image: "host".to_owned(),
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            args: Vec::new(),
            environment: [("GREETING", "hello"), ("PATH", "/usr/bin:/bin")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            working_dir: None,
            user: None,
            group: None,
            supplemental_groups: Vec::new(),
            memory_limit: None,
            cpu_limit_milli: None,
            cpu_request_milli: None,
            mounts: Vec::new(),
            address: "127.64.250.2".parse().unwrap(),
            port: None,
            no_new_privileges: false,
            log_file: self.log(),
            stdin: Stdin::Empty,
        }
    }

    async fn start(&self, runtime: &Process, command: &[&str]) -> Started {
        runtime.start(self.config(command), Arc::clone(&self.exits)).await.unwrap()
    }

    /// The end of a container; the test's own limit of time is that it comes at all.
    async fn end(&self) -> Ended {
        for _ in 0..3000 {
            if let Ok(exit) = self.ends.try_recv() {
                return exit.ended;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the container does not end");
    }

    fn log_lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.log()).unwrap_or_default();
        text.lines().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect()
    }
}

fn pod() -> PodIdentity {
    PodIdentity { namespace: "default".into(), name: "web".into(), uid: "uid-1".into() }
}

/// Waits until something is so.
async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..3000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}");
}

fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[tokio::test]
async fn a_container_ends_with_its_code_and_its_words_are_kept() {
    let place = Place::new();
    let runtime = place.runtime();
    place.start(&runtime, &["sh", "-c", "echo $GREETING $POD_IP; echo oh >&2; pwd; exit 3"]).await;
    let ended = place.end().await;
    assert_eq!((ended.code, ended.reason.as_str()), (3, "Error"));
    let mut lines = place.log_lines();
    lines.sort();
    assert_eq!(lines, ["stderr F oh", "stdout F /", "stdout F hello 127.64.250.2"]);
    runtime.remove_pod(&pod()).await;
    assert!(!place.folder.path().join("pods/uid-1/containers").exists());
}

#[tokio::test]
async fn a_container_is_asked_to_end_and_then_made_to() {
    let place = Place::new();
    let runtime = place.runtime();
    let polite = place.start(&runtime, &["sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.01; done"]).await;
    eventually("the shell has begun", || !procfs::with_variable(MARK, &polite.id).is_empty()).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    runtime.signal(&polite.id, StopSignal::Terminate).await.unwrap();
    assert_eq!(place.end().await.code, 7);
    let stubborn = place.start(&runtime, &["sh", "-c", "trap '' TERM; while :; do sleep 0.01; done"]).await;
    runtime.signal(&stubborn.id, StopSignal::Kill).await.unwrap();
    assert_eq!(place.end().await.code, 137);
}

#[tokio::test]
async fn no_signal_is_held_back_from_a_container() {
    let place = Place::new();
    let runtime = place.runtime();
    place.start(&runtime, &["grep", "SigBlk", "/proc/self/status"]).await;
    assert_eq!(place.end().await.code, 0);
    assert_eq!(place.log_lines(), ["stdout F SigBlk:\t0000000000000000"]);
}

#[tokio::test]
async fn what_a_container_started_ends_with_it() {
    let place = Place::new();
    let runtime = place.runtime();
    let script = "setsid sleep 1000 & echo $!; sleep 1000 & echo $!; sleep 0.1";
    place.start(&runtime, &["sh", "-c", script]).await;
    assert_eq!(place.end().await.code, 0);
    let lines = place.log_lines();
    assert_eq!(lines.len(), 2);
    for line in lines {
        assert!(!runs(line.strip_prefix("stdout F ").unwrap()), "{line} runs on");
    }
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let place = Place::new();
    let runtime = place.runtime();
    let error = runtime.start(place.config(&["no-such-program"]), Arc::clone(&place.exits)).await.unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("exec: \"no-such-program\": executable file"), "{text}");
    let problem = runtime.pull("nginx", &[]).await.unwrap_err();
    assert!(problem.is_permanent && problem.message.contains("skiff.dev/echo"), "{problem}");
}

/// Starts a container under an agent that dies at once, as by a kill.
fn start_and_die(place: &Place, command: &[&str]) -> Started {
    let other = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let started = other.block_on(async { place.start(&place.runtime(), command).await });
    other.shutdown_background();
    started
}

#[test]
fn a_container_is_found_again_by_the_next_agent() {
    let place = Place::new();
    let started = start_and_die(&place, &["sh", "-c", "echo one; sleep 1000"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let process = place.runtime();
        let found = process.adopt(&pod(), &[], Arc::clone(&place.exits)).await;
        assert_eq!((found.len(), found[0].id.as_str()), (1, started.id.as_str()));
        assert!(matches!(found[0].state, FoundState::Running { started_at } if started_at == started.started_at));
        process.signal(&started.id, StopSignal::Terminate).await.unwrap();
        assert_eq!(place.end().await.code, 143);
        assert_eq!(place.log_lines(), ["stdout F one"]);
    });
}

#[test]
fn the_end_of_a_container_is_kept_while_no_agent_is_there() {
    let place = Place::new();
    start_and_die(&place, &["sh", "-c", "sleep 0.2; exit 5"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let end = place.folder.path().join("pods/uid-1/containers/main/0/end.json");
        eventually("the end is written down", || end.exists()).await;
        let found = place.runtime().adopt(&pod(), &[], Arc::clone(&place.exits)).await;
        let FoundState::Ended(ended) = &found[0].state else { panic!("it has ended") };
        assert_eq!(ended.code, 5);
    });
}

#[tokio::test]
async fn a_container_whose_shim_is_killed_ends_with_an_unknown_code() {
    let place = Place::new();
    let runtime = place.runtime();
    let started = place.start(&runtime, &["sh", "-c", "setsid sleep 1000 & sleep 1000"]).await;
    eventually("both run", || procfs::with_variable(MARK, &started.id).len() == 3).await;
    let record = Folder::new(place.folder.path().join("pods/uid-1/containers/main/0")).run().unwrap();
    nix::sys::signal::kill(Pid::from_raw(record.shim.pid), nix::sys::signal::Signal::SIGKILL).unwrap();
    let ended = place.end().await;
    assert_eq!((ended.code, ended.reason.as_str()), (137, "ContainerStatusUnknown"));
    eventually("nothing is left", || procfs::with_variable(MARK, &started.id).is_empty()).await;
}

#[tokio::test]
async fn commands_run_inside_and_are_ended_when_they_take_too_long() {
    let place = Place::new();
    let runtime = place.runtime();
    let started = place.start(&runtime, &["sleep", "1000"]).await;
    let command = |text: &str| ["sh", "-c", text].map(str::to_owned);
    let answer = runtime.exec(&started.id, &command("echo $GREETING; exit 4"), Duration::from_secs(10)).await.unwrap();
    assert_eq!((answer.code, answer.output.as_str()), (4, "hello\n"));
    let late = runtime.exec(&started.id, &command("sleep 999"), Duration::from_millis(200)).await.unwrap_err();
    assert!(late.to_string().contains("timed out"), "{late}");
    eventually("the late command is gone", || procfs::with_variable(MARK, &started.id).len() == 1).await;
    runtime.signal(&started.id, StopSignal::Kill).await.unwrap();
    place.end().await;
}

#[tokio::test]
async fn the_demo_server_says_who_it_is() {
    let place = Place::new();
    let runtime = place.runtime();
    let config = ContainerConfig { image: ECHO_IMAGE.to_owned(), port: Some(8081), ..place.config(&[]) };
    let started = runtime.start(config, Arc::clone(&place.exits)).await.unwrap();
    let address = "127.64.250.2:8081";
    eventually("it listens", || std::net::TcpStream::connect(address).is_ok()).await;
    let text = ask(address, "GET /some?thing HTTP/1.0\r\nX-Mark: 7\r\n\r\n");
    for part in ["pod: web\n", "address: 127.64.250.2:8081\n", "GET /some?thing\n", "X-Mark: 7\n", "client: 127."] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(ask(address, "GET /healthz HTTP/1.0\r\n\r\n").ends_with("\r\n\r\nok\n"));
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(b"ping", address).unwrap();
    let mut buffer = [0; 512];
    let length = socket.recv(&mut buffer).unwrap();
    assert!(std::str::from_utf8(&buffer[..length]).unwrap().ends_with("ping"));
    runtime.signal(&started.id, StopSignal::Terminate).await.unwrap();
    assert_eq!(place.end().await.code, 0);
}

fn ask(address: &str, request: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_run_that_never_began_leaves_nothing() {
    let place = Place::new();
    let containers = place.folder.path().join("containers");
    std::fs::create_dir_all(containers.join("main/0")).unwrap();
    assert!(start::find(&containers, &Clock::system()).is_empty());
    assert!(!Path::new(&containers.join("main/0")).exists());
}

#[tokio::test]
async fn volumes_are_mounted_where_root_can_and_told_by_variable_everywhere() {
    let place = Place::new();
    let runtime = place.runtime();
    let volume = place.folder.path().join("volume");
    let target = place.folder.path().join("target");
    for folder in [&volume, &target] {
        std::fs::create_dir(folder).unwrap();
    }
    std::fs::write(volume.join("key"), "value\n").unwrap();
    let script = format!("cat $SKIFF_VOLUME_MY_CONF/key; cat {0}/key; touch {0}/new", target.display());
    let mount =
        |target: PathBuf| Mount { volume: "my-conf".to_owned(), source: volume.clone(), target, read_only: true };
    let mounts = vec![mount(target.clone()), mount(PathBuf::from("/no/such/place"))];
    let config = ContainerConfig { mounts, ..place.config(&["sh", "-c", &script]) };
    let started = runtime.start(config, Arc::clone(&place.exits)).await.unwrap();
    place.end().await;
    let lines = place.log_lines();
    assert_eq!(lines[0], "stdout F value");
    if child::can_mount() {
        assert_eq!(std::fs::read_dir(&target).unwrap().count(), 0);
        assert_eq!(lines[1], "stdout F value");
        assert!(lines[2].contains("Read-only"), "{lines:?}");
        assert_eq!(started.warnings.len(), 1);
    } else {
        assert_eq!(started.warnings.len(), 2);
    }
    assert!(started.warnings[0].contains("SKIFF_VOLUME_MY_CONF"), "{:?}", started.warnings);
}

#[tokio::test]
async fn a_container_that_takes_more_memory_than_it_may_is_stopped() {
    let place = Place::new();
    let runtime = place.runtime();
    let config = ContainerConfig {
        memory_limit: Some(32 << 20),
        cpu_limit_milli: Some(500),
        ..place.config(&["sh", "-c", "exec tail /dev/zero"])
    };
    runtime.start(config, Arc::clone(&place.exits)).await.unwrap();
    let ended = place.end().await;
    // A control group has it killed, a process limit has it fail.
    let is_kill = (ended.code, ended.reason.as_str()) == (137, "OOMKilled");
    assert!(is_kill || (ended.code != 0 && ended.reason == "Error"), "{ended:?}");
    let launch = Folder::new(place.folder.path().join("pods/uid-1/containers/main/0")).launch().unwrap();
    assert_eq!(is_kill, launch.data_limit.is_none());
    assert!(launch.group_entries.iter().all(|entry| !entry.exists()), "{:?}", launch.group_entries);
}

#[tokio::test]
async fn runs_and_logs_before_the_last_but_one_are_forgotten() {
    let place = Place::new();
    let runtime = place.runtime();
    for attempt in 0..4 {
        let log_file = place.folder.path().join(format!("logs/{attempt}.log"));
        let config = ContainerConfig { attempt, log_file, ..place.config(&["echo", "hi"]) };
        runtime.start(config, Arc::clone(&place.exits)).await.unwrap();
        place.end().await;
    }
    let names = |folder: &str| {
        let entries = std::fs::read_dir(place.folder.path().join(folder)).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names("logs"), ["2.log", "3.log"]);
    assert_eq!(names("pods/uid-1/containers/main"), ["2", "3"]);
}

#[tokio::test]
async fn root_can_run_a_container_as_somebody_else() {
    if !child::is_root() {
        return;
    }
    let place = Place::new();
    let runtime = place.runtime();
    let config = ContainerConfig {
        user: Some(65534),
        group: Some(65534),
        supplemental_groups: vec![7],
        ..place.config(&["sh", "-c", "id -u; id -G; kill -0 $PPID || echo apart"])
    };
    runtime.start(config, Arc::clone(&place.exits)).await.unwrap();
    place.end().await;
    let lines: Vec<String> = place.log_lines().into_iter().filter(|line| line.starts_with("stdout")).collect();
    assert_eq!(lines, ["stdout F 65534", "stdout F 65534 7", "stdout F apart"]);
}
