//! What `metadata` may say, and which of it is the server's: the same for all kinds.

use api::failure::Failure;
use api::field::{ErrorType, FieldError, FieldErrors, Path};
use api::names;
use api::well_known::finalizer;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use uuid::Uuid;

use crate::kinds::facts::Facts;
use crate::kinds::rules;

/// Fills what the server decides about a new object. Its name may still be missing.
pub fn begin(facts: &Facts, namespace: Option<&str>, now: Timestamp, metadata: &mut ObjectMeta) -> Result<(), Failure> {
    if metadata.resource_version.as_deref().is_some_and(|revision| !revision.is_empty()) {
        return Err(Failure::bad_request("resourceVersion should not be set on objects to be created"));
    }
    set_namespace(facts, namespace, metadata)?;
    metadata.uid = Some(Uuid::new_v4().to_string());
    metadata.creation_timestamp = Some(Time(now));
    metadata.deletion_timestamp = None;
    metadata.deletion_grace_period_seconds = None;
    metadata.generation = facts.flags.counts_generations.then_some(1);
    drop_server_notes(metadata);
    Ok(())
}

fn drop_server_notes(metadata: &mut ObjectMeta) {
    metadata.self_link = None;
    metadata.resource_version = None;
}

/// The namespace is the one of the request; a body may repeat it.
pub fn set_namespace(facts: &Facts, namespace: Option<&str>, metadata: &mut ObjectMeta) -> Result<(), Failure> {
    if !facts.namespaced {
        metadata.namespace = None;
        return Ok(());
    }
    let wanted = namespace.unwrap_or_default();
    match metadata.namespace.as_deref() {
        None | Some("") => metadata.namespace = Some(wanted.to_owned()),
        Some(given) if given == wanted => {}
        Some(_) => {
            let why = "the namespace of the provided object does not match the namespace sent on the request";
            return Err(Failure::bad_request(why));
        }
    }
    Ok(())
}

const SUFFIX_LENGTH: usize = 5;
const LONGEST_BASE: usize = 63 - SUFFIX_LENGTH;

