//! CustomResourceDefinition: a kind that somebody adds to the API.

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceConversion, CustomResourceDefinition, CustomResourceDefinitionStatus,
};

use crate::kinds::crd_rules::{self, approval};
use crate::kinds::facts::{Flags, STATUS, Subresource};
use crate::kinds::kind::{Column, Kind};
use crate::kinds::rules::{default_text, immutable, keep_metadata, shown, text};
use crate::kinds::table::{created_at_column, name_column};

impl Kind for CustomResourceDefinition {
    const SHORT_NAMES: &'static [&'static str] = &["crd", "crds"];
    const CATEGORIES: &'static [&'static str] = &["api-extensions"];
    const SUBRESOURCES: &'static [Subresource] = &[STATUS];
    const FLAGS: Flags = Flags { unconditional_update: false, counts_generations: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[name_column(), created_at_column()];

    fn fill_defaults(&mut self) {
        let names = &mut self.spec.names;
        default_text(&mut names.singular, &names.kind.to_lowercase());
        if !names.kind.is_empty() {
            default_text(&mut names.list_kind, &format!("{}List", names.kind));
        }
        let none = || CustomResourceConversion { strategy: "None".to_owned(), webhook: None };
        let conversion = self.spec.conversion.get_or_insert_with(none);
        let client = conversion.webhook.as_mut().and_then(|webhook| webhook.client_config.as_mut());
        if let Some(service) = client.and_then(|client| client.service.as_mut()) {
            service.port.get_or_insert(443);
        }
        self.status.get_or_insert_default();
    }

    fn before_create(&mut self) {
        let accepted_names = Some(Default::default());
        self.status = Some(CustomResourceDefinitionStatus { accepted_names, ..Default::default() });
        self.note_stored_version();
    }

    fn before_update(&mut self, old: &Self) {
        self.status = old.status.clone();
        self.note_stored_version();
    }

    fn before_subresource_update(&mut self, _: &str, old: &Self) {
        self.spec = old.spec.clone();
        keep_metadata(&mut self.metadata, &old.metadata);
    }

    fn validate(&self, errors: &mut FieldErrors) {
        let spec = &self.spec;
        let name = text(&self.metadata.name);
        if name != format!("{}.{}", spec.names.plural, spec.group) {
            let why = "must be spec.names.plural+\".\"+spec.group";
            errors.push(FieldError::invalid(&Path::new("metadata").child("name"), name, why));
        }
        crd_rules::validate(spec, &Path::new("spec"), errors);
        self.validate_stored_versions(errors);
        if spec.preserve_unknown_fields == Some(true) {
            let why = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in \
                       spec.versions[*].schema instead";
            errors.push(FieldError::invalid(&Path::new("spec").child("preserveUnknownFields"), true, why));
        }
    }

    fn validate_create(&self, errors: &mut FieldErrors) {
        errors.0.extend(approval(&self.spec.group, self.metadata.annotations.as_ref()));
    }

    fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
        let path = Path::new("spec");
        let names_path = path.child("names");
        if old.is_established() {
            immutable(errors, &path.child("scope"), &self.spec.scope, &old.spec.scope);
            immutable(errors, &names_path.child("kind"), &self.spec.names.kind, &old.spec.names.kind);
            errors.0.extend(crd_rules::authority(&self.spec, &old.spec));
        }
        immutable(errors, &path.child("group"), &self.spec.group, &old.spec.group);
        immutable(errors, &names_path.child("plural"), &self.spec.names.plural, &old.spec.names.plural);
        let was = approval(&old.spec.group, old.metadata.annotations.as_ref());
        let is = approval(&self.spec.group, self.metadata.annotations.as_ref());
        errors.0.extend(is.filter(|is| Some(is) != was.as_ref()));
    }

    fn validate_subresource_update(&self, _: &str, _: &Self, errors: &mut FieldErrors) {
        if let Some(names) = self.status.as_ref().and_then(|status| status.accepted_names.as_ref()) {
            crd_rules::validate_names(names, &Path::new("status").child("acceptedNames"), errors);
        }
    }

    fn spec_differs(&self, old: &Self) -> bool {
        self.spec != old.spec
    }
}

/// What the definition says about itself.
trait Definition {
    fn is_established(&self) -> bool;
    fn stored_versions(&self) -> &[String];
    /// Objects may now be stored in the version that is marked so.
    fn note_stored_version(&mut self);
    fn validate_stored_versions(&self, errors: &mut FieldErrors);
}

impl Definition for CustomResourceDefinition {
    fn is_established(&self) -> bool {
        let mut conditions = self.status.iter().flat_map(|status| status.conditions.iter().flatten());
        conditions.any(|condition| condition.type_ == "Established" && condition.status == "True")
    }

    fn stored_versions(&self) -> &[String] {
        self.status.as_ref().and_then(|status| status.stored_versions.as_deref()).unwrap_or_default()
    }

    fn note_stored_version(&mut self) {
        let stored = self.status.get_or_insert_default().stored_versions.get_or_insert_default();
        for version in self.spec.versions.iter().filter(|version| version.storage) {
            if !stored.contains(&version.name) {
                stored.push(version.name.clone());
            }
        }
    }

    fn validate_stored_versions(&self, errors: &mut FieldErrors) {
        let (stored, path) = (self.stored_versions(), Path::new("status").child("storedVersions"));
        if stored.is_empty() {
            errors.push(FieldError::invalid(&path, shown(&stored), "must have at least one stored version"));
        }
        for (index, name) in stored.iter().enumerate() {
            if !self.spec.versions.iter().any(|version| version.name == *name) {
                let why = format!(
                    "missing from spec.versions; {name} was previously a storage version, and must remain in \
                     spec.versions until a storage migration ensures no data remains persisted in {name} and removes \
                     {name} from status.storedVersions"
                );
                errors.push(FieldError::invalid(&path.index(index), name.as_str(), why));
            }
        }
    }
}
