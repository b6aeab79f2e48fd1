//! Nodes: each may read what an agent and its proxy need, and write what is its own.

use api::well_known::NODE_LEASE_NAMESPACE;
use api::well_known::identity::{NODE_PREFIX, NODES};

use crate::context::User;
use crate::http::authorization::authorizer::{Authorizer, Decision};
use crate::http::authorization::references::{self, Referred};
use crate::http::exchange::{Attributes, Verb};
use crate::http::path::Target;
use crate::kinds::answer::Rules;
use crate::registry::Registry;

pub struct Node {
    registry: Registry,
}

/// What every node may read all of.
const READABLE: [(&str, &str); 9] = [
    ("", "nodes"),
    ("", "pods"),
    ("", "services"),
    ("", "endpoints"),
    ("", "namespaces"),
    ("", "serviceaccounts"),
    ("discovery.k8s.io", "endpointslices"),
    ("node.k8s.io", "runtimeclasses"),
    ("storage.k8s.io", "csidrivers"),
];

impl Authorizer for Node {
    fn decide(&self, user: &User, attributes: &Attributes) -> Decision {
        let Some(node) = user.name.strip_prefix(NODE_PREFIX).filter(|_| user.is_in(NODES)) else {
            return Decision::NoOpinion;
        };
        let allowed = match &attributes.target {
            Some(target) => self.resource(node, attributes.verb, target),
            None => own_path(node, &attributes.path),
        };
        match allowed {
            Ok(()) => Decision::Allow,
            Err(reason) => Decision::No(reason.to_owned()),
        }
    }

    /// What a node may do depends on which pods run on it, and on more than a rule can say.
    fn rules(&self, user: &User, _: &str) -> Option<Rules> {
        let gap = "node authorizer does not support user rule resolution".to_owned();
        let is_node = user.name.starts_with(NODE_PREFIX) && user.is_in(NODES);
        is_node.then(|| Rules { gap, ..Rules::default() })
    }
}

const NOT_FOR_NODES: &str = "nodes have no access to this";
const NOT_RELATED: &str = "no relationship found between this node and the object";

impl Node {
    pub fn new(registry: Registry) -> Self {
        Self { registry }
    }

    fn resource(&self, node: &str, verb: Verb, target: &Target) -> Result<(), &'static str> {
        let resource = (target.group.as_str(), target.resource.as_str());
        if verb.is_read() && READABLE.contains(&resource) && matches!(&*target.subresource, "" | "status") {
            return Ok(());
        }
        match resource {
            ("", "nodes") => own_node(node, verb, target),
            ("", "pods") => self.pod(node, verb, target),
            ("coordination.k8s.io", "leases") => own_lease(node, verb, target),
            ("" | "events.k8s.io", "events") if matches!(verb, Verb::Create | Verb::Update | Verb::Patch) => Ok(()),
            // An agent asks the server about those who talk to it.
            ("authentication.k8s.io", "tokenreviews")
            | ("authorization.k8s.io", "subjectaccessreviews" | "localsubjectaccessreviews")
                if verb == Verb::Create =>
            {
                Ok(())
            }
            ("", "secrets") => self.referred(node, Referred::Secret, verb, target),
            ("", "configmaps") => self.referred(node, Referred::ConfigMap, verb, target),
            _ => Err(NOT_FOR_NODES),
        }
    }

    /// Static pods are shown in the API as mirrors, which admission holds to the node. Others a node only
    /// reports about, and ends.
    fn pod(&self, node: &str, verb: Verb, target: &Target) -> Result<(), &'static str> {
        let may_write = match (verb, &*target.subresource) {
            (Verb::Create, "") => return Ok(()),
            (Verb::Delete, "") | (Verb::Update | Verb::Patch, "status") => true,
            _ => false,
        };
        if !may_write {
            return Err(NOT_FOR_NODES);
        }
        // One that is gone already is told so by the registry.
        let bound = references::node_of_pod(&self.registry, &target.namespace, &target.name);
        if bound.is_none_or(|bound| bound == node) {
            Ok(())
        } else {
            Err("nodes may only change pods that run on them")
        }
    }

    /// Secrets and ConfigMaps are read one by one, by the nodes whose pods use them.
    fn referred(&self, node: &str, what: Referred, verb: Verb, target: &Target) -> Result<(), &'static str> {
        if !verb.is_read() || target.name.is_empty() || target.namespace.is_empty() {
            return Err("nodes can only read objects by name");
        }
        let uses = references::is_used_on_node(&self.registry, node, what, &target.namespace, &target.name);
        if uses { Ok(()) } else { Err(NOT_RELATED) }
    }
}

fn own_node(node: &str, verb: Verb, target: &Target) -> Result<(), &'static str> {
    match (verb, &*target.subresource) {
        // The body of a registration is checked by admission.
        (Verb::Create, "") => Ok(()),
        (Verb::Update | Verb::Patch, "" | "status") | (Verb::Delete, "") if target.name == node => Ok(()),
        (Verb::Update | Verb::Patch | Verb::Delete, "" | "status") => Err("nodes may only change themselves"),
        _ => Err(NOT_FOR_NODES),
    }
}

fn own_lease(node: &str, verb: Verb, target: &Target) -> Result<(), &'static str> {
    let is_own = target.namespace == NODE_LEASE_NAMESPACE && (target.name == node || verb == Verb::Create);
    match verb {
        Verb::Get | Verb::Create | Verb::Update | Verb::Patch | Verb::Delete if is_own => Ok(()),
        _ => Err("can only access node lease with the same name as the requesting node"),
    }
}

fn own_path(node: &str, path: &str) -> Result<(), &'static str> {
    if path == format!("/skiff/v1/nodes/{node}/tunnel") { Ok(()) } else { Err(NOT_FOR_NODES) }
}
