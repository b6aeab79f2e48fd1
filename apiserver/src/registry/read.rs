//! Reading: one object, and lists with their pages.

use std::sync::Arc;
use std::time::Duration;

use api::failure::{Failure, Reason};
use api::field::{FieldError, FieldErrors, Path};
use api::names::GroupResource;

use crate::kinds::erased::KindRef;
use crate::registry::continuation::Continuation;
use crate::registry::options::{ListOptions, Page};
use crate::registry::selection::Selection;
use crate::registry::{Registry, Target, scale};
use crate::storage::object::{Object, Revision};
use crate::storage::snapshot::Snapshot;

/// How long a read waits for a revision that is still to come.
const PATIENCE: Duration = Duration::from_secs(3);
pub const NEWER: &str = "NotOlderThan";
const EXACT: &str = "Exact";
pub const MATCH_WITH_CONTINUE: &str = "resourceVersionMatch is forbidden when continue is provided";

impl Registry {
    pub(super) fn read_one(
        &self,
        kind: KindRef,
        target: Target<'_>,
        resource_version: &str,
    ) -> Result<Arc<Object>, Failure> {
        if let Some(revision) = revision(resource_version)? {
            self.must_have(revision)?;
        }
        let object = self.current(kind, target)?;
        match target.subresource {
            Some("scale") => scale::view(kind, &object).map(Arc::new),
            _ => view(kind, object),
        }
    }

    /// The newest state of an object, as it is stored.
    pub(super) fn current(&self, kind: KindRef, target: Target<'_>) -> Result<Arc<Object>, Failure> {
        let namespace = target.namespace.unwrap_or_default();
        let snapshot = self.storage.snapshot();
        let found = snapshot.find(kind.storage(), namespace, target.name).cloned();
        found.ok_or_else(|| Failure::not_found(kind.facts().resource(), target.name))
    }

    pub(super) async fn await_revision(&self, revision: Revision) -> Result<(), Failure> {
        self.storage.wait_for(revision, PATIENCE).await;
        self.must_have(revision)
    }

    fn must_have(&self, revision: Revision) -> Result<(), Failure> {
        let newest = self.storage.revision();
        if newest >= revision { Ok(()) } else { Err(Failure::too_large(revision.0, newest.0)) }
    }

    pub(super) fn read_list(
        &self,
        kind: KindRef,
        namespace: Option<&str>,
        options: &ListOptions,
    ) -> Result<Page, Failure> {
        check_options(options)?;
        let selection = Selection::of(kind, options)?;
        let (snapshot, after) = self.snapshot_for(options)?;
        let revision = snapshot.revision();
        let limit = usize::try_from(options.limit).ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX);
        let mut found = Found { objects: Vec::new(), limit, more: false, left: 0 };
        gather(&snapshot, kind.storage(), namespace, after.as_ref(), &selection, &mut found);
        let continue_token = match found.objects.last() {
            Some(last) if found.more => {
                self.storage.keep(&snapshot);
                Continuation::behind(last, revision).token()
            }
            _ => String::new(),
        };
        let remaining = (found.more && selection.is_everything()).then_some(found.left);
        let objects = found.objects.into_iter().map(|object| view(kind, object)).collect::<Result<_, _>>()?;
        Ok(Page { objects, revision, continue_token, remaining })
    }

    /// The state that a list shows, and where in it the page begins.
    fn snapshot_for(&self, options: &ListOptions) -> Result<(Snapshot, Option<Continuation>), Failure> {
        let asked = revision(&options.resource_version)?;
        if !options.continue_token.is_empty() {
            if asked.is_some() {
                let why = "specifying resource version is not allowed when using continue";
                return Err(Failure::bad_request(why));
            }
            let place = Continuation::parse(&options.continue_token)?;
            let snapshot = match place.revision {
                None => self.storage.snapshot(),
                Some(revision) => match self.storage.snapshot_at(revision) {
                    Some(snapshot) => snapshot,
                    None => return Err(place.expired()),
                },
            };
            return Ok((snapshot, Some(place)));
        }
        let Some(revision) = asked else { return Ok((self.storage.snapshot(), None)) };
        self.must_have(revision)?;
        let exact = match options.resource_version_match.as_str() {
            EXACT => true,
            NEWER => false,
            _ => options.limit > 0,
        };
        if !exact {
            return Ok((self.storage.snapshot(), None));
        }
        let expired = || Failure::expired("The resourceVersion for the provided list is too old.");
        Ok((self.storage.snapshot_at(revision).ok_or_else(expired)?, None))
    }
}

