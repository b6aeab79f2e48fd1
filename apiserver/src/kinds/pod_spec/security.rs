//! Rules of security contexts: users, groups, capabilities, profiles, kernel parameters.

use std::collections::BTreeSet;

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::api::core::v1::{
    AppArmorProfile, PodSecurityContext, PodSpec, SeccompProfile, SecurityContext, Sysctl,
};

use crate::kinds::rules::{inner_path, shown, supported};

const LOCALHOST: &str = "Localhost";
const PROFILE_TYPES: &[&str] = &[LOCALHOST, "RuntimeDefault", "Unconfined"];

/// The context of the pod, and what it shares with its host.
pub fn validate_pod(spec: &PodSpec, path: &Path, errors: &mut FieldErrors) {
    if let Some(context) = &spec.security_context {
        validate_pod_context(context, spec, &path.child("securityContext"), errors);
    }
}

/// Users that are the pod's own go with nothing of its host's.
pub fn validate_users(spec: &PodSpec, path: &Path, errors: &mut FieldErrors) {
    if spec.host_users != Some(false) {
        return;
    }
    // Upstream's spelling.
    for (field, value) in [("hostNetwork", spec.host_network), ("HostPID", spec.host_pid), ("HostIPC", spec.host_ipc)] {
        if value == Some(true) {
            errors.push(FieldError::forbidden(&path.child(field), "when `hostUsers` is false"));
        }
    }
}

fn validate_pod_context(context: &PodSecurityContext, spec: &PodSpec, path: &Path, errors: &mut FieldErrors) {
    identity(context.fs_group, &path.child("fsGroup"), errors);
    identity(context.run_as_user, &path.child("runAsUser"), errors);
    identity(context.run_as_group, &path.child("runAsGroup"), errors);
    for (index, group) in context.supplemental_groups.iter().flatten().enumerate() {
        identity(Some(*group), &path.child("supplementalGroups").index(index), errors);
    }
    if spec.share_process_namespace == Some(true) && spec.host_pid == Some(true) {
        let why = "ShareProcessNamespace and HostPID cannot both be enabled";
        errors.push(FieldError::invalid(&path.child("shareProcessNamespace"), true, why));
    }
    validate_sysctls(context.sysctls.as_deref().unwrap_or_default(), spec, &path.child("sysctls"), errors);
    if let Some(policy) = &context.fs_group_change_policy {
        supported(errors, &path.child("fsGroupChangePolicy"), policy, &["Always", "OnRootMismatch"]);
    }
    validate_seccomp(&context.seccomp_profile, &path.child("seccompProfile"), errors);
    validate_app_armor(&context.app_armor_profile, &path.child("appArmorProfile"), errors);
    if let Some(policy) = &context.supplemental_groups_policy {
        supported(errors, &path.child("supplementalGroupsPolicy"), policy, &["Merge", "Strict"]);
    }
    if let Some(policy) = &context.se_linux_change_policy {
        supported(errors, &path.child("seLinuxChangePolicy"), policy, &["MountOption", "Recursive"]);
    }
}

pub fn validate_container(context: &SecurityContext, host_users: bool, path: &Path, errors: &mut FieldErrors) {
    identity(context.run_as_user, &path.child("runAsUser"), errors);
    identity(context.run_as_group, &path.child("runAsGroup"), errors);
    if let Some(mount) = &context.proc_mount {
        supported(errors, &path.child("procMount"), mount, &["Default", "Unmasked"]);
        if mount == "Unmasked" && host_users {
            let why = "`hostUsers` must be false to use `Unmasked`";
            errors.push(FieldError::invalid(&path.child("procMount"), mount.as_str(), why));
        }
    }
    validate_seccomp(&context.seccomp_profile, &path.child("seccompProfile"), errors);
    if context.allow_privilege_escalation == Some(false) {
        refuse_privileges(context, path, errors);
    }
    validate_app_armor(&context.app_armor_profile, &path.child("appArmorProfile"), errors);
}

/// What cannot be had without more privileges than a container began with.
fn refuse_privileges(context: &SecurityContext, path: &Path, errors: &mut FieldErrors) {
    if context.privileged == Some(true) {
        let why = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
        errors.push(FieldError::invalid(path, shown(context), why));
    }
    let added = context.capabilities.iter().flat_map(|capabilities| capabilities.add.iter().flatten());
    if added.into_iter().any(|capability| capability == "CAP_SYS_ADMIN") {
        let why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
        errors.push(FieldError::invalid(path, shown(context), why));
    }
}

