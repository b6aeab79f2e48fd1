//! Objects of which only metadata is read: ServiceAccounts, and whatever the garbage collector looks after.

use serde::Deserialize;

use crate::kinds::kind::Kind;
use crate::kinds::meta::Meta;
use crate::kinds::resource::Resource;

/// An object of a kind that is known at run time only.
#[derive(Debug, Clone, Deserialize)]
pub struct Bare {
    #[serde(default)]
    pub metadata: Meta,
}

impl Kind for Bare {
    const RESOURCE: Resource = Resource::cluster("meta.k8s.io", "v1", "PartialObjectMetadata", "");
    const METADATA_ONLY: bool = true;

    fn meta(&self) -> &Meta {
        &self.metadata
    }
}
