//! A pod has the priority of its class; one without a class that of the default class, or 0. There is one default class.

use api::failure::Failure;
use api::names::GroupResource;
use async_trait::async_trait;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::scheduling::v1::PriorityClass;

use crate::admission::check::{Check, Operation, Request};
use crate::kinds::erased::Draft;
use crate::kinds::priority_class::PREEMPTION_POLICIES;

const CLASSES: GroupResource = GroupResource { group: "scheduling.k8s.io", resource: "priorityclasses" };

pub struct Priority;

#[async_trait]
impl Check for Priority {
    fn name(&self) -> &'static str {
        "Priority"
    }

    fn handles(&self, request: &Request<'_>) -> bool {
        let is_new_pod = request.operation == Operation::Create && request.is_about("", "pods");
        let is_class = request.operation != Operation::Delete && request.resource() == CLASSES;
        request.subresource.is_none() && (is_new_pod || is_class)
    }

    async fn mutate(&self, request: &Request<'_>, draft: &mut dyn Draft) -> Result<(), Failure> {
        match draft.typed_mut::<Pod>() {
            Some(pod) => set_priority(request, pod),
            None => Ok(()),
        }
    }

    async fn validate(&self, request: &Request<'_>, draft: Option<&dyn Draft>) -> Result<(), Failure> {
        let Some(class) = draft.and_then(|draft| draft.typed::<PriorityClass>()) else { return Ok(()) };
        let default = if class.global_default == Some(true) { default_class(request)? } else { None };
        match default.and_then(|default| default.metadata.name) {
            Some(default)
                if request.operation == Operation::Create || class.metadata.name.as_ref() != Some(&default) =>
            {
                let why = format!("PriorityClass {default} is already marked as default. Only one default can exist");
                Err(request.forbidden(why))
            }
            _ => Ok(()),
        }
    }
}

fn set_priority(request: &Request<'_>, pod: &mut Pod) -> Result<(), Failure> {
    let spec = pod.spec.get_or_insert_default();
    let name = spec.priority_class_name.clone().unwrap_or_default();
    let class = if name.is_empty() {
        let default = default_class(request)?;
        spec.priority_class_name = default.as_ref().and_then(|class| class.metadata.name.clone());
        default.unwrap_or_default()
    } else {
        let found = request.cluster.object(CLASSES, "", &name);
        let found = found.ok_or_else(|| request.forbidden(format!("no PriorityClass with name {name} was found")))?;
        read(&found)?
    };
    let priority = class.value.unwrap_or_default();
    if let Some(given) = spec.priority.filter(|given| *given != priority) {
        return Err(request.forbidden(format!(
            "the integer value of priority ({given}) must not be provided in pod spec; priority admission controller \
             computed {priority} from the given PriorityClass name"
        )));
    }
    spec.priority = Some(priority);
    let policy = class.preemption_policy.unwrap_or_else(|| PREEMPTION_POLICIES[0].to_owned());
    if let Some(given) = spec.preemption_policy.as_ref().filter(|given| **given != policy) {
        return Err(request.forbidden(format!(
            "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; priority admission \
             controller computed {policy} from the given PriorityClass name"
        )));
    }
    spec.preemption_policy = Some(policy);
    Ok(())
}

/// The class for pods that name none; of several, which a race can leave, the lowest.
fn default_class(request: &Request<'_>) -> Result<Option<PriorityClass>, Failure> {
    let classes = request.cluster.objects(CLASSES);
    let classes: Vec<PriorityClass> = classes.iter().map(|json| read(json)).collect::<Result<_, _>>()?;
    let defaults = classes.into_iter().filter(|class| class.global_default == Some(true));
    Ok(defaults.min_by_key(|class| class.value))
}

fn read(json: &[u8]) -> Result<PriorityClass, Failure> {
    api::json::read(json).map_err(|error| Failure::internal(format!("read a PriorityClass: {error}")))
}
