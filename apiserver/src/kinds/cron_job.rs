//! CronJob.

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec, CronJobStatus, JobSpec, JobTemplateSpec};
use serde_json::Value;

use crate::kinds::facts::{Flags, STATUS, Subresource};
use crate::kinds::job_spec::{fill_policies, rules};
use crate::kinds::kind::{Column, Kind};
use crate::kinds::pod_spec::{defaults, warnings};
use crate::kinds::rules::{default_text, non_negative, required_and_supported, shown, text};
use crate::kinds::schedule;
use crate::kinds::table::{self, NONE, age_column, name_column, since};

const POLICIES: &[&str] = &["Allow", "Forbid", "Replace"];
/// A Job's name is that of its CronJob with eleven characters behind it.
const LONGEST_NAME: usize = 63 - 11;
const WITH_ZONE: &str = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";

impl Kind for CronJob {
    const SHORT_NAMES: &'static [&'static str] = &["cj"];
    const CATEGORIES: &'static [&'static str] = &["all"];
    const SUBRESOURCES: &'static [Subresource] = &[STATUS];
    const FLAGS: Flags = Flags { counts_generations: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("Schedule", "string", "When it makes a Job.", |job, _| job.spec.schedule.as_str().into()),
        Column::new("Timezone", "string", "The time zone of the schedule.", |job, _| {
            job.spec.time_zone.as_deref().unwrap_or(NONE).into()
        }),
        Column::new("Suspend", "boolean", "Whether it makes no more Jobs.", |job, _| {
            job.spec.suspend.map_or(Value::from("<unset>"), |is| if is { "True" } else { "False" }.into())
        }),
        Column::new("Active", "integer", "How many of its Jobs run.", |job, _| {
            status(job).active.map_or(0, |list| list.len()).into()
        }),
        Column::new("Last Schedule", "string", "How long ago it made a Job.", |job, now| {
            status(job).last_schedule_time.map_or_else(|| NONE.to_owned(), |time| since(Some(&time), now)).into()
        }),
        age_column(),
        Column::wide("Containers", "string", table::CONTAINERS, |job, _| {
            table::containers(job_of(job).template.spec.as_ref()).into()
        }),
        Column::wide("Images", "string", table::IMAGES, |job, _| {
            table::images(job_of(job).template.spec.as_ref()).into()
        }),
        Column::wide("Selector", "string", table::SELECTOR, |job, _| {
            table::selector(&job_of(job).selector.unwrap_or_default()).into()
        }),
    ];

    fn fill_defaults(&mut self) {
        let spec = &mut self.spec;
        default_text(&mut spec.concurrency_policy, "Allow");
        spec.suspend.get_or_insert(false);
        spec.successful_jobs_history_limit.get_or_insert(3);
        spec.failed_jobs_history_limit.get_or_insert(1);
        let job = spec.job_template.spec.get_or_insert_default();
        fill_policies(job);
        defaults::fill_template(&mut job.template);
        self.status.get_or_insert_default();
    }

    fn before_create(&mut self) {
        self.status = Some(CronJobStatus::default());
    }

    fn before_update(&mut self, old: &Self) {
        self.status = old.status.clone();
    }

    fn before_subresource_update(&mut self, _: &str, old: &Self) {
        self.spec = old.spec.clone();
    }

    fn validate(&self, errors: &mut FieldErrors) {
        validate_spec(&self.spec, &Path::new("spec"), errors);
    }

    fn validate_create(&self, errors: &mut FieldErrors) {
        let spec = &self.spec;
        if spec.schedule.contains("TZ") {
            let path = Path::new("spec").child("schedule");
            errors.push(FieldError::invalid(&path, spec.schedule.as_str(), WITH_ZONE));
        }
        validate_zone(spec.time_zone.as_deref(), errors);
        let name = text(&self.metadata.name);
        if name.len() > LONGEST_NAME {
            let why = format!("must be no more than {LONGEST_NAME} bytes");
            errors.push(FieldError::invalid(&Path::new("metadata").child("name"), name, why));
        }
    }

    /// What an old object says wrongly may stay.
    fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
        let (new, old) = (&self.spec, &old.spec);
        let path = Path::new("spec").child("schedule");
        match (new.schedule.contains("TZ"), old.schedule.contains("TZ")) {
            (true, false) => errors.push(FieldError::invalid(&path, new.schedule.as_str(), WITH_ZONE)),
            (true, true) if new.time_zone.is_some() => {
                let why = "cannot use both timeZone field and TZ or CRON_TZ in schedule";
                errors.push(FieldError::invalid(&path, new.schedule.as_str(), why));
            }
            _ => {}
        }
        if new.time_zone != old.time_zone {
            validate_zone(new.time_zone.as_deref(), errors);
        }
    }

    fn warnings(&self) -> Vec<String> {
        let spec = &self.spec;
        let job = spec.job_template.spec.as_ref();
        let path = Path::new("spec").child("jobTemplate").child("spec").child("template");
        let mut sentences = warnings::of_template(job.map(|job| &job.template), &path);
        sentences.extend(warnings::of_name(text(&self.metadata.name)));
        if spec.schedule.contains("TZ") {
            let why = "CRON_TZ or TZ used in spec.spec.schedule is not officially supported, see \
                       https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details";
            sentences.push(why.to_owned());
        }
        sentences
    }

    fn spec_differs(&self, old: &Self) -> bool {
        self.spec != old.spec
    }
}

