//! Server-side apply: a configuration becomes part of an object, and its applier the manager of what it names.

use std::sync::Arc;

use api::failure::{Failure, Reason};
use serde_json::Value;

use crate::context::{Context, FieldValidation};
use crate::kinds::canonical;
use crate::kinds::erased::{Draft, KindRef};
use crate::registry::managed_fields::{self, Writer};
use crate::registry::options::Written;
use crate::registry::read::view;
use crate::registry::update::{Proposal, check_name};
use crate::registry::write::Noting;
use crate::registry::{Registry, Target, decode};
use crate::storage::object::Object;

/// Reads what is to be applied. It is JSON by now.
pub fn configuration(body: &[u8]) -> Result<Value, Failure> {
    let refused = |why: String| Failure::bad_request(format!("error decoding YAML: {why}"));
    let config: Value = serde_json::from_slice(body).map_err(|error| refused(error.to_string()))?;
    if config.is_object() { Ok(config) } else { Err(refused("a configuration is an object".to_owned())) }
}

impl Registry {
    pub(super) async fn apply_configuration(
        &self,
        context: &Context,
        kind: KindRef,
        target: Target<'_>,
        body: &[u8],
    ) -> Result<Written, Failure> {
        let config = configuration(body)?;
        if target.subresource.is_none() && self.current(kind, target).is_err() {
            match self.create_applied(context, kind, target, &config).await {
                // Somebody else created it meanwhile.
                Err(failure) if failure.reason == Reason::AlreadyExists => {}
                created => return created.map(|object| Written { object, created: true }),
            }
        }
        let writer = self.writer(context, kind, target.subresource);
        let propose = |current: &Arc<Object>| {
            let proposal = applied(writer, current, &config, context.force)?;
            check_name(kind, target, &*proposal.draft)?;
            Ok(proposal)
        };
        self.write_noted(context, kind, target, Noting::Done, &propose).await
    }

    async fn create_applied(
        &self,
        context: &Context,
        kind: KindRef,
        target: Target<'_>,
        config: &Value,
    ) -> Result<Arc<Object>, Failure> {
        let writer = self.writer(context, kind, None);
        let applied = managed_fields::apply(writer, None, &None, config, context.force)?;
        let mut draft = decoded(kind, applied.object)?;
        if let Some(uid) = draft.metadata().uid.as_deref().filter(|uid| !uid.is_empty()) {
            let why =
                format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
            return Err(Failure::conflict(kind.facts().resource(), target.name, why));
        }
        check_name(kind, target, &*draft)?;
        *draft.managed_fields_mut() = applied.managed_fields;
        self.create_noted(context, kind, target.namespace, draft, Noting::Done).await
    }
}

/// What a configuration makes of the present state of an object.
pub fn applied(writer: Writer<'_>, current: &Arc<Object>, config: &Value, force: bool) -> Result<Proposal, Failure> {
    let current = view(writer.kind, current.clone())?;
    let (bare, known) = canonical::split(current.content());
    let live: Value =
        serde_json::from_slice(&bare).map_err(|error| Failure::internal(format!("read {}: {error}", current.key)))?;
    let applied = managed_fields::apply(writer, Some(&live), &known, config, force)?;
    let mut draft = decoded(writer.kind, applied.object)?;
    *draft.managed_fields_mut() = applied.managed_fields;
    let revision = draft.metadata_mut().resource_version.take().filter(|revision| !revision.is_empty());
    Ok(Proposal { draft, revision })
}

/// Fields that the type does not have were refused before.
fn decoded(kind: KindRef, object: Value) -> Result<Box<dyn Draft>, Failure> {
    let context = Context { field_validation: FieldValidation::Ignore, ..Context::default() };
    decode::patched(&context, kind, object)
}
