//! A new node is not ready until its conditions say so.

use api::failure::Failure;
use api::well_known::taint;
use async_trait::async_trait;
use k8s_openapi::api::core::v1::{Node, Taint};

use crate::admission::check::{Check, Operation, Request};
use crate::kinds::erased::Draft;

pub struct TaintNodes;

#[async_trait]
impl Check for TaintNodes {
    fn name(&self) -> &'static str {
        "TaintNodesByCondition"
    }

    fn handles(&self, request: &Request<'_>) -> bool {
        request.operation == Operation::Create && request.subresource.is_none() && request.is_about("", "nodes")
    }

    async fn mutate(&self, _: &Request<'_>, draft: &mut dyn Draft) -> Result<(), Failure> {
        let Some(node) = draft.typed_mut::<Node>() else { return Ok(()) };
        let taints = node.spec.get_or_insert_default().taints.get_or_insert_default();
        let is_there = taints.iter().any(|found| found.key == taint::NOT_READY && found.effect == "NoSchedule");
        if !is_there {
            let effect = "NoSchedule".to_owned();
            taints.push(Taint { key: taint::NOT_READY.to_owned(), effect, time_added: None, value: None });
        }
        Ok(())
    }
}
