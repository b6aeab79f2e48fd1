//! DaemonSet.

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::api::apps::v1::{
    DaemonSet, DaemonSetSpec, DaemonSetStatus, DaemonSetUpdateStrategy, RollingUpdateDaemonSet,
};
use k8s_openapi::api::core::v1::PodSpec;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::kinds::facts::{Flags, STATUS, Subresource};
use crate::kinds::kind::{Column, Kind};
use crate::kinds::pod_spec::{defaults, rules, warnings};
use crate::kinds::rules::{
    at_most_all, count_or_percent, default_text, immutable, non_negative, not_decremented, selector, shown, text,
};
use crate::kinds::table::{self, age_column, name_column};

const ON_DELETE: &str = "OnDelete";
const ROLLING_UPDATE: &str = "RollingUpdate";
/// How often the template has changed. Kept for clients that were written for the API before `apps/v1`.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

impl Kind for DaemonSet {
    const SHORT_NAMES: &'static [&'static str] = &["ds"];
    const CATEGORIES: &'static [&'static str] = &["all"];
    const SUBRESOURCES: &'static [Subresource] = &[STATUS];
    const FLAGS: Flags = Flags { counts_generations: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("Desired", "integer", "How many nodes should run its pod.", |set, _| {
            status(set).desired_number_scheduled.into()
        }),
        Column::new("Current", "integer", "How many of these nodes have its pod.", |set, _| {
            status(set).current_number_scheduled.into()
        }),
        Column::new("Ready", "integer", "How many pods are ready.", |set, _| status(set).number_ready.into()),
        Column::new("Up-to-date", "integer", "How many pods are of the newest template.", |set, _| {
            status(set).updated_number_scheduled.unwrap_or_default().into()
        }),
        Column::new("Available", "integer", "How many pods have been ready for long enough.", |set, _| {
            status(set).number_available.unwrap_or_default().into()
        }),
        Column::new("Node Selector", "string", "Labels of the nodes that are meant.", |set, _| {
            table::pairs(template(set).and_then(|spec| spec.node_selector.as_ref())).into()
        }),
        age_column(),
        Column::wide("Containers", "string", table::CONTAINERS, |set, _| table::containers(template(set)).into()),
        Column::wide("Images", "string", table::IMAGES, |set, _| table::images(template(set)).into()),
        Column::wide("Selector", "string", table::SELECTOR, |set, _| {
            set.spec.as_ref().map(|spec| table::selector(&spec.selector)).unwrap_or_default().into()
        }),
    ];

    fn fill_defaults(&mut self) {
        let spec = self.spec.get_or_insert_default();
        spec.revision_history_limit.get_or_insert(10);
        let strategy = spec.update_strategy.get_or_insert_default();
        default_text(&mut strategy.type_, ROLLING_UPDATE);
        if text(&strategy.type_) == ROLLING_UPDATE {
            let rolling = strategy.rolling_update.get_or_insert_default();
            rolling.max_unavailable.get_or_insert(IntOrString::Int(1));
            rolling.max_surge.get_or_insert(IntOrString::Int(0));
        }
        defaults::fill_template(&mut spec.template);
        self.status.get_or_insert_default();
    }

    fn before_create(&mut self) {
        self.status = Some(DaemonSetStatus::default());
        set_template_generation(self, template_generation(self).max(1));
    }

    fn before_update(&mut self, old: &Self) {
        self.status = old.status.clone();
        let template = |set: &Self| set.spec.as_ref().map(|spec| spec.template.clone());
        let has_changed = template(self) != template(old);
        set_template_generation(self, template_generation(old).saturating_add(i64::from(has_changed)));
    }

    fn before_subresource_update(&mut self, _: &str, old: &Self) {
        self.spec = old.spec.clone();
        set_template_generation(self, template_generation(old));
    }

    fn validate(&self, errors: &mut FieldErrors) {
        if let Some(spec) = &self.spec {
            validate_spec(spec, &Path::new("spec"), errors);
        }
    }

    fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
        if let (Some(new), Some(old)) = (&self.spec, &old.spec) {
            immutable(errors, &Path::new("spec").child("selector"), &new.selector, &old.selector);
        }
    }

    fn validate_subresource_update(&self, _: &str, old: &Self, errors: &mut FieldErrors) {
        let (new, old) = (status(self), status(old));
        let path = Path::new("status");
        for (field, count) in [
            ("currentNumberScheduled", Some(new.current_number_scheduled)),
            ("numberMisscheduled", Some(new.number_misscheduled)),
            ("desiredNumberScheduled", Some(new.desired_number_scheduled)),
            ("numberReady", Some(new.number_ready)),
            ("updatedNumberScheduled", new.updated_number_scheduled),
            ("numberAvailable", new.number_available),
            ("numberUnavailable", new.number_unavailable),
            ("collisionCount", new.collision_count),
        ] {
            non_negative(errors, &path.child(field), count.map(i64::from));
        }
        non_negative(errors, &path.child("observedGeneration"), new.observed_generation);
        not_decremented(errors, &path.child("collisionCount"), new.collision_count, old.collision_count);
    }

    fn warnings(&self) -> Vec<String> {
        let template = self.spec.as_ref().map(|spec| &spec.template);
        warnings::of_template(template, &Path::new("spec").child("template"))
    }

    fn spec_differs(&self, old: &Self) -> bool {
        self.spec != old.spec
    }
}

