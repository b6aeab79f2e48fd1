//! The authorizers' answer to those who ask about rights instead of using them.

use crate::context::User;
use crate::http::authorization::Authorizers;
use crate::http::exchange::{Attributes, Verb};
use crate::http::path::Target;
use crate::kinds::answer::{Judge, Right, Rules, Verdict};

impl Judge for Authorizers {
    fn judge(&self, user: &User, right: &Right) -> Verdict {
        match self.decide(user, &attributes(right)) {
            Ok(()) => Verdict { allowed: true, reason: String::new() },
            Err(reasons) => Verdict { allowed: false, reason: reasons.join("\n") },
        }
    }

    fn rules(&self, user: &User, namespace: &str) -> Rules {
        let mut all = Rules::default();
        let mut gaps = Vec::new();
        for rules in self.0.iter().filter_map(|authorizer| authorizer.rules(user, namespace)) {
            all.resources.extend(rules.resources);
            all.paths.extend(rules.paths);
            gaps.extend(Some(rules.gap).filter(|gap| !gap.is_empty()));
        }
        all.gap = gaps.join(", ");
        all
    }
}

/// The request that would use the right.
fn attributes(right: &Right) -> Attributes {
    match right {
        Right::Resource(right) => Attributes {
            verb: Verb::named(&right.verb),
            target: Some(Target {
                group: right.group.clone(),
                version: right.version.clone(),
                namespace: right.namespace.clone(),
                resource: right.resource.clone(),
                name: right.name.clone(),
                subresource: right.subresource.clone(),
                legacy_watch: false,
            }),
            path: String::new(),
        },
        Right::Path { verb, path } => Attributes { verb: Verb::named(verb), target: None, path: path.clone() },
    }
}
