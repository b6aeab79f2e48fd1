//! Deployment.

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStatus, RollingUpdateDeployment};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::kinds::facts::{Flags, SCALE, STATUS, Subresource};
use crate::kinds::kind::{Column, Kind, Scaled};
use crate::kinds::pod_spec::{defaults, rules, warnings};
use crate::kinds::rules::{
    at_most_all, count_or_percent, counts, default_text, immutable, non_negative, not_decremented, required_selector,
    shown, text,
};
use crate::kinds::table::{self, age_column, name_column};

const RECREATE: &str = "Recreate";
const ROLLING_UPDATE: &str = "RollingUpdate";

impl Kind for Deployment {
    const SHORT_NAMES: &'static [&'static str] = &["deploy"];
    const CATEGORIES: &'static [&'static str] = &["all"];
    const SUBRESOURCES: &'static [Subresource] = &[SCALE, STATUS];
    const FLAGS: Flags = Flags { counts_generations: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("Ready", "string", "How many of the wanted pods are ready.", |deployment, _| {
            let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or_default();
            format!("{}/{wanted}", count(deployment, |status| status.ready_replicas)).into()
        }),
        Column::new("Up-to-date", "string", "How many pods are of the newest template.", |deployment, _| {
            count(deployment, |status| status.updated_replicas).into()
        }),
        Column::new("Available", "string", "How many pods have been ready for long enough.", |deployment, _| {
            count(deployment, |status| status.available_replicas).into()
        }),
        age_column(),
        Column::wide("Containers", "string", table::CONTAINERS, |deployment, _| {
            let template = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
            table::containers(template).into()
        }),
        Column::wide("Images", "string", table::IMAGES, |deployment, _| {
            table::images(deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref())).into()
        }),
        Column::wide("Selector", "string", table::SELECTOR, |deployment, _| {
            deployment.spec.as_ref().map(|spec| table::selector(&spec.selector)).unwrap_or_default().into()
        }),
    ];

    fn fill_defaults(&mut self) {
        let spec = self.spec.get_or_insert_default();
        spec.replicas.get_or_insert(1);
        spec.revision_history_limit.get_or_insert(10);
        spec.progress_deadline_seconds.get_or_insert(600);
        let strategy = spec.strategy.get_or_insert_default();
        default_text(&mut strategy.type_, ROLLING_UPDATE);
        if text(&strategy.type_) == ROLLING_UPDATE {
            let quarter = || IntOrString::String("25%".to_owned());
            let rolling = strategy.rolling_update.get_or_insert_default();
            rolling.max_unavailable.get_or_insert_with(quarter);
            rolling.max_surge.get_or_insert_with(quarter);
        }
        defaults::fill_template(&mut spec.template);
        self.status.get_or_insert_default();
    }

    fn before_create(&mut self) {
        self.status = Some(DeploymentStatus::default());
    }

    fn before_update(&mut self, old: &Self) {
        self.status = old.status.clone();
    }

    fn before_subresource_update(&mut self, _: &str, old: &Self) {
        self.spec = old.spec.clone();
        self.metadata.labels = old.metadata.labels.clone();
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
        let Some(status) = &self.status else { return };
        let path = Path::new("status");
        let of_all = [
            ("updatedReplicas", status.updated_replicas),
            ("readyReplicas", status.ready_replicas),
            ("availableReplicas", status.available_replicas),
        ];
        counts(errors, &path, status.replicas.unwrap_or_default(), &of_all);
        let (ready, available) = (status.ready_replicas, status.available_replicas.unwrap_or_default());
        if available > ready.unwrap_or_default() {
            let why = "cannot be greater than readyReplicas";
            errors.push(FieldError::invalid(&path.child("availableReplicas"), available, why));
        }
        non_negative(errors, &path.child("unavailableReplicas"), status.unavailable_replicas.map(i64::from));
        non_negative(errors, &path.child("observedGeneration"), status.observed_generation);
        let collisions = old.status.as_ref().and_then(|status| status.collision_count);
        non_negative(errors, &path.child("collisionCount"), status.collision_count.map(i64::from));
        not_decremented(errors, &path.child("collisionCount"), status.collision_count, collisions);
    }

    fn scaled(&mut self) -> Option<Scaled<'_>> {
        let current = count(self, |status| status.replicas);
        let spec = self.spec.get_or_insert_default();
        Some(Scaled::new(&mut spec.replicas, current, &spec.selector))
    }

    fn warnings(&self) -> Vec<String> {
        let template = self.spec.as_ref().map(|spec| &spec.template);
        let mut sentences = warnings::of_template(template, &Path::new("spec").child("template"));
        sentences.extend(warnings::of_name(text(&self.metadata.name)));
        sentences
    }

    fn spec_differs(&self, old: &Self) -> bool {
        self.spec != old.spec
    }
}

fn count(deployment: &Deployment, of: fn(&DeploymentStatus) -> Option<i32>) -> i32 {
    deployment.status.as_ref().and_then(of).unwrap_or_default()
}

fn validate_spec(spec: &DeploymentSpec, path: &Path, errors: &mut FieldErrors) {
    non_negative(errors, &path.child("replicas"), spec.replicas.map(i64::from));
    required_selector(errors, &path.child("selector"), &spec.selector);
    rules::validate_template(&spec.template, &spec.selector, "ReplicaSet", &path.child("template"), errors);
    let strategy = spec.strategy.clone().unwrap_or_default();
    let strategy_path = path.child("strategy");
    match text(&strategy.type_) {
        RECREATE if strategy.rolling_update.is_some() => {
            let why = "may not be specified when strategy `type` is 'Recreate'";
            errors.push(FieldError::forbidden(&strategy_path.child("rollingUpdate"), why));
        }
        RECREATE => {}
        ROLLING_UPDATE => {
            if let Some(rolling) = &strategy.rolling_update {
                validate_rolling_update(rolling, &strategy_path.child("rollingUpdate"), errors);
            }
        }
        other => {
            let values = [RECREATE, ROLLING_UPDATE];
            errors.push(FieldError::not_supported(&strategy_path, other, &values));
        }
    }
    let (ready, deadline) = (spec.min_ready_seconds.unwrap_or_default(), spec.progress_deadline_seconds);
    non_negative(errors, &path.child("minReadySeconds"), Some(i64::from(ready)));
    non_negative(errors, &path.child("revisionHistoryLimit"), spec.revision_history_limit.map(i64::from));
    non_negative(errors, &path.child("progressDeadlineSeconds"), deadline.map(i64::from));
    if let Some(seconds) = deadline.filter(|seconds| *seconds <= ready) {
        let why = "must be greater than minReadySeconds";
        errors.push(FieldError::invalid(&path.child("progressDeadlineSeconds"), seconds, why));
    }
}

fn validate_rolling_update(rolling: &RollingUpdateDeployment, path: &Path, errors: &mut FieldErrors) {
    let unavailable_path = path.child("maxUnavailable");
    let unavailable = count_or_percent(errors, &unavailable_path, rolling.max_unavailable.as_ref());
    let surge = count_or_percent(errors, &path.child("maxSurge"), rolling.max_surge.as_ref());
    if unavailable == Some(0) && surge == Some(0) {
        let shown = shown(&rolling.max_unavailable);
        errors.push(FieldError::invalid(&unavailable_path, shown, "may not be 0 when `maxSurge` is 0"));
    }
    at_most_all(errors, &unavailable_path, rolling.max_unavailable.as_ref());
}
