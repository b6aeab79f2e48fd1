//! What pods refer to: ConfigMaps and Secrets, what is in them and when they change, and their own fields.

pub mod fields;
mod followers;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::Api;

pub use followers::{Followers, Listener};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sort {
    ConfigMap,
    Secret,
}

/// One object that a pod refers to, in the pod's namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    pub sort: Sort,
    pub name: String,
}

impl Reference {
    pub fn config_map(name: &str) -> Self {
        Self { sort: Sort::ConfigMap, name: name.to_owned() }
    }

    pub fn secret(name: &str) -> Self {
        Self { sort: Sort::Secret, name: name.to_owned() }
    }

    /// What is said when the object is not there.
    pub fn not_found(&self) -> String {
        match self.sort {
            Sort::ConfigMap => format!("configmap \"{}\" not found", self.name),
            Sort::Secret => format!("secret \"{}\" not found", self.name),
        }
    }
}

/// The entries of an object, whatever its sort.
pub type Entries = BTreeMap<String, Vec<u8>>;

/// The objects that a pod refers to, as they are now.
#[derive(Debug, Default)]
pub struct Sources(HashMap<Reference, Entries>);

impl Sources {
    /// Asks the API for each of them; those that are not there are left out.
    pub async fn fetch(client: &kube::Client, namespace: &str, wanted: &BTreeSet<Reference>) -> kube::Result<Self> {
        let mut found = HashMap::new();
        for reference in wanted {
            let entries = match reference.sort {
                Sort::ConfigMap => {
                    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
                    api.get_opt(&reference.name).await?.map(config_map_entries)
                }
                Sort::Secret => {
                    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
                    api.get_opt(&reference.name).await?.map(secret_entries)
                }
            };
            if let Some(entries) = entries {
                found.insert(reference.clone(), entries);
            }
        }
        Ok(Self(found))
    }

    pub fn get(&self, reference: &Reference) -> Option<&Entries> {
        self.0.get(reference)
    }

    #[cfg(test)]
    pub fn with(mut self, reference: Reference, entries: &[(&str, &str)]) -> Self {
        let entries = entries.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()));
        self.0.insert(reference, entries.collect());
        self
    }
}

fn config_map_entries(map: ConfigMap) -> Entries {
    let text = map.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.into_bytes()));
    let bytes = map.binary_data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0));
    text.chain(bytes).collect()
}

fn secret_entries(secret: Secret) -> Entries {
    secret.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0)).collect()
}
