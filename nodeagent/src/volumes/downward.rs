//! A pod's own fields as files.

use k8s_openapi::api::core::v1::{DownwardAPIVolumeFile, Volume};

use crate::volumes::{Content, File, Files, Inputs, checked, mode};

pub fn content(volume: &Volume, inputs: &Inputs<'_>) -> Option<Result<Content, String>> {
    let source = volume.downward_api.as_ref()?;
    let items = source.items.as_deref().unwrap_or_default();
    Some(files(items, source.default_mode, inputs).map(Content::Files))
}

pub fn files(items: &[DownwardAPIVolumeFile], default: Option<i32>, inputs: &Inputs<'_>) -> Result<Files, String> {
    let mut files = Files::new();
    for item in items {
        let text = match (&item.field_ref, &item.resource_field_ref) {
            (Some(field), _) => inputs.fields.field(&field.field_path)?,
            (_, Some(resource)) => inputs.fields.resource(resource, None)?,
            _ => return Err(format!("nothing is given for the file {}", item.path)),
        };
        files.insert(checked(&item.path)?, File { bytes: text.into_bytes(), mode: mode(item.mode, default) });
    }
    Ok(files)
}
