//! Commands inside of containers, as the agent holds them: the small process of each, and the ends of its streams.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{self, Poll};

use anyhow::Context;
use futures::future::BoxFuture;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::AsyncWrite;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command as Small};
use tokio_util::sync::CancellationToken;

use crate::runtime::interface::{Command, Input, Output, Stdin, Streams};
use crate::runtime::process::Handle;
use crate::runtime::process::exec;
use crate::runtime::process::pidfd::PidFd;
use crate::runtime::process::shim::CLOSE_STDIN;
use crate::runtime::process::terminal::Terminal;

/// Starts the small process of a command.
pub fn open(program: &Path, handle: &Handle, command: &Command) -> anyhow::Result<Streams> {
    let mut small = Small::new(program);
    // A group of its own: what the agent's own terminal says to the agent is not meant for it.
    small.env_clear().process_group(0).arg("container-exec").arg(handle.folder.path());
    small.arg(std::process::id().to_string());
    small.arg(if command.has_terminal { exec::TERMINAL } else { exec::PIPES }).args(&command.arguments);
    if command.has_terminal {
        at_terminal(small, command.has_input, handle.ended.clone()).context("start the command at a terminal")
    } else {
        with_pipes(small, command.has_input, handle.ended.clone()).context("start the command")
    }
}

fn with_pipes(mut small: Small, has_input: bool, ended: CancellationToken) -> io::Result<Streams> {
    small.stdin(if has_input { Stdio::piped() } else { Stdio::null() }).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = small.spawn()?;
    let input = child.stdin.take().map(|input| Box::new(input) as Input);
    let output = child.stdout.take().map(|output| Box::new(output) as Output);
    let errors = child.stderr.take().map(|errors| Box::new(errors) as Output);
    let output = output.expect("it was asked for above");
    Ok(Streams { input, output, errors, resize: None, end: end(child, ended) })
}

fn at_terminal(mut small: Small, has_input: bool, ended: CancellationToken) -> io::Result<Streams> {
    let (terminal, theirs) = Terminal::open()?;
    let input = if has_input { Some(terminal.input()?) } else { None };
    let output = terminal.output()?;
    small.stdin(theirs.try_clone()?).stdout(theirs.try_clone()?).stderr(theirs);
    let child = small.spawn()?;
    Ok(Streams { input, output, errors: None, resize: Some(terminal.resize()), end: end(child, ended) })
}

/// The end of a command, with that of its container at the latest.
fn end(child: Child, container: CancellationToken) -> BoxFuture<'static, anyhow::Result<i32>> {
    let mut held = Held(child);
    Box::pin(async move {
        let status = tokio::select! {
            status = held.0.wait() => status,
            () = container.cancelled() => {
                held.end();
                held.0.wait().await
            }
        };
        let status = status.context("wait for the command")?;
        Ok(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)))
    })
}

/// The small process of a command, which is told to end when nobody waits for it any more.
struct Held(Child);

impl Held {
    fn end(&self) {
        // It has a number as long as it is not collected, and so the number is no other's.
        if let Some(pid) = self.0.id().and_then(|pid| i32::try_from(pid).ok()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.end();
    }
}

/// The way to the standard input of a container's main process, if somebody reads there.
pub fn input(handle: &Handle) -> anyhow::Result<Option<Input>> {
    if handle.stdin == Stdin::Empty {
        return Ok(None);
    }
    let pipe = match pipe::OpenOptions::new().open_sender(handle.folder.stdin()) {
        Ok(pipe) => pipe,
        // It is closed for good, or the main process has closed it.
        Err(error) if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ENXIO) => {
            return Ok(None);
        }
        Err(error) => return Err(error).context("open the container's standard input"),
    };
    if handle.stdin == Stdin::Open {
        return Ok(Some(Box::new(pipe)));
    }
    let shim = PidFd::of(&handle.shim).context("hold the process beside the container")?;
    Ok(Some(Box::new(OnlyInput { pipe, shim })))
}

/// The input of a container that is told something only once.
struct OnlyInput {
    pipe: pipe::Sender,
    shim: PidFd,
}

impl Drop for OnlyInput {
    fn drop(&mut self) {
        // A shim that has ended has closed it, too.
        let _ = self.shim.send(CLOSE_STDIN as i32);
    }
}

impl AsyncWrite for OnlyInput {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut task::Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.pipe).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(context)
    }
}
