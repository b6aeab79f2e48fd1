//! SubjectAccessReview: may somebody do this?

use api::field::FieldErrors;
use k8s_openapi::api::authorization::v1::SubjectAccessReview;

use crate::kinds::access_review;
use crate::kinds::answer::Answer;
use crate::kinds::facts::CREATE_ONLY;
use crate::kinds::kind::{Column, Kind};

impl Kind for SubjectAccessReview {
    const VERBS: &'static [&'static str] = CREATE_ONLY;
    const COLUMNS: &'static [Column<Self>] = &[];
    const ANSWER: Option<Answer<Self>> = Some(|review, asked| {
        let spec = &review.spec;
        let (resource, path) = (spec.resource_attributes.as_ref(), spec.non_resource_attributes.as_ref());
        review.status = Some(access_review::status(asked, &access_review::subject(spec), resource, path));
        Ok(())
    });

    fn validate(&self, errors: &mut FieldErrors) {
        access_review::about_somebody(&self.spec, errors);
        access_review::metadata(&self.metadata, false, errors);
    }
}
