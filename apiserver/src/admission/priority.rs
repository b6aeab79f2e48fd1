//! A pod without a priority class has the priority 0; those of the system have theirs.

use api::failure::Failure;
use async_trait::async_trait;
use k8s_openapi::api::core::v1::Pod;

use crate::admission::check::{Check, Operation, Request};
use crate::kinds::erased::Draft;

/// The classes that every cluster has.
const SYSTEM_CLASSES: [(&str, i32); 2] =
    [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)];

pub struct Priority;

#[async_trait]
impl Check for Priority {
    fn name(&self) -> &'static str {
        "Priority"
    }

    fn handles(&self, request: &Request<'_>) -> bool {
        request.operation == Operation::Create && request.subresource.is_none() && request.is_about("", "pods")
    }

    async fn mutate(&self, request: &Request<'_>, draft: &mut dyn Draft) -> Result<(), Failure> {
        let Some(spec) = draft.typed_mut::<Pod>().and_then(|pod| pod.spec.as_mut()) else { return Ok(()) };
        let class = spec.priority_class_name.as_deref().unwrap_or_default();
        let priority = if class.is_empty() {
            0
        } else {
            let found = SYSTEM_CLASSES.iter().find(|(name, _)| *name == class);
            found
                .map(|(_, priority)| *priority)
                .ok_or_else(|| request.forbidden(format!("no PriorityClass with name {class} was found")))?
        };
        if spec.priority.is_some_and(|given| given != priority) {
            return Err(request.forbidden(format!(
                "the integer value of priority ({}) must not be provided in pod spec; priority admission controller \
                 computed {priority} from the given PriorityClass name",
                spec.priority.unwrap_or_default()
            )));
        }
        spec.priority = Some(priority);
        spec.preemption_policy.get_or_insert_with(|| "PreemptLowerPriority".to_owned());
        Ok(())
    }
}
