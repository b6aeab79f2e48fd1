//! Why something cannot be read or written as protobuf.

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")]
    NoPrefix,
    #[error("no kind {kind:?} is registered for version {api_version:?}")]
    NoMessage { api_version: String, kind: String },
    #[error("{0}")]
    Malformed(String),
}

pub fn malformed(why: impl Into<String>) -> Error {
    Error::Malformed(why.into())
}

impl Error {
    /// The same, seen from around a field.
    pub(super) fn inside(self, field: &str) -> Self {
        match self {
            Self::Malformed(why) => Self::Malformed(format!("{field}: {why}")),
            other => other,
        }
    }
}
