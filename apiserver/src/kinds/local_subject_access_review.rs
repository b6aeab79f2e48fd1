//! LocalSubjectAccessReview: may somebody do this in a namespace? For those who may only ask about it.

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::api::authorization::v1::LocalSubjectAccessReview;

use crate::kinds::access_review;
use crate::kinds::answer::Answer;
use crate::kinds::facts::CREATE_ONLY;
use crate::kinds::kind::{Column, Kind};
use crate::kinds::rules::{shown, text};

impl Kind for LocalSubjectAccessReview {
    const VERBS: &'static [&'static str] = CREATE_ONLY;
    const COLUMNS: &'static [Column<Self>] = &[];
    const ANSWER: Option<Answer<Self>> = Some(|review, asked| {
        let subject = access_review::subject(&review.spec);
        review.status = Some(access_review::status(asked, &subject, review.spec.resource_attributes.as_ref(), None));
        Ok(())
    });

    fn validate(&self, errors: &mut FieldErrors) {
        access_review::about_somebody(&self.spec, errors);
        access_review::metadata(&self.metadata, true, errors);
        let path = Path::new("spec");
        if let Some(resource) = &self.spec.resource_attributes
            && text(&resource.namespace) != text(&self.metadata.namespace)
        {
            let path = path.child("resourceAttributes").child("namespace");
            errors.push(FieldError::invalid(&path, text(&resource.namespace), "must match metadata.namespace"));
        }
        if let Some(other) = &self.spec.non_resource_attributes {
            let why = "disallowed on this kind of request";
            errors.push(FieldError::invalid(&path.child("nonResourceAttributes"), shown(other), why));
        }
    }
}
