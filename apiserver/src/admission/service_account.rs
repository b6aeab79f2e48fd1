//! A pod without an account runs as `default`.

use api::failure::Failure;
use api::well_known::annotation;
use async_trait::async_trait;
use k8s_openapi::api::core::v1::Pod;

use crate::admission::check::{Check, Operation, Request};
use crate::kinds::erased::Draft;

const DEFAULT: &str = "default";

pub struct ServiceAccount;

#[async_trait]
impl Check for ServiceAccount {
    fn name(&self) -> &'static str {
        "ServiceAccount"
    }

    fn handles(&self, request: &Request<'_>) -> bool {
        request.operation == Operation::Create && request.subresource.is_none() && request.is_about("", "pods")
    }

    async fn mutate(&self, _: &Request<'_>, draft: &mut dyn Draft) -> Result<(), Failure> {
        let Some(pod) = draft.typed_mut::<Pod>() else { return Ok(()) };
        // The mirror of a static pod has no account: it does not come from the API.
        let is_mirror = pod.metadata.annotations.iter().flatten().any(|(key, _)| key == annotation::MIRROR_POD);
        let Some(spec) = pod.spec.as_mut().filter(|_| !is_mirror) else { return Ok(()) };
        if spec.service_account_name.as_deref().is_none_or(str::is_empty) {
            spec.service_account_name = Some(DEFAULT.to_owned());
            spec.service_account = Some(DEFAULT.to_owned());
        }
        Ok(())
    }
}
