//! Several sources in one folder.

use k8s_openapi::api::core::v1::{Volume, VolumeProjection};

use crate::references::Reference;
use crate::volumes::{Content, Files, Inputs, downward, files_of};

pub fn needs(volume: &Volume) -> Vec<Reference> {
    let sources = volume.projected.iter().filter_map(|source| source.sources.as_ref()).flatten();
    sources.filter_map(reference).collect()
}

fn reference(source: &VolumeProjection) -> Option<Reference> {
    let map = source.config_map.as_ref().map(|map| Reference::config_map(&map.name));
    map.or_else(|| source.secret.as_ref().map(|secret| Reference::secret(&secret.name)))
}

pub fn content(volume: &Volume, inputs: &Inputs<'_>) -> Option<Result<Content, String>> {
    let projected = volume.projected.as_ref()?;
    let mut files = Files::new();
    for source in projected.sources.iter().flatten() {
        match one(source, projected.default_mode, inputs) {
            Ok(more) => files.extend(more),
            Err(problem) => return Some(Err(problem)),
        }
    }
    Some(Ok(Content::Files(files)))
}

fn one(source: &VolumeProjection, mode: Option<i32>, inputs: &Inputs<'_>) -> Result<Files, String> {
    if let Some(own) = &source.downward_api {
        return downward::files(own.items.as_deref().unwrap_or_default(), mode, inputs);
    }
    let Some(reference) = reference(source) else {
        return Err("projected volumes take configMap, secret and downwardAPI on this node".to_owned());
    };
    let (items, optional) = match (&source.config_map, &source.secret) {
        (Some(map), _) => (map.items.as_deref(), map.optional),
        (_, Some(secret)) => (secret.items.as_deref(), secret.optional),
        _ => (None, None),
    };
    files_of(&reference, inputs.sources, items, mode, optional == Some(true))
}
