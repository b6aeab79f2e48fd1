//! Nothing is made in a namespace that is not there or is going, and some namespaces never go.

use api::failure::Failure;
use api::names::GroupResource;
use api::well_known::{DEFAULT_NAMESPACE, PUBLIC_NAMESPACE, SYSTEM_NAMESPACE};
use async_trait::async_trait;

use crate::admission::check::{Check, NamespaceState, Operation, Request};
use crate::kinds::erased::Draft;

const NAMESPACES: GroupResource = GroupResource { group: "", resource: "namespaces" };

pub struct NamespaceLifecycle;

#[async_trait]
impl Check for NamespaceLifecycle {
    fn name(&self) -> &'static str {
        "NamespaceLifecycle"
    }

    fn handles(&self, request: &Request<'_>) -> bool {
        match request.operation {
            // A question about rights may be asked of any namespace.
            Operation::Create => !request.namespace.is_empty() && request.facts.group != "authorization.k8s.io",
            Operation::Update => false,
            Operation::Delete => request.is_about("", "namespaces"),
        }
    }

    async fn validate(&self, request: &Request<'_>, _: Option<&dyn Draft>) -> Result<(), Failure> {
        if request.operation == Operation::Delete {
            if [DEFAULT_NAMESPACE, SYSTEM_NAMESPACE, PUBLIC_NAMESPACE].contains(&request.name) {
                return Err(request.forbidden("this namespace may not be deleted"));
            }
            return Ok(());
        }
        let namespace = request.namespace;
        match request.cluster.namespace(namespace) {
            NamespaceState::Active => Ok(()),
            NamespaceState::Missing => Err(Failure::not_found(NAMESPACES, namespace)),
            NamespaceState::Terminating => {
                let why =
                    format!("unable to create new content in namespace {namespace} because it is being terminated");
                let cause = format!("namespace {namespace} is being terminated");
                Err(request.forbidden(why).with_cause("NamespaceTerminating", cause, "metadata.namespace"))
            }
        }
    }
}
