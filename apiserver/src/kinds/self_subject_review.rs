//! SelfSubjectReview: who am I?

use k8s_openapi::api::authentication::v1::{SelfSubjectReview, SelfSubjectReviewStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use crate::kinds::answer::Answer;
use crate::kinds::facts::CREATE_ONLY;
use crate::kinds::kind::{Column, Kind};
use crate::kinds::token_review::user_info;

impl Kind for SelfSubjectReview {
    const VERBS: &'static [&'static str] = CREATE_ONLY;
    const COLUMNS: &'static [Column<Self>] = &[];
    const ANSWER: Option<Answer<Self>> = Some(|review, asked| {
        review.metadata = ObjectMeta { creation_timestamp: Some(Time(asked.now)), ..ObjectMeta::default() };
        review.status = Some(SelfSubjectReviewStatus { user_info: Some(user_info(asked.user)) });
        Ok(())
    });
}
