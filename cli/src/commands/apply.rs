//! `skiff apply`: make what the files describe, or change it into that.

use serde_json::Value;

use crate::commands::arguments::{DryRun, Output, Trial, Validation};
use crate::commands::command::{Command, with_session};
use crate::connection::Connection;
use crate::discovery::{Discovery, Resource};
use crate::error::CliError;
use crate::manifests::{Files, Manifest};
use crate::merge;
use crate::object;
use crate::output::{Format, json, list_of};
use crate::request::{Call, MERGE_PATCH, STRATEGIC_MERGE_PATCH};
use crate::session::Session;
use crate::targets::{self, Target};

const EXAMPLES: &str = "\
Examples:
  skiff apply -f examples/web.yaml          a file
  skiff apply -R -f manifests/              a folder and those inside it
  cat web.yaml | skiff apply -f -           standard input
  skiff apply -f https://example.com/web.yaml
  skiff apply -f web.yaml --dry-run=server  let the server say what would happen";

const LAST_APPLIED: &str = api::well_known::annotation::LAST_APPLIED;
/// How often a patch is made anew when somebody else was faster.
const ATTEMPTS: usize = 6;

/// Make what the files describe, or change it into that
#[derive(clap::Parser, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Apply {
    #[command(flatten)]
    files: Files,
    /// Only objects with these labels
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<String>,
    /// Delete and make again what cannot be changed
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    trial: Trial,
    /// Fields that the server does not know: strict, warn or ignore
    #[arg(long, value_name = "HOW", num_args = 0..=1, require_equals = true, default_value = "strict", default_missing_value = "strict")]
    validate: Validation,
    /// Name under which the fields are owned
    #[arg(long, value_name = "NAME", default_value = "kubectl-client-side-apply", hide_short_help = true)]
    field_manager: String,
    #[command(flatten)]
    connection: Connection,
}

impl Command for Apply {
    const NAME: &'static str = "apply";

    fn run(self, before: Connection) -> Result<(), CliError> {
        let connection = self.connection.clone().or(before);
        with_session(connection, async |session| self.execute(session).await)
    }
}

/// What became of an object.
struct Outcome {
    object: Value,
    done: &'static str,
}

impl Apply {
    pub async fn execute(&self, session: &Session) -> Result<(), CliError> {
        if self.files.is_empty() {
            return Err(CliError::usage("apply", "must specify -f"));
        }
        let selector =
            self.selector.as_deref().map(api::selector::LabelSelector::parse).transpose().map_err(CliError::Local)?;
        let manifests = self.files.read().await?.in_order_of_creation();
        let mut errors = manifests.errors;
        if manifests.found.is_empty() && errors.is_empty() {
            return Err(CliError::local("no objects passed to apply"));
        }
        let mut discovery = Discovery::read(session).await?;
        let mut shown = Vec::new();
        for manifest in manifests.found {
            if selector.as_ref().is_some_and(|selector| {
                !selector.matches_by(|label| manifest.object["metadata"]["labels"][label].as_str())
            }) {
                continue;
            }
            match self.apply(session, &mut discovery, manifest).await {
                Ok(outcome) if matches!(self.output.format, Format::Human | Format::Name | Format::Wide) => {
                    self.output.tell(session, outcome.object, outcome.done, self.trial.dry_run, true)?;
                }
                Ok(outcome) => shown.push(outcome.object),
                Err(error) => errors.push(error),
            }
        }
        self.show(session, shown)?;
        CliError::gather(errors)
    }

    /// Several objects are shown in one list.
    fn show(&self, session: &Session, mut objects: Vec<Value>) -> Result<(), CliError> {
        let object = match objects.len() {
            0 => return Ok(()),
            1 => objects.remove(0),
            _ => {
                let mut list = list_of(objects);
                list["metadata"] = serde_json::json!({});
                list
            }
        };
        self.output.format.print(&session.screen, &self.output.cleaned(object), true)
    }

    async fn apply(
        &self,
        session: &Session,
        discovery: &mut Discovery,
        manifest: Manifest,
    ) -> Result<Outcome, CliError> {
        let is_known = |discovery: &Discovery| {
            discovery.of_kind(object::api_version(&manifest.object), object::kind(&manifest.object)).is_some()
        };
        if !is_known(discovery) {
            // A definition that was applied a moment ago may have brought the kind in.
            *discovery = Discovery::read(session).await?;
        }
        let target = targets::of_manifest(manifest, session, discovery)?;
        let Some(manifest) = target.manifest.clone() else { return Err(CliError::Told) };
        if target.name.is_none() {
            let place = &manifest.source;
            return Err(CliError::local(format!(
                "error when retrieving current configuration of {place:?}: resource name may not be empty"
            )));
        }
        let modified = with_last_applied(manifest.object);
        let current = match session.value(Call::get(target.path())).await {
            Ok(current) => current,
            Err(error) if error.is_not_found() => {
                return self
                    .create(session, &target, modified)
                    .await
                    .map_err(|error| error.while_doing("creating", &manifest.source));
            }
            Err(error) => {
                return Err(error.while_doing("retrieving current configuration of", &manifest.source));
            }
        };
        self.change(session, &target, modified, current).await
    }

    async fn create(&self, session: &Session, target: &Target, object: Value) -> Result<Outcome, CliError> {
        if self.trial.dry_run == DryRun::Client {
            return Ok(Outcome { object, done: "created" });
        }
        let call = Call::new(http::Method::POST, target.resource.collection(target.namespace.as_deref())).json(&object);
        let object = session.value(self.write_options(call)).await?;
        Ok(Outcome { object, done: "created" })
    }

