//! ServiceAccounts: of them only metadata is read.

use serde::Deserialize;

use crate::kinds::kind::Kind;
use crate::kinds::meta::Meta;
use crate::kinds::resource::Resource;

#[derive(Debug, Clone, Default, Deserialize)]
pub struct ServiceAccount {
    #[serde(default, rename = "metadata")]
    pub meta: Meta,
}

impl Kind for ServiceAccount {
    const RESOURCE: Resource = Resource::namespaced("", "v1", "ServiceAccount", "serviceaccounts");
    const METADATA_ONLY: bool = true;

    fn meta(&self) -> &Meta {
        &self.meta
    }
}
