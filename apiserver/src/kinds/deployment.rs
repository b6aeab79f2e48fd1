//! Deployment.

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStatus, RollingUpdateDeployment};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::kinds::facts::{Flags, SCALE, STATUS, Subresource};
use crate::kinds::kind::{Column, Kind};
use crate::kinds::pod_spec::{defaults, rules, warnings};
use crate::kinds::replica_set::is_empty;
use crate::kinds::rules::{default_text, immutable, non_negative, selector, shown, text};
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
        Column::wide("Containers", "string", "Names of the template's containers.", |deployment, _| {
            let template = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
            table::containers(template).into()
        }),
        Column::wide("Images", "string", "Images of the template's containers.", |deployment, _| {
            table::images(deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref())).into()
        }),
        Column::wide("Selector", "string", "Labels of the pods that belong to it.", |deployment, _| {
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
        let replicas = status.replicas.unwrap_or_default();
        for (field, count) in [
            ("replicas", status.replicas),
            ("updatedReplicas", status.updated_replicas),
            ("readyReplicas", status.ready_replicas),
            ("availableReplicas", status.available_replicas),
        ] {
            non_negative(errors, &path.child(field), count.map(i64::from));
            if let Some(count) = count.filter(|count| *count > replicas) {
                let why = "cannot be greater than status.replicas";
                errors.push(FieldError::invalid(&path.child(field), count, why));
            }
        }
        non_negative(errors, &path.child("unavailableReplicas"), status.unavailable_replicas.map(i64::from));
        non_negative(errors, &path.child("observedGeneration"), status.observed_generation);
        let collisions = old.status.as_ref().and_then(|status| status.collision_count);
        if let (Some(new), Some(old)) = (status.collision_count, collisions)
            && new < old
        {
            errors.push(FieldError::invalid(&path.child("collisionCount"), new, "cannot be decremented"));
        }
    }

    fn warnings(&self) -> Vec<String> {
        let path = Path::new("spec").child("template").child("spec");
        self.spec
            .as_ref()
            .and_then(|spec| spec.template.spec.as_ref())
            .map(|spec| warnings::of(spec, &path))
            .unwrap_or_default()
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
    selector(errors, &path.child("selector"), &spec.selector);
    if is_empty(&spec.selector) {
        let why = "empty selector is invalid for deployment";
        errors.push(FieldError::invalid(&path.child("selector"), shown(&spec.selector), why));
    }
    rules::validate_template(&spec.template, &spec.selector, "Deployment", &path.child("template"), errors);
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
            errors.push(FieldError::not_supported(&strategy_path.child("type"), other, &values));
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
    let unavailable = share(rolling.max_unavailable.as_ref(), &unavailable_path, errors);
    let surge = share(rolling.max_surge.as_ref(), &path.child("maxSurge"), errors);
    if unavailable == Some(0) && surge == Some(0) {
        let shown = shown(&rolling.max_unavailable);
        errors.push(FieldError::invalid(&unavailable_path, shown, "may not be 0 when `maxSurge` is 0"));
    }
    if let Some(IntOrString::String(_)) = rolling.max_unavailable
        && unavailable.is_some_and(|percent| percent > 100)
    {
        let shown = shown(&rolling.max_unavailable);
        errors.push(FieldError::invalid(&unavailable_path, shown, "must not be greater than 100%"));
    }
}

/// A count or a percentage; its number.
fn share(value: Option<&IntOrString>, path: &Path, errors: &mut FieldErrors) -> Option<i64> {
    match value? {
        IntOrString::Int(number) => {
            non_negative(errors, path, Some(i64::from(*number)));
            Some(i64::from(*number))
        }
        IntOrString::String(text) => {
            let digits = text.strip_suffix('%').filter(|digits| !digits.is_empty());
            let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
            let number = digits.and_then(|digits| digits.parse().ok());
            if number.is_none() {
                let why = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or \
                           '93%', regex used for validation is '[0-9]+%')";
                errors.push(FieldError::invalid(path, text.as_str(), why));
            }
            number
        }
    }
}
