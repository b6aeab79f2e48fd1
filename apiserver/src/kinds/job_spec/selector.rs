//! The selector of a Job: made by the server, of labels that no other Job has.

use std::collections::BTreeMap;

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::kinds::rules::{shown, text};

const UID_LABEL: &str = "batch.kubernetes.io/controller-uid";
const NAME_LABEL: &str = "batch.kubernetes.io/job-name";
/// From before labels had prefixes. Both are set.
const OLD_UID_LABEL: &str = "controller-uid";
const OLD_NAME_LABEL: &str = "job-name";

fn is_manual(spec: &JobSpec) -> bool {
    spec.manual_selector == Some(true)
}

/// Labels the pods with the Job's uid and name, and selects by the uid, unless the client does that itself. A label
/// that the client set stays, for `validate_selector` to refuse.
pub fn make_selector(job: &mut Job) {
    let (uid, name) = (text(&job.metadata.uid).to_owned(), text(&job.metadata.name).to_owned());
    let spec = job.spec.get_or_insert_default();
    if is_manual(spec) {
        return;
    }
    let metadata = spec.template.metadata.get_or_insert_with(ObjectMeta::default);
    let labels = metadata.labels.get_or_insert_default();
    let chosen = spec.selector.get_or_insert_default().match_labels.get_or_insert_default();
    // The same uid twice: it is the same Job, under another generated name.
    let is_again = chosen.get(UID_LABEL) == Some(&uid);
    for (label, value) in [(OLD_UID_LABEL, &uid), (UID_LABEL, &uid), (OLD_NAME_LABEL, &name), (NAME_LABEL, &name)] {
        if is_again || !labels.contains_key(label) {
            labels.insert(label.to_owned(), value.clone());
        }
    }
    chosen.entry(UID_LABEL.to_owned()).or_insert(uid);
}

pub fn validate_selector(job: &Job, errors: &mut FieldErrors) {
    let Some(spec) = job.spec.as_ref().filter(|spec| !is_manual(spec)) else { return };
    let Some(selector) = &spec.selector else { return };
    let none = BTreeMap::new();
    let labels = spec.template.metadata.as_ref().and_then(|metadata| metadata.labels.as_ref()).unwrap_or(&none);
    let path = Path::new("spec").child("template").child("metadata").child("labels");
    let (uid, name) = (text(&job.metadata.uid), text(&job.metadata.name));
    let expected = [(OLD_UID_LABEL, uid), (OLD_NAME_LABEL, name), (UID_LABEL, uid), (NAME_LABEL, name)];
    for (label, value) in expected {
        match labels.get(label) {
            None => errors.push(FieldError::required(&path.key(label), &format!("must be '{value}'"))),
            Some(found) if found != value => {
                errors.push(FieldError::invalid(&path.key(label), shown(labels), format!("must be '{value}'")));
            }
            Some(_) => {}
        }
    }
    let expected = expected.into_iter().map(|(label, value)| (label.to_owned(), value.to_owned())).collect();
    if api::selector::LabelSelector::from_object(selector).is_ok_and(|selector| !selector.matches(&expected)) {
        let why = "`selector` not auto-generated";
        errors.push(FieldError::invalid(&Path::new("spec").child("selector"), shown(selector), why));
    }
}
