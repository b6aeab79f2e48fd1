//! The one wire error, with the only table of codes.
//!
//! Shapes and texts are upstream's `apimachinery/pkg/api/errors/errors.go`.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ListMeta, Status, StatusCause, StatusDetails};

use crate::field::FieldErrors;
use crate::names::GroupResource;

/// Why a request failed, as `status.reason` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    NotAcceptable,
    AlreadyExists,
    Conflict,
    Expired,
    RequestEntityTooLarge,
    UnsupportedMediaType,
    Invalid,
    TooManyRequests,
    InternalError,
    ServiceUnavailable,
    Timeout,
}

impl Reason {
    /// The table: what clients read in `reason`, and the HTTP code.
    pub fn entry(self) -> (&'static str, u16) {
        match self {
            Self::BadRequest => ("BadRequest", 400),
            Self::Unauthorized => ("Unauthorized", 401),
            Self::Forbidden => ("Forbidden", 403),
            Self::NotFound => ("NotFound", 404),
            Self::MethodNotAllowed => ("MethodNotAllowed", 405),
            Self::NotAcceptable => ("NotAcceptable", 406),
            Self::AlreadyExists => ("AlreadyExists", 409),
            Self::Conflict => ("Conflict", 409),
            Self::Expired => ("Expired", 410),
            Self::RequestEntityTooLarge => ("RequestEntityTooLarge", 413),
            Self::UnsupportedMediaType => ("UnsupportedMediaType", 415),
            Self::Invalid => ("Invalid", 422),
            Self::TooManyRequests => ("TooManyRequests", 429),
            Self::InternalError => ("InternalError", 500),
            Self::ServiceUnavailable => ("ServiceUnavailable", 503),
            Self::Timeout => ("Timeout", 504),
        }
    }

    pub fn code(self) -> u16 {
        self.entry().1
    }
}

/// One of several reasons for a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    pub reason: String,
    pub message: String,
    pub field: String,
}

/// A request that failed. On the wire it is a `Status`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub reason: Reason,
    pub message: String,
    pub details: Option<Box<Details>>,
    /// `metadata.continue` of the Status: where a list whose token expired may go on.
    pub continue_token: Option<String>,
}

/// What a failure is about. `kind` is a resource, except for `Invalid`, where it is a kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    pub name: String,
    pub group: String,
    pub kind: String,
    pub uid: String,
    pub causes: Vec<Cause>,
    pub retry_after_seconds: u32,
}

