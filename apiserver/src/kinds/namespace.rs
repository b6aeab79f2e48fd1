//! Namespace.

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use api::names::NameRule;
use api::well_known::{finalizer, label};
use k8s_openapi::api::core::v1::Namespace;

use crate::kinds::facts::{FieldLabel, Flags, STATUS, Subresource};
use crate::kinds::kind::{Column, Kind};
use crate::kinds::rules::text;
use crate::kinds::table::{age_column, name_column};

const FINALIZE: Subresource = Subresource { name: "finalize", verbs: &["update"], of: None };

const STANDARD_FINALIZERS: [&str; 3] = [finalizer::KUBERNETES, finalizer::ORPHAN, finalizer::FOREGROUND];

impl Kind for Namespace {
    const SHORT_NAMES: &'static [&'static str] = &["ns"];
    const VERBS: &'static [&'static str] = &["create", "delete", "get", "list", "patch", "update", "watch"];
    const SUBRESOURCES: &'static [Subresource] = &[FINALIZE, STATUS];
    const FLAGS: Flags = Flags { returns_deleted: true, ..Flags::USUAL };
    const NAME_RULE: NameRule = names::dns_label;
    const FIELD_LABELS: &'static [FieldLabel] =
        &[FieldLabel { label: "status.phase", path: &["status", "phase"], default: "" }];
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("Status", "string", "Whether it is in use or being deleted.", |namespace, _| {
            namespace.status.as_ref().and_then(|status| status.phase.clone()).unwrap_or_default().into()
        }),
        age_column(),
    ];

    fn fill_defaults(&mut self) {
        if let Some(name) = self.metadata.name.clone().filter(|name| !name.is_empty()) {
            self.metadata.labels.get_or_insert_default().insert(label::NAMESPACE_NAME.to_owned(), name);
        }
    }

    fn before_create(&mut self) {
        self.status = Some(Default::default());
        self.status.get_or_insert_default().phase = Some("Active".to_owned());
        let finalizers = self.spec.get_or_insert_default().finalizers.get_or_insert_default();
        if !finalizers.iter().any(|name| name == finalizer::KUBERNETES) {
            finalizers.push(finalizer::KUBERNETES.to_owned());
        }
    }

    fn before_update(&mut self, old: &Self) {
        self.spec.get_or_insert_default().finalizers = old.spec.as_ref().and_then(|spec| spec.finalizers.clone());
        self.status = old.status.clone();
    }

    fn before_subresource_update(&mut self, subresource: &str, old: &Self) {
        match subresource {
            "finalize" => self.status = old.status.clone(),
            _ => self.spec = old.spec.clone(),
        }
    }

    fn validate_subresource_update(&self, subresource: &str, _: &Self, errors: &mut FieldErrors) {
        if subresource == "finalize" {
            let path = Path::new("spec").child("finalizers");
            let finalizers = self.spec.iter().flat_map(|spec| spec.finalizers.iter().flatten());
            for (index, name) in finalizers.enumerate() {
                errors.check(&path.index(index), name, names::qualified_name);
                if !name.contains('/') && !STANDARD_FINALIZERS.contains(&name.as_str()) {
                    let why = "name is neither a standard finalizer name nor is it fully qualified";
                    errors.push(FieldError::invalid(&path.index(index), name.as_str(), why));
                }
            }
            return;
        }
        let phase = text(&self.status.clone().unwrap_or_default().phase).to_owned();
        let expected = if self.metadata.deletion_timestamp.is_some() { "Terminating" } else { "Active" };
        if phase != expected {
            let why = if expected == "Active" {
                "may only be 'Active' if `deletionTimestamp` is empty"
            } else {
                "may only be 'Terminating' if `deletionTimestamp` is not empty"
            };
            // Upstream's spelling.
            errors.push(FieldError::invalid(&Path::new("status").child("Phase"), phase, why));
        }
    }

    fn holds_deletion(&self) -> bool {
        self.spec.iter().flat_map(|spec| spec.finalizers.iter().flatten()).next().is_some()
    }

    fn begin_deletion(&mut self) {
        self.metadata.deletion_grace_period_seconds = None;
        self.status.get_or_insert_default().phase = Some("Terminating".to_owned());
    }
}
