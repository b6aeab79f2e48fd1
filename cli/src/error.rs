//! What can go wrong in a command, in the words that kubectl uses.

use std::io;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Status, StatusCause};

/// Why a command failed. One per line is printed on standard error; the exit code is 1.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The server answered with a failure.
    #[error("{}", server_text(.0))]
    Server(Box<Status>),
    /// The server did not answer.
    #[error("{0}")]
    Connection(String),
    /// The fault lies on this side: in the arguments, in a file.
    #[error("{0}")]
    Local(String),
    /// Several things went wrong, and each of them is told.
    #[error("{} errors", .0.len())]
    Several(Vec<CliError>),
    /// The output could not be written.
    #[error("write output: {0}")]
    Output(#[from] io::Error),
    /// All has been said already.
    #[error("failed")]
    Told,
}

impl CliError {
    pub fn local(message: impl Into<String>) -> Self {
        Self::Local(message.into())
    }

    /// A mistake in the arguments, with a pointer to the help of that command.
    pub fn usage(command: &str, message: impl std::fmt::Display) -> Self {
        Self::Local(format!("{message}\nSee 'skiff {command} -h' for help and examples"))
    }

    /// None, the one, or all of them.
    pub fn gather(mut errors: Vec<Self>) -> Result<(), Self> {
        match errors.len() {
            0 => Ok(()),
            1 => Err(errors.remove(0)),
            _ => Err(Self::Several(errors)),
        }
    }

    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Server(status) => Some(status),
            _ => None,
        }
    }

    fn has_reason(&self, reason: &str) -> bool {
        self.status().is_some_and(|status| status.reason.as_deref() == Some(reason))
    }

    pub fn is_not_found(&self) -> bool {
        self.has_reason("NotFound")
    }

    pub fn is_conflict(&self) -> bool {
        self.has_reason("Conflict")
    }

    pub fn is_invalid(&self) -> bool {
        self.has_reason("Invalid")
    }

    /// The server's own words, where they stand inside of another text.
    pub fn status_message(&self) -> String {
        match self.status() {
            Some(status) => status.message.clone().unwrap_or_default(),
            None => self.to_string(),
        }
    }

    /// The reader of our output has gone, as `head` does: nothing to complain about.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Says what was being done, and with which file: `error when creating "web.yaml": …`.
    pub fn while_doing(self, verb: &str, source: &str) -> Self {
        match self {
            Self::Server(mut status) => {
                let message = status.message.take().unwrap_or_default();
                status.message = Some(format!("error when {verb} {source:?}: {message}"));
                Self::Server(status)
            }
            Self::Local(message) => Self::Local(format!("error when {verb} {source:?}: {message}")),
            other => other,
        }
    }

    /// Says which list could not be read: `Unable to list "apps/v1, Resource=deployments": …`.
    pub fn while_listing(self, what: &str, labels: &str, fields: &str) -> Self {
        let is_told = self.is_not_found() || self.has_reason("BadRequest");
        match self {
            Self::Server(mut status) if is_told => {
                let message = status.message.take().unwrap_or_default();
                let about = if labels.is_empty() && fields.is_empty() {
                    format!("list {what:?}")
                } else {
                    format!("find {what:?} that match label selector {labels:?}, field selector {fields:?}")
                };
                status.message = Some(format!("Unable to {about}: {message}"));
                Self::Server(status)
            }
            other => other,
        }
    }

    /// What is printed when this alone went wrong.
    pub fn report(&self) -> String {
        match self {
            Self::Server(status) if self.is_invalid() => invalid_text(status),
            Self::Local(message) if message.starts_with("error: ") => message.clone(),
            Self::Local(_) | Self::Output(_) => format!("error: {self}"),
            Self::Several(errors) => errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
            Self::Server(_) | Self::Connection(_) | Self::Told => self.to_string(),
        }
    }
}

/// Errors of our own parts, chain and all.
impl From<anyhow::Error> for CliError {
    fn from(error: anyhow::Error) -> Self {
        Self::Local(format!("{error:#}"))
    }
}

fn server_text(status: &Status) -> String {
    let message = status.message.as_deref().unwrap_or_default();
    match status.reason.as_deref().unwrap_or_default() {
        "" => format!("Error from server: {message}"),
        "Unauthorized" => format!("error: You must be logged in to the server ({message})"),
        reason => format!("Error from server ({reason}): {message}"),
    }
}

/// `The Deployment "x" is invalid: spec.replicas: …`, or a starred list of several causes.
fn invalid_text(status: &Status) -> String {
    let message = status.message.as_deref().unwrap_or_default();
    let Some(details) = status.details.as_ref() else {
        return format!("The request is invalid: {message}");
    };
    let (kind, name) = (details.kind.as_deref().unwrap_or_default(), details.name.as_deref().unwrap_or_default());
    let causes = distinct_causes(details.causes.as_deref().unwrap_or_default());
    let subject = if !kind.is_empty() || !name.is_empty() {
        format!("The {kind} {name:?} is invalid")
    } else if causes.is_empty() {
        format!("The request is invalid: {message}")
    } else {
        "The request is invalid".to_owned()
    };
    match causes.as_slice() {
        [] => subject,
        [cause] => format!("{subject}: {cause}"),
        several => {
            let lines: Vec<String> = several.iter().map(|cause| format!("* {cause}")).collect();
            format!("{subject}: \n{}", lines.join("\n"))
        }
    }
}

fn distinct_causes(causes: &[StatusCause]) -> Vec<String> {
    let mut lines = Vec::new();
    for cause in causes {
        let (field, message) =
            (cause.field.as_deref().unwrap_or_default(), cause.message.as_deref().unwrap_or_default());
        let line = format!("{field}: {message}");
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn server(status: serde_json::Value) -> CliError {
        CliError::Server(Box::new(serde_json::from_value(status).unwrap()))
    }

    #[test]
    fn a_failure_of_the_server_names_its_reason() {
        let error = server(json!({"reason": "NotFound", "message": "pods \"x\" not found", "code": 404}));
        assert_eq!(error.report(), "Error from server (NotFound): pods \"x\" not found");
        let error = server(json!({"reason": "AlreadyExists", "message": "pods \"x\" already exists"}));
        assert_eq!(
            error.while_doing("creating", "a.yaml").report(),
            "Error from server (AlreadyExists): error when creating \"a.yaml\": pods \"x\" already exists"
        );
    }

    #[test]
    fn an_invalid_object_is_told_by_its_causes() {
        let mut status = json!({
            "reason": "Invalid",
            "message": "Deployment.apps \"x\" is invalid: …",
            "details": {"kind": "Deployment", "name": "x", "causes": [{"field": "spec.a", "message": "Required value"}]},
        });
        assert_eq!(server(status.clone()).report(), "The Deployment \"x\" is invalid: spec.a: Required value");
        status["details"]["causes"] = json!([
            {"field": "spec.a", "message": "Required value"},
            {"field": "spec.b", "message": "Required value"},
            {"field": "spec.a", "message": "Required value"},
        ]);
        assert_eq!(
            server(status).report(),
            "The Deployment \"x\" is invalid: \n* spec.a: Required value\n* spec.b: Required value"
        );
    }

    #[test]
    fn only_a_single_local_error_is_called_an_error() {
        assert_eq!(CliError::local("no").report(), "error: no");
        let several = CliError::gather(vec![CliError::local("a"), CliError::local("b")]).unwrap_err();
        assert_eq!(several.report(), "a\nb");
        assert!(CliError::gather(Vec::new()).is_ok());
    }
}
