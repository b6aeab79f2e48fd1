//! VolumeAttachment: that a volume shall be at a node, and whether it is.

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::storage::v1::{VolumeAttachment, VolumeAttachmentStatus, VolumeError};

use crate::kinds::facts::{ColumnHead, Flags, STATUS, Subresource};
use crate::kinds::kind::{Column, Kind};
use crate::kinds::rules::{immutable, keep_metadata, text};
use crate::kinds::storage_drivers::driver_name;
use crate::kinds::table::{age_column, name_column};
use crate::kinds::volume_sources;

const MOST_METADATA_BYTES: usize = 256 << 10;
const LONGEST_MESSAGE: usize = 1024;
const ATTACHER: ColumnHead =
    ColumnHead { name: "Attacher", kind: "string", format: "name", description: "Who attaches it.", priority: 0 };

impl Kind for VolumeAttachment {
    const SUBRESOURCES: &'static [Subresource] = &[STATUS];
    const FLAGS: Flags = Flags { unconditional_update: false, returns_deleted: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column { head: ATTACHER, cell: |attachment, _| attachment.spec.attacher.clone().into() },
        Column::new("PV", "string", "The volume.", |attachment, _| {
            text(&attachment.spec.source.persistent_volume_name).into()
        }),
        Column::new("Node", "string", "The node.", |attachment, _| attachment.spec.node_name.clone().into()),
        Column::new("Attached", "boolean", "Whether the volume is there.", |attachment, _| {
            attachment.status.as_ref().is_some_and(|status| status.attached).into()
        }),
        age_column(),
    ];

    fn fill_defaults(&mut self) {
        self.status.get_or_insert_default();
        self.spec.source.inline_volume_spec.iter_mut().for_each(volume_sources::fill);
    }

    fn before_create(&mut self) {
        self.status = Some(VolumeAttachmentStatus::default());
    }

    fn before_update(&mut self, old: &Self) {
        self.status = old.status.clone();
    }

    fn before_subresource_update(&mut self, _: &str, old: &Self) {
        self.spec = old.spec.clone();
        keep_metadata(&mut self.metadata, &old.metadata);
    }

    fn validate(&self, errors: &mut FieldErrors) {
        let (spec, path) = (&self.spec, Path::new("spec"));
        driver_name(&spec.attacher, &path.child("attacher"), errors);
        let source_path = path.child("source");
        let why = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
        match (&spec.source.inline_volume_spec, spec.source.persistent_volume_name.as_deref()) {
            (None, None) => errors.push(FieldError::required(&source_path, why)),
            (Some(_), Some(_)) => errors.push(FieldError::forbidden(&source_path, why)),
            (None, Some(name)) => {
                let path = source_path.child("persistentVolumeName");
                if name.is_empty() {
                    errors.push(FieldError::required(&path, "must specify non empty persistentVolumeName"));
                }
                errors.check(&path, name, names::dns_subdomain);
            }
            (Some(volume), None) => {
                volume_sources::validate_inline(volume, &source_path.child("inlineVolumeSpec"), errors);
            }
        }
        errors.check(&path.child("nodeName"), &spec.node_name, names::dns_subdomain);
    }

    fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
        immutable(errors, &Path::new("spec"), &self.spec, &old.spec);
    }

    fn validate_subresource_update(&self, _: &str, _: &Self, errors: &mut FieldErrors) {
        let Some(status) = &self.status else { return };
        let path = Path::new("status");
        let metadata = status.attachment_metadata.iter().flatten();
        if metadata.map(|(key, value)| key.len() + value.len()).sum::<usize>() > MOST_METADATA_BYTES {
            errors.push(FieldError::too_long(&path.child("attachmentMetadata"), MOST_METADATA_BYTES));
        }
        validate_error(status.attach_error.as_ref(), &path.child("attachError"), errors);
        validate_error(status.detach_error.as_ref(), &path.child("detachError"), errors);
    }
}

fn validate_error(error: Option<&VolumeError>, path: &Path, errors: &mut FieldErrors) {
    let Some(error) = error else { return };
    if text(&error.message).len() > LONGEST_MESSAGE {
        // Upstream tells this bound, and keeps to the other.
        errors.push(FieldError::too_long(&path.child("message"), MOST_METADATA_BYTES));
    }
    if let Some(code) = error.error_code.filter(|code| *code < 0) {
        let why = format!("must be between 0 and {}, inclusive", i32::MAX);
        errors.push(FieldError::invalid(&path.child("errorCode"), code, why));
    }
}
