//! `skiff scale`: how many replicas a workload shall have.

use http::Method;
use serde_json::{Value, json};

use crate::commands::arguments::{DryRun, Output, Trial};
use crate::commands::command::{Command, with_session};
use crate::connection::Connection;
use crate::discovery::Discovery;
use crate::error::CliError;
use crate::manifests::Files;
use crate::object;
use crate::request::{Call, MERGE_PATCH};
use crate::session::Session;
use crate::targets::{self, Asked, Selectors, Target};

const EXAMPLES: &str = "\
Examples:
  skiff scale deployment my-app --replicas=3
  skiff scale --replicas=0 deployment/a deployment/b
  skiff scale --current-replicas=2 --replicas=3 deployment/my-app   only if it has 2 now";

/// Set how many replicas a workload has
#[derive(clap::Parser, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Scale {
    /// TYPE NAME…, or TYPE/NAME…
    #[arg(value_name = "TYPE")]
    words: Vec<String>,
    /// How many
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(0..=i64::from(i32::MAX)))]
    replicas: u32,
    /// Only if it has this many now
    #[arg(long, value_name = "COUNT")]
    current_replicas: Option<i64>,
    /// Only if it has this resourceVersion now
    #[arg(long, value_name = "VERSION")]
    resource_version: Option<String>,
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    selectors: Selectors,
    /// All objects of the types
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    trial: Trial,
    #[command(flatten)]
    connection: Connection,
}

impl Command for Scale {
    const NAME: &'static str = "scale";

    fn run(self, before: Connection) -> Result<(), CliError> {
        let connection = self.connection.clone().or(before);
        with_session(connection, async |session| self.execute(session).await)
    }
}

impl Scale {
    pub async fn execute(&self, session: &Session) -> Result<(), CliError> {
        let discovery = Discovery::read(session).await?;
        let asked = Asked {
            command: "scale",
            words: &self.words,
            files: &self.files,
            selectors: &self.selectors,
            all_namespaces: false,
        };
        let targets = asked.resolve(session, &discovery).await?;
        if targets.list.is_empty() && targets.errors.is_empty() {
            return Err(CliError::usage("scale", "required resource not specified"));
        }
        let is_narrowed = self.all || !self.selectors.is_empty();
        let mut errors = targets.errors;
        let mut is_first = true;
        for target in &targets.list {
            if target.name.is_none() && !is_narrowed {
                return Err(CliError::local("resource(s) were provided, but no name was specified"));
            }
            let objects = match targets::objects(session, target, &self.selectors).await {
                Ok(objects) => objects,
                Err(error) => {
                    errors.push(error);
                    continue;
                }
            };
            for object in objects {
                match self.scale(session, &target.one(&object)).await {
                    Ok(()) => {
                        self.output.tell(session, object, "scaled", self.trial.dry_run, is_first)?;
                        is_first = false;
                    }
                    Err(error) => errors.push(error),
                }
            }
        }
        CliError::gather(errors)
    }

    async fn scale(&self, session: &Session, target: &Target) -> Result<(), CliError> {
        if self.trial.dry_run == DryRun::Client {
            return Ok(());
        }
        let path = target.subresource("scale");
        if self.current_replicas.is_none() && self.resource_version.is_none() {
            let patch = json!({"spec": {"replicas": self.replicas}}).to_string();
            let call = Call::new(Method::PATCH, path).body(MERGE_PATCH, patch.into_bytes());
            return session.value(self.trial.dry_run.on(call)).await.map(drop);
        }
        let mut scale = session.value(Call::get(path.clone())).await?;
        self.check(&scale)?;
        scale["spec"]["replicas"] = self.replicas.into();
        session.value(self.trial.dry_run.on(Call::new(Method::PUT, path)).json(&scale)).await.map(drop)
    }

    fn check(&self, scale: &Value) -> Result<(), CliError> {
        let current = object::at(scale, "spec.replicas").as_i64().unwrap_or_default();
        if let Some(expected) = self.current_replicas.filter(|expected| *expected >= 0 && *expected != current) {
            return Err(CliError::local(format!("Expected replicas to be {expected}, was {current}")));
        }
        let version = object::resource_version(scale);
        match &self.resource_version {
            Some(expected) if expected != version => {
                Err(CliError::local(format!("Expected resource version to be {expected}, was {version}")))
            }
            _ => Ok(()),
        }
    }
}
