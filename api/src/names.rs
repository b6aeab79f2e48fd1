//! Names: of groups, kinds and resources, and the rules that object names and labels obey.
//!
//! The rules are those of upstream `apimachinery/pkg/util/validation/validation.go`.

use std::fmt;

/// A resource by its group and plural: what paths, storage keys and error texts speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupResource {
    pub group: &'static str,
    pub resource: &'static str,
}

/// `pods`, or `deployments.apps` for a resource outside the core group.
impl fmt::Display for GroupResource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group.is_empty() {
            write!(out, "{}", self.resource)
        } else {
            write!(out, "{}.{}", self.resource, self.group)
        }
    }
}

/// A kind in one version of its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupVersionKind {
    pub group: &'static str,
    pub version: &'static str,
    pub kind: &'static str,
}

impl GroupVersionKind {
    /// `v1` for the core group, `group/version` for every other.
    pub fn api_version(&self) -> String {
        api_version(self.group, self.version)
    }
}

/// `v1` for the core group, `group/version` for every other.
pub fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// The group and the version that an `apiVersion` names.
pub fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// `cluster/name` or `namespace/name`: how logs and work queues speak of an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NamespacedName {
    pub namespace: String,
    pub name: String,
}

impl NamespacedName {
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for NamespacedName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(out, "{}", self.name)
        } else {
            write!(out, "{}/{}", self.namespace, self.name)
        }
    }
}

/// A rule that a name can break; the error is the sentence a client is shown.
pub type NameRule = fn(&str) -> Result<(), String>;

const LABEL_RULE: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must \
    start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN_RULE: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
    and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_1035_RULE: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an \
    alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for \
    validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const WILDCARD_RULE: &str = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must \
    consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. \
    '*.example.com', regex used for validation is \
    '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const QUALIFIED_RULE: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with \
    an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE_RULE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', \
    and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for \
    validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

fn at_most(length: usize, value: &str) -> Result<(), String> {
    if value.len() > length { Err(format!("must be no more than {length} bytes")) } else { Ok(()) }
}

fn is_lower_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn is_label(value: &str) -> bool {
    let bytes = value.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    is_lower_alphanumeric(*first)
        && is_lower_alphanumeric(*last)
        && bytes.iter().all(|byte| is_lower_alphanumeric(*byte) || *byte == b'-')
}

fn is_qualified(value: &str) -> bool {
    let bytes = value.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    first.is_ascii_alphanumeric()
        && last.is_ascii_alphanumeric()
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// An RFC 1123 label of at most 63 characters: namespaces, container names, pod hostnames.
pub fn dns_label(value: &str) -> Result<(), String> {
    at_most(63, value)?;
    if is_label(value) { Ok(()) } else { Err(LABEL_RULE.to_owned()) }
}

/// An RFC 1123 subdomain of at most 253 characters: the names of most objects.
pub fn dns_subdomain(value: &str) -> Result<(), String> {
    at_most(253, value)?;
    if value.split('.').all(is_label) { Ok(()) } else { Err(SUBDOMAIN_RULE.to_owned()) }
}

/// A subdomain behind `*.`: hosts of an Ingress.
pub fn wildcard_subdomain(value: &str) -> Result<(), String> {
    at_most(253, value)?;
    match value.strip_prefix("*.") {
        Some(rest) if rest.split('.').all(is_label) => Ok(()),
        _ => Err(WILDCARD_RULE.to_owned()),
    }
}

/// An RFC 1035 label of at most 63 characters: the names of Services.
pub fn dns_1035_label(value: &str) -> Result<(), String> {
    at_most(63, value)?;
    if is_label(value) && value.as_bytes()[0].is_ascii_lowercase() { Ok(()) } else { Err(LABEL_1035_RULE.to_owned()) }
}

/// A path segment: no `.`, `..`, `/` or `%`. The names of roles and bindings.
pub fn path_segment(value: &str) -> Result<(), String> {
    match value {
        "." | ".." => Err(format!("may not be '{value}'")),
        _ if value.contains('/') => Err("may not contain '/'".to_owned()),
        _ if value.contains('%') => Err("may not contain '%'".to_owned()),
        _ => Ok(()),
    }
}

/// `[prefix/]name`: the keys of labels and annotations, names of extended resources, finalizers.
pub fn qualified_name(value: &str) -> Result<(), String> {
    let name = match value.split_once('/') {
        None => value,
        Some(("", _)) => return Err("prefix part must be non-empty".to_owned()),
        Some((_, rest)) if rest.contains('/') => {
            return Err("a qualified name ".to_owned()
                + QUALIFIED_RULE.trim_start_matches("name part ")
                + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')");
        }
        Some((prefix, name)) => {
            dns_subdomain(prefix).map_err(|rule| format!("prefix part {rule}"))?;
            name
        }
    };
    if name.is_empty() {
        return Err("name part must be non-empty".to_owned());
    }
    at_most(63, name).map_err(|rule| format!("name part {rule}"))?;
    if is_qualified(name) { Ok(()) } else { Err(QUALIFIED_RULE.to_owned()) }
}

/// The value of a label: empty, or at most 63 characters.
pub fn label_value(value: &str) -> Result<(), String> {
    at_most(63, value)?;
    if value.is_empty() || is_qualified(value) { Ok(()) } else { Err(LABEL_VALUE_RULE.to_owned()) }
}

/// The name of a port: at most 15 lower-case characters with at least one letter (IANA_SVC_NAME).
pub fn port_name(value: &str) -> Result<(), String> {
    if value.len() > 15 {
        return Err("must be no more than 15 bytes".to_owned());
    }
    if value.is_empty() || !value.bytes().all(|byte| is_lower_alphanumeric(byte) || byte == b'-') {
        return Err("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned());
    }
    if !value.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return Err("must contain at least one letter (a-z)".to_owned());
    }
    if value.contains("--") {
        return Err("must not contain consecutive hyphens".to_owned());
    }
    if value.starts_with('-') || value.ends_with('-') {
        return Err("must not begin or end with a hyphen".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_has_no_dots_and_a_subdomain_may() {
        assert!(dns_label("my-pod").is_ok());
        assert!(dns_label("my.pod").is_err());
        assert!(dns_subdomain("my.pod").is_ok());
        assert!(dns_subdomain("my..pod").is_err());
        assert!(dns_subdomain("").is_err());
        assert!(wildcard_subdomain("*.pod").is_ok());
        assert!(wildcard_subdomain("*").is_err() && wildcard_subdomain("a.*.pod").is_err());
        assert_eq!(dns_label(&"a".repeat(64)).unwrap_err(), "must be no more than 63 bytes");
    }

    #[test]
    fn a_service_name_starts_with_a_letter() {
        assert!(dns_1035_label("1a").is_err());
        assert!(dns_1035_label("a1").is_ok());
    }

    #[test]
    fn a_label_key_may_have_a_prefix() {
        assert!(qualified_name("app.kubernetes.io/name").is_ok());
        assert!(qualified_name("a/b/c").is_err());
        assert!(qualified_name("/b").is_err());
        assert!(qualified_name("a_B.c").is_ok());
        assert!(label_value("").is_ok());
        assert!(label_value("-x").is_err());
    }

    #[test]
    fn a_port_name_needs_a_letter() {
        assert!(port_name("http").is_ok());
        assert!(port_name("80").is_err());
        assert!(port_name("a--b").is_err());
        assert!(port_name("abcdefghijklmnop").is_err());
    }
}
