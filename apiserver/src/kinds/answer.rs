//! Kinds that are questions: they are created, answered and forgotten. What an answer may ask of the server in turn.

use api::failure::Failure;
use jiff::Timestamp;

use crate::context::User;

/// Fills an object's status. The object has passed its rules.
pub type Answer<K> = fn(&mut K, &Asked<'_>) -> Result<(), Failure>;

/// The circumstances of a question.
pub struct Asked<'a> {
    pub user: &'a User,
    pub now: Timestamp,
    pub judge: &'a dyn Judge,
    pub tokens: &'a dyn Tokens,
}

/// Something that somebody may be allowed to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Right {
    Resource(ResourceRight),
    Path { verb: String, path: String },
}

/// A verb on a resource. An empty namespace stands for all of them, an empty name for any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceRight {
    pub verb: String,
    pub group: String,
    pub version: String,
    pub namespace: String,
    pub resource: String,
    pub subresource: String,
    pub name: String,
}

/// Knows who may do what.
pub trait Judge: Send + Sync {
    fn judge(&self, user: &User, right: &Right) -> Verdict;
    /// Everything that the user may do in a namespace, as far as that can be listed.
    fn rules(&self, user: &User, namespace: &str) -> Rules;
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    pub allowed: bool,
    /// Why, or empty.
    pub reason: String,
}

/// What somebody may do, as rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    pub resources: Vec<ResourceRule>,
    pub paths: Vec<PathRule>,
    /// Why the list is not all, or empty.
    pub gap: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceRule {
    pub verbs: Vec<String>,
    pub groups: Vec<String>,
    pub resources: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathRule {
    pub verbs: Vec<String>,
    pub paths: Vec<String>,
}

impl Rules {
    /// Everything.
    pub fn all() -> Self {
        let any = || vec!["*".to_owned()];
        Self {
            resources: vec![ResourceRule { verbs: any(), groups: any(), resources: any() }],
            paths: vec![PathRule { verbs: any(), paths: any() }],
            gap: String::new(),
        }
    }
}

/// Knows whose a bearer token is.
pub trait Tokens: Send + Sync {
    /// None for a token that nobody has. No audiences stand for the server's own.
    fn owner(&self, token: &str, audiences: &[String]) -> Option<Owner>;
}

/// Who has a token, and for which of the audiences asked about it is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    pub user: User,
    pub audiences: Vec<String>,
}