/// `base` with a random end.
pub fn generated_name(base: &str) -> String {
    const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    let random = Uuid::new_v4().as_u128();
    let cut = base.char_indices().map(|(at, _)| at).take_while(|at| *at <= LONGEST_BASE).last().unwrap_or(0);
    let mut name = if base.len() > LONGEST_BASE { base[..cut].to_owned() } else { base.to_owned() };
    // The middle bits of a random UUID are its version; those at both ends are random.
    for place in 0..SUFFIX_LENGTH {
        let byte = (random >> (8 * place)) as u8;
        name.push(char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
    }
    name
}

/// Gives the new state of an object what a client cannot change, or may leave out.
pub fn carry_over(
    facts: &Facts,
    namespace: Option<&str>,
    old: &ObjectMeta,
    new: &mut ObjectMeta,
) -> Result<(), Failure> {
    set_namespace(facts, namespace, new)?;
    match new.uid.as_deref() {
        None | Some("") => new.uid = old.uid.clone(),
        Some(uid) if Some(uid) == old.uid.as_deref() => {}
        Some(uid) => {
            let name = old.name.as_deref().unwrap_or_default();
            let known = old.uid.as_deref().unwrap_or_default();
            let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {known}");
            return Err(Failure::conflict(facts.resource(), name, why));
        }
    }
    if new.creation_timestamp.is_none() {
        new.creation_timestamp = old.creation_timestamp.clone();
    }
    if old.deletion_timestamp.is_some() {
        new.deletion_timestamp = old.deletion_timestamp.clone();
    }
    if new.deletion_grace_period_seconds.is_none() {
        new.deletion_grace_period_seconds = old.deletion_grace_period_seconds;
    }
    new.generation = old.generation;
    drop_server_notes(new);
    Ok(())
}

/// The rules for every object, new or changed.
pub fn validate(facts: &Facts, metadata: &ObjectMeta, errors: &mut FieldErrors) {
    let path = Path::new("metadata");
    let base = rules::text(&metadata.generate_name);
    if !base.is_empty()
        && let Err(why) = (facts.name_rule)(&masked(base))
    {
        errors.push(FieldError::invalid(&path.child("generateName"), base, why));
    }
    match rules::text(&metadata.name) {
        "" if base.is_empty() => {
            errors.push(FieldError::required(&path.child("name"), "name or generateName is required"));
        }
        "" => {}
        name => errors.check(&path.child("name"), name, facts.name_rule),
    }
    if facts.namespaced {
        match rules::text(&metadata.namespace) {
            "" => errors.push(FieldError::required(&path.child("namespace"), "")),
            namespace => errors.check(&path.child("namespace"), namespace, names::dns_label),
        }
    }
    if let Some(labels) = &metadata.labels {
        rules::labels(errors, &path.child("labels"), labels);
    }
    if let Some(annotations) = &metadata.annotations {
        rules::annotations(errors, &path.child("annotations"), annotations);
    }
    validate_owners(metadata.owner_references.as_deref().unwrap_or_default(), &path.child("ownerReferences"), errors);
    validate_finalizers(metadata.finalizers.as_deref().unwrap_or_default(), &path.child("finalizers"), errors);
}

/// A prefix ends in `-`, which a whole name may not.
fn masked(base: &str) -> String {
    match base.strip_suffix('-') {
        Some(rest) if !rest.is_empty() => format!("{rest}a"),
        _ => base.to_owned(),
    }
}

fn validate_owners(owners: &[OwnerReference], path: &Path, errors: &mut FieldErrors) {
    for (index, owner) in owners.iter().enumerate() {
        let path = path.index(index);
        for (field, value) in
            [("apiVersion", &owner.api_version), ("kind", &owner.kind), ("name", &owner.name), ("uid", &owner.uid)]
        {
            if value.is_empty() {
                errors.push(FieldError::invalid(&path.child(field), "", "must not be empty"));
            }
        }
        if owner.kind == "Event" && matches!(owner.api_version.as_str(), "v1" | "events.k8s.io/v1") {
            let why = format!("{}, Kind=Event is disallowed from being an owner", owner.api_version);
            errors.push(FieldError::invalid(&path, rules::shown(owner), why));
        }
    }
    let controllers: Vec<&OwnerReference> = owners.iter().filter(|owner| owner.controller == Some(true)).collect();
    if let [first, second, ..] = controllers[..] {
        let why = format!(
            "Only one reference can have Controller set to true. Found \"true\" in references for {} and {}",
            first.name, second.name
        );
        errors.push(FieldError::invalid(path, rules::shown(&owners), why));
    }
}

fn validate_finalizers(finalizers: &[String], path: &Path, errors: &mut FieldErrors) {
    const STANDARD: [&str; 3] = [finalizer::KUBERNETES, finalizer::ORPHAN, finalizer::FOREGROUND];
    for (index, name) in finalizers.iter().enumerate() {
        errors.check(path, name, names::qualified_name);
        if !name.contains('/') && !STANDARD.contains(&name.as_str()) {
            let why = "name is neither a standard finalizer name nor is it fully qualified";
            errors.push(FieldError::invalid(&path.index(index), name.as_str(), why));
        }
    }
    let has = |name: &str| finalizers.iter().any(|finalizer| finalizer == name);
    if has(finalizer::ORPHAN) && has(finalizer::FOREGROUND) {
        let why = "finalizer set orphan and foregroundDeletion cannot be both set";
        errors.push(FieldError::invalid(path, rules::shown(&finalizers), why));
    }
}

/// The rules for what may change.
pub fn validate_update(old: &ObjectMeta, new: &ObjectMeta, errors: &mut FieldErrors) {
    let path = Path::new("metadata");
    rules::immutable(errors, &path.child("name"), &new.name, &old.name);
    rules::immutable(errors, &path.child("namespace"), &new.namespace, &old.namespace);
    rules::immutable(errors, &path.child("creationTimestamp"), &new.creation_timestamp, &old.creation_timestamp);
    rules::immutable(errors, &path.child("deletionTimestamp"), &new.deletion_timestamp, &old.deletion_timestamp);
    let (grace, old_grace) = (new.deletion_grace_period_seconds, old.deletion_grace_period_seconds);
    rules::immutable(errors, &path.child("deletionGracePeriodSeconds"), &grace, &old_grace);
    if old.deletion_timestamp.is_some() {
        let known = old.finalizers.as_deref().unwrap_or_default();
        let added: Vec<String> = new
            .finalizers
            .iter()
            .flatten()
            .filter(|name| !known.contains(name))
            .map(|name| format!("{name:?}"))
            .collect();
        if !added.is_empty() {
            let why = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                added.join(", ")
            );
            errors.push(FieldError::forbidden(&path.child("finalizers"), why));
        }
    }
}

/// The refusal of an update that must say which revision it changes. The value is shown as upstream shows it.
pub fn revision_required() -> FieldError {
    FieldError {
        kind: ErrorType::Invalid,
        field: "metadata.resourceVersion".to_owned(),
        body: "Invalid value: 0x0: must be specified for an update".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_name_keeps_its_base_and_fits() {
        let name = generated_name("web-");
        assert!(name.starts_with("web-") && name.len() == 9);
        assert!(names::dns_label(&name).is_ok());
        assert_ne!(generated_name("web-"), name);
        assert_eq!(generated_name(&"x".repeat(80)).len(), 63);
        assert!(generated_name(&"ä".repeat(80)).len() <= 63);
    }

    #[test]
    fn what_the_server_owns_is_kept() {
        let facts = crate::kinds::KINDS[0].facts();
        let old = ObjectMeta {
            uid: Some("u".into()),
            generation: Some(3),
            creation_timestamp: Some(Time(Timestamp::UNIX_EPOCH)),
            ..ObjectMeta::default()
        };
        let mut new = ObjectMeta { generation: Some(9), ..ObjectMeta::default() };
        carry_over(facts, Some("n"), &old, &mut new).unwrap();
        assert_eq!((new.uid.as_deref(), new.generation), (Some("u"), Some(3)));
        assert_eq!(new.creation_timestamp, old.creation_timestamp);
        let mut other = ObjectMeta { uid: Some("v".into()), ..ObjectMeta::default() };
        assert_eq!(carry_over(facts, Some("n"), &old, &mut other).unwrap_err().code(), 409);
    }
}
