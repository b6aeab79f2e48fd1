//! A folder that begins empty and ends with its pod. A size limit or a medium is not enforced.

use k8s_openapi::api::core::v1::Volume;

use crate::volumes::{Content, Inputs};

pub fn content(volume: &Volume, _inputs: &Inputs<'_>) -> Option<Result<Content, String>> {
    volume.empty_dir.as_ref().map(|_| Ok(Content::Theirs))
}
