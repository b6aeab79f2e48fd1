//! MutatingWebhookConfiguration and ValidatingWebhookConfiguration: webhooks that are asked before a write.

use api::field::FieldErrors;
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};

use crate::kinds::facts::Flags;
use crate::kinds::kind::{Column, Kind};
use crate::kinds::table::{age_column, name_column};
use crate::kinds::webhook_rules::{self, Webhook};

macro_rules! configuration {
    ($kind:ident) => {
        impl Kind for $kind {
            const CATEGORIES: &'static [&'static str] = &["api-extensions"];
            const FLAGS: Flags = Flags { unconditional_update: false, counts_generations: true, ..Flags::USUAL };
            const COLUMNS: &'static [Column<Self>] = &[
                name_column(),
                Column::new("Webhooks", "integer", "How many webhooks it has.", |configuration, _| {
                    configuration.webhooks.as_ref().map_or(0, Vec::len).into()
                }),
                age_column(),
            ];

            fn fill_defaults(&mut self) {
                self.webhooks.iter_mut().flatten().for_each(Webhook::fill);
            }

            fn validate(&self, errors: &mut FieldErrors) {
                webhook_rules::validate(self.webhooks.as_deref().unwrap_or_default(), errors);
            }

            fn spec_differs(&self, old: &Self) -> bool {
                self.webhooks != old.webhooks
            }
        }
    };
}
configuration!(MutatingWebhookConfiguration);
configuration!(ValidatingWebhookConfiguration);
