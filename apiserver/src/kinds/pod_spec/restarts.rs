//! Rules of when one container of a pod is started again.

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::api::core::v1::Container;

use crate::kinds::rules::supported;

const POLICIES: &[&str] = &["Always", "Never", "OnFailure"];
const MOST_RULES: usize = 20;
const MOST_EXIT_CODES: usize = 255;

pub fn validate(container: &Container, path: &Path, errors: &mut FieldErrors) {
    if let Some(policy) = &container.restart_policy {
        supported(errors, &path.child("restartPolicy"), policy, POLICIES);
    }
    let rules = container.restart_policy_rules.as_deref().unwrap_or_default();
    if rules.is_empty() {
        return;
    }
    if container.restart_policy.is_none() {
        let why = "must specify restartPolicy when restart rules are used";
        errors.push(FieldError::required(&path.child("restartPolicy"), why));
    }
    let path = path.child("restartPolicyRules");
    if rules.len() > MOST_RULES {
        errors.push(FieldError::too_many(&path, rules.len(), MOST_RULES));
    }
    for (index, rule) in rules.iter().enumerate() {
        let path = path.index(index);
        supported(errors, &path.child("action"), &rule.action, &["Restart", "RestartAllContainers"]);
        let path = path.child("exitCodes");
        let Some(codes) = &rule.exit_codes else {
            errors.push(FieldError::required(&path, "must be specified"));
            continue;
        };
        supported(errors, &path.child("operator"), &codes.operator, &["In", "NotIn"]);
        let count = codes.values.as_ref().map_or(0, Vec::len);
        if count > MOST_EXIT_CODES {
            errors.push(FieldError::too_many(&path.child("values"), count, MOST_EXIT_CODES));
        }
    }
}
