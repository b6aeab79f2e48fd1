//! MutatingWebhookConfiguration: webhooks that are asked before a write.

use api::field::{FieldErrors, Path};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;

use crate::kinds::facts::Flags;
use crate::kinds::kind::{Column, Kind};
use crate::kinds::match_rules::REINVOCATION_POLICIES;
use crate::kinds::rules::{default_text, supported, text};
use crate::kinds::table::{age_column, name_column};
use crate::kinds::webhook_rules::{self, Defaults};

impl Kind for MutatingWebhookConfiguration {
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
        for hook in self.webhooks.iter_mut().flatten() {
            Defaults {
                client: &mut hook.client_config,
                rules: &mut hook.rules,
                failure_policy: &mut hook.failure_policy,
                match_policy: &mut hook.match_policy,
                timeout: &mut hook.timeout_seconds,
                namespaces: &mut hook.namespace_selector,
                objects: &mut hook.object_selector,
            }
            .fill();
            default_text(&mut hook.reinvocation_policy, "Never");
        }
    }

    fn validate(&self, errors: &mut FieldErrors) {
        webhook_rules::validate(self.webhooks.as_deref(), errors);
        for (index, hook) in self.webhooks.iter().flatten().enumerate() {
            let path = Path::new("webhooks").index(index).child("reinvocationPolicy");
            supported(errors, &path, text(&hook.reinvocation_policy), REINVOCATION_POLICIES);
        }
    }

    fn spec_differs(&self, old: &Self) -> bool {
        self.webhooks != old.webhooks
    }
}
