//! RuntimeClass: in what a pod's containers run.

use api::field::{FieldErrors, Path};
use api::names;
use k8s_openapi::api::node::v1::RuntimeClass;

use crate::kinds::facts::Flags;
use crate::kinds::kind::{Column, Kind};
use crate::kinds::pod_spec::{resources, rules};
use crate::kinds::rules::{canonical_amounts, immutable, labels};
use crate::kinds::table::{age_column, name_column};

impl Kind for RuntimeClass {
    const FLAGS: Flags = Flags { create_on_update: true, unconditional_update: false, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("Handler", "string", "What the node agent is told to use.", |class, _| {
            class.handler.clone().into()
        }),
        age_column(),
    ];

    fn fill_defaults(&mut self) {
        if let Some(overhead) = &mut self.overhead {
            canonical_amounts(&mut overhead.pod_fixed);
        }
    }

    fn validate(&self, errors: &mut FieldErrors) {
        errors.check(&Path::new("handler"), &self.handler, names::dns_label);
        let overhead = self.overhead.as_ref().and_then(|overhead| overhead.pod_fixed.as_ref());
        resources::amounts(overhead, &Path::new("overhead").child("limits"), errors);
        let Some(scheduling) = &self.scheduling else { return };
        let path = Path::new("scheduling");
        if let Some(selector) = &scheduling.node_selector {
            labels(errors, &path.child("nodeSelector"), selector);
        }
        rules::validate_tolerations(scheduling.tolerations.as_deref(), &path.child("tolerations"), errors);
    }

    fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
        immutable(errors, &Path::new("handler"), &self.handler, &old.handler);
    }
}
