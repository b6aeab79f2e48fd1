//! SelfSubjectRulesReview: what may I do in a namespace?

use api::failure::Failure;
use k8s_openapi::api::authorization::v1::{
    NonResourceRule, ResourceRule, SelfSubjectRulesReview, SubjectRulesReviewStatus,
};

use crate::kinds::answer::Answer;
use crate::kinds::facts::CREATE_ONLY;
use crate::kinds::kind::{Column, Kind};
use crate::kinds::rules::text;

impl Kind for SelfSubjectRulesReview {
    const VERBS: &'static [&'static str] = CREATE_ONLY;
    const COLUMNS: &'static [Column<Self>] = &[];
    const ANSWER: Option<Answer<Self>> = Some(|review, asked| {
        let namespace = text(&review.spec.namespace);
        if namespace.is_empty() {
            return Err(Failure::bad_request("no namespace on request"));
        }
        let rules = asked.judge.rules(asked.user, namespace);
        let resource = rules.resources.into_iter().map(|rule| ResourceRule {
            verbs: rule.verbs,
            api_groups: Some(rule.groups),
            resources: Some(rule.resources),
            resource_names: None,
        });
        let path = rules.paths.into_iter();
        let path = path.map(|rule| NonResourceRule { verbs: rule.verbs, non_resource_urls: Some(rule.paths) });
        review.status = Some(SubjectRulesReviewStatus {
            resource_rules: resource.collect(),
            non_resource_rules: path.collect(),
            incomplete: !rules.gap.is_empty(),
            evaluation_error: Some(rules.gap).filter(|gap| !gap.is_empty()),
        });
        Ok(())
    });
}
