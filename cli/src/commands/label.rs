//! `skiff label`: set and remove labels.

use std::collections::BTreeMap;

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
  skiff label pod x tier=front              set a label
  skiff label pod x tier=back --overwrite   change it
  skiff label pods --all tier-              remove it from all";

/// Set and remove labels
#[derive(clap::Parser, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Label {
    #[command(flatten)]
    change: Change,
}

// What `label` and `annotate` have in common. (No doc comment: it would be shown as help.)
#[derive(clap::Args, Debug)]
pub struct Change {
    /// TYPE NAME… or TYPE/NAME…, then KEY=VALUE to set and KEY- to remove
    #[arg(value_name = "TYPE", required = true)]
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
    /// Change what is set already
    #[arg(long)]
    overwrite: bool,
    /// Only if it has this resourceVersion now
    #[arg(long, value_name = "VERSION")]
    resource_version: Option<String>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    trial: Trial,
    #[command(flatten)]
    connection: Connection,
}

/// What is changed, and in which words that is told.
pub struct Words {
    pub command: &'static str,
    pub field: &'static str,
    pub set: &'static str,
    pub removed: &'static str,
    pub unchanged: &'static str,
    /// What is set already, once or several times, and may not be changed.
    pub refused: fn(&[String]) -> String,
}

const LABELS: Words = Words {
    command: "label",
    field: "labels",
    set: "labeled",
    removed: "unlabeled",
    unchanged: "not labeled",
    refused: |known| format!("{}, and --overwrite is false", known.join(", ")),
};

impl Command for Label {
    const NAME: &'static str = "label";

    fn run(self, before: Connection) -> Result<(), CliError> {
        self.change.run(&LABELS, before)
    }
}

/// None removes the key.
type Pairs = BTreeMap<String, Option<String>>;

impl Change {
    pub fn run(self, words: &Words, before: Connection) -> Result<(), CliError> {
        let connection = self.connection.clone().or(before);
        with_session(connection, async |session| self.execute(session, words).await)
    }

    async fn execute(&self, session: &Session, words: &Words) -> Result<(), CliError> {
        let (resources, pairs) = split(&self.words).map_err(|message| CliError::usage(words.command, message))?;
        let discovery = Discovery::read(session).await?;
        let asked = Asked {
            command: words.command,
            words: resources,
            files: &self.files,
            selectors: &self.selectors,
            all_namespaces: self.all_namespaces,
        };
        let targets = asked.resolve(session, &discovery).await?;
        if targets.list.is_empty() && targets.errors.is_empty() {
            return Err(CliError::usage(
                words.command,
                "one or more resources must be specified as <resource> <name> or <resource>/<name>",
            ));
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
                match self.change(session, &target.one(&object), object, &pairs, words).await {
                    Ok((object, done)) => {
                        self.output.tell(session, object, done, self.trial.dry_run, is_first)?;
                        is_first = false;
                    }
                    Err(error) => errors.push(error),
                }
            }
        }
        CliError::gather(errors)
    }

    async fn change(
        &self,
        session: &Session,
        target: &Target,
        object: Value,
        pairs: &Pairs,
        words: &Words,
    ) -> Result<(Value, &'static str), CliError> {
        let present = &object["metadata"][words.field];
        if !self.overwrite {
            check_overwrites(present, pairs, words)?;
        }
        let changes: Pairs = pairs
            .iter()
            .filter(|(key, value)| present[key.as_str()].as_str() != value.as_deref())
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        for (key, _) in pairs.iter().filter(|(key, value)| value.is_none() && present[key.as_str()].is_null()) {
            session.screen.line(&format!("{} {key:?} not found.", words.field.trim_end_matches('s')))?;
        }
        if changes.is_empty() {
            return Ok((object, words.unchanged));
        }
        let done = if changes.values().all(Option::is_none) { words.removed } else { words.set };
        let mut patch = json!({"metadata": {words.field: changes}});
        if let Some(version) = &self.resource_version {
            patch["metadata"]["resourceVersion"] = version.as_str().into();
        }
        if self.trial.dry_run == DryRun::Client {
            return Ok((changed_locally(object, &changes, words), done));
        }
        let call = Call::new(Method::PATCH, target.path()).body(MERGE_PATCH, patch.to_string().into_bytes());
        let call = self.trial.dry_run.on(call).query("fieldManager", format!("kubectl-{}", words.command));
        Ok((session.value(call).await?, done))
    }
}

fn changed_locally(mut object: Value, changes: &Pairs, words: &Words) -> Value {
    let map = object::metadata_map(&mut object, words.field);
    for (key, value) in changes {
        match value {
            Some(value) => map.insert(key.clone(), Value::String(value.clone())),
            None => map.remove(key),
        };
    }
    object
}

fn check_overwrites(present: &Value, pairs: &Pairs, words: &Words) -> Result<(), CliError> {
    let refused = pairs.iter().filter_map(|(key, value)| {
        let (wanted, known) = (value.as_ref()?, present[key.as_str()].as_str()?);
        (wanted != known).then(|| format!("'{key}' already has a value ({known})"))
    });
    let refused: Vec<String> = refused.collect();
    if refused.is_empty() { Ok(()) } else { Err(CliError::Local((words.refused)(&refused))) }
}

/// The words for objects, and the changes behind them.
fn split(words: &[String]) -> Result<(&[String], Pairs), String> {
    let is_change = |word: &String| word.contains('=') || (word.ends_with('-') && word.len() > 1);
    let at = words.iter().position(is_change).unwrap_or(words.len());
    let (resources, changes) = words.split_at(at);
    let mut pairs = Pairs::new();
    for change in changes {
        let (key, value) = match change.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (
                change
                    .strip_suffix('-')
                    .ok_or("all resources must be specified before changes: ".to_owned() + change)?,
                None,
            ),
        };
        if key.is_empty() {
            return Err(format!("invalid change: {change:?}"));
        }
        if pairs.insert(key.to_owned(), value.clone()).is_some_and(|known| known.is_some() != value.is_some()) {
            return Err(format!("can not both modify and remove {key:?} in the same command"));
        }
    }
    if pairs.is_empty() {
        return Err("at least one KEY=VALUE or KEY- is required".to_owned());
    }
    Ok((resources, pairs))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn changes_follow_the_objects() {
        let all = words("pod x a=b c- d=");
        let (resources, pairs) = split(&all).unwrap();
        assert_eq!(resources, ["pod", "x"]);
        assert_eq!(pairs["a"].as_deref(), Some("b"));
        assert_eq!((pairs["c"].as_deref(), pairs["d"].as_deref()), (None, Some("")));
        assert!(split(&words("pod x")).is_err());
        assert!(split(&words("pod x a=b y")).is_err());
        assert!(split(&words("pod x a=b a-")).is_err());
    }

    #[test]
    fn what_is_set_is_changed_only_on_demand() {
        let pairs = Pairs::from([("a".to_owned(), Some("2".to_owned()))]);
        let error = check_overwrites(&json!({"a": "1"}), &pairs, &LABELS).unwrap_err();
        assert_eq!(error.report(), "error: 'a' already has a value (1), and --overwrite is false");
        assert!(check_overwrites(&json!({"a": "2"}), &pairs, &LABELS).is_ok());
        assert!(check_overwrites(&Value::Null, &pairs, &LABELS).is_ok());
    }
}
