//! Commands beside the main process: what they are told and say, how they end.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::runtime::interface::{Output, Size};

/// A shell that runs this, with an input.
fn shell(script: &str) -> Command {
    Command { arguments: ["sh", "-c", script].map(str::to_owned).into(), has_input: true, has_terminal: false }
}

fn terminal(script: &str) -> Command {
    Command { has_terminal: true, ..shell(script) }
}

async fn text(output: Option<Output>) -> String {
    let mut text = Vec::new();
    // A terminal ends with an error.
    let _ = output.expect("the command has this stream").read_to_end(&mut text).await;
    String::from_utf8(text).unwrap()
}

async fn line(output: &mut Output) -> String {
    let mut text = Vec::new();
    while text.last() != Some(&b'\n') {
        let next = tokio::time::timeout(Duration::from_secs(10), output.read_u8()).await;
        let next = next.unwrap_or_else(|_| panic!("no end of the line {}", String::from_utf8_lossy(&text)));
        text.push(next.expect("a whole line comes"));
    }
    String::from_utf8(text).unwrap().trim_end().to_owned()
}

/// A container that does nothing, with commands run beside it.
async fn idle(place: &Place) -> (Process, Started) {
    let runtime = place.runtime();
    let started = place.start(&runtime, &["sleep", "1000"]).await;
    (runtime, started)
}

async fn end_all(place: &Place, runtime: &Process, id: &str) {
    runtime.signal(id, StopSignal::Kill).await.unwrap();
    place.end().await;
}

#[tokio::test]
async fn a_command_is_told_things_and_answers_on_two_streams_with_a_code() {
    let place = Place::new();
    let (runtime, started) = idle(&place).await;
    let script = "cat; echo $GREETING; echo err >&2; exit 3";
    let mut streams = runtime.open(&started.id, &shell(script)).await.unwrap();
    let mut input = streams.input.take().unwrap();
    input.write_all(b"one\ntwo").await.unwrap();
    drop(input);
    let (output, errors, code) = tokio::join!(text(Some(streams.output)), text(streams.errors), streams.end);
    assert_eq!((output.as_str(), errors.as_str(), code.unwrap()), ("one\ntwohello\n", "err\n", 3));
    let silent = Command { has_input: false, ..shell("cat; readlink /proc/self/fd/0") };
    let streams = runtime.open(&started.id, &silent).await.unwrap();
    assert!(streams.input.is_none());
    let (output, code) = tokio::join!(text(Some(streams.output)), streams.end);
    assert_eq!((output.as_str(), code.unwrap()), ("/dev/null\n", 0));
    end_all(&place, &runtime, &started.id).await;
}

#[tokio::test]
async fn a_command_at_a_terminal_knows_its_size_and_is_interrupted_from_there() {
    let place = Place::new();
    let (runtime, started) = idle(&place).await;
    let script = "trap 'exit 7' INT; test -t 0 && test -t 2 && tty </dev/tty >/dev/null && read x && stty size \\
                  && echo $TERM; while :; do sleep 0.01; done";
    let mut streams = runtime.open(&started.id, &terminal(script)).await.unwrap();
    assert!(streams.errors.is_none());
    (streams.resize.as_ref().unwrap())(Size { width: 91, height: 33 });
    let mut input = streams.input.take().unwrap();
    input.write_all(b"go\n").await.unwrap();
    let mut lines = Vec::new();
    for _ in 0..3 {
        lines.push(line(&mut streams.output).await);
    }
    // What is typed is shown.
    assert_eq!(lines, ["go", "33 91", "xterm"]);
    input.write_all(&[3]).await.unwrap();
    let end = tokio::time::timeout(Duration::from_secs(10), streams.end).await.expect("it is interrupted");
    assert_eq!(end.unwrap(), 7);
    assert_eq!(text(Some(streams.output)).await, "^C");
    end_all(&place, &runtime, &started.id).await;
}

#[tokio::test]
async fn a_command_that_nobody_waits_for_is_ended_with_all_that_it_started() {
    let place = Place::new();
    let (runtime, started) = idle(&place).await;
    for command in [shell, terminal] {
        let script = "setsid sleep 1001 & sleep 1002 & echo go; exec sleep 1003";
        let mut streams = runtime.open(&started.id, &command(script)).await.unwrap();
        line(&mut streams.output).await;
        eventually("all run", || procfs::with_variable(MARK, &started.id).len() == 4).await;
        drop(streams);
        eventually("all are ended", || procfs::with_variable(MARK, &started.id).len() == 1).await;
    }
    end_all(&place, &runtime, &started.id).await;
}

