//! SelfSubjectAccessReview: may I do this?

use api::field::FieldErrors;
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;

use crate::kinds::access_review;
use crate::kinds::answer::Answer;
use crate::kinds::facts::CREATE_ONLY;
use crate::kinds::kind::{Column, Kind};

impl Kind for SelfSubjectAccessReview {
    const VERBS: &'static [&'static str] = CREATE_ONLY;
    const COLUMNS: &'static [Column<Self>] = &[];
    const ANSWER: Option<Answer<Self>> = Some(|review, asked| {
        let (resource, path) = (&review.spec.resource_attributes, &review.spec.non_resource_attributes);
        review.status = Some(access_review::status(asked, asked.user, resource.as_ref(), path.as_ref()));
        Ok(())
    });

    fn validate(&self, errors: &mut FieldErrors) {
        let (resource, path) = (&self.spec.resource_attributes, &self.spec.non_resource_attributes);
        access_review::about_oneself(resource.as_ref(), path.as_ref(), errors);
        access_review::metadata(&self.metadata, false, errors);
    }
}
