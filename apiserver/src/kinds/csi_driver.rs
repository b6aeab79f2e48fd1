//! CSIDriver: what a driver of volumes wants of the cluster.

use std::collections::BTreeSet;

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::api::storage::v1::{CSIDriver, TokenRequest};

use crate::kinds::facts::Flags;
use crate::kinds::kind::{Column, Kind};
use crate::kinds::rules::{default_text, immutable, supported, text};
use crate::kinds::table::{age_column, name_column, or_none, or_unset};

const GROUP_POLICIES: &[&str] = &["File", "None", "ReadWriteOnceWithFSType"];
const MODES: &[&str] = &["Persistent", "Ephemeral"];
const SHORTEST_PERIOD: i64 = 10;
const SHORTEST_TOKEN: i64 = 600;

impl Kind for CSIDriver {
    const FLAGS: Flags = Flags { unconditional_update: false, returns_deleted: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("AttachRequired", "boolean", "Whether its volumes must be attached to a node.", |driver, _| {
            driver.spec.attach_required.unwrap_or(true).into()
        }),
        Column::new("PodInfoOnMount", "boolean", "Whether it wants to know the pod that mounts.", |driver, _| {
            driver.spec.pod_info_on_mount.unwrap_or(false).into()
        }),
        Column::new("StorageCapacity", "boolean", "Whether it tells how much space there is.", |driver, _| {
            driver.spec.storage_capacity.unwrap_or(false).into()
        }),
        Column::new("TokenRequests", "string", "For whom it wants tokens of the pod's account.", |driver, _| {
            let requests = driver.spec.token_requests.as_ref();
            let list = |requests: &Vec<TokenRequest>| {
                requests.iter().map(|request| request.audience.as_str()).collect::<Vec<_>>().join(",")
            };
            or_unset(requests.map(list).as_deref()).into()
        }),
        Column::new("RequiresRepublish", "boolean", "Whether it wants to be asked again.", |driver, _| {
            driver.spec.requires_republish.unwrap_or(false).into()
        }),
        Column::new("Modes", "string", "How long its volumes live.", |driver, _| {
            or_none(&driver.spec.volume_lifecycle_modes.clone().unwrap_or_default().join(",")).into()
        }),
        age_column(),
    ];

    fn fill_defaults(&mut self) {
        let spec = &mut self.spec;
        spec.attach_required.get_or_insert(true);
        spec.pod_info_on_mount.get_or_insert(false);
        spec.storage_capacity.get_or_insert(false);
        default_text(&mut spec.fs_group_policy, "ReadWriteOnceWithFSType");
        if spec.volume_lifecycle_modes.as_ref().is_none_or(Vec::is_empty) {
            spec.volume_lifecycle_modes = Some(vec!["Persistent".to_owned()]);
        }
        spec.requires_republish.get_or_insert(false);
        spec.se_linux_mount.get_or_insert(false);
    }

    fn validate(&self, errors: &mut FieldErrors) {
        let (spec, path) = (&self.spec, Path::new("spec"));
        supported(errors, &path.child("fsGroupPolicy"), text(&spec.fs_group_policy), GROUP_POLICIES);
        let requests = spec.token_requests.as_deref().unwrap_or_default();
        validate_requests(requests, &path.child("tokenRequests"), errors);
        for mode in spec.volume_lifecycle_modes.iter().flatten() {
            supported(errors, &path.child("volumeLifecycleModes"), mode, MODES);
        }
        if let Some(period) = spec.node_allocatable_update_period_seconds.filter(|period| *period < SHORTEST_PERIOD) {
            let path = path.child("nodeAllocatableUpdatePeriodSeconds");
            errors.push(FieldError::invalid(&path, period, "must be greater than or equal to 10 seconds"));
        }
        if let Some(in_secrets) = spec.service_account_token_in_secrets
            && requests.is_empty()
        {
            let why = "serviceAccountTokenInSecrets is set but no tokenRequests are specified";
            errors.push(FieldError::invalid(&path.child("serviceAccountTokenInSecrets"), in_secrets, why));
        }
    }

    fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
        let path = Path::new("spec");
        // Upstream names the field so.
        let attach_path = path.child("attachedRequired");
        immutable(errors, &attach_path, &self.spec.attach_required, &old.spec.attach_required);
        let (new, old) = (&self.spec.volume_lifecycle_modes, &old.spec.volume_lifecycle_modes);
        immutable(errors, &path.child("volumeLifecycleModes"), new, old);
    }
}

fn validate_requests(requests: &[TokenRequest], path: &Path, errors: &mut FieldErrors) {
    let mut seen = BTreeSet::new();
    for (index, request) in requests.iter().enumerate() {
        let path = path.index(index);
        if !seen.insert(&request.audience) {
            errors.push(FieldError::duplicate(&path.child("audience"), request.audience.as_str()));
            continue;
        }
        let Some(seconds) = request.expiration_seconds else { continue };
        let path = path.child("expirationSeconds");
        if seconds < SHORTEST_TOKEN {
            errors.push(FieldError::invalid(&path, seconds, "may not specify a duration less than 10 minutes"));
        }
        if seconds > 1 << 32 {
            errors.push(FieldError::invalid(&path, seconds, "may not specify a duration larger than 2^32 seconds"));
        }
    }
}
