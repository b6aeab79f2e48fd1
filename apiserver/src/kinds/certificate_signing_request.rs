//! CertificateSigningRequest: somebody wants a certificate, others agree, a third signs.

use std::collections::BTreeSet;

use api::field::{FieldError, FieldErrors, Path};
use api::names::{self, NameRule};
use k8s_openapi::ByteString;
use k8s_openapi::api::certificates::v1::{
    CertificateSigningRequest, CertificateSigningRequestCondition, CertificateSigningRequestStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::kinds::certificates;
use crate::kinds::difference;
use crate::kinds::facts::{FieldLabel, STATUS, Subresource};
use crate::kinds::kind::{Column, Kind};
use crate::kinds::rules::{CONDITION_STATUSES, required_and_supported, shown, supported, text};
use crate::kinds::table::{NONE, age_column, human_duration, name_column, or_none};

const APPROVAL: Subresource = Subresource { name: "approval", ..STATUS };
const APPROVED: &str = "Approved";
const DENIED: &str = "Denied";
const FAILED: &str = "Failed";
const LEGACY_SIGNER: &str = "kubernetes.io/legacy-unknown";
const SHORTEST: i32 = 600;
const USAGES: &[&str] = &[
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];

impl Kind for CertificateSigningRequest {
    const SHORT_NAMES: &'static [&'static str] = &["csr"];
    const SUBRESOURCES: &'static [Subresource] = &[APPROVAL, STATUS];
    const NAME_RULE: NameRule = names::path_segment;
    const FIELD_LABELS: &'static [FieldLabel] =
        &[FieldLabel { label: "spec.signerName", path: &["spec", "signerName"], default: "" }];
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        age_column(),
        Column::new("SignerName", "string", "Who is to sign.", |request, _| or_none(&request.spec.signer_name).into()),
        Column::new("Requestor", "string", "Who asks.", |request, _| text(&request.spec.username).into()),
        Column::new("RequestedDuration", "string", "How long the certificate is to last.", |request, _| {
            let seconds = request.spec.expiration_seconds.map(i64::from);
            seconds.map_or_else(|| NONE.to_owned(), human_duration).into()
        }),
        Column::new("Condition", "string", "How far it is.", |request, _| state(request).into()),
    ];

    fn fill_defaults(&mut self) {
        self.status.get_or_insert_default();
    }

    fn before_create(&mut self) {
        self.status = Some(CertificateSigningRequestStatus::default());
    }

    fn before_update(&mut self, old: &Self) {
        self.spec = old.spec.clone();
        self.status = old.status.clone();
    }

    /// Who approves does not sign, and who signs does not approve.
    fn before_subresource_update(&mut self, subresource: &str, old: &Self) {
        self.spec = old.spec.clone();
        if subresource == APPROVAL.name {
            self.status.get_or_insert_default().certificate = certificate(old).cloned();
        }
    }

    fn set_times(&mut self, old: Option<&Self>, now: &Time) {
        let Some(old) = old else { return };
        for condition in self.status.iter_mut().flat_map(|status| status.conditions.iter_mut().flatten()) {
            condition.last_update_time.get_or_insert_with(|| now.clone());
            let same = |known: &&CertificateSigningRequestCondition| {
                known.type_ == condition.type_ && known.status == condition.status
            };
            let known = conditions(old).iter().find(same).and_then(|known| known.last_transition_time.clone());
            condition.last_transition_time.get_or_insert_with(|| known.unwrap_or_else(|| now.clone()));
        }
    }

    fn validate(&self, errors: &mut FieldErrors) {
        validate_spec(self, errors);
    }

    fn validate_subresource_update(&self, subresource: &str, old: &Self, errors: &mut FieldErrors) {
        validate_conditions(self, old, errors);
        let path = Path::new("status").child("conditions");
        for kind in [APPROVED, DENIED, FAILED] {
            let (new, old) = (of_kind(self, kind), of_kind(old, kind));
            if new.len() < old.len() {
                let why = format!("updates may not remove a condition of type {kind:?}");
                errors.push(FieldError::forbidden(&path, why));
            } else if subresource != APPROVAL.name && kind != FAILED && new != old {
                let why = if new.len() > old.len() {
                    format!("updates may not add a condition of type {kind:?}")
                } else {
                    let changed = difference::between(&old, &new);
                    format!("updates may not modify a condition of type {kind:?}\n{changed}")
                };
                errors.push(FieldError::forbidden(&path, why));
            }
        }
        let (new, old) = (certificate(self), certificate(old));
        if new != old {
            let path = Path::new("status").child("certificate");
            if let Err(why) = certificates::check_chain(new.map(|new| new.0.as_slice()).unwrap_or_default()) {
                errors.push(FieldError::invalid(&path, "<certificate data>", why));
            }
            if old.is_some_and(|old| !old.0.is_empty()) {
                errors.push(FieldError::forbidden(&path, "updates may not modify existing certificate content"));
            }
        }
    }
}

