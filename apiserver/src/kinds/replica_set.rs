//! ReplicaSet.

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetStatus};
use k8s_openapi::api::core::v1::PodSpec;

use crate::kinds::facts::{Flags, SCALE, STATUS, Subresource};
use crate::kinds::kind::{Column, Kind, Scaled};
use crate::kinds::pod_spec::{defaults, rules, warnings};
use crate::kinds::rules::{counts, immutable, non_negative, required_selector, text};
use crate::kinds::table::{self, age_column, name_column};

impl Kind for ReplicaSet {
    const SHORT_NAMES: &'static [&'static str] = &["rs"];
    const CATEGORIES: &'static [&'static str] = &["all"];
    const SUBRESOURCES: &'static [Subresource] = &[SCALE, STATUS];
    const FLAGS: Flags = Flags { counts_generations: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("Desired", "integer", "How many pods are wanted.", |set, _| {
            set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or_default().into()
        }),
        Column::new("Current", "integer", "How many pods there are.", |set, _| {
            set.status.as_ref().map_or(0, |status| status.replicas).into()
        }),
        Column::new("Ready", "integer", "How many pods are ready.", |set, _| {
            set.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or_default().into()
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
        spec.replicas.get_or_insert(1);
        if let Some(template) = &mut spec.template {
            defaults::fill_template(template);
        }
        self.status.get_or_insert_default();
    }

    fn before_create(&mut self) {
        self.status = Some(ReplicaSetStatus::default());
    }

    fn before_update(&mut self, old: &Self) {
        self.status = old.status.clone();
    }

    fn before_subresource_update(&mut self, _: &str, old: &Self) {
        self.spec = old.spec.clone();
    }

    fn validate(&self, errors: &mut FieldErrors) {
        let Some(spec) = &self.spec else { return };
        let path = Path::new("spec");
        non_negative(errors, &path.child("replicas"), spec.replicas.map(i64::from));
        non_negative(errors, &path.child("minReadySeconds"), spec.min_ready_seconds.map(i64::from));
        required_selector(errors, &path.child("selector"), &spec.selector);
        match &spec.template {
            Some(template) => {
                rules::validate_template(template, &spec.selector, "ReplicaSet", &path.child("template"), errors);
            }
            None => errors.push(FieldError::required(&path.child("template"), "")),
        }
    }

    fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
        if let (Some(new), Some(old)) = (&self.spec, &old.spec) {
            immutable(errors, &Path::new("spec").child("selector"), &new.selector, &old.selector);
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
        let current = self.status.as_ref().map_or(0, |status| status.replicas);
        let spec = self.spec.get_or_insert_default();
        Some(Scaled::new(&mut spec.replicas, current, &spec.selector))
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

fn template(set: &ReplicaSet) -> Option<&PodSpec> {
    set.spec.as_ref()?.template.as_ref()?.spec.as_ref()
}