    async fn change(
        &self,
        session: &Session,
        target: &Target,
        modified: Value,
        mut current: Value,
    ) -> Result<Outcome, CliError> {
        let resource = &target.resource;
        warn_about(session, resource, &current);
        let schema = api::schema::of_kind(&resource.group, &resource.version, &resource.kind);
        let content_type = if schema.is_some() { STRATEGIC_MERGE_PATCH } else { MERGE_PATCH };
        for attempt in 1.. {
            let original = last_applied(&current)?;
            let patch = merge::three_way(&original, &modified, &current, schema).map_err(CliError::Local)?;
            if patch.as_object().is_none_or(serde_json::Map::is_empty) {
                return Ok(Outcome { object: current, done: "unchanged" });
            }
            if self.trial.dry_run == DryRun::Client {
                return Ok(Outcome { object: current, done: "configured" });
            }
            let call =
                Call::new(http::Method::PATCH, target.path()).body(content_type, json::compact(&patch).into_bytes());
            match session.value(self.write_options(call)).await {
                Ok(object) => return Ok(Outcome { object, done: "configured" }),
                Err(error) if error.is_conflict() && attempt < ATTEMPTS => {
                    current = session.value(Call::get(target.path())).await?;
                }
                Err(error) if self.force && (error.is_conflict() || error.is_invalid()) => break,
                Err(error) => return Err(patch_failed(error, target, &patch)),
            }
        }
        self.replace(session, target, modified, &current).await
    }

    async fn replace(
        &self,
        session: &Session,
        target: &Target,
        modified: Value,
        current: &Value,
    ) -> Result<Outcome, CliError> {
        super::delete::remove_and_wait(session, target, current, self.trial.dry_run).await?;
        let outcome = self.create(session, target, modified).await?;
        Ok(Outcome { done: "configured", ..outcome })
    }

    fn write_options(&self, call: Call) -> Call {
        self.trial.dry_run.on(self.validate.on(call)).query("fieldManager", &self.field_manager)
    }
}

/// What was sent, to what, and why it was refused.
fn patch_failed(error: CliError, target: &Target, patch: &Value) -> CliError {
    let CliError::Server(mut status) = error else { return error };
    let Resource { group, version, plural, kind, .. } = &target.resource;
    let source = target.manifest.as_ref().map(|manifest| manifest.source.as_str()).unwrap_or_default();
    status.message = Some(format!(
        "error when applying patch:\n{}\nto:\nResource: \"{group}/{version}, Resource={plural}\", \
         GroupVersionKind: \"{group}/{version}, Kind={kind}\"\nName: {:?}, Namespace: {:?}\n\
         for: {source:?}: error when patching {source:?}: {}",
        json::compact(patch),
        target.name.as_deref().unwrap_or_default(),
        target.namespace.as_deref().unwrap_or_default(),
        status.message.unwrap_or_default()
    ));
    CliError::Server(status)
}

fn warn_about(session: &Session, resource: &Resource, current: &Value) {
    let resource = || format!("{}/{}", resource.plural, object::name(current));
    if current["metadata"]["annotations"][LAST_APPLIED].is_null() {
        session.screen.complain(&format!(
            "Warning: resource {} is missing the {LAST_APPLIED} annotation which is required by skiff apply. \
             skiff apply should only be used on resources created declaratively by either skiff create --save-config or skiff apply. \
             The missing annotation will be patched automatically.",
            resource()
        ));
    }
    if !current["metadata"]["deletionTimestamp"].is_null() {
        session.screen.complain(&format!(
            "Warning: Detected changes to resource {} which is currently being deleted.",
            resource()
        ));
    }
}

/// The manifest as it is now, with itself as an annotation: the next `apply` sees what it says no more.
pub fn with_last_applied(mut object: Value) -> Value {
    object::metadata_map(&mut object, "annotations").remove(LAST_APPLIED);
    let text = json::compact(&object) + "\n";
    object::metadata_map(&mut object, "annotations").insert(LAST_APPLIED.to_owned(), Value::String(text));
    object
}

fn last_applied(current: &Value) -> Result<Value, CliError> {
    match current["metadata"]["annotations"][LAST_APPLIED].as_str() {
        None | Some("") => Ok(Value::Null),
        Some(text) => serde_json::from_str(text).map_err(|error| {
            CliError::local(format!("the annotation {LAST_APPLIED} of the live object cannot be read: {error}"))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_annotation_is_the_manifest_to_the_letter() {
        let object = json!({
            "kind": "Service", "apiVersion": "v1",
            "metadata": {"name": "x", "namespace": "default", "annotations": {LAST_APPLIED: "old"}},
            "spec": {"ports": [{"port": 80}], "note": "<a&b>"},
        });
        let annotated = with_last_applied(object);
        let text = annotated["metadata"]["annotations"][LAST_APPLIED].as_str().unwrap();
        assert_eq!(
            text,
            "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"annotations\":{},\"name\":\"x\",\"namespace\":\"default\"},\
             \"spec\":{\"note\":\"\\u003ca\\u0026b\\u003e\",\"ports\":[{\"port\":80}]}}\n"
        );
        assert!(last_applied(&annotated).unwrap()["metadata"]["annotations"].as_object().unwrap().is_empty());
        assert!(last_applied(&json!({"metadata": {}})).unwrap().is_null());
    }
}
