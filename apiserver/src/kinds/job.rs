//! Job.

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::{Job, JobSpec, JobStatus};
use k8s_openapi::api::core::v1::PodSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::kinds::facts::{FieldLabel, Flags, STATUS, Subresource};
use crate::kinds::job_spec::{INDEXED, fill, make_selector, rules, status, update, validate_selector};
use crate::kinds::kind::{Column, Kind};
use crate::kinds::pod_spec::{defaults, rules::validate_selected, warnings};
use crate::kinds::rules::{selector, text};
use crate::kinds::table::{self, age_column, human_duration, name_column};

impl Kind for Job {
    const CATEGORIES: &'static [&'static str] = &["all"];
    const SUBRESOURCES: &'static [Subresource] = &[STATUS];
    const FLAGS: Flags = Flags { counts_generations: true, orphans_by_default: true, ..Flags::USUAL };
    const FIELD_LABELS: &'static [FieldLabel] =
        &[FieldLabel { label: "status.successful", path: &["status", "succeeded"], default: "0" }];
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("Status", "string", "Whether it runs, and how it ended.", |job, _| state(job).into()),
        Column::new("Completions", "string", "How many pods have succeeded, and how many must.", |job, _| {
            completions(job).into()
        }),
        Column::new("Duration", "string", "How long it has taken.", |job, now| duration(job, now).into()),
        age_column(),
        Column::wide("Containers", "string", table::CONTAINERS, |job, _| table::containers(template(job)).into()),
        Column::wide("Images", "string", table::IMAGES, |job, _| table::images(template(job)).into()),
        Column::wide("Selector", "string", table::SELECTOR, |job, _| {
            let selector = job.spec.as_ref().and_then(|spec| spec.selector.as_ref());
            table::selector(selector.unwrap_or(&LabelSelector::default())).into()
        }),
    ];

    fn fill_defaults(&mut self) {
        let spec = self.spec.get_or_insert_default();
        fill(spec);
        defaults::fill_template(&mut spec.template);
        let labels = spec.template.metadata.as_ref().and_then(|metadata| metadata.labels.clone());
        if self.metadata.labels.as_ref().is_none_or(|labels| labels.is_empty()) && labels.is_some() {
            self.metadata.labels = labels;
        }
        self.status.get_or_insert_default();
    }

    fn before_create(&mut self) {
        self.status = Some(JobStatus::default());
        make_selector(self);
    }

    fn before_update(&mut self, old: &Self) {
        self.status = old.status.clone();
        // What the server made may be left out again.
        let (spec, old) = (self.spec.get_or_insert_default(), old.spec.clone().unwrap_or_default());
        if spec.selector.is_none() && spec.manual_selector != Some(true) {
            spec.selector = old.selector;
        }
    }

    fn before_subresource_update(&mut self, _: &str, old: &Self) {
        self.spec = old.spec.clone();
    }

    fn validate(&self, errors: &mut FieldErrors) {
        let Some(spec) = &self.spec else { return };
        let path = Path::new("spec");
        validate_selector(self, errors);
        rules::validate(spec, &path, errors);
        let given = spec.selector.clone().unwrap_or_default();
        match &spec.selector {
            Some(given) => selector(errors, &path.child("selector"), given),
            None => errors.push(FieldError::required(&path.child("selector"), "")),
        }
        validate_selected(&spec.template, &given, &path.child("template"), errors);
        validate_hosts(text(&self.metadata.name), spec, errors);
    }

    fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
        update::validate(self, old, errors);
    }

    fn validate_subresource_update(&self, _: &str, old: &Self, errors: &mut FieldErrors) {
        status::validate(self, old, errors);
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

/// Pods with indexes are hosts of that name: the last of them must be a name, too.
fn validate_hosts(name: &str, spec: &JobSpec, errors: &mut FieldErrors) {
    let Some(completions) = spec.completions.filter(|completions| *completions > 0) else { return };
    let host = format!("{name}-{}", completions - 1);
    if text(&spec.completion_mode) == INDEXED && names::dns_label(&host).is_err() {
        let why = format!("will not able to create pod with invalid DNS label: {host}");
        errors.push(FieldError::invalid(&Path::new("metadata").child("name"), name, why));
    }
}

fn template(job: &Job) -> Option<&PodSpec> {
    job.spec.as_ref()?.template.spec.as_ref()
}

fn state(job: &Job) -> &'static str {
    let none = JobStatus::default();
    let known = job.status.as_ref().unwrap_or(&none);
    let has = |condition: &str| status::has(known, condition);
    if has("Complete") {
        "Complete"
    } else if has("Failed") {
        "Failed"
    } else if job.metadata.deletion_timestamp.is_some() {
        "Terminating"
    } else if has("Suspended") {
        "Suspended"
    } else if has("FailureTarget") {
        "FailureTarget"
    } else if has("SuccessCriteriaMet") {
        "SuccessCriteriaMet"
    } else {
        "Running"
    }
}

fn completions(job: &Job) -> String {
    let succeeded = job.status.as_ref().and_then(|status| status.succeeded).unwrap_or_default();
    let spec = job.spec.clone().unwrap_or_default();
    match (spec.completions, spec.parallelism.unwrap_or_default()) {
        (Some(completions), _) => format!("{succeeded}/{completions}"),
        (None, 0 | 1) => format!("{succeeded}/1"),
        (None, parallel) => format!("{succeeded}/1 of {parallel}"),
    }
}

fn duration(job: &Job, now: Timestamp) -> String {
    let Some(status) = &job.status else { return String::new() };
    let Some(start) = &status.start_time else { return String::new() };
    let end = status.completion_time.as_ref().map_or(now, |time| time.0);
    human_duration(end.as_second() - start.0.as_second())
}
