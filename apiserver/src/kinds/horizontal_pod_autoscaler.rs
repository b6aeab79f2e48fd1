//! HorizontalPodAutoscaler, of both versions: kept in the new form, and seen in the old one through annotations.

use api::field::{FieldError, FieldErrors, Path};
use api::names::GroupResource;
use jiff::Timestamp;
use k8s_openapi::api::autoscaling::{v1, v2};
use serde_json::Value;

use crate::kinds::autoscaler_spec::{defaults, old, rules, targets};
use crate::kinds::canonical;
use crate::kinds::facts::{STATUS, Subresource};
use crate::kinds::kind::{Column, Kind, Mapping};
use crate::kinds::table::{age_column, name_column};

impl Kind for v2::HorizontalPodAutoscaler {
    const SHORT_NAMES: &'static [&'static str] = &["hpa"];
    const CATEGORIES: &'static [&'static str] = &["all"];
    const SUBRESOURCES: &'static [Subresource] = &[STATUS];
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("Reference", "string", "What is scaled.", |autoscaler, _| {
            let target = &autoscaler.spec.scale_target_ref;
            format!("{}/{}", target.kind, target.name).into()
        }),
        Column::new("Targets", "string", "Where it stands, and what it aims at.", |autoscaler, _| {
            targets::of(autoscaler).into()
        }),
        Column::new("MinPods", "string", "The least number of pods.", |autoscaler, _| {
            autoscaler.spec.min_replicas.map_or(Value::from("<unset>"), |count| count.to_string().into())
        }),
        Column::new("MaxPods", "string", "The greatest number of pods.", |autoscaler, _| {
            autoscaler.spec.max_replicas.into()
        }),
        Column::new("Replicas", "string", "How many pods there are.", |autoscaler, _| {
            autoscaler.status.as_ref().and_then(|status| status.current_replicas).unwrap_or_default().into()
        }),
        age_column(),
    ];

    fn fill_defaults(&mut self) {
        defaults::fill(&mut self.spec);
        self.status.get_or_insert_default().current_replicas.get_or_insert(0);
    }

    fn before_create(&mut self) {
        let current_replicas = Some(0);
        self.status = Some(v2::HorizontalPodAutoscalerStatus { current_replicas, ..Default::default() });
        old::forget(&mut self.metadata);
    }

    fn before_update(&mut self, old: &Self) {
        self.status = old.status.clone();
        old::forget(&mut self.metadata);
    }

    fn before_subresource_update(&mut self, _: &str, old: &Self) {
        self.spec = old.spec.clone();
        old::forget(&mut self.metadata);
    }

    fn validate(&self, errors: &mut FieldErrors) {
        rules::validate(&self.spec, &Path::new("spec"), errors);
    }

    fn validate_create(&self, errors: &mut FieldErrors) {
        rules::validate_least(&self.spec, 1, errors);
    }

    fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
        let least = if old.spec.min_replicas == Some(0) { 0 } else { 1 };
        rules::validate_least(&self.spec, least, errors);
    }

    fn validate_subresource_update(&self, _: &str, _: &Self, errors: &mut FieldErrors) {
        if let Some(status) = &self.status {
            rules::validate_status(status, errors);
        }
    }
}

impl Kind for v1::HorizontalPodAutoscaler {
    const SHORT_NAMES: &'static [&'static str] = &["hpa"];
    const CATEGORIES: &'static [&'static str] = &["all"];
    const SUBRESOURCES: &'static [Subresource] = &[STATUS];
    const COLUMNS: &'static [Column<Self>] = &COLUMNS;
    const MAPPING: Option<Mapping<Self>> = Some(Mapping {
        resource: GroupResource { group: "autoscaling", resource: "horizontalpodautoscalers" },
        to_stored: |autoscaler| canonical::encode(&old::to_new(autoscaler)?),
        of_stored: |bytes| api::json::read(bytes).and_then(|autoscaler| old::of_new(&autoscaler)),
    });

    fn fill_defaults(&mut self) {
        self.spec.min_replicas.get_or_insert(1);
        self.status.get_or_insert_default();
    }

    fn before_create(&mut self) {
        self.status = Some(Default::default());
        old::take_status(&mut self.metadata, None);
    }

    fn before_update(&mut self, old: &Self) {
        self.status = old.status.clone();
        old::take_status(&mut self.metadata, Some(&old.metadata));
    }

    fn before_subresource_update(&mut self, _: &str, old: &Self) {
        self.spec = old.spec.clone();
        old::take_spec(&mut self.metadata, &old.metadata);
    }

    fn validate(&self, errors: &mut FieldErrors) {
        with_new(self, errors, |autoscaler, errors| autoscaler.validate(errors));
    }

    fn validate_create(&self, errors: &mut FieldErrors) {
        with_new(self, errors, |autoscaler, errors| autoscaler.validate_create(errors));
    }

    fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
        if let Ok(old) = old::to_new(old) {
            with_new(self, errors, |autoscaler, errors| autoscaler.validate_update(&old, errors));
        }
    }

    fn validate_subresource_update(&self, subresource: &str, _: &Self, errors: &mut FieldErrors) {
        with_new(self, errors, |new, errors| new.validate_subresource_update(subresource, new, errors));
    }
}

/// Applies a rule of the new form. Annotations that cannot be read are told of once, by whoever looks first.
fn with_new(
    autoscaler: &v1::HorizontalPodAutoscaler,
    errors: &mut FieldErrors,
    rule: impl Fn(&v2::HorizontalPodAutoscaler, &mut FieldErrors),
) {
    match old::to_new(autoscaler) {
        Ok(autoscaler) => rule(&autoscaler, errors),
        Err(why) if errors.is_empty() => {
            let path = Path::new("metadata").child("annotations");
            let annotations = crate::kinds::rules::shown(&autoscaler.metadata.annotations);
            errors.push(FieldError::invalid(&path, annotations, why.to_string()));
        }
        Err(_) => {}
    }
}

/// The columns of the old form: those of the new one, of the same autoscaler.
static COLUMNS: [Column<v1::HorizontalPodAutoscaler>; 7] = {
    type Old = v1::HorizontalPodAutoscaler;
    type New = v2::HorizontalPodAutoscaler;
    const fn column(index: usize, cell: fn(&Old, Timestamp) -> Value) -> Column<Old> {
        Column { head: <New as Kind>::COLUMNS[index].head, cell }
    }
    macro_rules! same {
        ($($index:literal),*) => {
            [$(column($index, |autoscaler, now| match old::to_new(autoscaler) {
                Ok(autoscaler) => (<New as Kind>::COLUMNS[$index].cell)(&autoscaler, now),
                Err(_) => Value::Null,
            })),*]
        };
    }
    same!(0, 1, 2, 3, 4, 5, 6)
};
