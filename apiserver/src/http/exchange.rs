//! One request on its way through the filters: who asks, for what, and what is noted about it.

use std::sync::Arc;
use std::time::Duration;

use api::selector::FieldSelector;
use http::Method;
use http::request::Parts;
use tokio::time::Instant;

use crate::context::{User, Warnings};
use crate::http::content::accept::Accepted;
use crate::http::path::{self, ApiPath, Target};
use crate::http::query::Query;
use crate::http::streaming;
use crate::kinds::erased::KindRef;
use crate::registry::Registry;

/// What a request wants done, in the words of authorization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
    DeleteCollection,
    /// A method that no resource has.
    Other,
}

impl Verb {
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
            Self::Other => "other",
        }
    }

    /// The verb of this name; `Other` for those that no request has.
    pub fn named(name: &str) -> Self {
        let all = [
            Self::Get,
            Self::List,
            Self::Watch,
            Self::Create,
            Self::Update,
            Self::Patch,
            Self::Delete,
            Self::DeleteCollection,
        ];
        all.into_iter().find(|verb| verb.name() == name).unwrap_or(Self::Other)
    }

    /// As metrics spell it.
    pub fn metric_name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::List => "LIST",
            Self::Watch => "WATCH",
            Self::Create => "POST",
            Self::Update => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::DeleteCollection => "DELETECOLLECTION",
            Self::Other => "other",
        }
    }

    pub fn is_read(self) -> bool {
        matches!(self, Self::Get | Self::List | Self::Watch)
    }
}

/// What a request asks for. Authorizers decide by this and by the user alone.
#[derive(Debug, Clone)]
pub struct Attributes {
    pub verb: Verb,
    /// Set for everything below a version of the API; else only the path counts.
    pub target: Option<Target>,
    pub path: String,
}

/// Below this, agents open the ways back to their nodes.
pub const TUNNELS: &str = "/skiff/v1/nodes/";

/// A request, as filters and handlers see it.
pub struct Exchange {
    pub attributes: Attributes,
    pub place: ApiPath,
    pub kind: Option<KindRef>,
    pub audit_id: String,
    pub user: Arc<User>,
    pub started: Instant,
    /// How long the client waits for an answer, if it says so.
    pub patience: Option<Duration>,
    /// How the client reads why it is refused.
    pub refused_in: Accepted,
    pub warnings: Warnings,
}

impl Exchange {
    pub fn new(parts: &Parts, registry: &Registry) -> Self {
        let place = path::parse(parts.uri.path());
        let (verb, target) = match &place {
            ApiPath::Resource(target) => resource_request(parts, target.clone()),
            _ => (plain_verb(&parts.method, false), None),
        };
        let kind = target.as_ref().and_then(|t| registry.find(&t.group, &t.version, &t.resource));
        let warnings = Warnings::default();
        if let Some(sentence) = kind.and_then(|kind| kind.facts().deprecation) {
            warnings.add(sentence);
        }
        Self {
            attributes: Attributes { verb, target, path: parts.uri.path().to_owned() },
            place,
            kind,
            audit_id: String::new(),
            user: Arc::default(),
            started: Instant::now(),
            patience: None,
            refused_in: Accepted::JSON,
            warnings,
        }
    }

    /// Whether the answer may take as long as the client likes.
    pub fn is_long_running(&self) -> bool {
        match &self.attributes.target {
            Some(target) => self.attributes.verb == Verb::Watch || streaming::is_stream(&target.subresource),
            None => self.attributes.path.starts_with(TUNNELS),
        }
    }
}

fn resource_request(parts: &Parts, mut target: Target) -> (Verb, Option<Target>) {
    let query = Query::parse(parts.uri.query().unwrap_or(""));
    let is_watch = target.legacy_watch || (target.name.is_empty() && query.boolean("watch"));
    // Rights for a HEAD are those of its GET, though no resource answers one.
    let method = if parts.method == Method::HEAD { &Method::GET } else { &parts.method };
    let verb = match plain_verb(method, target.name.is_empty()) {
        Verb::Get | Verb::List if is_watch => Verb::Watch,
        verb => verb,
    };
    // A list of one object by its name is a read of that object, as far as rights go.
    if target.name.is_empty() && matches!(verb, Verb::List | Verb::Watch | Verb::DeleteCollection) {
        let selector = query.get("fieldSelector").and_then(|text| FieldSelector::parse(text).ok());
        target.name = selector.as_ref().and_then(|s| s.required("metadata.name")).unwrap_or_default().to_owned();
    }
    (verb, Some(target))
}

fn plain_verb(method: &Method, is_collection: bool) -> Verb {
    match (method, is_collection) {
        (&Method::GET, false) => Verb::Get,
        (&Method::GET, true) => Verb::List,
        (&Method::POST, _) => Verb::Create,
        (&Method::PUT, _) => Verb::Update,
        (&Method::PATCH, _) => Verb::Patch,
        (&Method::DELETE, false) => Verb::Delete,
        (&Method::DELETE, true) => Verb::DeleteCollection,
        _ => Verb::Other,
    }
}
