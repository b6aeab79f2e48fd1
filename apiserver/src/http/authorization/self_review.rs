//! Whoever is known may ask who he is, and what he may do.

use api::well_known::identity::AUTHENTICATED;

use crate::context::User;
use crate::http::authorization::authorizer::{Authorizer, Decision};
use crate::http::exchange::{Attributes, Verb};
use crate::kinds::answer::{ResourceRule, Rules};

pub struct SelfReview;

const QUESTIONS: [(&str, &[&str]); 2] = [
    ("authorization.k8s.io", &["selfsubjectaccessreviews", "selfsubjectrulesreviews"]),
    ("authentication.k8s.io", &["selfsubjectreviews"]),
];

impl Authorizer for SelfReview {
    fn decide(&self, user: &User, attributes: &Attributes) -> Decision {
        let asks = attributes.target.as_ref().is_some_and(|target| {
            let is_listed = |(group, resources): &(&str, &[&str])| {
                *group == target.group && resources.contains(&target.resource.as_str())
            };
            attributes.verb == Verb::Create && target.subresource.is_empty() && QUESTIONS.iter().any(is_listed)
        });
        if asks && user.is_in(AUTHENTICATED) { Decision::Allow } else { Decision::NoOpinion }
    }

    fn rules(&self, user: &User, _: &str) -> Option<Rules> {
        let rule = |(group, resources): &(&str, &[&str])| ResourceRule {
            verbs: vec!["create".to_owned()],
            groups: vec![(*group).to_owned()],
            resources: resources.iter().map(|resource| (*resource).to_owned()).collect(),
        };
        let resources = QUESTIONS.iter().map(rule).collect();
        user.is_in(AUTHENTICATED).then(|| Rules { resources, ..Rules::default() })
    }
}
