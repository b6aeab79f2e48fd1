//! `skiff patch`: change some fields of an object.

use http::Method;
use serde_json::Value;

use crate::commands::arguments::{DryRun, Output, Trial};
use crate::commands::command::{Command, with_session};
use crate::connection::Connection;
use crate::discovery::Discovery;
use crate::error::CliError;
use crate::manifests::{Files, parse_yaml};
use crate::object;
use crate::request::{Call, JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH};
use crate::session::Session;
use crate::targets::{self, Asked, Selectors, Target};

const EXAMPLES: &str = "\
Examples:
  skiff patch service my-service -p '{\"spec\":{\"type\":\"NodePort\"}}'
  skiff patch deployment my-app --patch-file change.yaml
  skiff patch pod x --type=json -p '[{\"op\":\"remove\",\"path\":\"/metadata/labels/a\"}]'";

/// Change some fields of an object
#[derive(clap::Parser, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Patch {
    /// TYPE NAME, or TYPE/NAME
    #[arg(value_name = "TYPE")]
    words: Vec<String>,
    /// The patch, as JSON or YAML
    #[arg(short, long, value_name = "PATCH", default_value = "", hide_default_value = true)]
    patch: String,
    /// A file that holds the patch
    #[arg(long, value_name = "FILE", conflicts_with = "patch")]
    patch_file: Option<String>,
    /// How the patch is meant
    #[arg(long = "type", value_enum, value_name = "KIND", default_value = "strategic")]
    kind: Kind,
    #[command(flatten)]
    files: Files,
    /// Part of the object to patch: status, scale
    #[arg(long, value_name = "NAME")]
    subresource: Option<String>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    trial: Trial,
    /// Name under which the fields are owned
    #[arg(long, value_name = "NAME", default_value = "kubectl-patch", hide_short_help = true)]
    field_manager: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// Lists of a known kind are merged by their keys.
    Strategic,
    /// Lists are replaced (RFC 7386).
    Merge,
    /// A list of operations (RFC 6902).
    Json,
}

impl Kind {
    fn content_type(self) -> &'static str {
        match self {
            Self::Strategic => STRATEGIC_MERGE_PATCH,
            Self::Merge => MERGE_PATCH,
            Self::Json => JSON_PATCH,
        }
    }
}

impl Command for Patch {
    const NAME: &'static str = "patch";

    fn run(self, before: Connection) -> Result<(), CliError> {
        let connection = self.connection.clone().or(before);
        with_session(connection, async |session| self.execute(session).await)
    }
}

impl Patch {
    pub async fn execute(&self, session: &Session) -> Result<(), CliError> {
        let patch = self.read_patch()?;
        let discovery = Discovery::read(session).await?;
        let selectors = Selectors::default();
        let asked = Asked {
            command: "patch",
            words: &self.words,
            files: &self.files,
            selectors: &selectors,
            all_namespaces: false,
        };
        let targets = asked.resolve(session, &discovery).await?;
        if targets.list.is_empty() && targets.errors.is_empty() {
            return Err(CliError::usage("patch", "required resource not specified"));
        }
        let mut errors = targets.errors;
        for (at, target) in targets.list.iter().enumerate() {
            if target.name.is_none() {
                return Err(CliError::local("resource(s) were provided, but no name was specified"));
            }
            match self.patch(session, target, &patch).await {
                Ok((object, done)) => self.output.tell(session, object, done, self.trial.dry_run, at == 0)?,
                Err(error) => errors.push(error),
            }
        }
        CliError::gather(errors)
    }

    /// The patch as JSON, whichever way it was written.
    fn read_patch(&self) -> Result<Vec<u8>, CliError> {
        let text = match &self.patch_file {
            None => self.patch.clone(),
            Some(path) => std::fs::read_to_string(path)
                .map_err(|error| CliError::local(format!("unable to read patch file: {path}: {error}")))?,
        };
        if text.trim().is_empty() {
            return Err(CliError::local("must specify --patch or --patch-file containing the contents of the patch"));
        }
        let value = match serde_json::from_str::<Value>(&text) {
            Ok(value) => value,
            Err(_) => {
                parse_yaml(&text).map_err(|error| CliError::local(format!("unable to parse {text:?}: {error}")))?
            }
        };
        Ok(value.to_string().into_bytes())
    }

    async fn patch(&self, session: &Session, target: &Target, patch: &[u8]) -> Result<(Value, &'static str), CliError> {
        let before = targets::objects(session, target, &Selectors::default()).await?.pop().unwrap_or_default();
        if self.trial.dry_run == DryRun::Client {
            return Ok((before, "patched"));
        }
        let path = match &self.subresource {
            None => target.path(),
            Some(name) => target.subresource(name),
        };
        let call = Call::new(Method::PATCH, path).body(self.kind.content_type(), patch.to_vec());
        let after = session.value(self.trial.dry_run.on(call).query("fieldManager", &self.field_manager)).await?;
        let is_changed = object::resource_version(&before) != object::resource_version(&after);
        Ok((after, if is_changed { "patched" } else { "patched (no change)" }))
    }
}
