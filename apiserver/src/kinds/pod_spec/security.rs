//! Rules of security contexts: users, groups, capabilities, profiles, kernel parameters.

use std::collections::BTreeSet;

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::api::core::v1::{
    AppArmorProfile, PodSecurityContext, PodSpec, SeccompProfile, SecurityContext, Sysctl,
};

use crate::kinds::rules::{inner_path, shown, supported, text};

const PROFILE_TYPES: &[&str] = &["Localhost", "RuntimeDefault", "Unconfined"];

/// The context of the pod, and what it shares with its host.
pub fn validate_pod(spec: &PodSpec, path: &Path, errors: &mut FieldErrors) {
    if spec.share_process_namespace == Some(true) && spec.host_pid == Some(true) {
        let why = "ShareProcessNamespace and HostPID cannot both be enabled";
        errors.push(FieldError::invalid(&path.child("shareProcessNamespace"), true, why));
    }
    if spec.host_users == Some(false) {
        for (field, value) in
            [("hostNetwork", spec.host_network), ("hostPID", spec.host_pid), ("hostIPC", spec.host_ipc)]
        {
            if value == Some(true) {
                errors.push(FieldError::forbidden(&path.child(field), "when `hostUsers` is false"));
            }
        }
    }
    if let Some(context) = &spec.security_context {
        validate_pod_context(context, spec, &path.child("securityContext"), errors);
    }
}

fn validate_pod_context(context: &PodSecurityContext, spec: &PodSpec, path: &Path, errors: &mut FieldErrors) {
    identity(context.run_as_user, &path.child("runAsUser"), errors);
    identity(context.run_as_group, &path.child("runAsGroup"), errors);
    identity(context.fs_group, &path.child("fsGroup"), errors);
    for (index, group) in context.supplemental_groups.iter().flatten().enumerate() {
        identity(Some(*group), &path.child("supplementalGroups").index(index), errors);
    }
    if let Some(policy) = &context.fs_group_change_policy {
        supported(errors, &path.child("fsGroupChangePolicy"), policy, &["Always", "OnRootMismatch"]);
    }
    if let Some(policy) = &context.supplemental_groups_policy {
        supported(errors, &path.child("supplementalGroupsPolicy"), policy, &["Merge", "Strict"]);
    }
    if let Some(policy) = &context.se_linux_change_policy {
        supported(errors, &path.child("seLinuxChangePolicy"), policy, &["MountOption", "Recursive"]);
    }
    validate_profiles(&context.seccomp_profile, &context.app_armor_profile, path, errors);
    validate_sysctls(context.sysctls.as_deref().unwrap_or_default(), spec, &path.child("sysctls"), errors);
}

pub fn validate_container(context: &SecurityContext, host_users: bool, path: &Path, errors: &mut FieldErrors) {
    identity(context.run_as_user, &path.child("runAsUser"), errors);
    identity(context.run_as_group, &path.child("runAsGroup"), errors);
    validate_profiles(&context.seccomp_profile, &context.app_armor_profile, path, errors);
    if let Some(mount) = &context.proc_mount {
        supported(errors, &path.child("procMount"), mount, &["Default", "Unmasked"]);
        if mount == "Unmasked" && host_users {
            let why = "`hostUsers` must be false to use `Unmasked`";
            errors.push(FieldError::invalid(&path.child("procMount"), mount.as_str(), why));
        }
    }
    if context.allow_privilege_escalation != Some(false) {
        return;
    }
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

fn validate_profiles(
    seccomp: &Option<SeccompProfile>,
    app_armor: &Option<AppArmorProfile>,
    path: &Path,
    errors: &mut FieldErrors,
) {
    if let Some(SeccompProfile { type_, localhost_profile }) = seccomp {
        let path = path.child("seccompProfile");
        validate_profile(type_, localhost_profile.as_deref(), "seccomp", &path, errors);
        inner_path(errors, &path.child("localhostProfile"), text(localhost_profile));
    }
    if let Some(AppArmorProfile { type_, localhost_profile }) = app_armor {
        validate_profile(type_, localhost_profile.as_deref(), "AppArmor", &path.child("appArmorProfile"), errors);
    }
}

/// A profile of the node has a name, and no other has.
fn validate_profile(kind: &str, name: Option<&str>, what: &str, path: &Path, errors: &mut FieldErrors) {
    if kind.is_empty() {
        let why = if what == "seccomp" { "type is required when seccompProfile is set" } else { "" };
        errors.push(FieldError::required(&path.child("type"), why));
    } else {
        supported(errors, &path.child("type"), kind, PROFILE_TYPES);
    }
    let path = path.child("localhostProfile");
    match (kind, name) {
        ("Localhost", None | Some("")) => {
            let why = format!("must be set when {what} type is Localhost");
            errors.push(FieldError::required(&path, &why));
        }
        ("Localhost", _) | (_, None) => {}
        (_, Some(name)) => {
            let why = format!("can only be set when {what} type is Localhost");
            errors.push(FieldError::invalid(&path, name, why));
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
        for (prefix, is_shared, field) in
            [("net.", spec.host_network, "hostNetwork"), ("kernel.shm", spec.host_ipc, "hostIPC")]
        {
            if is_shared == Some(true) && name.starts_with(prefix) {
                errors.push(FieldError::invalid(&path, name, format!("may not be set when '{field}' is true")));
            }
        }
    }
}
