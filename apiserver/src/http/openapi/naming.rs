//! How groups, kinds and parts are called in OpenAPI documents.

/// `core`, `apps`, `rbacAuthorization`.
pub fn group(group: &str) -> String {
    if group.is_empty() {
        return "core".to_owned();
    }
    let mut words = group.strip_suffix(".k8s.io").unwrap_or(group).split('.');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| name + &capitalized(word))
}

/// The tag of all operations of a version: `rbacAuthorization_v1`.
pub fn tag(group: &str, version: &str) -> String {
    format!("{}_{version}", self::group(group))
}

/// A version inside operation ids: `RbacAuthorizationV1`.
pub fn version(group: &str, version: &str) -> String {
    capitalized(&self::group(group)) + &capitalized(version)
}

pub fn capitalized(word: &str) -> String {
    let mut characters = word.chars();
    characters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + characters.as_str())
}

/// `a Pod`, `an Event`, `Endpoints`.
pub fn with_article(noun: &str) -> String {
    let is_plural = noun.ends_with('s') && !noun.ends_with("ss");
    if is_plural {
        return noun.to_owned();
    }
    let article = if noun.starts_with(['A', 'E', 'I', 'O', 'U']) { "an" } else { "a" };
    format!("{article} {noun}")
}
