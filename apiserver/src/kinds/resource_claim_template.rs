//! ResourceClaimTemplate: of which every pod gets a claim of its own.

use api::field::{FieldErrors, Path};
use k8s_openapi::api::resource::v1::ResourceClaimTemplate;

use crate::kinds::claim_rules;
use crate::kinds::facts::Flags;
use crate::kinds::kind::{Column, Kind};
use crate::kinds::rules::{immutable, template_metadata};
use crate::kinds::table::{age_column, name_column};

impl Kind for ResourceClaimTemplate {
    const FLAGS: Flags = Flags { returns_deleted: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[name_column(), age_column()];

    fn fill_defaults(&mut self) {
        claim_rules::fill_spec(&mut self.spec.spec);
    }

    /// What never changes is looked at once.
    fn validate_create(&self, errors: &mut FieldErrors) {
        let path = Path::new("spec");
        if let Some(metadata) = &self.spec.metadata {
            template_metadata(errors, &path.child("metadata"), metadata);
        }
        claim_rules::validate_spec(&self.spec.spec, &path.child("spec"), errors);
    }

    fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
        immutable(errors, &Path::new("spec"), &self.spec, &old.spec);
    }
}
