//! ReplicationController: what ReplicaSets came from.

use std::collections::BTreeMap;

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::api::core::v1::{
    PodSpec, ReplicationController, ReplicationControllerSpec, ReplicationControllerStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::kinds::facts::{FieldLabel, Flags, SCALE, STATUS, Subresource};
use crate::kinds::kind::{Column, Kind, Scaled};
use crate::kinds::pod_spec::{defaults, rules, warnings};
use crate::kinds::rules::{counts, non_negative, text};
use crate::kinds::table::{self, age_column, name_column};

impl Kind for ReplicationController {
    const SHORT_NAMES: &'static [&'static str] = &["rc"];
    const CATEGORIES: &'static [&'static str] = &["all"];
    const SUBRESOURCES: &'static [Subresource] = &[SCALE, STATUS];
    const FLAGS: Flags = Flags { counts_generations: true, orphans_by_default: true, ..Flags::USUAL };
    const FIELD_LABELS: &'static [FieldLabel] =
        &[FieldLabel { label: "status.replicas", path: &["status", "replicas"], default: "0" }];
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("Desired", "integer", "How many pods are wanted.", |controller, _| {
            controller.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or_default().into()
        }),
        Column::new("Current", "integer", "How many pods there are.", |controller, _| current(controller).into()),
        Column::new("Ready", "integer", "How many pods are ready.", |controller, _| {
            controller.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or_default().into()
        }),
        age_column(),
        Column::wide("Containers", "string", table::CONTAINERS, |controller, _| {
            table::containers(template(controller)).into()
        }),
        Column::wide("Images", "string", table::IMAGES, |controller, _| table::images(template(controller)).into()),
        Column::wide("Selector", "string", table::SELECTOR, |controller, _| {
            table::pairs(controller.spec.as_ref().and_then(|spec| spec.selector.as_ref())).into()
        }),
    ];

    /// What the controller does not say of itself is taken from its template.
    fn fill_defaults(&mut self) {
        let spec = self.spec.get_or_insert_default();
        let labels = spec.template.as_ref().and_then(|template| template.metadata.as_ref()?.labels.clone());
        if let Some(labels) = labels.filter(|labels| !labels.is_empty()) {
            let unless_there = |map: &mut Option<BTreeMap<String, String>>| {
                if map.as_ref().is_none_or(BTreeMap::is_empty) {
                    *map = Some(labels.clone());
                }
            };
            unless_there(&mut spec.selector);
            unless_there(&mut self.metadata.labels);
        }
        spec.replicas.get_or_insert(1);
        if let Some(template) = &mut spec.template {
            defaults::fill_template(template);
        }
        self.status.get_or_insert_default();
    }

    fn before_create(&mut self) {
        self.status = Some(ReplicationControllerStatus::default());
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
        let of_all = [
            ("fullyLabeledReplicas", status.fully_labeled_replicas),
            ("readyReplicas", status.ready_replicas),
            ("availableReplicas", status.available_replicas),
        ];
        counts(errors, &path, status.replicas, &of_all);
        let (ready, available) = (status.ready_replicas, status.available_replicas.unwrap_or_default());
        if available > ready.unwrap_or_default() {
            let why = "cannot be greater than readyReplicas";
            errors.push(FieldError::invalid(&path.child("availableReplicas"), available, why));
        }
        non_negative(errors, &path.child("observedGeneration"), status.observed_generation);
    }

    fn scaled(&mut self) -> Option<Scaled<'_>> {
        let current = current(self);
        let spec = self.spec.get_or_insert_default();
        let selector = LabelSelector { match_labels: spec.selector.clone(), ..LabelSelector::default() };
        Some(Scaled::new(&mut spec.replicas, current, &selector))
    }

    fn warnings(&self) -> Vec<String> {
        let template = self.spec.as_ref().and_then(|spec| spec.template.as_ref());
        let mut sentences = warnings::of_template(template, &Path::new("spec").child("template"));
        sentences.extend(warnings::of_name(text(&self.metadata.name)));
        sentences
    }

    fn spec_differs(&self, old: &Self) -> bool {
        self.spec != old.spec
    }
}

fn current(controller: &ReplicationController) -> i32 {
    controller.status.as_ref().map_or(0, |status| status.replicas)
}

fn template(controller: &ReplicationController) -> Option<&PodSpec> {
    controller.spec.as_ref()?.template.as_ref()?.spec.as_ref()
}

fn validate_spec(spec: &ReplicationControllerSpec, path: &Path, errors: &mut FieldErrors) {
    non_negative(errors, &path.child("minReadySeconds"), spec.min_ready_seconds.map(i64::from));
    let has_selector = spec.selector.as_ref().is_some_and(|selector| !selector.is_empty());
    if !has_selector {
        errors.push(FieldError::required(&path.child("selector"), ""));
    }
    non_negative(errors, &path.child("replicas"), spec.replicas.map(i64::from));
    let path = path.child("template");
    let Some(template) = &spec.template else {
        errors.push(FieldError::required(&path, ""));
        return;
    };
    if has_selector {
        let selector = LabelSelector { match_labels: spec.selector.clone(), ..LabelSelector::default() };
        rules::validate_selected(template, &selector, &path, errors);
    }
    rules::validate_endless(template, "ReplicationController", &path, errors);
}