/// A user or group by number.
fn identity(number: Option<i64>, path: &Path, errors: &mut FieldErrors) {
    if let Some(number) = number.filter(|number| !(0..=i64::from(i32::MAX)).contains(number)) {
        errors.push(FieldError::invalid(path, number, "must be between 0 and 2147483647, inclusive"));
    }
}

fn validate_seccomp(profile: &Option<SeccompProfile>, path: &Path, errors: &mut FieldErrors) {
    let Some(profile) = profile else { return };
    if profile.type_.is_empty() {
        errors.push(FieldError::required(&path.child("type"), "type is required when seccompProfile is set"));
    } else {
        supported(errors, &path.child("type"), &profile.type_, PROFILE_TYPES);
    }
    let path = path.child("localhostProfile");
    match (profile.type_.as_str(), profile.localhost_profile.as_deref()) {
        (LOCALHOST, None) => {
            errors.push(FieldError::required(&path, "must be set when seccomp type is Localhost"));
        }
        (LOCALHOST, Some(name)) => inner_path(errors, &path, name),
        (_, None) => {}
        (_, Some(_)) => {
            let why = "can only be set when seccomp type is Localhost";
            errors.push(FieldError::invalid(&path, shown(profile), why));
        }
    }
}

fn validate_app_armor(profile: &Option<AppArmorProfile>, path: &Path, errors: &mut FieldErrors) {
    let Some(profile) = profile else { return };
    let name_path = path.child("localhostProfile");
    match (profile.type_.as_str(), profile.localhost_profile.as_deref()) {
        ("", _) => {
            errors.push(FieldError::required(&path.child("type"), "type is required when appArmorProfile is set"))
        }
        (LOCALHOST, None | Some("")) => {
            errors.push(FieldError::required(&name_path, "must be set when AppArmor type is Localhost"));
        }
        (LOCALHOST, Some(name)) if name.trim() != name => {
            errors.push(FieldError::invalid(&name_path, name, "must not be padded with whitespace"));
        }
        ("RuntimeDefault" | "Unconfined", Some(name)) => {
            let why = "can only be set when AppArmor type is Localhost";
            errors.push(FieldError::invalid(&name_path, name, why));
        }
        (kind, _) => supported(errors, &path.child("type"), kind, PROFILE_TYPES),
    }
}

/// Options of another system than the one that the pod is for.
pub fn refuse_windows(spec: &PodSpec, path: &Path, errors: &mut FieldErrors) {
    let why = "windows options cannot be set for a linux pod";
    if spec.security_context.as_ref().is_some_and(|context| context.windows_options.is_some()) {
        errors.push(FieldError::forbidden(&path.child("securityContext").child("windowsOptions"), why));
    }
    let init = spec.init_containers.as_deref().unwrap_or_default();
    for (field, containers) in [("initContainers", init), ("containers", &spec.containers[..])] {
        for (index, container) in containers.iter().enumerate() {
            if container.security_context.as_ref().is_some_and(|context| context.windows_options.is_some()) {
                let path = path.child(field).index(index).child("securityContext").child("windowsOptions");
                errors.push(FieldError::forbidden(&path, why));
            }
        }
    }
}

fn validate_sysctls(sysctls: &[Sysctl], spec: &PodSpec, path: &Path, errors: &mut FieldErrors) {
    const LONGEST: usize = 253;
    let mut seen = BTreeSet::new();
    for (index, sysctl) in sysctls.iter().enumerate() {
        let path = path.index(index).child("name");
        let name = sysctl.name.as_str();
        let is_part = |part: &str| {
            let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
            let ends = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
            part.bytes().all(fits) && ends(part.as_bytes().first()) && ends(part.as_bytes().last())
        };
        if name.is_empty() {
            errors.push(FieldError::required(&path, ""));
        } else if name.len() > LONGEST || !name.split(['.', '/']).all(is_part) {
            let why = format!(
                "must have at most {LONGEST} characters and match regex \
                 ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
            );
            errors.push(FieldError::invalid(&path, name, why));
        } else if !seen.insert(name) {
            errors.push(FieldError::duplicate(&path, name));
        }
        let dotted = name.replace('/', ".");
        let of_messages = ["kernel.shm", "kernel.msg", "fs.mqueue."].iter().any(|prefix| dotted.starts_with(prefix));
        for (is_of_host, is_shared, field) in [
            (dotted.starts_with("net."), spec.host_network, "hostNetwork"),
            (of_messages || dotted == "kernel.sem", spec.host_ipc, "hostIPC"),
        ] {
            if is_shared == Some(true) && is_of_host {
                errors.push(FieldError::invalid(&path, name, format!("may not be specified when '{field}' is true")));
            }
        }
    }
}
