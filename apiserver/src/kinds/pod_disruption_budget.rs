//! PodDisruptionBudget: how many pods of a set must stay when nodes are emptied.

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec, PodDisruptionBudgetStatus};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::kinds::facts::{Flags, STATUS, Subresource};
use crate::kinds::kind::{Column, Kind};
use crate::kinds::rules::{at_most_all, conditions, count_or_percent, non_negative, selector, shown, supported};
use crate::kinds::table::{age_column, name_column};

impl Kind for PodDisruptionBudget {
    const SHORT_NAMES: &'static [&'static str] = &["pdb"];
    const SUBRESOURCES: &'static [Subresource] = &[STATUS];
    const FLAGS: Flags = Flags { unconditional_update: false, counts_generations: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("Min Available", "string", "How many pods must stay.", |budget, _| {
            or_not_applicable(budget.spec.as_ref().and_then(|spec| spec.min_available.as_ref())).into()
        }),
        Column::new("Max Unavailable", "string", "How many pods may be away.", |budget, _| {
            or_not_applicable(budget.spec.as_ref().and_then(|spec| spec.max_unavailable.as_ref())).into()
        }),
        Column::new("Allowed Disruptions", "integer", "How many pods may be taken now.", |budget, _| {
            budget.status.as_ref().and_then(|status| status.disruptions_allowed).unwrap_or_default().into()
        }),
        age_column(),
    ];

    fn fill_defaults(&mut self) {
        self.spec.get_or_insert_default();
        let status = self.status.get_or_insert_default();
        for count in [
            &mut status.disruptions_allowed,
            &mut status.current_healthy,
            &mut status.desired_healthy,
            &mut status.expected_pods,
        ] {
            count.get_or_insert(0);
        }
    }

    fn before_create(&mut self) {
        self.status = Some(PodDisruptionBudgetStatus {
            disruptions_allowed: Some(0),
            current_healthy: Some(0),
            desired_healthy: Some(0),
            expected_pods: Some(0),
            ..PodDisruptionBudgetStatus::default()
        });
    }

    fn before_update(&mut self, old: &Self) {
        self.status = old.status.clone();
    }

    fn before_subresource_update(&mut self, _: &str, old: &Self) {
        self.spec = old.spec.clone();
    }

    fn validate(&self, errors: &mut FieldErrors) {
        if let Some(spec) = &self.spec {
            validate_spec(spec, &Path::new("spec"), errors);
        }
    }

    fn validate_subresource_update(&self, _: &str, _: &Self, errors: &mut FieldErrors) {
        let Some(status) = &self.status else { return };
        let path = Path::new("status");
        conditions(errors, &path.child("conditions"), status.conditions.as_deref().unwrap_or_default());
        for (field, count) in [
            ("disruptionsAllowed", status.disruptions_allowed),
            ("currentHealthy", status.current_healthy),
            ("desiredHealthy", status.desired_healthy),
            ("expectedPods", status.expected_pods),
        ] {
            non_negative(errors, &path.child(field), count.map(i64::from));
        }
    }

    fn spec_differs(&self, old: &Self) -> bool {
        self.spec != old.spec
    }
}

fn or_not_applicable(value: Option<&IntOrString>) -> String {
    match value {
        None => "N/A".to_owned(),
        Some(IntOrString::Int(number)) => number.to_string(),
        Some(IntOrString::String(text)) => text.clone(),
    }
}

fn validate_spec(spec: &PodDisruptionBudgetSpec, path: &Path, errors: &mut FieldErrors) {
    if spec.min_available.is_some() && spec.max_unavailable.is_some() {
        let why = "minAvailable and maxUnavailable cannot be both set";
        errors.push(FieldError::invalid(path, shown(spec), why));
    }
    for (field, value) in [("minAvailable", &spec.min_available), ("maxUnavailable", &spec.max_unavailable)] {
        let path = path.child(field);
        count_or_percent(errors, &path, value.as_ref());
        at_most_all(errors, &path, value.as_ref());
    }
    if let Some(given) = &spec.selector {
        selector(errors, &path.child("selector"), given);
    }
    if let Some(policy) = &spec.unhealthy_pod_eviction_policy {
        let path = path.child("unhealthyPodEvictionPolicy");
        supported(errors, &path, policy, &["AlwaysAllow", "IfHealthyBudget"]);
    }
}
