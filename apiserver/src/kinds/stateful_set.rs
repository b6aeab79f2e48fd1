//! StatefulSet.

use api::field::{FieldError, FieldErrors, Path};
use api::names::{self, NameRule};
use k8s_openapi::api::apps::v1::{
    RollingUpdateStatefulSetStrategy, StatefulSet, StatefulSetSpec, StatefulSetStatus, StatefulSetUpdateStrategy,
};
use k8s_openapi::api::core::v1::{EmptyDirVolumeSource, PodSpec, PodTemplateSpec, Volume};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::kinds::claim_spec;
use crate::kinds::facts::{Flags, SCALE, STATUS, Subresource};
use crate::kinds::kind::{Column, Kind, Scaled};
use crate::kinds::pod_spec::{defaults, rules, warnings};
use crate::kinds::rules::{
    at_most_all, count_or_percent, counts, default_text, non_negative, not_decremented, required_selector, shown,
    supported, text,
};
use crate::kinds::table::{self, age_column, name_column};

const ORDERED: &str = "OrderedReady";
const PARALLEL: &str = "Parallel";
const ON_DELETE: &str = "OnDelete";
const ROLLING_UPDATE: &str = "RollingUpdate";
const RETAIN: &str = "Retain";
const DELETE: &str = "Delete";

impl Kind for StatefulSet {
    const SHORT_NAMES: &'static [&'static str] = &["sts"];
    const CATEGORIES: &'static [&'static str] = &["all"];
    const SUBRESOURCES: &'static [Subresource] = &[SCALE, STATUS];
    const FLAGS: Flags = Flags { counts_generations: true, ..Flags::USUAL };
    /// Pods are named after it, and hosts after the pods.
    const NAME_RULE: NameRule = names::dns_label;
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("Ready", "string", "How many of the wanted pods are ready.", |set, _| {
            let wanted = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or_default();
            format!("{}/{wanted}", status(set).ready_replicas.unwrap_or_default()).into()
        }),
        age_column(),
        Column::wide("Containers", "string", table::CONTAINERS, |set, _| table::containers(template(set)).into()),
        Column::wide("Images", "string", table::IMAGES, |set, _| table::images(template(set)).into()),
    ];

    fn fill_defaults(&mut self) {
        let spec = self.spec.get_or_insert_default();
        default_text(&mut spec.pod_management_policy, ORDERED);
        fill_strategy(spec.update_strategy.get_or_insert_default());
        let retention = spec.persistent_volume_claim_retention_policy.get_or_insert_default();
        default_text(&mut retention.when_deleted, RETAIN);
        default_text(&mut retention.when_scaled, RETAIN);
        spec.replicas.get_or_insert(1);
        spec.revision_history_limit.get_or_insert(10);
        defaults::fill_template(&mut spec.template);
        spec.volume_claim_templates.iter_mut().flatten().for_each(claim_spec::fill);
        self.status.get_or_insert_default();
    }

    fn before_create(&mut self) {
        self.status = Some(StatefulSetStatus::default());
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

    fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
        let (Some(new), Some(old)) = (&self.spec, &old.spec) else { return };
        let with_what_may_change = StatefulSetSpec {
            replicas: new.replicas,
            ordinals: new.ordinals.clone(),
            template: new.template.clone(),
            update_strategy: new.update_strategy.clone(),
            revision_history_limit: new.revision_history_limit,
            persistent_volume_claim_retention_policy: new.persistent_volume_claim_retention_policy.clone(),
            min_ready_seconds: new.min_ready_seconds,
            ..old.clone()
        };
        if *new != with_what_may_change {
            let why = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
                       'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and \
                       'minReadySeconds' are forbidden";
            errors.push(FieldError::forbidden(&Path::new("spec"), why));
        }
    }

    fn validate_subresource_update(&self, _: &str, old: &Self, errors: &mut FieldErrors) {
        let status = status(self);
        let path = Path::new("status");
        let of_all = [
            ("readyReplicas", status.ready_replicas),
            ("currentReplicas", status.current_replicas),
            ("updatedReplicas", status.updated_replicas),
            ("availableReplicas", status.available_replicas),
        ];
        counts(errors, &path, status.replicas, &of_all);
        let available = status.available_replicas.unwrap_or_default();
        if available > status.ready_replicas.unwrap_or_default() {
            let why = "cannot be greater than status.readyReplicas";
            errors.push(FieldError::invalid(&path.child("availableReplicas"), available, why));
        }
        non_negative(errors, &path.child("observedGeneration"), status.observed_generation);
        let path = path.child("collisionCount");
        non_negative(errors, &path, status.collision_count.map(i64::from));
        not_decremented(errors, &path, status.collision_count, self::status(old).collision_count);
    }

    fn scaled(&mut self) -> Option<Scaled<'_>> {
        let current = self.status.as_ref().map_or(0, |status| status.replicas);
        let spec = self.spec.get_or_insert_default();
        Some(Scaled::new(&mut spec.replicas, current, &spec.selector))
    }

    fn warnings(&self) -> Vec<String> {
        let template = self.spec.as_ref().map(|spec| &spec.template);
        warnings::of_template(template, &Path::new("spec").child("template"))
    }

    fn spec_differs(&self, old: &Self) -> bool {
        self.spec != old.spec
    }
}