fn status(set: &DaemonSet) -> DaemonSetStatus {
    set.status.clone().unwrap_or_default()
}

fn template(set: &DaemonSet) -> Option<&PodSpec> {
    set.spec.as_ref()?.template.spec.as_ref()
}

fn template_generation(set: &DaemonSet) -> i64 {
    let annotations = set.metadata.annotations.as_ref();
    annotations.and_then(|map| map.get(TEMPLATE_GENERATION)?.parse().ok()).unwrap_or_default()
}

fn set_template_generation(set: &mut DaemonSet, generation: i64) {
    let annotations = set.metadata.annotations.get_or_insert_default();
    annotations.insert(TEMPLATE_GENERATION.to_owned(), generation.to_string());
}

fn validate_spec(spec: &DaemonSetSpec, path: &Path, errors: &mut FieldErrors) {
    selector(errors, &path.child("selector"), &spec.selector);
    rules::validate_template(&spec.template, &spec.selector, "DaemonSet", &path.child("template"), errors);
    non_negative(errors, &path.child("minReadySeconds"), spec.min_ready_seconds.map(i64::from));
    if let Some(strategy) = &spec.update_strategy {
        validate_strategy(strategy, &path.child("updateStrategy"), errors);
    }
    non_negative(errors, &path.child("revisionHistoryLimit"), spec.revision_history_limit.map(i64::from));
}

fn validate_strategy(strategy: &DaemonSetUpdateStrategy, path: &Path, errors: &mut FieldErrors) {
    match (text(&strategy.type_), &strategy.rolling_update) {
        (ON_DELETE, _) => {}
        (ROLLING_UPDATE, Some(rolling)) => validate_rolling_update(rolling, &path.child("rollingUpdate"), errors),
        (ROLLING_UPDATE, None) => errors.push(FieldError::required(&path.child("rollingUpdate"), "")),
        (other, _) => errors.push(FieldError::not_supported(path, other, &[ROLLING_UPDATE, ON_DELETE])),
    }
}

/// A pod is replaced either after it is gone or before, and not both ways.
fn validate_rolling_update(rolling: &RollingUpdateDaemonSet, path: &Path, errors: &mut FieldErrors) {
    let (unavailable_path, surge_path) = (path.child("maxUnavailable"), path.child("maxSurge"));
    let unavailable = count_or_percent(errors, &unavailable_path, rolling.max_unavailable.as_ref());
    let surge = count_or_percent(errors, &surge_path, rolling.max_surge.as_ref());
    at_most_all(errors, &unavailable_path, rolling.max_unavailable.as_ref());
    at_most_all(errors, &surge_path, rolling.max_surge.as_ref());
    match (unavailable.unwrap_or_default(), surge.unwrap_or_default()) {
        (0, 0) => errors.push(FieldError::required(&unavailable_path, "cannot be 0 when maxSurge is 0")),
        (0, _) | (_, 0) => {}
        _ => {
            let why = "may not be set when maxUnavailable is non-zero";
            errors.push(FieldError::invalid(&surge_path, shown(&rolling.max_surge), why));
        }
    }
}
