//! `bench`: puts the same work to any Kubernetes API, and tells how fast it was done.

mod cluster;
mod connection;
mod figures;
mod objects;
mod process;
mod room;
mod work;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Parser;

use crate::cluster::{Cluster, Version};
use crate::figures::Report;
use crate::work::Work;

/// Measures a Kubernetes API. Meant for a test cluster: it makes thousands of objects, in a namespace of its own, and
/// takes them away again.
#[derive(Parser)]
#[command(name = "bench", version)]
struct Arguments {
    /// The cluster to measure; default: KUBECONFIG, or ~/.kube/config.
    #[arg(long, global = true, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    #[arg(long, global = true)]
    context: Option<String>,
    /// HTTP version; client libraries use 2.
    #[arg(long, global = true, default_value = "2")]
    http: Version,
    /// How long each measurement goes on, in seconds.
    #[arg(long, global = true, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Print JSON in place of a table.
    #[arg(long, global = true)]
    json: bool,
    /// The JSON of an earlier run, perhaps of another server, to compare with.
    #[arg(long, global = true, value_name = "FILE")]
    against: Option<PathBuf>,
    #[command(subcommand)]
    work: Work,
}

fn main() -> ExitCode {
    match measure(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            writeln!(std::io::stderr(), "bench: {error:#}").ok();
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Result<()> {
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        bail!("TLS is set up already");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    let report = runtime.block_on(run(arguments))?;
    if arguments.json {
        println!("{}", report.json());
    } else {
        let earlier = arguments.against.as_deref().map(Report::read).transpose()?;
        print!("{}", report.table(earlier.as_ref()));
    }
    Ok(())
}

async fn run(arguments: &Arguments) -> Result<Report> {
    let mut report = Report::default();
    let span = Duration::from_secs(arguments.seconds);
    if let Some(done) = arguments.work.without_cluster(span, &mut report).await {
        return done.map(|()| report);
    }
    let cluster = Cluster::open(arguments.kubeconfig.as_deref(), arguments.context.as_deref(), arguments.http).await?;
    let room = room::make(&cluster).await?;
    // Whatever happens, also Ctrl-C, what was made is taken away, unless it is wanted.
    let result = tokio::select! {
        result = arguments.work.with_cluster(&cluster, &room, span, &mut report) => result,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    if result.is_ok() && arguments.work.keeps() {
        return Ok(report);
    }
    let cleared = room::clear(&cluster, &room).await;
    result.and(cleared).map(|()| report)
}
