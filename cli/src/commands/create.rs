//! `skiff create`: make what the files describe; what is there already is an error.

use http::Method;
use serde_json::Value;

use crate::commands::apply::with_last_applied;
use crate::commands::arguments::{DryRun, Output, Trial, Validation};
use crate::commands::command::{Command, with_session};
use crate::connection::Connection;
use crate::discovery::Discovery;
use crate::error::CliError;
use crate::manifests::{Files, Manifest};
use crate::request::Call;
use crate::session::Session;
use crate::targets;

const EXAMPLES: &str = "\
Examples:
  skiff create -f pod.yaml                           a file
  skiff create -f pod.yaml --dry-run=client -o yaml  show what would be sent
  skiff create namespace team-a                      a namespace, without a file";

/// Make what the files describe
#[derive(clap::Parser, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Create {
    /// namespace NAME or serviceaccount NAME, instead of a file
    #[arg(value_name = "KIND NAME", num_args = 2)]
    words: Vec<String>,
    #[command(flatten)]
    files: Files,
    /// Keep the manifest in an annotation, so that `apply` may be used later
    #[arg(long)]
    save_config: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    trial: Trial,
    /// Fields that the server does not know: strict, warn or ignore
    #[arg(long, value_name = "HOW", num_args = 0..=1, require_equals = true, default_value = "strict", default_missing_value = "strict")]
    validate: Validation,
    /// Name under which the fields are owned
    #[arg(long, value_name = "NAME", default_value = "kubectl-create", hide_short_help = true)]
    field_manager: String,
    #[command(flatten)]
    connection: Connection,
}

impl Command for Create {
    const NAME: &'static str = "create";

    fn run(self, before: Connection) -> Result<(), CliError> {
        let connection = self.connection.clone().or(before);
        with_session(connection, async |session| self.execute(session).await)
    }
}

impl Create {
    pub async fn execute(&self, session: &Session) -> Result<(), CliError> {
        let (manifests, mut errors) = match self.words.as_slice() {
            [] if self.files.is_empty() => {
                return Err(CliError::usage("create", "must specify -f, or a kind and a name"));
            }
            [] => {
                let manifests = self.files.read().await?.in_order_of_creation();
                (manifests.found, manifests.errors)
            }
            [kind, name, ..] => (vec![named(kind, name)?], Vec::new()),
            [_] => return Err(CliError::usage("create", "a name is missing")),
        };
        if manifests.is_empty() && errors.is_empty() {
            return Err(CliError::local("no objects passed to create"));
        }
        let discovery = Discovery::read(session).await?;
        let mut is_first = true;
        for manifest in manifests {
            match self.create(session, &discovery, manifest).await {
                Ok(object) => {
                    self.output.tell(session, object, "created", self.trial.dry_run, is_first)?;
                    is_first = false;
                }
                Err(error) => errors.push(error),
            }
        }
        CliError::gather(errors)
    }

    async fn create(&self, session: &Session, discovery: &Discovery, manifest: Manifest) -> Result<Value, CliError> {
        let source = manifest.source.clone();
        let target = targets::of_manifest(manifest, session, discovery)?;
        let object = target.manifest.map(|manifest| manifest.object).unwrap_or_default();
        let object = if self.save_config { with_last_applied(object) } else { object };
        if self.trial.dry_run == DryRun::Client {
            return Ok(object);
        }
        let call = Call::new(Method::POST, target.resource.collection(target.namespace.as_deref())).json(&object);
        let call = self.trial.dry_run.on(self.validate.on(call)).query("fieldManager", &self.field_manager);
        let created = session.value(call).await;
        if source.is_empty() { created } else { created.map_err(|error| error.while_doing("creating", &source)) }
    }
}

/// The kinds that are made of a name alone.
fn named(kind: &str, name: &str) -> Result<Manifest, CliError> {
    let kind = match kind.to_lowercase().as_str() {
        "namespace" | "namespaces" | "ns" => "Namespace",
        "serviceaccount" | "serviceaccounts" | "sa" => "ServiceAccount",
        other => {
            let message = format!("{other:?} needs more than a name: describe it in a file and use -f");
            return Err(CliError::usage("create", message));
        }
    };
    let object = serde_json::json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}});
    Ok(Manifest { source: String::new(), object })
}
