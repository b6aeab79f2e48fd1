//! Creating.

use std::sync::Arc;

use api::failure::Failure;
use api::field::FieldErrors;
use bytes::Bytes;

use crate::admission::{self, check::Operation};
use crate::context::Context;
use crate::kinds::erased::{Draft, KindRef};
use crate::kinds::facts::Facts;
use crate::registry::read::view;
use crate::registry::write::{Noting, Outcome, View, refuse_invalid, request};
use crate::registry::{Registry, Target, decode, managed_fields, metadata};
use crate::storage::Write;
use crate::storage::object::Object;

/// How many generated names are tried.
const MOST_NAMES: usize = 8;

impl Registry {
    pub(super) async fn create_object(
        &self,
        context: &Context,
        kind: KindRef,
        namespace: Option<&str>,
        body: Bytes,
    ) -> Result<Arc<Object>, Failure> {
        let draft = decode::body(context, kind, &body)?;
        self.create_draft(context, kind, namespace, draft).await
    }

    /// Makes an object of a draft, or finds out why not.
    pub(super) async fn create_draft(
        &self,
        context: &Context,
        kind: KindRef,
        namespace: Option<&str>,
        draft: Box<dyn Draft>,
    ) -> Result<Arc<Object>, Failure> {
        self.create_noted(context, kind, namespace, draft, Noting::Update(None)).await
    }

    pub(super) async fn create_noted(
        &self,
        context: &Context,
        kind: KindRef,
        namespace: Option<&str>,
        mut draft: Box<dyn Draft>,
        noting: Noting<'_>,
    ) -> Result<Arc<Object>, Failure> {
        let facts = kind.facts();
        metadata::begin(facts, namespace, self.clock.now_seconds(), draft.metadata_mut())?;
        let base = base_of_name(&*draft);
        let mut attempt = 0;
        loop {
            attempt += 1;
            if let Some(base) = &base {
                draft.metadata_mut().name = Some(metadata::generated_name(base));
            }
            draft.fill_defaults();
            if let (1, Noting::Update(subresource)) = (attempt, noting) {
                let sent = draft.managed_fields_mut().take();
                let writer = self.writer(context, kind, subresource);
                let noted = managed_fields::after_create(writer, &draft.encode(), sent)?;
                *draft.managed_fields_mut() = noted;
            }
            draft.before_create();
            draft.set_times(None, self.clock.now_seconds());
            // What was admitted under one generated name is under another.
            if attempt == 1 {
                self.admit_new(context, kind, namespace, &mut *draft).await?;
            }
            let name = draft.metadata().name.clone().unwrap_or_default();
            match self.commit_new(context, kind, namespace, &name, &mut *draft).await? {
                Created::Done(object) => return view(kind, object),
                Created::Taken(_) if base.is_some() && attempt < MOST_NAMES => {}
                Created::Taken(existing) => return Err(already_exists(facts, &name, &existing, base.is_some())),
            }
        }
    }

    async fn admit_new(
        &self,
        context: &Context,
        kind: KindRef,
        namespace: Option<&str>,
        draft: &mut dyn Draft,
    ) -> Result<(), Failure> {
        let name = draft.metadata().name.clone().unwrap_or_default();
        let target = Target { namespace, name: &name, subresource: None };
        let cluster = View(self.storage.snapshot());
        let request = request(Operation::Create, context, kind, target, None, &cluster);
        admission::mutate(&request, draft).await?;
        let mut errors = FieldErrors::default();
        metadata::validate(kind.facts(), draft.metadata(), &mut errors);
        draft.validate(&mut errors);
        draft.validate_create(&mut errors);
        refuse_invalid(kind, &name, errors)?;
        admission::validate(&request, Some(draft)).await?;
        for sentence in draft.warnings() {
            context.warnings.add(sentence);
        }
        Ok(())
    }

    async fn commit_new(
        &self,
        context: &Context,
        kind: KindRef,
        namespace: Option<&str>,
        name: &str,
        draft: &mut dyn Draft,
    ) -> Result<Created, Failure> {
        let key = Self::key(kind, namespace, name);
        if let Some(existing) = self.storage.snapshot().get(&key) {
            return Ok(Created::Taken(existing.clone()));
        }
        let reservation = self.reserve(kind, draft, None)?;
        let bytes = Self::encode(kind, draft)?;
        if context.dry_run {
            return Self::dry(key, None, bytes).map(Created::Done);
        }
        let write = Write::create(key, bytes).volatile(kind.facts().flags.volatile);
        match self.commit_reserved(write, reservation).await? {
            Outcome::Done(event) => Ok(Created::Done(event.object.clone())),
            Outcome::Raced(Some(existing)) => Ok(Created::Taken(existing)),
            Outcome::Raced(None) => Err(Failure::modified(kind.facts().resource(), name)),
        }
    }
}

enum Created {
    Done(Arc<Object>),
    /// There is one of this name.
    Taken(Arc<Object>),
}

/// What a name is to be generated from, if it is.
fn base_of_name(draft: &dyn Draft) -> Option<String> {
    let metadata = draft.metadata();
    let is_named = metadata.name.as_deref().is_some_and(|name| !name.is_empty());
    metadata.generate_name.clone().filter(|base| !is_named && !base.is_empty())
}

fn already_exists(facts: &Facts, name: &str, existing: &Object, was_generated: bool) -> Failure {
    let mut failure = Failure::already_exists(facts.resource(), name);
    if existing.meta.deleting {
        failure.message = format!("object is being deleted: {}", failure.message);
    }
    if was_generated {
        failure.message += ", the server was not able to generate a unique name for the object";
        return failure.retry_after(1);
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::object::{Key, Revision};

    #[test]
    fn a_generated_name_that_is_taken_may_be_tried_again() {
        let facts = crate::kinds::KINDS.iter().find(|kind| kind.facts().kind == "ConfigMap").unwrap().facts();
        let json = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a-x","namespace":"d"}}"#;
        let key = Key::new(facts.resource(), "d", "a-x");
        let existing = Object::unstored(key, Revision(1), Bytes::from(json)).unwrap();
        let failure = already_exists(facts, "a-x", &existing, true);
        let text =
            "configmaps \"a-x\" already exists, the server was not able to generate a unique name for the object";
        assert_eq!((failure.code(), failure.message.as_str()), (409, text));
        assert_eq!(failure.details.unwrap().retry_after_seconds, 1);
        assert!(already_exists(facts, "a-x", &existing, false).message.ends_with("already exists"));
    }
}