fn status(job: &CronJob) -> CronJobStatus {
    job.status.clone().unwrap_or_default()
}

fn job_of(job: &CronJob) -> JobSpec {
    job.spec.job_template.spec.clone().unwrap_or_default()
}

fn validate_spec(spec: &CronJobSpec, path: &Path, errors: &mut FieldErrors) {
    let schedule_path = path.child("schedule");
    if spec.schedule.is_empty() {
        errors.push(FieldError::required(&schedule_path, ""));
    } else {
        errors.check(&schedule_path, &spec.schedule, schedule::validate);
    }
    non_negative(errors, &path.child("startingDeadlineSeconds"), spec.starting_deadline_seconds);
    let policy = text(&spec.concurrency_policy);
    required_and_supported(errors, &path.child("concurrencyPolicy"), policy, POLICIES);
    validate_template(&spec.job_template, &path.child("jobTemplate").child("spec"), errors);
    for (field, limit) in [
        ("successfulJobsHistoryLimit", spec.successful_jobs_history_limit),
        ("failedJobsHistoryLimit", spec.failed_jobs_history_limit),
    ] {
        non_negative(errors, &path.child(field), limit.map(i64::from));
    }
}

/// As a Job, save that its selector will be made.
fn validate_template(template: &JobTemplateSpec, path: &Path, errors: &mut FieldErrors) {
    let none = JobSpec::default();
    let spec = template.spec.as_ref().unwrap_or(&none);
    rules::validate(spec, path, errors);
    if let Some(selector) = &spec.selector {
        let why = "`selector` will be auto-generated";
        errors.push(FieldError::invalid(&path.child("selector"), shown(selector), why));
    }
    if spec.manual_selector == Some(true) {
        errors.push(FieldError::not_supported(&path.child("manualSelector"), "true", &["nil", "false"]));
    }
}

fn validate_zone(zone: Option<&str>, errors: &mut FieldErrors) {
    let path = Path::new("spec").child("timeZone");
    let Some(zone) = zone else { return };
    let is_part = |part: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'+');
        !matches!(part, "" | "." | "..") && !part.starts_with('-') && part.len() <= 14 && part.bytes().all(fits)
    };
    if zone.is_empty() {
        errors.push(FieldError::invalid(&path, "", "timeZone must be nil or non-empty string"));
    } else if !zone.split('/').all(is_part) {
        errors.push(FieldError::invalid(&path, zone, format!("unknown time zone {zone}")));
    } else if zone.eq_ignore_ascii_case("local") {
        let why = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
        errors.push(FieldError::invalid(&path, zone, why));
    } else {
        errors.check(&path, zone, schedule::validate_zone);
    }
}
