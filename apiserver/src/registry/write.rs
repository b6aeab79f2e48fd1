//! What every write has in common: admission, rules, the commit, and the answer.

use std::sync::Arc;

use api::failure::Failure;
use api::field::FieldErrors;
use api::names::GroupResource;
use bytes::Bytes;

use crate::admission::check::{Cluster, NamespaceState, Operation, Request};
use crate::context::Context;
use crate::kinds::canonical;
use crate::kinds::erased::{Draft, KindRef};
use crate::registry::managed_fields::{self, Writer};
use crate::registry::read::{storage_failed, storage_stopped, view};
use crate::registry::{Registry, Target};
use crate::storage::event::{Event, EventKind};
use crate::storage::object::{Key, Object, Revision};
use crate::storage::snapshot::Snapshot;
use crate::storage::{CommitError, Write};

/// How often a write is tried again on the newest state before the client is told of the conflict.
pub const MOST_ATTEMPTS: usize = 64;

/// What came of a commit that may lose a race.
pub enum Outcome {
    Done(Arc<Event>),
    /// Somebody else was faster. Holds what is there now.
    Raced(Option<Arc<Object>>),
}

/// How a write is noted in the managed fields.
#[derive(Debug, Clone, Copy)]
pub enum Noting<'a> {
    /// As an update of the object, or of this part of it.
    Update(Option<&'a str>),
    /// It has been already.
    Done,
    /// Not at all: the server itself does it.
    Nothing,
}

impl<'a> Noting<'a> {
    /// What clients cannot write as a whole is not theirs to manage: a binding is none of a pod's parts.
    pub fn of(kind: KindRef, target: Target<'a>) -> Self {
        let Some(name) = target.subresource else { return Self::Update(None) };
        let is_written = kind.facts().subresource(name).is_some_and(|found| found.verbs.contains(&"update"));
        if is_written { Self::Update(Some(name)) } else { Self::Nothing }
    }
}

/// Whether a change may be lost when the machine loses its power.
pub fn is_volatile(draft: &dyn Draft, old: &dyn Draft) -> bool {
    draft.is_volatile_update(old) && managed_fields::same_but_for_times(draft.managed_fields(), old.managed_fields())
}

/// One state of the cluster, for checks to look things up in.
pub struct View(pub Snapshot);

impl Cluster for View {
    fn object(&self, resource: GroupResource, namespace: &str, name: &str) -> Option<Bytes> {
        self.0.find(resource, namespace, name).map(|object| object.bytes())
    }

    fn objects(&self, resource: GroupResource) -> Vec<Bytes> {
        self.0.list(resource, None).map(|object| object.bytes()).collect()
    }

    fn namespace(&self, name: &str) -> NamespaceState {
        const NAMESPACES: GroupResource = GroupResource { group: "", resource: "namespaces" };
        match self.0.find(NAMESPACES, "", name) {
            None => NamespaceState::Missing,
            Some(namespace) if namespace.meta.deleting => NamespaceState::Terminating,
            Some(_) => NamespaceState::Active,
        }
    }
}

/// The request that admission sees.
pub fn request<'a>(
    operation: Operation,
    context: &'a Context,
    kind: KindRef,
    target: Target<'a>,
    old: Option<&'a dyn Draft>,
    cluster: &'a View,
) -> Request<'a> {
    Request {
        operation,
        facts: kind.facts(),
        namespace: target.namespace.unwrap_or_default(),
        name: target.name,
        subresource: target.subresource,
        old,
        context,
        cluster,
    }
}

/// The failure of an object that breaks rules, if it does.
pub fn refuse_invalid(kind: KindRef, name: &str, errors: FieldErrors) -> Result<(), Failure> {
    if errors.is_empty() { Ok(()) } else { Err(invalid(kind, name, errors)) }
}

pub fn invalid(kind: KindRef, name: &str, errors: FieldErrors) -> Failure {
    let facts = kind.facts();
    Failure::invalid(facts.group, facts.kind, name, errors)
}

impl Registry {
    pub(super) fn writer<'a>(&self, context: &'a Context, kind: KindRef, subresource: Option<&'a str>) -> Writer<'a> {
        Writer { kind, manager: &context.field_manager, subresource, now: self.clock.now_seconds() }
    }

    pub(super) fn key(kind: KindRef, namespace: Option<&str>, name: &str) -> Key {
        Key::new(kind.storage(), namespace.unwrap_or_default(), name)
    }

    /// The typed form of what is stored, without its revision.
    pub(super) fn decode_stored(kind: KindRef, object: &Arc<Object>) -> Result<Box<dyn Draft>, Failure> {
        Self::read_stored(kind, object).map(|(draft, _)| draft)
    }

    /// What is stored, typed and in JSON: both without its revision, the JSON without its managed fields too.
    pub(super) fn read_stored(kind: KindRef, object: &Arc<Object>) -> Result<(Box<dyn Draft>, Bytes), Failure> {
        let viewed = view(kind, object.clone())?;
        let (bare, managed_fields) = canonical::split(viewed.content());
        let draft = kind.decode_kept(&bare);
        let mut draft = draft.map_err(|error| Failure::internal(format!("read {}: {error}", object.key)))?;
        *draft.managed_fields_mut() = managed_fields;
        Ok((draft, bare))
    }

    pub(super) fn encode(kind: KindRef, draft: &dyn Draft) -> Result<Bytes, Failure> {
        Ok(canonical::join(Self::encode_bare(kind, draft)?, draft.managed_fields()).into())
    }

    /// Without the managed fields.
    pub(super) fn encode_bare(kind: KindRef, draft: &dyn Draft) -> Result<Vec<u8>, Failure> {
        let encoded = kind.encode_stored(draft);
        encoded.map_err(|error| Failure::internal(format!("encode a {}: {error}", kind.facts().kind)))
    }

    /// What a dry run would have stored: the object without a revision of its own.
    pub(super) fn dry(key: Key, old: Option<&Object>, bytes: Bytes) -> Result<Arc<Object>, Failure> {
        let object = match old {
            Some(old) => old.view(&bytes),
            None => Object::unstored(key, Revision::default(), bytes),
        };
        object.map(Arc::new).map_err(|error| Failure::internal(format!("read a dry run's object: {error}")))
    }

    pub(super) fn outcome(result: Result<Arc<Event>, CommitError>) -> Result<Outcome, Failure> {
        match result {
            Ok(event) => Ok(Outcome::Done(event)),
            Err(CommitError::Conflict { current }) => Ok(Outcome::Raced(current)),
            Err(CommitError::Failed(error)) => Err(storage_failed(&error)),
            Err(CommitError::Stopped) => Err(storage_stopped()),
        }
    }

    pub(super) async fn commit(&self, write: Write) -> Result<Outcome, Failure> {
        let outcome = Self::outcome(self.storage.commit(write).await)?;
        if let Outcome::Done(event) = &outcome
            && event.kind != EventKind::Deleted
        {
            self.expiry.note(&event.object);
        }
        Ok(outcome)
    }
}
