//! ResourceClaim: devices that a pod wants, and those that it got.

use api::field::{FieldErrors, Path};
use k8s_openapi::api::resource::v1::{ResourceClaim, ResourceClaimStatus};

use crate::kinds::claim_rules;
use crate::kinds::facts::{Flags, STATUS, Subresource};
use crate::kinds::kind::{Column, Kind};
use crate::kinds::rules::{immutable, keep_metadata};
use crate::kinds::table::{age_column, name_column};

impl Kind for ResourceClaim {
    const SUBRESOURCES: &'static [Subresource] = &[STATUS];
    const FLAGS: Flags = Flags { returns_deleted: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("State", "string", "Whether it has its devices, and is used.", |claim, _| state(claim).into()),
        age_column(),
    ];

    fn fill_defaults(&mut self) {
        claim_rules::fill_spec(&mut self.spec);
        claim_rules::fill_status(self.status.get_or_insert_default());
    }

    fn before_create(&mut self) {
        self.status = Some(ResourceClaimStatus::default());
    }

    fn before_update(&mut self, old: &Self) {
        self.status = old.status.clone();
    }

    /// Finalizers may change: who gives out the devices sets one with them.
    fn before_subresource_update(&mut self, _: &str, old: &Self) {
        let finalizers = self.metadata.finalizers.take();
        self.spec = old.spec.clone();
        keep_metadata(&mut self.metadata, &old.metadata);
        self.metadata.finalizers = finalizers;
    }

    /// What never changes is looked at once.
    fn validate_create(&self, errors: &mut FieldErrors) {
        claim_rules::validate_spec(&self.spec, &Path::new("spec"), errors);
    }

    fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
        immutable(errors, &Path::new("spec"), &self.spec, &old.spec);
    }

    fn validate_subresource_update(&self, _: &str, old: &Self, errors: &mut FieldErrors) {
        claim_rules::validate_status(self, old, errors);
    }
}

fn state(claim: &ResourceClaim) -> String {
    let deleting = claim.metadata.deletion_timestamp.is_some();
    let status = claim.status.as_ref();
    let allocated = status.is_some_and(|status| status.allocation.is_some());
    let reserved = status.and_then(|status| status.reserved_for.as_ref()).is_some_and(|list| !list.is_empty());
    let states = [
        ("deleted", deleting),
        ("pending", !allocated && !deleting),
        ("allocated", allocated),
        ("reserved", allocated && reserved),
    ];
    states.iter().filter(|(_, holds)| *holds).map(|(name, _)| *name).collect::<Vec<_>>().join(",")
}
