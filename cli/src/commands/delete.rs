//! `skiff delete`: delete objects, and wait until they are gone.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::commands::arguments::{DryRun, Trial};
use crate::commands::command::{Command, with_session};
use crate::commands::get::watch_event;
use crate::connection::{Connection, parse_duration};
use crate::discovery::Discovery;
use crate::error::CliError;
use crate::manifests::Files;
use crate::object;
use crate::request::Call;
use crate::session::Session;
use crate::targets::{self, Asked, Selectors, Target};

const EXAMPLES: &str = "\
Examples:
  skiff delete -f examples/web.yaml             what the file describes
  skiff delete pod my-app-1 my-app-2            by name
  skiff delete pods,services -l app=my-app      by label
  skiff delete pods --all                       all of the namespace
  skiff delete pod stuck --force                without waiting for its node";

const FORCE_WARNING: &str = "Warning: Immediate deletion does not wait for confirmation that the running resource has been \
    terminated. The resource may continue to run on the cluster indefinitely.";

const NOTHING_NAMED: &str = "You must provide one or more resources by argument or filename.\n\
    Example resource specifications include:\n   '-f rsrc.yaml'\n   '--filename=rsrc.json'\n   '<resource> <name>'\n   '<resource>'";

/// Delete objects by name, file or label
#[derive(clap::Parser, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Delete {
    /// TYPE[,TYPE…] [NAME…], or TYPE/NAME…
    #[arg(value_name = "TYPE")]
    words: Vec<String>,
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    selectors: Selectors,
    /// All objects of the types
    #[arg(long)]
    all: bool,
    /// In all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// What is not there is no error; so it is with --all and with selectors anyway
    #[arg(long)]
    ignore_not_found: bool,
    /// What happens to what the object owns: background, orphan or foreground
    #[arg(long, value_name = "HOW", num_args = 0..=1, require_equals = true, default_value = "background", default_missing_value = "background")]
    cascade: Cascade,
    /// Seconds to stop in; negative leaves it to the object
    #[arg(long, value_name = "SECONDS", default_value_t = -1, hide_default_value = true, allow_negative_numbers = true)]
    grace_period: i64,
    /// Stop within a second
    #[arg(long)]
    now: bool,
    /// Delete at once, without waiting for a graceful stop
    #[arg(long)]
    force: bool,
    /// Wait until the objects are gone
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true,
          default_missing_value = "true", action = clap::ArgAction::Set, hide_default_value = true)]
    wait: bool,
    /// How long to wait; 0 for as long as it takes
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "0s", hide_default_value = true)]
    timeout: Duration,
    #[command(flatten)]
    trial: Trial,
    /// name: only the names
    #[arg(short, long, value_name = "FORMAT", value_parser = ["", "name"], default_value = "", hide_default_value = true, hide_possible_values = true)]
    output: String,
    #[command(flatten)]
    connection: Connection,
}

/// What happens to dependents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cascade {
    Background,
    Foreground,
    Orphan,
}

impl std::str::FromStr for Cascade {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "background" | "true" => Ok(Self::Background),
            "foreground" => Ok(Self::Foreground),
            "orphan" | "false" => Ok(Self::Orphan),
            other => {
                Err(format!("invalid cascade value ({other}). Must be \"background\", \"foreground\", or \"orphan\""))
            }
        }
    }
}

impl Cascade {
    fn policy(self) -> &'static str {
        match self {
            Self::Background => "Background",
            Self::Foreground => "Foreground",
            Self::Orphan => "Orphan",
        }
    }
}

impl Command for Delete {
    const NAME: &'static str = "delete";

    fn run(self, before: Connection) -> Result<(), CliError> {
        let connection = self.connection.clone().or(before);
        with_session(connection, async |session| self.execute(session).await)
    }
}

/// An object whose end is awaited.
struct Awaited {
    target: Target,
    uid: String,
}

impl Delete {
    pub async fn execute(&self, session: &Session) -> Result<(), CliError> {
        let grace_period = self.check(session)?;
        let discovery = Discovery::read(session).await?;
        let asked = Asked {
            command: "delete",
            words: &self.words,
            files: &self.files,
            selectors: &self.selectors,
            all_namespaces: self.all_namespaces,
        };
        let targets = asked.resolve(session, &discovery).await?;
        let mut errors = targets.errors;
        let ignore_missing = self.ignore_not_found || self.all || !self.selectors.is_empty();
        let mut awaited = Vec::new();
        let mut deleted = 0;
        for target in targets.list {
            let found = if target.name.is_some() { Ok(vec![target]) } else { self.list(session, target).await };
            let found = match found {
                Ok(found) => found,
                Err(error) => {
                    errors.push(error);
                    continue;
                }
            };
            for target in found {
                match self.delete(session, &target, grace_period).await {
                    Ok(uid) => {
                        deleted += 1;
                        awaited.extend(uid.map(|uid| Awaited { target, uid }));
                    }
                    Err(error) if ignore_missing && error.is_not_found() => {}
                    Err(error) => errors.push(match &target.manifest {
                        Some(manifest) => error.while_doing("deleting", &manifest.source),
                        None => error,
                    }),
                }
            }
        }
        if deleted == 0 && errors.is_empty() && !self.ignore_not_found {
            session.screen.line("No resources found")?;
        }
        // What was said to be deleted is read while its end is awaited.
        session.screen.flush()?;
        if self.wait {
            errors.extend(self.wait_for(session, &awaited).await.err());
        }
        CliError::gather(errors)
    }

