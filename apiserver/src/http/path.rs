//! What a path below `/api` and `/apis` names.

use std::borrow::Cow;

/// The meaning of a path.
#[derive(Debug, PartialEq, Eq)]
pub enum ApiPath {
    /// `/api`
    CoreVersions,
    /// `/apis`
    Groups,
    /// `/apis/apps`
    Group(String),
    /// `/api/v1`, `/apis/apps/v1`
    GroupVersion { group: String, version: String },
    /// Everything longer.
    Resource(Target),
    /// No path that could ever be served.
    Unknown,
}

impl ApiPath {
    /// The group that a path below `/apis` names.
    pub fn group(&self) -> Option<&str> {
        let group = match self {
            Self::Group(group) | Self::GroupVersion { group, .. } => group,
            Self::Resource(target) => &target.group,
            Self::CoreVersions | Self::Groups | Self::Unknown => return None,
        };
        (!group.is_empty()).then_some(group.as_str())
    }
}

/// What a longer path names. An empty text means that the path has no such part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    pub group: String,
    pub version: String,
    /// Of a Namespace itself, also its own name, as authorizers expect it.
    pub namespace: String,
    pub resource: String,
    pub name: String,
    pub subresource: String,
    /// The path has the old prefix `/watch/`.
    pub legacy_watch: bool,
}

/// What may follow the name of a Namespace without being a resource inside it.
const NAMESPACE_SUBRESOURCES: [&str; 2] = ["status", "finalize"];

/// Whatever follows it is no part of the API.
const PROXY: &str = "proxy";

/// Reads a path as it stands in a request.
pub fn parse(path: &str) -> ApiPath {
    let Some(path) = decode(path) else { return ApiPath::Unknown };
    let mut parts = path.trim_matches('/').split('/');
    match (parts.next(), parts.next()) {
        (Some("api"), None) => ApiPath::CoreVersions,
        (Some("apis"), None) => ApiPath::Groups,
        (Some("api"), Some(version)) => below_version("", version, parts.collect()),
        (Some("apis"), Some(group)) => match parts.next() {
            None => ApiPath::Group(group.to_owned()),
            Some(version) => below_version(group, version, parts.collect()),
        },
        _ => ApiPath::Unknown,
    }
}

fn below_version(group: &str, version: &str, parts: Vec<&str>) -> ApiPath {
    let (group, version) = (group.to_owned(), version.to_owned());
    if parts.is_empty() {
        return ApiPath::GroupVersion { group, version };
    }
    let legacy_watch = parts[0] == "watch" && parts.len() > 1;
    let parts = if legacy_watch { &parts[1..] } else { &parts[..] };
    let (namespace, parts) = match parts {
        ["namespaces", "", ..] => return ApiPath::Unknown,
        ["namespaces", namespace, subresource, ..] if !NAMESPACE_SUBRESOURCES.contains(subresource) => {
            (*namespace, &parts[2..])
        }
        ["namespaces", namespace, ..] => (*namespace, parts),
        _ => ("", parts),
    };
    // What is behind a proxy is its own business.
    let parts = if parts.get(2) == Some(&PROXY) { &parts[..3] } else { parts };
    if parts.iter().any(|part| part.is_empty()) {
        return ApiPath::Unknown;
    }
    let part = |index: usize| parts.get(index).map(|part| (*part).to_owned()).unwrap_or_default();
    ApiPath::Resource(Target {
        group,
        version,
        namespace: namespace.to_owned(),
        resource: part(0),
        name: part(1),
        subresource: parts.get(2..).unwrap_or_default().join("/"),
        legacy_watch,
    })
}

/// Undoes percent-encoding. `None` for what is no text.
fn decode(path: &str) -> Option<Cow<'_, str>> {
    if !path.contains('%') {
        return Some(Cow::Borrowed(path));
    }
    let mut plain = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            plain.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
        plain.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(plain).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str) -> Target {
        match parse(path) {
            ApiPath::Resource(target) => target,
            other => panic!("{path} is {other:?}"),
        }
    }

    fn shown(path: &str) -> String {
        let t = target(path);
        format!("{}|{}|{}|{}|{}|{}", t.group, t.version, t.namespace, t.resource, t.name, t.subresource)
    }

    #[test]
    fn short_paths_name_lists_of_groups_and_versions() {
        assert_eq!(parse("/api"), ApiPath::CoreVersions);
        assert_eq!(parse("/api/"), ApiPath::CoreVersions);
        assert_eq!(parse("/apis"), ApiPath::Groups);
        assert_eq!(parse("/apis/apps/"), ApiPath::Group("apps".to_owned()));
        let version = ApiPath::GroupVersion { group: "apps".to_owned(), version: "v1".to_owned() };
        assert_eq!(parse("/apis/apps/v1"), version);
        assert_eq!(parse("/other"), ApiPath::Unknown);
    }

    #[test]
    fn every_form_of_resource_path_is_understood() {
        for (path, expected) in [
            ("/api/v1/pods", "|v1||pods||"),
            ("/api/v1/nodes/a", "|v1||nodes|a|"),
            ("/api/v1/namespaces/d/pods/", "|v1|d|pods||"),
            ("/api/v1/namespaces/d/pods/p/log", "|v1|d|pods|p|log"),
            ("/api/v1/namespaces", "|v1||namespaces||"),
            ("/api/v1/namespaces/d", "|v1|d|namespaces|d|"),
            ("/api/v1/namespaces/d/status", "|v1|d|namespaces|d|status"),
            ("/api/v1/namespaces/d/finalize", "|v1|d|namespaces|d|finalize"),
            ("/apis/apps/v1/namespaces/d/deployments/x/scale", "apps|v1|d|deployments|x|scale"),
            ("/api/v1/namespaces/d/pods/a%3Ab", "|v1|d|pods|a:b|"),
            ("/api/v1/namespaces/d/services/https:s:web/proxy/a//b/", "|v1|d|services|https:s:web|proxy"),
            ("/api/v1/nodes/n/proxy/namespaces/x", "|v1||nodes|n|proxy"),
            // Nothing is served there, which is for the kind to say.
            ("/api/v1/namespaces/d/pods/p/log/x", "|v1|d|pods|p|log/x"),
        ] {
            assert_eq!(shown(path), expected, "{path}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_path_means_something_or_nothing(path in "(/|%|[a-z0-9.]|watch|api|apis|namespaces|%2[Ff]|\\PC){0,40}") {
            if let ApiPath::Resource(target) = parse(&path) {
                assert!(!target.resource.is_empty() && !target.resource.contains('/'));
                assert!(!target.name.contains('/') && !target.namespace.contains('/'));
            }
        }
    }

    #[test]
    fn the_old_watch_prefix_is_noticed() {
        let all = target("/api/v1/watch/pods");
        assert!(all.legacy_watch && all.resource == "pods" && all.name.is_empty());
        let one = target("/api/v1/watch/namespaces/d/pods/p");
        assert!(one.legacy_watch && one.namespace == "d" && one.name == "p");
        assert!(!target("/api/v1/watch").legacy_watch);
    }

    #[test]
    fn paths_with_holes_are_unknown() {
        for path in ["/api/v1/namespaces//pods", "/api/v1/pods/%ff", "/api/v1/pods/%2", "/api/v1//pods"] {
            assert_eq!(parse(path), ApiPath::Unknown, "{path}");
        }
    }
}