fn status(set: &StatefulSet) -> StatefulSetStatus {
    set.status.clone().unwrap_or_default()
}

fn template(set: &StatefulSet) -> Option<&PodSpec> {
    set.spec.as_ref()?.template.spec.as_ref()
}

fn fill_strategy(strategy: &mut StatefulSetUpdateStrategy) {
    if text(&strategy.type_).is_empty() {
        default_text(&mut strategy.type_, ROLLING_UPDATE);
        strategy.rolling_update.get_or_insert_default();
    }
    if text(&strategy.type_) == ROLLING_UPDATE
        && let Some(rolling) = &mut strategy.rolling_update
    {
        rolling.partition.get_or_insert(0);
        rolling.max_unavailable.get_or_insert(IntOrString::Int(1));
    }
}

fn validate_spec(spec: &StatefulSetSpec, path: &Path, errors: &mut FieldErrors) {
    let policy = text(&spec.pod_management_policy);
    if !matches!(policy, ORDERED | PARALLEL) {
        let why = format!("must be '{ORDERED}' or '{PARALLEL}'");
        errors.push(FieldError::invalid(&path.child("podManagementPolicy"), policy, why));
    }
    if let Some(strategy) = &spec.update_strategy {
        validate_strategy(strategy, &path.child("updateStrategy"), errors);
    }
    if let Some(retention) = &spec.persistent_volume_claim_retention_policy {
        let path = path.child("persistentVolumeClaimRetentionPolicy");
        supported(errors, &path.child("whenDeleted"), text(&retention.when_deleted), &[RETAIN, DELETE]);
        supported(errors, &path.child("whenScaled"), text(&retention.when_scaled), &[RETAIN, DELETE]);
    }
    non_negative(errors, &path.child("replicas"), spec.replicas.map(i64::from));
    non_negative(errors, &path.child("minReadySeconds"), spec.min_ready_seconds.map(i64::from));
    let first = spec.ordinals.as_ref().and_then(|ordinals| ordinals.start);
    non_negative(errors, &path.child("ordinals.start"), first.map(i64::from));
    let service = text(&spec.service_name);
    if !service.is_empty() {
        errors.check(&path.child("serviceName"), service, names::dns_label);
    }
    required_selector(errors, &path.child("selector"), &spec.selector);
    let template = with_claims(spec);
    rules::validate_template(&template, &spec.selector, "StatefulSet", &path.child("template"), errors);
    for (index, claim) in spec.volume_claim_templates.iter().flatten().enumerate() {
        let path = path.child("volumeClaimTemplates").index(index).child("spec");
        claim_spec::validate(claim.spec.as_ref().unwrap_or(&Default::default()), &path, errors);
    }
}

/// The template as its pods will be: the volumes that are claimed for them are there, in place of any of the same name.
fn with_claims(spec: &StatefulSetSpec) -> PodTemplateSpec {
    let mut template = spec.template.clone();
    let claims = spec.volume_claim_templates.iter().flatten().filter_map(|claim| claim.metadata.name.clone());
    let claims: Vec<String> = claims.collect();
    if !claims.is_empty() {
        let volumes = template.spec.get_or_insert_default().volumes.get_or_insert_default();
        volumes.retain(|volume| !claims.contains(&volume.name));
        volumes.extend(claims.into_iter().map(|name| Volume {
            name,
            empty_dir: Some(EmptyDirVolumeSource::default()),
            ..Volume::default()
        }));
    }
    template
}

fn validate_strategy(strategy: &StatefulSetUpdateStrategy, path: &Path, errors: &mut FieldErrors) {
    let rolling_path = path.child("rollingUpdate");
    match (text(&strategy.type_), &strategy.rolling_update) {
        (ON_DELETE, Some(rolling)) => {
            let why = format!("only allowed for updateStrategy '{ROLLING_UPDATE}'");
            errors.push(FieldError::invalid(&rolling_path, shown(rolling), why));
        }
        (ROLLING_UPDATE, Some(rolling)) => validate_rolling_update(rolling, &rolling_path, errors),
        (ON_DELETE | ROLLING_UPDATE, None) => {}
        _ => {
            let why = format!("must be '{ROLLING_UPDATE}' or '{ON_DELETE}'");
            errors.push(FieldError::invalid(path, shown(strategy), why));
        }
    }
}

fn validate_rolling_update(rolling: &RollingUpdateStatefulSetStrategy, path: &Path, errors: &mut FieldErrors) {
    non_negative(errors, &path.child("partition"), rolling.partition.map(i64::from));
    let path = path.child("maxUnavailable");
    let unavailable = count_or_percent(errors, &path, rolling.max_unavailable.as_ref());
    if rolling.max_unavailable.is_some() && unavailable.unwrap_or_default() == 0 {
        errors.push(FieldError::invalid(&path, shown(&rolling.max_unavailable), "cannot be 0"));
    }
    at_most_all(errors, &path, rolling.max_unavailable.as_ref());
}
