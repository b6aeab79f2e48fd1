//! The entries of a Secret as files.

use k8s_openapi::api::core::v1::Volume;

use crate::references::Reference;
use crate::volumes::{Content, Inputs, files_of};

pub fn needs(volume: &Volume) -> Vec<Reference> {
    let name = volume.secret.as_ref().and_then(|source| source.secret_name.as_deref());
    name.map(Reference::secret).into_iter().collect()
}

pub fn content(volume: &Volume, inputs: &Inputs<'_>) -> Option<Result<Content, String>> {
    let source = volume.secret.as_ref()?;
    let reference = Reference::secret(source.secret_name.as_deref().unwrap_or_default());
    let is_optional = source.optional == Some(true);
    let files = files_of(&reference, inputs.sources, source.items.as_deref(), source.default_mode, is_optional);
    Some(files.map(Content::Files))
}
