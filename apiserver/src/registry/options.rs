//! What a request asks for, as it came, and what it gets.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use api::cidr::Cidr;
use api::failure::Failure;
use api::field::{ErrorType, FieldError};
use lifecycle::clock::Clock;
use lifecycle::tasks::Tasks;

use crate::registry::token_signer::TokenSigner;
use crate::storage::object::{Object, Revision};

/// How a registry is set up.
#[derive(Debug, Clone)]
pub struct Options {
    pub clock: Clock,
    pub tasks: Tasks,
    /// Where the addresses of Services come from.
    pub service_range: Cidr,
    pub node_ports: RangeInclusive<u16>,
    /// Without one, nobody is given a token.
    pub token_signer: Option<Arc<dyn TokenSigner>>,
}

impl Options {
    pub fn new(clock: Clock, tasks: Tasks) -> Self {
        let service_range = Cidr::new(Ipv4Addr::new(127, 96, 0, 0).into(), 16);
        Self { clock, tasks, service_range, node_ports: 30000..=32767, token_signer: None }
    }
}

/// The refusal of `dryRun` with anything but `All`. It shows the whole list.
pub fn unknown_dry_run(runs: &[impl AsRef<str>]) -> FieldError {
    let runs: Vec<&str> = runs.iter().map(AsRef::as_ref).collect();
    let body = format!("Unsupported value: {}: supported values: \"All\"", serde_json::json!(runs));
    FieldError { kind: ErrorType::NotSupported, field: "dryRun".to_owned(), body }
}

/// The query of a list or a watch, not parsed: wrong values are the registry's to refuse.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListOptions {
    pub label_selector: String,
    pub field_selector: String,
    /// 0 for all.
    pub limit: u64,
    pub continue_token: String,
    pub resource_version: String,
    pub resource_version_match: String,
    /// For a watch: begin with what there is, then a bookmark.
    pub send_initial_events: Option<bool>,
    pub allow_watch_bookmarks: bool,
}

/// One page of a list.
#[derive(Debug)]
pub struct Page {
    pub objects: Vec<Arc<Object>>,
    pub revision: Revision,
    /// Empty on the last page.
    pub continue_token: String,
    pub remaining: Option<u64>,
}

/// What happened to an object, as a watcher with its selectors sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventType {
    Added,
    Modified,
    Deleted,
    /// Nothing; the object holds only a revision.
    Bookmark,
}

impl EventType {
    pub fn name(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
            Self::Bookmark => "BOOKMARK",
        }
    }
}

/// An event of a watch. `object.bytes()` is ready to be sent, for a bookmark too.
#[derive(Debug, Clone)]
pub struct WatchEvent {
    pub event_type: EventType,
    pub object: Arc<Object>,
}

/// What a watch yields. After a failure it yields nothing more.
pub type WatchItem = Result<WatchEvent, Failure>;

/// The kinds of patches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchType {
    Json,
    Merge,
    Strategic,
    /// Server-side apply: a configuration, of which the server remembers whose it is.
    Apply,
}

impl PatchType {
    pub const ALL: [Self; 4] = [Self::Json, Self::Merge, Self::Strategic, Self::Apply];

    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json-patch+json",
            Self::Merge => "application/merge-patch+json",
            Self::Strategic => "application/strategic-merge-patch+json",
            Self::Apply => "application/apply-patch+yaml",
        }
    }
}

/// The object that a write left, and whether it is new.
#[derive(Debug, Clone)]
pub struct Written {
    pub object: Arc<Object>,
    pub created: bool,
}

/// What a DELETE is answered with.
#[derive(Debug, Clone)]
pub enum Deleted {
    /// The object: its kind is so, or it is still waiting for its finalizers or its grace period.
    Object { object: Arc<Object>, pending: bool },
    /// A `Status` of success about the object that is gone.
    Gone(Arc<Object>),
}
