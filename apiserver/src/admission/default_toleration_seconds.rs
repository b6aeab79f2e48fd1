//! A pod stays for five minutes on a node that is not ready or cannot be reached.

use api::failure::Failure;
use api::well_known::taint;
use async_trait::async_trait;
use k8s_openapi::api::core::v1::{Pod, Toleration};

use crate::admission::check::{Check, Operation, Request};
use crate::kinds::erased::Draft;

const SECONDS: i64 = 300;

pub struct DefaultTolerationSeconds;

#[async_trait]
impl Check for DefaultTolerationSeconds {
    fn name(&self) -> &'static str {
        "DefaultTolerationSeconds"
    }

    fn handles(&self, request: &Request<'_>) -> bool {
        request.operation != Operation::Delete && request.subresource.is_none() && request.is_about("", "pods")
    }

    async fn mutate(&self, _: &Request<'_>, draft: &mut dyn Draft) -> Result<(), Failure> {
        let Some(spec) = draft.typed_mut::<Pod>().and_then(|pod| pod.spec.as_mut()) else { return Ok(()) };
        for key in [taint::NOT_READY, taint::UNREACHABLE] {
            if !spec.tolerations.iter().flatten().any(|toleration| tolerates(toleration, key)) {
                spec.tolerations.get_or_insert_default().push(Toleration {
                    key: Some(key.to_owned()),
                    operator: Some("Exists".to_owned()),
                    effect: Some("NoExecute".to_owned()),
                    toleration_seconds: Some(SECONDS),
                    value: None,
                });
            }
        }
        Ok(())
    }
}

fn tolerates(toleration: &Toleration, key: &str) -> bool {
    let is_or_all =
        |field: &Option<String>, wanted: &str| field.as_deref().is_none_or(|value| value.is_empty() || value == wanted);
    is_or_all(&toleration.key, key) && is_or_all(&toleration.effect, "NoExecute")
}
