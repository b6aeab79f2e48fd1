//! The metadata that controllers read.

use api::names::NamespacedName;
use api::well_known::annotation;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::kinds::pairs::Pairs;
use crate::kinds::resource::Resource;
use crate::kinds::shared::{Shared, share};
use crate::kinds::wire;

/// `metadata` without managed fields and what kubectl keeps for itself.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta {
    #[serde(deserialize_with = "wire::or_default")]
    pub namespace: Box<str>,
    pub name: Box<str>,
    pub uid: Box<str>,
    pub resource_version: Box<str>,
    pub generation: i64,
    pub labels: Pairs,
    #[serde(deserialize_with = "annotations")]
    pub annotations: Pairs,
    #[serde(deserialize_with = "wire::or_default")]
    pub owner_references: Shared<OwnerReference>,
    #[serde(deserialize_with = "wire::or_default")]
    pub finalizers: Box<[Box<str>]>,
    #[serde(deserialize_with = "wire::time")]
    pub creation_timestamp: Option<Timestamp>,
    #[serde(deserialize_with = "wire::time")]
    pub deletion_timestamp: Option<Timestamp>,
}

/// All but the last applied configuration: as large as the object, and of use to kubectl only.
fn annotations<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Pairs, D::Error> {
    let all = Pairs::deserialize(deserializer)?;
    if !all.contains(annotation::LAST_APPLIED) {
        return Ok(all);
    }
    Ok(all.iter().filter(|(key, _)| *key != annotation::LAST_APPLIED).collect())
}

/// Who this object belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OwnerReference {
    pub api_version: Box<str>,
    pub kind: Box<str>,
    pub name: Box<str>,
    pub uid: Box<str>,
    #[serde(deserialize_with = "wire::or_default", skip_serializing_if = "std::ops::Not::not")]
    pub controller: bool,
    #[serde(deserialize_with = "wire::or_default", skip_serializing_if = "std::ops::Not::not")]
    pub block_owner_deletion: bool,
}

impl OwnerReference {
    /// Makes `owner` the controller of what carries this reference.
    pub fn controlling(resource: &Resource, owner: &Meta) -> Self {
        Self {
            api_version: resource.api_version().into(),
            kind: resource.kind.as_ref().into(),
            name: owner.name.clone(),
            uid: owner.uid.clone(),
            controller: true,
            block_owner_deletion: true,
        }
    }
}

impl Meta {
    pub fn key(&self) -> NamespacedName {
        NamespacedName::new(&*self.namespace, &*self.name)
    }

    pub fn is_deleting(&self) -> bool {
        self.deletion_timestamp.is_some()
    }

    /// The owner that manages this object; there is one at most.
    pub fn controller(&self) -> Option<&OwnerReference> {
        self.owner_references.iter().find(|owner| owner.controller)
    }

    pub fn is_controlled_by(&self, uid: &str) -> bool {
        self.controller().is_some_and(|owner| *owner.uid == *uid)
    }

    /// Keeps one copy of what both say.
    pub fn share(&mut self, other: &Self) {
        self.labels.share(&other.labels);
        share(&mut self.owner_references, &other.owner_references);
    }

    pub fn has_finalizer(&self, name: &str) -> bool {
        self.finalizers.iter().any(|finalizer| **finalizer == *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_controllers_do_not_read_is_not_kept() {
        let meta: Meta = serde_json::from_str(
            r#"{"name":"a","namespace":"b","uid":"u","resourceVersion":"5","managedFields":[{"x":1}],"labels":null,
            "annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{}","x":"y"},"finalizers":null,
            "ownerReferences":[{"apiVersion":"v1","kind":"Node","name":"n","uid":"o","controller":true}],
            "creationTimestamp":"2026-01-02T03:04:05Z","deletionTimestamp":null}"#,
        )
        .unwrap();
        assert_eq!(meta.annotations, [("x", "y")].into_iter().collect());
        assert!(meta.is_controlled_by("o") && !meta.is_deleting());
        assert_eq!(meta.creation_timestamp.unwrap().to_string(), "2026-01-02T03:04:05Z");
        assert_eq!(meta.key().to_string(), "b/a");
    }
}
