//! TokenReview: whose token is this?

use api::failure::Failure;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewStatus, UserInfo};

use crate::context::User;
use crate::kinds::answer::Answer;
use crate::kinds::facts::CREATE_ONLY;
use crate::kinds::kind::{Column, Kind};

impl Kind for TokenReview {
    const VERBS: &'static [&'static str] = CREATE_ONLY;
    const COLUMNS: &'static [Column<Self>] = &[];
    const ANSWER: Option<Answer<Self>> = Some(|review, asked| {
        if review.spec.token.is_empty() {
            return Err(Failure::bad_request("token is required for TokenReview in authentication"));
        }
        let audiences = review.spec.audiences.as_deref().unwrap_or_default();
        let owner = asked.tokens.owner(&review.spec.token, audiences);
        review.status = Some(match owner {
            Some(owner) => TokenReviewStatus {
                authenticated: Some(true),
                user: Some(user_info(&owner.user)),
                audiences: Some(owner.audiences).filter(|list| !list.is_empty()),
                error: None,
            },
            None => TokenReviewStatus { user: Some(UserInfo::default()), ..TokenReviewStatus::default() },
        });
        Ok(())
    });
}

pub fn user_info(user: &User) -> UserInfo {
    let text = |value: &String| Some(value.clone()).filter(|value| !value.is_empty());
    UserInfo {
        username: text(&user.name),
        uid: text(&user.uid),
        groups: Some(user.groups.clone()).filter(|groups| !groups.is_empty()),
        extra: Some(user.extra.clone()).filter(|extra| !extra.is_empty()),
    }
}