fn conditions(request: &CertificateSigningRequest) -> &[CertificateSigningRequestCondition] {
    request.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default()
}

fn certificate(request: &CertificateSigningRequest) -> Option<&ByteString> {
    request.status.as_ref()?.certificate.as_ref()
}

fn of_kind<'a>(request: &'a CertificateSigningRequest, kind: &str) -> Vec<&'a CertificateSigningRequestCondition> {
    conditions(request).iter().filter(|condition| condition.type_ == kind).collect()
}

fn state(request: &CertificateSigningRequest) -> String {
    let has = |kind: &str| !of_kind(request, kind).is_empty();
    let mut state = match (has(DENIED), has(APPROVED)) {
        (true, _) => DENIED,
        (false, true) => APPROVED,
        (false, false) => "Pending",
    }
    .to_owned();
    if has(FAILED) {
        state.push_str(",Failed");
    }
    if certificate(request).is_some_and(|certificate| !certificate.0.is_empty()) {
        state.push_str(",Issued");
    }
    state
}

fn validate_spec(request: &CertificateSigningRequest, errors: &mut FieldErrors) {
    let (spec, path) = (&request.spec, Path::new("spec"));
    if let Err(why) = certificates::check_request(&spec.request.0) {
        errors.push(FieldError::invalid(&path.child("request"), shown(&spec.request), why));
    }
    let usages = spec.usages.as_deref().unwrap_or_default();
    let usages_path = path.child("usages");
    if usages.is_empty() {
        errors.push(FieldError::required(&usages_path, ""));
    }
    let mut seen = BTreeSet::new();
    for (index, usage) in usages.iter().enumerate() {
        supported(errors, &usages_path.index(index), usage, USAGES);
        if !seen.insert(usage) {
            errors.push(FieldError::duplicate(&usages_path.index(index), usage.as_str()));
        }
    }
    let signer_path = path.child("signerName");
    if spec.signer_name == LEGACY_SIGNER {
        let why = "the legacy signerName is not allowed via this API version";
        errors.push(FieldError::invalid(&signer_path, LEGACY_SIGNER, why));
    } else {
        certificates::signer_name(&spec.signer_name, &signer_path, errors);
    }
    if let Some(seconds) = spec.expiration_seconds.filter(|seconds| *seconds < SHORTEST) {
        let why = "may not specify a duration less than 600 seconds (10 minutes)";
        errors.push(FieldError::invalid(&path.child("expirationSeconds"), seconds, why));
    }
}

fn validate_conditions(request: &CertificateSigningRequest, old: &CertificateSigningRequest, errors: &mut FieldErrors) {
    let path = Path::new("status").child("conditions");
    let is_decided = |request: &CertificateSigningRequest, kind: &str| !of_kind(request, kind).is_empty();
    // What is stored already is not held against whoever changes something else.
    let may_be_both = is_decided(old, APPROVED) && is_decided(old, DENIED);
    let mut seen = BTreeSet::new();
    for (index, condition) in conditions(request).iter().enumerate() {
        let (list_path, path, kind) = (&path, path.index(index), condition.type_.as_str());
        if kind.is_empty() {
            errors.push(FieldError::required(&path.child("type"), ""));
        }
        let statuses = if [APPROVED, DENIED, FAILED].contains(&kind) { &["True"][..] } else { CONDITION_STATUSES };
        required_and_supported(errors, &path.child("status"), &condition.status, statuses);
        let opposite = match kind {
            APPROVED => Some(DENIED),
            DENIED => Some(APPROVED),
            _ => None,
        };
        if opposite.is_some_and(|opposite| seen.contains(opposite)) && !may_be_both {
            let why = "Approved and Denied conditions are mutually exclusive";
            errors.push(FieldError::invalid(list_path, kind, why));
        }
        if !seen.insert(kind) {
            errors.push(FieldError::duplicate(&path.child("type"), kind));
        }
    }
}
