//! What the kernel tells of a running process, and a command that is measured.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, SysconfVar, sysconf};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// What a process has used so far.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    pub resident_bytes: u64,
    pub processor: Duration,
    pub written_bytes: u64,
}

impl Usage {
    /// Of these processes together.
    pub fn of(pids: &[u32]) -> Result<Self> {
        let mut sum = Self::default();
        for pid in pids {
            let one = Self::of_one(&Path::new("/proc").join(pid.to_string()))
                .with_context(|| format!("look at process {pid}"))?;
            sum.resident_bytes += one.resident_bytes;
            sum.processor += one.processor;
            sum.written_bytes += one.written_bytes;
        }
        Ok(sum)
    }

    fn of_one(folder: &Path) -> Result<Self> {
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).with_context(|| format!("read {name}"));
        Ok(Self {
            resident_bytes: field(&read("status")?, "VmRSS:").context("find VmRSS")? * 1_024,
            processor: processor(&read("stat")?).context("find the processor time")?,
            written_bytes: field(&read("io")?, "write_bytes:").context("find write_bytes")?,
        })
    }
}

/// The number behind this name, on its line.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// User and system time, fields 14 and 15. The second field may hold spaces, but ends at the last parenthesis.
fn processor(stat: &str) -> Option<Duration> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    let ticks_per_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100);
    Some(Duration::from_secs_f64(ticks as f64 / ticks_per_second as f64))
}

/// A command that was started here, and will be ended here.
pub struct Started {
    child: Child,
    pub took: Duration,
}

/// The time that a command may need to be ready, and to end.
const PATIENCE: Duration = Duration::from_secs(120);
const GRACE: Duration = Duration::from_secs(30);

impl Started {
    /// Starts the command and waits until it prints this line.
    pub async fn until_line(command: &[String], line: &str) -> Result<Self> {
        let (program, arguments) = command.split_first().ok_or_else(|| anyhow!("no command"))?;
        let start = Instant::now();
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {program}"))?;
        let output = child.stdout.take().ok_or_else(|| anyhow!("no output"))?;
        let mut lines = BufReader::new(output).lines();
        let waiting = async {
            while let Some(text) = lines.next_line().await? {
                if text.trim() == line {
                    return Ok(());
                }
            }
            bail!("{program} ended before it printed {line:?}")
        };
        tokio::time::timeout(PATIENCE, waiting).await.with_context(|| format!("{program} was not ready in time"))??;
        let took = start.elapsed();
        // What it prints later is read, so that it is not held up.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { child, took })
    }

    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Asks it to end, by its own number, and waits.
    pub async fn end(mut self) -> Result<()> {
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()) {
            kill(Pid::from_raw(pid), Signal::SIGTERM).context("ask the process to end")?;
        }
        if tokio::time::timeout(GRACE, self.child.wait()).await.is_err() {
            self.child.kill().await.context("end the process")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_read() {
        assert_eq!(field("Name:\tx\nVmRSS:\t   1234 kB\n", "VmRSS:"), Some(1_234));
        let stat = "12 (a b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0";
        assert_eq!(processor(stat), Some(Duration::from_secs(2)));
        assert!(Usage::of(&[std::process::id()]).unwrap().resident_bytes > 0);
        assert!(Usage::of(&[u32::MAX]).is_err());
    }

    #[tokio::test]
    async fn a_command_is_ready_when_it_says_so() {
        let command = |script: &str| ["sh", "-c", script].map(str::to_owned);
        let started = Started::until_line(&command("echo starting; echo ready; exec sleep 60"), "ready").await.unwrap();
        assert!(started.pid().is_some());
        started.end().await.unwrap();
        assert!(Started::until_line(&command("echo no"), "ready").await.is_err());
    }
}
