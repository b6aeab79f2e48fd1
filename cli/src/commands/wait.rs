//! `skiff wait`: until objects are as they should be.

use std::time::Duration;

use serde_json::Value;

use crate::commands::command::{Command, with_session};
use crate::commands::get::watch_event;
use crate::connection::{Connection, parse_duration};
use crate::discovery::Discovery;
use crate::error::CliError;
use crate::manifests::Files;
use crate::object;
use crate::output::jsonpath::{Template, text_of};
use crate::request::Call;
use crate::session::Session;
use crate::targets::{self, Asked, Selectors, Target};

const EXAMPLES: &str = "\
Examples:
  skiff wait --for=condition=Ready pod -l app=my-app --timeout=60s
  skiff wait --for=delete pod/x
  skiff wait --for=jsonpath='{.status.phase}'=Running pod/x";

/// Wait until objects are as they should be
#[derive(clap::Parser, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Wait {
    /// TYPE NAME…, or TYPE/NAME…
    #[arg(value_name = "TYPE")]
    words: Vec<String>,
    /// condition=NAME[=VALUE], jsonpath='{PATH}'[=VALUE], create or delete
    #[arg(long = "for", value_name = "WHAT")]
    condition: Goal,
    /// How long to wait
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "30s")]
    timeout: Duration,
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
    #[command(flatten)]
    connection: Connection,
}

/// What is waited for.
#[derive(Debug, Clone)]
enum Goal {
    Create,
    Delete,
    Condition { name: String, status: String },
    Path { path: Template, value: Option<String> },
}

impl std::str::FromStr for Goal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(condition) = text.strip_prefix("condition=") {
            let (name, status) = condition.split_once('=').unwrap_or((condition, "true"));
            return Ok(Self::Condition { name: name.to_owned(), status: status.to_owned() });
        }
        if let Some(rest) = text.strip_prefix("jsonpath=") {
            let end = rest.rfind('}').map_or(0, |at| at + 1);
            let (path, value) = rest.split_at(end);
            let value = value.strip_prefix('=').map(|value| value.trim_matches(['\'', '"']).to_owned());
            return Ok(Self::Path { path: Template::parse(path)?, value });
        }
        match text {
            "create" => Ok(Self::Create),
            "delete" => Ok(Self::Delete),
            other => Err(format!("unrecognized condition: {other:?}")),
        }
    }
}

impl Goal {
    /// Whether an object is there already; none stands for an object that does not exist.
    fn is_reached(&self, object: Option<&Value>) -> bool {
        match (self, object) {
            (Self::Delete, object) => object.is_none(),
            (Self::Create, object) => object.is_some(),
            (_, None) => false,
            (Self::Condition { name, status }, Some(object)) => {
                let conditions = object::items(object, "status.conditions").iter();
                let generation = object::at(object, "metadata.generation").as_i64();
                let seen = object::at(object, "status.observedGeneration").as_i64();
                let is_current = generation.zip(seen).is_none_or(|(generation, seen)| seen >= generation);
                is_current
                    && conditions
                        .filter(|condition| object::text(condition, "type").eq_ignore_ascii_case(name))
                        .any(|condition| object::text(condition, "status").eq_ignore_ascii_case(status))
            }
            (Self::Path { path, value }, Some(object)) => {
                let found = path.find(object);
                match value {
                    None => !found.is_empty(),
                    Some(value) => matches!(found.as_slice(), [one] if text_of(one) == *value),
                }
            }
        }
    }
}

impl Command for Wait {
    const NAME: &'static str = "wait";

    fn run(self, before: Connection) -> Result<(), CliError> {
        let connection = self.connection.clone().or(before);
        with_session(connection, async |session| self.execute(session).await)
    }
}