    /// Refuses what contradicts itself; gives the grace period to ask for.
    fn check(&self, session: &Session) -> Result<Option<i64>, CliError> {
        if self.words.is_empty() && self.files.is_empty() {
            return Err(CliError::local(NOTHING_NAMED));
        }
        let names_given = self.words.len() > 1 || self.words.iter().any(|word| word.contains('/'));
        if self.all && !self.selectors.is_empty() {
            return Err(CliError::local("setting 'all' parameter but found a non empty selector."));
        }
        if self.all && names_given {
            return Err(CliError::local("name cannot be provided when a selector is specified"));
        }
        if self.files.is_empty() && !names_given && !self.all && self.selectors.is_empty() {
            return Err(CliError::local("resource(s) were provided, but no name was specified"));
        }
        if self.now && self.grace_period >= 0 {
            return Err(CliError::local("--now and --grace-period cannot be specified together"));
        }
        if self.force && self.grace_period > 0 {
            return Err(CliError::local("--force and --grace-period greater than 0 cannot be specified together"));
        }
        if self.force {
            session.screen.complain(FORCE_WARNING);
        }
        Ok(match self.grace_period {
            _ if self.now => Some(1),
            _ if self.force => Some(0),
            // The least that does not mean to kill at once.
            0 => Some(1),
            seconds if seconds > 0 => Some(seconds),
            _ => None,
        })
    }

    /// The single objects of a type.
    async fn list(&self, session: &Session, target: Target) -> Result<Vec<Target>, CliError> {
        let objects = targets::objects(session, &target, &self.selectors).await?;
        Ok(objects.iter().map(|object| target.one(object)).collect())
    }

    /// Deletes one object, tells of it, and gives its uid if it is still there.
    async fn delete(
        &self,
        session: &Session,
        target: &Target,
        grace_period: Option<i64>,
    ) -> Result<Option<String>, CliError> {
        let name = target.name.as_deref().unwrap_or_default();
        if !target.resource.namespaced && session.namespace_given {
            session.screen.complain("Warning: deleting cluster-scoped resources, not scoped to the provided namespace");
        }
        let answer = if self.trial.dry_run == DryRun::Client {
            Value::Null
        } else {
            let mut options =
                json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": self.cascade.policy()});
            if let Some(seconds) = grace_period {
                options["gracePeriodSeconds"] = seconds.into();
            }
            if self.trial.dry_run == DryRun::Server {
                options["dryRun"] = json!(["All"]);
            }
            session.value(Call::new(Method::DELETE, target.path()).json(&options)).await?
        };
        let kind = target.resource.spoken_kind();
        if self.output == "name" {
            session.screen.line(&format!("{kind}/{name}"))?;
        } else {
            let done = if self.force { "force deleted" } else { "deleted" };
            session.screen.line(&format!("{kind} {name:?} {done}{}", self.trial.dry_run.suffix()))?;
        }
        let uid =
            if object::kind(&answer) == "Status" { object::text(&answer, "details.uid") } else { object::uid(&answer) };
        Ok((self.trial.dry_run == DryRun::None).then(|| uid.to_owned()))
    }

    async fn wait_for(&self, session: &Session, awaited: &[Awaited]) -> Result<(), CliError> {
        let all = async {
            for one in awaited {
                until_gone(session, &one.target, &one.uid).await?;
            }
            Ok(())
        };
        if self.timeout.is_zero() {
            return all.await;
        }
        match tokio::time::timeout(self.timeout, all).await {
            Ok(done) => done,
            Err(_) => Err(CliError::local("timed out waiting for the condition")),
        }
    }
}

/// Waits until the object with this uid is gone; another one of its name counts as gone.
async fn until_gone(session: &Session, target: &Target, uid: &str) -> Result<(), CliError> {
    let is_other = |object: &Value| !uid.is_empty() && object::uid(object) != uid;
    loop {
        let current = match session.value(Call::get(target.path())).await {
            Ok(current) if is_other(&current) => return Ok(()),
            Ok(current) => current,
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(error),
        };
        let name = target.name.as_deref().unwrap_or_default();
        let call = Call::get(target.resource.collection(target.namespace.as_deref()))
            .query("watch", "true")
            .query("fieldSelector", format!("metadata.name={name}"))
            .query("resourceVersion", object::resource_version(&current));
        let mut lines = match session.lines(call).await {
            Ok(lines) => lines,
            // What was read is too old to be watched from: read again.
            Err(CliError::Server(status)) if status.code == Some(410) => continue,
            Err(error) => return Err(error),
        };
        while let Some(line) = lines.next().await? {
            match watch_event(&line) {
                Ok(Some((event, object))) if event == "DELETED" || is_other(&object) => return Ok(()),
                Ok(_) => {}
                Err(CliError::Server(status)) if status.code == Some(410) => break,
                Err(error) => return Err(error),
            }
        }
    }
}

/// Deletes an object in order to make it anew.
pub async fn remove_and_wait(
    session: &Session,
    target: &Target,
    current: &Value,
    dry_run: DryRun,
) -> Result<(), CliError> {
    let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"});
    session.value(dry_run.on(Call::new(Method::DELETE, target.path())).json(&options)).await?;
    if dry_run == DryRun::None { until_gone(session, target, object::uid(current)).await } else { Ok(()) }
}