impl Failure {
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), details: None, continue_token: None }
    }

    fn about(mut self, resource: GroupResource, name: &str) -> Self {
        let details = Details {
            name: name.to_owned(),
            group: resource.group.to_owned(),
            kind: resource.resource.to_owned(),
            ..Details::default()
        };
        self.details = Some(Box::new(details));
        self
    }

    /// Upstream sends `details` with some failures also when there is nothing in them.
    fn with_details(mut self) -> Self {
        self.details.get_or_insert_default();
        self
    }

    /// Adds a cause, which controllers look for: `NamespaceTerminating`, `ResourceVersionTooLarge`.
    pub fn with_cause(mut self, reason: &str, message: impl Into<String>, field: &str) -> Self {
        let cause = Cause { reason: reason.to_owned(), message: message.into(), field: field.to_owned() };
        self.details.get_or_insert_default().causes.push(cause);
        self
    }

    /// Tells the client to try again, after this many seconds.
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.details.get_or_insert_default().retry_after_seconds = seconds;
        self
    }

    pub fn has_cause(&self, reason: &str) -> bool {
        self.details.as_ref().is_some_and(|details| details.causes.iter().any(|cause| cause.reason == reason))
    }

    pub fn code(&self) -> u16 {
        self.reason.code()
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(Reason::BadRequest, message)
    }

    pub fn unauthorized() -> Self {
        Self::new(Reason::Unauthorized, "Unauthorized")
    }

    /// `pods "x" is forbidden: <why>`.
    pub fn forbidden(resource: GroupResource, name: &str, why: impl fmt::Display) -> Self {
        let subject = if name.is_empty() { resource.to_string() } else { format!("{resource} \"{name}\"") };
        Self::new(Reason::Forbidden, format!("{subject} is forbidden: {why}")).about(resource, name)
    }

    pub fn not_found(resource: GroupResource, name: &str) -> Self {
        Self::new(Reason::NotFound, format!("{resource} \"{name}\" not found")).about(resource, name)
    }

    /// The answer to a path that names no resource that is served.
    pub fn unknown_resource() -> Self {
        Self::new(Reason::NotFound, "the server could not find the requested resource").with_details()
    }

    pub fn already_exists(resource: GroupResource, name: &str) -> Self {
        Self::new(Reason::AlreadyExists, format!("{resource} \"{name}\" already exists")).about(resource, name)
    }

    /// `Operation cannot be fulfilled on pods "x": <why>`.
    pub fn conflict(resource: GroupResource, name: &str, why: impl fmt::Display) -> Self {
        let message = format!("Operation cannot be fulfilled on {resource} \"{name}\": {why}");
        Self::new(Reason::Conflict, message).about(resource, name)
    }

    /// The conflict of somebody who changes what has since been changed by somebody else.
    pub fn modified(resource: GroupResource, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(resource, name, why)
    }

    /// `Deployment.apps "x" is invalid: spec.replicas: Invalid value: …`.
    pub fn invalid(group: &str, kind: &str, name: &str, errors: FieldErrors) -> Self {
        let subject = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let list: Vec<String> = errors.0.iter().map(ToString::to_string).collect();
        let list = if list.len() == 1 { list.concat() } else { format!("[{}]", list.join(", ")) };
        let causes = errors.0.into_iter().map(|error| Cause {
            reason: error.kind.reason().to_owned(),
            message: error.body,
            field: error.field,
        });
        let details = Details {
            name: name.to_owned(),
            group: group.to_owned(),
            kind: kind.to_owned(),
            causes: causes.collect(),
            ..Details::default()
        };
        let mut failure = Self::new(Reason::Invalid, format!("{subject} \"{name}\" is invalid: {list}"));
        failure.details = Some(Box::new(details));
        failure
    }

    pub fn method_not_allowed() -> Self {
        let text = "the server does not allow this method on the requested resource";
        Self::new(Reason::MethodNotAllowed, text).with_details()
    }

    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(Reason::Expired, message)
    }

    /// A watch that asks for a past which is no longer kept.
    pub fn too_old(asked: u64, oldest: u64) -> Self {
        Self::expired(format!("too old resource version: {asked} ({oldest})"))
    }

    /// What took too long.
    pub fn timeout(what: impl fmt::Display) -> Self {
        Self::new(Reason::Timeout, format!("Timeout: {what}")).with_details()
    }

    /// A refusal for now. Clients that are told after how many seconds to come again do so by themselves; with 0 it is
    /// left to whoever asked.
    pub fn too_many_requests(why: impl Into<String>, seconds: u32) -> Self {
        Self::new(Reason::TooManyRequests, why).retry_after(seconds)
    }

    /// A read of a revision that is not there yet.
    pub fn too_large(asked: u64, current: u64) -> Self {
        Self::timeout(format!("Too large resource version: {asked}, current: {current}"))
            .with_cause("ResourceVersionTooLarge", "Too large resource version", "")
            .retry_after(1)
    }

    /// Our own fault. The text says what was being done, never what was in an object.
    pub fn internal(what: impl fmt::Display) -> Self {
        let what = what.to_string();
        Self::new(Reason::InternalError, format!("Internal error occurred: {what}")).with_cause("", what, "")
    }

    /// The Status that is sent.
    pub fn status(&self) -> Status {
        let (reason, code) = self.reason.entry();
        let text = |value: &str| (!value.is_empty()).then(|| value.to_owned());
        Status {
            metadata: ListMeta { continue_: self.continue_token.clone(), ..ListMeta::default() },
            status: Some("Failure".to_owned()),
            message: Some(self.message.clone()),
            reason: Some(reason.to_owned()),
            code: Some(i32::from(code)),
            details: self.details.as_deref().map(|details| StatusDetails {
                name: text(&details.name),
                group: text(&details.group),
                kind: text(&details.kind),
                uid: text(&details.uid),
                causes: (!details.causes.is_empty()).then(|| {
                    let cause = |cause: &Cause| StatusCause {
                        field: text(&cause.field),
                        message: text(&cause.message),
                        reason: text(&cause.reason),
                    };
                    details.causes.iter().map(cause).collect()
                }),
                retry_after_seconds: (details.retry_after_seconds > 0)
                    .then(|| i32::try_from(details.retry_after_seconds).unwrap_or(i32::MAX)),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::{FieldError, Path};

    const PODS: GroupResource = GroupResource { group: "", resource: "pods" };
    const DEPLOYMENTS: GroupResource = GroupResource { group: "apps", resource: "deployments" };

    #[test]
    fn messages_are_those_that_clients_compare() {
        assert_eq!(Failure::not_found(PODS, "x").message, "pods \"x\" not found");
        assert_eq!(Failure::already_exists(DEPLOYMENTS, "x").message, "deployments.apps \"x\" already exists");
        assert_eq!(
            Failure::modified(DEPLOYMENTS, "x").message,
            "Operation cannot be fulfilled on deployments.apps \"x\": the object has been modified; \
             please apply your changes to the latest version and try again"
        );
        let mut errors = FieldErrors::default();
        errors.push(FieldError::required(&Path::new("spec").child("a"), ""));
        errors.push(FieldError::required(&Path::new("spec").child("b"), ""));
        assert_eq!(
            Failure::invalid("apps", "Deployment", "x", errors).message,
            "Deployment.apps \"x\" is invalid: [spec.a: Required value, spec.b: Required value]"
        );
    }

    #[test]
    fn every_reason_has_its_code() {
        for (reason, name, code) in [
            (Reason::BadRequest, "BadRequest", 400),
            (Reason::Unauthorized, "Unauthorized", 401),
            (Reason::Forbidden, "Forbidden", 403),
            (Reason::NotFound, "NotFound", 404),
            (Reason::MethodNotAllowed, "MethodNotAllowed", 405),
            (Reason::NotAcceptable, "NotAcceptable", 406),
            (Reason::AlreadyExists, "AlreadyExists", 409),
            (Reason::Conflict, "Conflict", 409),
            (Reason::Expired, "Expired", 410),
            (Reason::RequestEntityTooLarge, "RequestEntityTooLarge", 413),
            (Reason::UnsupportedMediaType, "UnsupportedMediaType", 415),
            (Reason::Invalid, "Invalid", 422),
            (Reason::TooManyRequests, "TooManyRequests", 429),
            (Reason::InternalError, "InternalError", 500),
            (Reason::ServiceUnavailable, "ServiceUnavailable", 503),
            (Reason::Timeout, "Timeout", 504),
        ] {
            assert_eq!(reason.entry(), (name, code));
        }
    }

    #[test]
    fn our_own_fault_is_told_as_a_cause() {
        let status = serde_json::to_value(Failure::internal("read x").status()).unwrap();
        assert_eq!(status["message"], "Internal error occurred: read x");
        assert_eq!(status["details"], serde_json::json!({"causes": [{"message": "read x"}]}));
    }

    #[test]
    fn a_status_says_reason_code_and_causes() {
        let status = serde_json::to_value(Failure::too_large(9, 3).status()).unwrap();
        assert_eq!(status["kind"], "Status");
        assert_eq!(status["code"], 504);
        assert_eq!(status["details"]["causes"][0]["reason"], "ResourceVersionTooLarge");
        assert_eq!(status["details"]["retryAfterSeconds"], 1);
    }
}
