//! Who may do what: an ordered list of authorizers, of which the first with an opinion decides.

pub mod authorizer;
mod controller_manager;
mod discovery;
mod judge;
mod masters;
mod node;
mod references;
mod self_review;

use std::sync::Arc;

use api::failure::{Details, Failure, Reason};

use crate::context::User;
use crate::http::authorization::authorizer::{Authorizer, Decision};
use crate::http::exchange::Attributes;
use crate::registry::Registry;

/// The list. RBAC will stand at its end.
pub struct Authorizers(Vec<Box<dyn Authorizer>>);

impl Authorizers {
    pub fn new(registry: &Registry) -> Self {
        Self(vec![
            Box::new(masters::Masters),
            Box::new(controller_manager::ControllerManager),
            Box::new(discovery::Discovery),
            Box::new(self_review::SelfReview),
            Box::new(node::Node::new(registry.clone())),
        ])
    }

    /// Whether the user may do this; who may not is told what and why.
    pub fn check(&self, user: &Arc<User>, attributes: &Attributes) -> Result<(), Failure> {
        self.decide(user, attributes).map_err(|reasons| refusal(user, attributes, &reasons))
    }

    /// Whether the user may do this; the reasons of those who would rather not.
    fn decide(&self, user: &User, attributes: &Attributes) -> Result<(), Vec<String>> {
        let mut reasons = Vec::new();
        for authorizer in &self.0 {
            match authorizer.decide(user, attributes) {
                Decision::Allow => return Ok(()),
                Decision::NoOpinion => {}
                Decision::No(reason) => reasons.push(reason),
            }
        }
        Err(reasons)
    }
}

fn refusal(user: &User, attributes: &Attributes, reasons: &[String]) -> Failure {
    let because = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join(", ")) };
    let Some(target) = &attributes.target else {
        let (verb, path) = (attributes.verb.name(), &attributes.path);
        let text = format!("forbidden: User {:?} cannot {verb} path {path:?}{because}", user.name);
        return Failure::new(Reason::Forbidden, text);
    };
    let resource = match &*target.subresource {
        "" => target.resource.clone(),
        subresource => format!("{}/{subresource}", target.resource),
    };
    let place = match &*target.namespace {
        "" => "at the cluster scope".to_owned(),
        namespace => format!("in the namespace \"{namespace}\""),
    };
    let group = if target.group.is_empty() { String::new() } else { format!(".{}", target.group) };
    let name = if target.name.is_empty() { String::new() } else { format!(" \"{}\"", target.name) };
    let text = format!(
        "{}{group}{name} is forbidden: User \"{}\" cannot {} resource \"{resource}\" in API group \"{}\" {place}{because}",
        target.resource,
        user.name,
        attributes.verb.name(),
        target.group,
    );
    let mut failure = Failure::new(Reason::Forbidden, text);
    failure.details = Some(Box::new(Details {
        name: target.name.clone(),
        group: target.group.clone(),
        kind: target.resource.clone(),
        ..Details::default()
    }));
    failure
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::exchange::Verb;
    use crate::http::path::{self, ApiPath};

    fn attributes(verb: Verb, path: &str) -> Attributes {
        let target = match path::parse(path) {
            ApiPath::Resource(target) => Some(target),
            _ => None,
        };
        Attributes { verb, target, path: path.to_owned() }
    }

    fn told(verb: Verb, path: &str) -> String {
        let user = Arc::new(User::new("u", &["system:authenticated"]));
        let list = Authorizers(vec![Box::new(masters::Masters), Box::new(discovery::Discovery)]);
        list.check(&user, &attributes(verb, path)).unwrap_err().message
    }

    #[test]
    fn a_refusal_says_who_cannot_do_what_and_where() {
        assert_eq!(
            told(Verb::Get, "/api/v1/namespaces/ns/pods/n"),
            "pods \"n\" is forbidden: User \"u\" cannot get resource \"pods\" in API group \"\" in the namespace \"ns\""
        );
        assert_eq!(
            told(Verb::Update, "/apis/apps/v1/namespaces/ns/deployments/d/scale"),
            "deployments.apps \"d\" is forbidden: User \"u\" cannot update resource \"deployments/scale\" in API group \
             \"apps\" in the namespace \"ns\""
        );
        assert_eq!(
            told(Verb::List, "/api/v1/nodes"),
            "nodes is forbidden: User \"u\" cannot list resource \"nodes\" in API group \"\" at the cluster scope"
        );
        assert_eq!(told(Verb::Get, "/metrics"), "forbidden: User \"u\" cannot get path \"/metrics\"");
    }

    #[test]
    fn whoever_is_known_may_look_at_what_is_served() {
        let user = Arc::new(User::new("u", &["system:authenticated"]));
        let list = Authorizers(vec![Box::new(discovery::Discovery)]);
        for path in ["/api", "/apis/apps/v1", "/openapi/v3", "/version", "/healthz/ping"] {
            assert!(list.check(&user, &attributes(Verb::Get, path)).is_ok(), "{path}");
        }
        assert!(list.check(&user, &attributes(Verb::Create, "/api")).is_err());
    }

    #[test]
    fn masters_may_do_everything() {
        let user = Arc::new(User::new("u", &["system:masters"]));
        let list = Authorizers(vec![Box::new(masters::Masters)]);
        assert!(list.check(&user, &attributes(Verb::Delete, "/api/v1/nodes/a")).is_ok());
    }
}
