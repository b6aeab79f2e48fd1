//! A request for a certificate says who makes it: the server writes it, not the client.

use api::failure::Failure;
use async_trait::async_trait;
use k8s_openapi::api::certificates::v1::CertificateSigningRequest;

use crate::admission::check::{Check, Operation, Request};
use crate::kinds::erased::Draft;

pub struct CertificateRequester;

#[async_trait]
impl Check for CertificateRequester {
    fn name(&self) -> &'static str {
        "CertificateRequester"
    }

    fn handles(&self, request: &Request<'_>) -> bool {
        request.operation == Operation::Create && request.is_about("certificates.k8s.io", "certificatesigningrequests")
    }

    async fn mutate(&self, request: &Request<'_>, draft: &mut dyn Draft) -> Result<(), Failure> {
        let Some(asked) = draft.typed_mut::<CertificateSigningRequest>() else { return Ok(()) };
        let user = &request.context.user;
        let text = |value: &String| Some(value.clone()).filter(|value| !value.is_empty());
        asked.spec.username = text(&user.name);
        asked.spec.uid = text(&user.uid);
        asked.spec.groups = Some(user.groups.clone()).filter(|groups| !groups.is_empty());
        asked.spec.extra = Some(user.extra.clone()).filter(|extra| !extra.is_empty());
        Ok(())
    }
}
