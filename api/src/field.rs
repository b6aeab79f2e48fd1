//! Errors about fields: where, what kind, which value. Shapes and texts are upstream's
//! `apimachinery/pkg/util/validation/field/errors.go`.

use std::fmt::{self, Display};

/// The place of a field inside an object, as clients write it: `spec.ports[0].name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(String);

impl Path {
    pub fn new(root: &str) -> Self {
        Self(root.to_owned())
    }

    pub fn child(&self, name: &str) -> Self {
        // Paths are made for every field that is looked at: this is several times as fast as to format them.
        if self.0.is_empty() { Self(name.to_owned()) } else { Self([&self.0, ".", name].concat()) }
    }

    pub fn index(&self, index: usize) -> Self {
        self.key(&index.to_string())
    }

    /// The entry of a map: `metadata.labels[app]`.
    pub fn key(&self, key: &str) -> Self {
        Self([&self.0, "[", key, "]"].concat())
    }
}

impl Display for Path {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Upstream prints the nil path so.
        out.write_str(if self.0.is_empty() { "<nil>" } else { &self.0 })
    }
}

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorType {
    Required,
    Invalid,
    NotSupported,
    Duplicate,
    Forbidden,
    TooLong,
    TooMany,
    NotFound,
    TypeInvalid,
    Internal,
}

impl ErrorType {
    /// The `reason` of the cause in a Status.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Required => "FieldValueRequired",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Forbidden => "FieldValueForbidden",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::NotFound => "FieldValueNotFound",
            Self::TypeInvalid => "FieldValueTypeInvalid",
            Self::Internal => "InternalError",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Required => "Required value",
            Self::Invalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Duplicate => "Duplicate value",
            Self::Forbidden => "Forbidden",
            Self::TooLong => "Too long",
            Self::TooMany => "Too many",
            Self::NotFound => "Not found",
            Self::TypeInvalid => "Invalid value",
            Self::Internal => "Internal error",
        }
    }
}

/// One field that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    pub kind: ErrorType,
    pub field: String,
    /// The text after the field: `Invalid value: "x": must be …`.
    pub body: String,
}

impl FieldError {
    fn new(kind: ErrorType, path: &Path, value: Option<String>, detail: &str) -> Self {
        let mut body = kind.title().to_owned();
        if let Some(value) = value {
            body = format!("{body}: {value}");
        }
        if !detail.is_empty() {
            body = format!("{body}: {detail}");
        }
        Self { kind, field: path.to_string(), body }
    }

    pub fn required(path: &Path, detail: &str) -> Self {
        Self::new(ErrorType::Required, path, None, detail)
    }

    /// `value` is shown as JSON: strings in quotes, numbers bare.
    pub fn invalid(path: &Path, value: impl Into<serde_json::Value>, detail: impl AsRef<str>) -> Self {
        Self::new(ErrorType::Invalid, path, Some(value.into().to_string()), detail.as_ref())
    }

    /// As `invalid`, where the value would say nothing.
    pub fn invalid_bare(path: &Path, detail: &str) -> Self {
        Self::new(ErrorType::Invalid, path, None, detail)
    }

    pub fn not_supported(path: &Path, value: impl Into<serde_json::Value>, supported: &[&str]) -> Self {
        let list: Vec<String> = supported.iter().map(|value| format!("\"{value}\"")).collect();
        let detail = if list.is_empty() { String::new() } else { format!("supported values: {}", list.join(", ")) };
        Self::new(ErrorType::NotSupported, path, Some(value.into().to_string()), &detail)
    }

    pub fn duplicate(path: &Path, value: impl Into<serde_json::Value>) -> Self {
        Self::new(ErrorType::Duplicate, path, Some(value.into().to_string()), "")
    }

    pub fn forbidden(path: &Path, detail: impl AsRef<str>) -> Self {
        Self::new(ErrorType::Forbidden, path, None, detail.as_ref())
    }

    pub fn too_long(path: &Path, most: usize) -> Self {
        Self::new(ErrorType::TooLong, path, None, &format!("may not be more than {most} bytes"))
    }

    pub fn too_many(path: &Path, actual: usize, most: usize) -> Self {
        Self::new(ErrorType::TooMany, path, Some(actual.to_string()), &format!("must have at most {most} items"))
    }

    pub fn not_found(path: &Path, value: impl Into<serde_json::Value>) -> Self {
        Self::new(ErrorType::NotFound, path, Some(value.into().to_string()), "")
    }
}

impl Display for FieldError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.field, self.body)
    }
}

/// What a validation found, gathered so that a client sees everything at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldErrors(pub Vec<FieldError>);

impl FieldErrors {
    pub fn push(&mut self, error: FieldError) {
        self.0.push(error);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Records what a rule of `names` says of this value.
    pub fn check(&mut self, path: &Path, value: &str, rule: crate::names::NameRule) {
        if let Err(detail) = rule(value) {
            self.push(FieldError::invalid(path, value, detail));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_those_that_clients_compare() {
        let path = Path::new("spec").child("ports").index(0).child("name");
        assert_eq!(
            FieldError::invalid(&path, "X", "must be lower case").to_string(),
            "spec.ports[0].name: Invalid value: \"X\": must be lower case"
        );
        assert_eq!(FieldError::required(&path, "").to_string(), "spec.ports[0].name: Required value");
        assert_eq!(
            FieldError::not_supported(&path, "X", &["A", "B"]).to_string(),
            "spec.ports[0].name: Unsupported value: \"X\": supported values: \"A\", \"B\""
        );
    }
}
