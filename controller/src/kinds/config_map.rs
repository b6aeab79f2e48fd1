//! ConfigMaps: of their data only the certificate authority is read, and of that a hash is kept.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Deserializer};

use crate::kinds::kind::Kind;
use crate::kinds::meta::Meta;
use crate::kinds::resource::Resource;
use crate::kinds::wire;

/// The key of the certificate authority.
pub const CA_KEY: &str = "ca.crt";

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ConfigMap {
    #[serde(rename = "metadata")]
    pub meta: Meta,
    #[serde(deserialize_with = "wire::or_default")]
    pub data: Data,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Data {
    #[serde(rename = "ca.crt", deserialize_with = "hash")]
    pub ca: Option<CaHash>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaHash(u64);

impl CaHash {
    pub fn of(text: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Self(hasher.finish())
    }
}

fn hash<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<CaHash>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.as_deref().map(CaHash::of))
}

impl Kind for ConfigMap {
    const RESOURCE: Resource = Resource::namespaced("", "v1", "ConfigMap", "configmaps");

    fn meta(&self) -> &Meta {
        &self.meta
    }
}