#[tokio::test]
async fn what_a_command_leaves_behind_ends_with_it() {
    let place = Place::new();
    let (runtime, started) = idle(&place).await;
    // It is no longer of the command's group when the command ends.
    let script = "setsid sh -c 'echo $$; exec sleep 1001' & read x; exit 5";
    let mut streams = runtime.open(&started.id, &shell(script)).await.unwrap();
    let pid = line(&mut streams.output).await;
    assert!(runs(&pid));
    drop(streams.input.take());
    assert_eq!(streams.end.await.unwrap(), 5);
    assert!(!runs(&pid), "{pid} runs on");
    end_all(&place, &runtime, &started.id).await;
}

#[tokio::test]
async fn a_command_ends_with_its_container() {
    let place = Place::new();
    let runtime = place.runtime();
    let config = ContainerConfig { cpu_request_milli: Some(100), ..place.config(&["sleep", "1000"]) };
    let started = runtime.start(config, Arc::clone(&place.exits)).await.unwrap();
    let launch = Folder::new(place.folder.path().join("pods/uid-1/containers/main/0")).launch().unwrap();
    let streams = runtime.open(&started.id, &shell("exec sleep 1001")).await.unwrap();
    let end = tokio::spawn(streams.end);
    eventually("both run", || procfs::with_variable(MARK, &started.id).len() == 2).await;
    end_all(&place, &runtime, &started.id).await;
    assert_eq!(end.await.unwrap().unwrap(), 137);
    assert!(procfs::with_variable(MARK, &started.id).is_empty());
    assert!(runtime.open(&started.id, &shell("true")).await.is_err());
    assert!(launch.group_entries.iter().all(|entry| !entry.exists()), "{:?}", launch.group_entries);
}

#[tokio::test]
async fn a_command_that_is_not_there_is_named() {
    let place = Place::new();
    let (runtime, started) = idle(&place).await;
    let command = Command { arguments: vec!["no-such-program".to_owned()], ..Command::default() };
    let streams = runtime.open(&started.id, &command).await.unwrap();
    let (errors, code) = tokio::join!(text(streams.errors), streams.end);
    assert!(errors.contains("exec: \"no-such-program\": executable file"), "{errors}");
    assert_eq!(code.unwrap(), 126);
    end_all(&place, &runtime, &started.id).await;
}

/// A command must not outlive an agent that is killed: its small process is started here by an agent that is.
#[tokio::test]
async fn a_command_ends_when_its_agent_is_killed() {
    let place = Place::new();
    let (runtime, started) = idle(&place).await;
    let folder = place.folder.path().join("pods/uid-1/containers/main/0");
    let exe = std::env::current_exe().unwrap();
    let script = format!("{} container-exec {} $$ pipes sleep 1001; :", exe.display(), folder.display());
    let mut agent = std::process::Command::new("sh").args(["-c", &script]).spawn().unwrap();
    eventually("it runs", || procfs::with_variable(MARK, &started.id).len() == 2).await;
    agent.kill().unwrap();
    agent.wait().unwrap();
    eventually("it is ended", || procfs::with_variable(MARK, &started.id).len() == 1).await;
    end_all(&place, &runtime, &started.id).await;
}

#[tokio::test]
async fn a_container_with_stdin_is_told_things_by_one_client_after_another() {
    let place = Place::new();
    let runtime = place.runtime();
    let config = ContainerConfig { stdin: Stdin::Open, ..place.config(&["cat"]) };
    let started = runtime.start(config, Arc::clone(&place.exits)).await.unwrap();
    for word in ["one", "two"] {
        let mut input = runtime.input(&started.id).await.unwrap().unwrap();
        input.write_all(format!("{word}\n").as_bytes()).await.unwrap();
    }
    eventually("both are heard", || place.log_lines() == ["stdout F one", "stdout F two"]).await;
    end_all(&place, &runtime, &started.id).await;
}

#[tokio::test]
async fn a_container_with_stdin_once_sees_the_end_of_its_first_client() {
    let place = Place::new();
    let runtime = place.runtime();
    let script = "cat; echo end; sleep 1000";
    let config = ContainerConfig { stdin: Stdin::Once, ..place.config(&["sh", "-c", script]) };
    let started = runtime.start(config, Arc::clone(&place.exits)).await.unwrap();
    let mut input = runtime.input(&started.id).await.unwrap().unwrap();
    input.write_all(b"one\n").await.unwrap();
    drop(input);
    eventually("the end is seen", || place.log_lines() == ["stdout F one", "stdout F end"]).await;
    assert!(runtime.input(&started.id).await.unwrap().is_none());
    end_all(&place, &runtime, &started.id).await;
}

#[tokio::test]
async fn a_container_without_stdin_has_an_empty_one() {
    let place = Place::new();
    let (runtime, started) = idle(&place).await;
    assert!(runtime.input(&started.id).await.unwrap().is_none());
    end_all(&place, &runtime, &started.id).await;
    place.start(&runtime, &["cat"]).await;
    assert_eq!(place.end().await.code, 0);
}