impl Wait {
    pub async fn execute(&self, session: &Session) -> Result<(), CliError> {
        let discovery = Discovery::read(session).await?;
        let asked = Asked {
            command: "wait",
            words: &self.words,
            files: &self.files,
            selectors: &self.selectors,
            all_namespaces: self.all_namespaces,
        };
        let targets = asked.resolve(session, &discovery).await?;
        let mut errors = targets.errors;
        let mut single = Vec::new();
        for target in targets.list {
            if target.name.is_some() {
                single.push(target);
            } else if self.all || !self.selectors.is_empty() {
                let objects = targets::objects(session, &target, &self.selectors).await?;
                single.extend(objects.iter().map(|object| target.one(object)));
            } else {
                return Err(CliError::local("resource(s) were provided, but no name was specified"));
            }
        }
        if single.is_empty() && errors.is_empty() {
            return if matches!(self.condition, Goal::Delete) {
                Ok(())
            } else {
                Err(CliError::local("no matching resources found"))
            };
        }
        let deadline = tokio::time::Instant::now() + self.timeout;
        for target in &single {
            if self.is_gone(session, target).await? {
                continue;
            }
            let name = target.name.as_deref().unwrap_or_default();
            match tokio::time::timeout_at(deadline, self.until_reached(session, target)).await {
                Ok(Ok(())) => {
                    session.screen.line(&format!("{}/{name} condition met", target.resource.spoken_kind()))?;
                    session.screen.flush()?;
                }
                Ok(Err(error)) => errors.push(error),
                Err(_) => {
                    let message = format!("timed out waiting for the condition on {}/{name}", target.resource.plural);
                    errors.push(CliError::local(message));
                }
            }
        }
        CliError::gather(errors)
    }

    /// Waiting for the end of what is not there is over before it began, and nothing is said of it.
    async fn is_gone(&self, session: &Session, target: &Target) -> Result<bool, CliError> {
        if !matches!(self.condition, Goal::Delete) {
            return Ok(false);
        }
        match session.value(Call::get(target.path())).await {
            Ok(_) => Ok(false),
            Err(error) if error.is_not_found() => Ok(true),
            Err(error) => Err(error),
        }
    }

    async fn until_reached(&self, session: &Session, target: &Target) -> Result<(), CliError> {
        let name = target.name.as_deref().unwrap_or_default();
        let may_be_missing = matches!(self.condition, Goal::Create | Goal::Delete);
        loop {
            // The list of one gives a revision to watch from, whether the object is there or not.
            let call = Call::get(target.resource.collection(target.namespace.as_deref()));
            let list = session.value(call.query("fieldSelector", format!("metadata.name={name}"))).await?;
            let object = object::items(&list, "items").first();
            if self.condition.is_reached(object) {
                return Ok(());
            }
            if object.is_none() && !may_be_missing {
                // The server's own words for what is not there.
                session.value(Call::get(target.path())).await?;
            }
            let call = Call::get(target.resource.collection(target.namespace.as_deref()))
                .query("watch", "true")
                .query("fieldSelector", format!("metadata.name={name}"))
                .query("resourceVersion", object::resource_version(&list));
            let mut lines = session.lines(call).await?;
            while let Some(line) = lines.next().await? {
                match watch_event(&line) {
                    Ok(Some((event, object))) => {
                        let object = Some(&object).filter(|_| event != "DELETED");
                        if self.condition.is_reached(object) {
                            return Ok(());
                        }
                    }
                    Ok(None) => {}
                    Err(CliError::Server(status)) if status.code == Some(410) => break,
                    Err(error) => return Err(error),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn is_reached(goal: &str, object: Value) -> bool {
        goal.parse::<Goal>().unwrap().is_reached(Some(&object))
    }

    #[test]
    fn conditions_are_read() {
        let ready = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}], "phase": "Running"}});
        assert!(is_reached("condition=ready", ready.clone()));
        assert!(!is_reached("condition=Ready=False", ready.clone()));
        assert!(is_reached("jsonpath={.status.phase}=Running", ready.clone()));
        assert!(is_reached("jsonpath={.status.phase}", ready.clone()));
        assert!(!is_reached("jsonpath={.status.other}", ready.clone()));
        assert!(!is_reached("delete", ready.clone()));
        assert!(Goal::Delete.is_reached(None) && is_reached("create", ready));
        assert!("nothing".parse::<Goal>().is_err());
    }

    #[test]
    fn a_condition_of_an_older_generation_does_not_count() {
        let stale = json!({
            "metadata": {"generation": 2},
            "status": {"observedGeneration": 1, "conditions": [{"type": "Available", "status": "True"}]},
        });
        assert!(!is_reached("condition=Available", stale));
    }
}
