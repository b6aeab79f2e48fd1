//! Logs: to standard error, as lines for people or as JSON for machines.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::MakeWriterExt;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// Installs the process's logger. `SKIFF_LOG` holds a filter (`info,apiserver=debug`) and wins over `level`.
/// A second call changes nothing.
pub fn install(format: LogFormat, level: &str) {
    let filter = std::env::var("SKIFF_LOG").ok().and_then(|text| EnvFilter::try_new(text).ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new(level));
    let writer = std::io::stderr.with_max_level(tracing::Level::TRACE);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_target(true);
    // Where a log cannot be written, telling so in the same place ends the task that logged.
    let builder = builder.log_internal_errors(false);
    let installed = match format {
        LogFormat::Text => {
            let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none();
            builder.with_ansi(ansi).try_init()
        }
        LogFormat::Json => builder.json().try_init(),
    };
    drop(installed);
}
