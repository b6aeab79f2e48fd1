//! Questions: objects that are answered at once and never stored.

use api::failure::Failure;
use api::field::FieldErrors;
use bytes::Bytes;

use crate::admission::{self, check::Operation};
use crate::context::Context;
use crate::kinds::answer::{Asked, Judge, Tokens};
use crate::kinds::erased::KindRef;
use crate::registry::write::{View, refuse_invalid, request};
use crate::registry::{Registry, Target, decode, metadata};

impl Registry {
    /// Creates an object of a kind that is answered. The answer is the object with its status; a dry run is no different.
    pub async fn answer(
        &self,
        context: &Context,
        kind: KindRef,
        namespace: Option<&str>,
        body: &[u8],
        judge: &dyn Judge,
        tokens: &dyn Tokens,
    ) -> Result<Bytes, Failure> {
        let mut draft = decode::body(context, kind, body)?;
        metadata::set_namespace(kind.facts(), namespace, draft.metadata_mut())?;
        draft.fill_defaults();
        let cluster = View(self.storage.snapshot());
        let target = Target { namespace, name: "", subresource: None };
        let request = request(Operation::Create, context, kind, target, None, &cluster);
        admission::mutate(&request, &mut *draft).await?;
        let mut errors = FieldErrors::default();
        draft.validate(&mut errors);
        refuse_invalid(kind, "", errors)?;
        admission::validate(&request, Some(&*draft)).await?;
        draft.answer(&Asked { user: &context.user, now: self.clock.now_seconds(), judge, tokens })?;
        Ok(draft.encode())
    }
}
