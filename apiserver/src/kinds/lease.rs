//! Lease: who leads, or that a node is alive.

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};

use crate::kinds::facts::Flags;
use crate::kinds::kind::{Column, Kind};
use crate::kinds::table::{age_column, name_column};

impl Kind for Lease {
    const FLAGS: Flags = Flags { create_on_update: true, unconditional_update: false, volatile: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("Holder", "string", "Who holds the lease.", |lease, _| {
            lease.spec.as_ref().and_then(|spec| spec.holder_identity.clone()).unwrap_or_default().into()
        }),
        age_column(),
    ];

    fn fill_defaults(&mut self) {
        self.spec.get_or_insert_default();
    }

    fn validate(&self, errors: &mut FieldErrors) {
        let path = Path::new("spec");
        let Some(LeaseSpec { lease_duration_seconds, lease_transitions, .. }) = &self.spec else { return };
        if let Some(seconds) = lease_duration_seconds.filter(|seconds| *seconds <= 0) {
            errors.push(FieldError::invalid(&path.child("leaseDurationSeconds"), seconds, "must be greater than 0"));
        }
        if let Some(count) = lease_transitions.filter(|count| *count < 0) {
            let why = "must be greater than or equal to 0";
            errors.push(FieldError::invalid(&path.child("leaseTransitions"), count, why));
        }
    }
}
