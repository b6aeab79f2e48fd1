//! The entries of a ConfigMap as files.

use k8s_openapi::api::core::v1::Volume;

use crate::references::Reference;
use crate::volumes::{Content, Inputs, files_of};

pub fn needs(volume: &Volume) -> Vec<Reference> {
    volume.config_map.iter().map(|source| Reference::config_map(&source.name)).collect()
}

pub fn content(volume: &Volume, inputs: &Inputs<'_>) -> Option<Result<Content, String>> {
    let source = volume.config_map.as_ref()?;
    let reference = Reference::config_map(&source.name);
    let is_optional = source.optional == Some(true);
    let files = files_of(&reference, inputs.sources, source.items.as_deref(), source.default_mode, is_optional);
    Some(files.map(Content::Files))
}