/// What a page has so far.
struct Found {
    objects: Vec<Arc<Object>>,
    limit: usize,
    /// Whether there is more behind the page.
    more: bool,
    /// How much, where nothing is selected.
    left: u64,
}

fn gather(
    snapshot: &Snapshot,
    resource: GroupResource,
    namespace: Option<&str>,
    after: Option<&Continuation>,
    selection: &Selection,
    found: &mut Found,
) {
    let namespace = namespace.or(selection.namespace());
    let after = after.map(|place| (place.namespace.as_str(), place.name.as_str()));
    let all = selection.is_everything();
    if all && after.is_none() && found.limit == usize::MAX {
        found.objects.reserve(snapshot.count(resource, namespace));
    }
    for object in snapshot.list_after(resource, namespace, after) {
        if !all && !selection.matches(object) {
            continue;
        }
        if found.objects.len() < found.limit {
            found.objects.push(object.clone());
            continue;
        }
        found.more = true;
        found.left += 1;
        if !all {
            return;
        }
    }
}

/// A stored object in the shape of this kind.
pub fn view(kind: KindRef, object: Arc<Object>) -> Result<Arc<Object>, Failure> {
    let Some(form) = kind.view() else { return Ok(object) };
    let viewed = form(&object.bytes()).and_then(|bytes| object.view(&bytes));
    viewed.map(Arc::new).map_err(|error| Failure::internal(format!("convert {}: {error}", object.key)))
}

/// The revision that a query names; none for `""` and `"0"`, which mean any.
pub fn revision(text: &str) -> Result<Option<Revision>, Failure> {
    if text.is_empty() || text == "0" {
        return Ok(None);
    }
    let parsed = text.parse().map(|revision| Some(Revision(revision)));
    parsed.map_err(|_| {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        let why = if is_number { "value out of range" } else { "invalid syntax" };
        let why = format!("strconv.ParseUint: parsing {text:?}: {why}");
        let error = FieldError::invalid(&Path::new("resourceVersion"), text, why);
        Failure::bad_request(format!("invalid resource version: {error}"))
    })
}

/// The refusal of options that do not fit together, if they do not.
pub fn refuse_options(errors: FieldErrors) -> Result<(), Failure> {
    if errors.is_empty() { Ok(()) } else { Err(Failure::invalid("meta.k8s.io", "ListOptions", "", errors)) }
}

fn check_options(options: &ListOptions) -> Result<(), Failure> {
    let mut errors = FieldErrors::default();
    let path = Path::new("resourceVersionMatch");
    let matching = options.resource_version_match.as_str();
    if !matching.is_empty() {
        if options.resource_version.is_empty() {
            let why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            errors.push(FieldError::forbidden(&path, why));
        }
        if !options.continue_token.is_empty() {
            errors.push(FieldError::forbidden(&path, MATCH_WITH_CONTINUE));
        }
        if ![EXACT, NEWER].contains(&matching) {
            errors.push(FieldError::not_supported(&path, matching, &[EXACT, NEWER, ""]));
        }
        if matching == EXACT && options.resource_version == "0" {
            let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            errors.push(FieldError::forbidden(&path, why));
        }
    }
    if options.send_initial_events.is_some() {
        let path = Path::new("sendInitialEvents");
        errors.push(FieldError::forbidden(&path, "sendInitialEvents is forbidden for list"));
    }
    refuse_options(errors)
}

/// A storage that gave up.
pub fn storage_failed(error: &str) -> Failure {
    Failure::internal(error)
}

/// A storage that is gone: the client shall try again elsewhere or later.
pub fn storage_stopped() -> Failure {
    Failure::new(Reason::ServiceUnavailable, "the server is shutting down").retry_after(1)
}
