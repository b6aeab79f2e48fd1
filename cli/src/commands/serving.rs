//! How the commands that serve live: logs, a runtime, and an orderly end.

use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use lifecycle::logging::{self, LogFormat};
use lifecycle::signals::Signals;
use lifecycle::tasks::Tasks;

use crate::error::CliError;

/// Flags that all serving commands have.
#[derive(Debug, Clone, clap::Args)]
pub struct Serving {
    /// What is logged to standard error: a level, or a filter such as info,apiserver=debug
    #[arg(long, value_name = "FILTER", default_value = "warn")]
    log: String,

    /// Log lines as JSON
    #[arg(long)]
    log_json: bool,
}

impl Serving {
    /// Runs `work` on all processors of the machine, with the logs that were asked for.
    pub fn run(&self, work: impl Future<Output = anyhow::Result<()>>) -> Result<(), CliError> {
        logging::install(if self.log_json { LogFormat::Json } else { LogFormat::Text }, &self.log);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let done = runtime.block_on(work);
        runtime.shutdown_timeout(Duration::from_secs(1));
        done.map_err(|error| CliError::local(format!("{error:#}")))
    }
}

/// Says that a part is ready, waits for a signal, and stops its tasks.
pub async fn until_signal(mut signals: Signals, tasks: Tasks, grace: Duration) -> anyhow::Result<()> {
    tell("ready")?;
    let signal = signals.next().await;
    tell(&format!("{signal}: stopping; once more ends at once"))?;
    tokio::select! {
        () = tasks.stop(grace) => Ok(()),
        _ = signals.next() => anyhow::bail!("stopped before everything had ended"),
    }
}

/// A line on standard output. A reader that has gone away is no reason to stop.
pub fn tell(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).context("write to standard output"),
        _ => Ok(()),
    }
}
