//! Rules of how a pod finds names: DNS settings, entries of its hosts file.

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::core::v1::{PodDNSConfig, PodSpec};

use crate::kinds::rules::{ip_address, required_and_supported, text};

const POLICIES: &[&str] = &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
const MOST_SERVERS: usize = 3;
const MOST_SEARCHES: usize = 32;
const LONGEST_SEARCHES: usize = 2048;

pub fn validate(spec: &PodSpec, path: &Path, errors: &mut FieldErrors) {
    let policy = text(&spec.dns_policy);
    required_and_supported(errors, &path.child("dnsPolicy"), policy, POLICIES);
    let config_path = path.child("dnsConfig");
    let servers = spec.dns_config.as_ref().and_then(|dns| dns.nameservers.as_deref()).unwrap_or_default();
    if policy == "None" && spec.dns_config.is_none() {
        let why = "must provide `dnsConfig` when `dnsPolicy` is None";
        errors.push(FieldError::required(&config_path, why));
    } else if policy == "None" && servers.is_empty() {
        let why = "must provide at least one DNS nameserver when `dnsPolicy` is None";
        errors.push(FieldError::required(&config_path.child("nameservers"), why));
    } else if let Some(config) = &spec.dns_config {
        validate_config(config, &config_path, errors);
    }
    for (index, alias) in spec.host_aliases.iter().flatten().enumerate() {
        let path = path.child("hostAliases").index(index);
        ip_address(errors, &path.child("ip"), &alias.ip);
        for (index, name) in alias.hostnames.iter().flatten().enumerate() {
            errors.check(&path.child("hostnames").index(index), name, names::dns_subdomain);
        }
    }
    validate_override(spec, &path.child("hostnameOverride"), errors);
}

fn validate_override(spec: &PodSpec, path: &Path, errors: &mut FieldErrors) {
    const LONGEST: usize = 64;
    let Some(name) = &spec.hostname_override else { return };
    if spec.set_hostname_as_fqdn == Some(true) {
        errors.push(FieldError::forbidden(path, "may not be specified when setHostnameAsFQDN is true"));
    }
    if spec.host_network == Some(true) {
        errors.push(FieldError::forbidden(path, "may not be specified when hostNetwork is true"));
    }
    if name.len() > LONGEST {
        errors.push(FieldError::too_long(path, LONGEST));
    }
    errors.check(path, name, names::dns_subdomain);
}

fn validate_config(config: &PodDNSConfig, path: &Path, errors: &mut FieldErrors) {
    let servers = config.nameservers.as_deref().unwrap_or_default();
    let servers_path = path.child("nameservers");
    if servers.len() > MOST_SERVERS {
        let why = format!("must not have more than {MOST_SERVERS} nameservers");
        errors.push(FieldError::invalid(&servers_path, servers, why));
    }
    for (index, server) in servers.iter().enumerate() {
        ip_address(errors, &servers_path.index(index), server);
    }
    let searches = config.searches.as_deref().unwrap_or_default();
    let searches_path = path.child("searches");
    if searches.len() > MOST_SEARCHES {
        let why = format!("must not have more than {MOST_SEARCHES} search paths");
        errors.push(FieldError::invalid(&searches_path, searches, why));
    }
    if searches.join(" ").len() > LONGEST_SEARCHES {
        let why =
            format!("must not have more than {LONGEST_SEARCHES} characters (including spaces) in the search list");
        errors.push(FieldError::invalid(&searches_path, searches, why));
    }
    for (index, search) in searches.iter().enumerate() {
        if search != "." {
            let name = search.strip_suffix('.').unwrap_or(search);
            errors.check(&searches_path.index(index), name, search_domain);
        }
    }
    for (index, option) in config.options.iter().flatten().enumerate() {
        if text(&option.name).is_empty() {
            let path = path.child("options").index(index);
            errors.push(FieldError::required(&path, "must not be empty"));
        }
    }
}

/// A subdomain with underscores, which the names of services have.
fn search_domain(name: &str) -> Result<(), String> {
    // What is left of a label when its underscores are taken for what may stand in their place.
    let plain = |label: &str| label.strip_prefix('_').unwrap_or(label).replace('_', "-");
    let labels: Vec<String> = name.split('.').map(plain).collect();
    if name.len() > 253 {
        return Err("must be no more than 253 bytes".to_owned());
    }
    if names::dns_subdomain(&labels.join(".")).is_ok() {
        return Ok(());
    }
    Err("a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must \
         start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
         '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')"
        .to_owned())
}
