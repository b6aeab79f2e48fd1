//! Where a webhook is: at a URL, or behind a Service.

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::admissionregistration;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions;

const URL_FORM: &str = "; desired format: https://host[/path]";

/// A Service that is called, whichever group's type names it.
pub struct Service<'a> {
    pub namespace: &'a str,
    pub name: &'a str,
    pub path: Option<&'a str>,
    pub port: i32,
}

macro_rules! service {
    ($reference:ty) => {
        impl<'a> From<&'a $reference> for Service<'a> {
            fn from(service: &'a $reference) -> Self {
                Self {
                    namespace: &service.namespace,
                    name: &service.name,
                    path: service.path.as_deref(),
                    port: service.port.unwrap_or(443),
                }
            }
        }
    };
}
service!(admissionregistration::v1::ServiceReference);
service!(apiextensions::v1::ServiceReference);

pub fn validate(url: Option<&str>, service: Option<Service<'_>>, path: &Path, errors: &mut FieldErrors) {
    match (url, service) {
        (Some(url), None) => validate_url(url, &path.child("url"), errors),
        (None, Some(service)) => validate_service(&service, &path.child("service"), errors),
        _ => errors.push(FieldError::required(path, "exactly one of url or service is required")),
    }
}

fn validate_url(url: &str, path: &Path, errors: &mut FieldErrors) {
    let parts = match Url::parse(url) {
        Ok(parts) => parts,
        Err(why) => {
            let why = format!("url must be a valid URL: parse {url:?}: {why}{URL_FORM}");
            errors.push(FieldError::required(path, &why));
            return;
        }
    };
    let mut wrong = |value: &str, why: &str| errors.push(FieldError::invalid(path, value, why));
    if parts.scheme != "https" {
        wrong(&parts.scheme, &format!("'https' is the only allowed URL scheme{URL_FORM}"));
    }
    if parts.host.is_empty() {
        wrong(parts.host, &format!("host must be specified{URL_FORM}"));
    }
    if let Some(user) = parts.user {
        wrong(user, "user information is not permitted in the URL");
    }
    if !parts.fragment.is_empty() {
        wrong(parts.fragment, "fragments are not permitted in the URL");
    }
    if !parts.query.is_empty() {
        wrong(parts.query, "query parameters are not permitted in the URL");
    }
}

/// The parts of a URL, as Go's parser tells them apart.
struct Url<'a> {
    scheme: String,
    user: Option<&'a str>,
    host: &'a str,
    query: &'a str,
    fragment: &'a str,
}

impl<'a> Url<'a> {
    fn parse(url: &'a str) -> Result<Self, String> {
        if url.contains(|character: char| character.is_ascii_control()) {
            return Err("net/url: invalid control character in URL".to_owned());
        }
        let (rest, fragment) = url.split_once('#').unwrap_or((url, ""));
        let (scheme, rest) = match rest.split_once(':') {
            Some(("", _)) => return Err("missing protocol scheme".to_owned()),
            Some((scheme, rest)) if is_scheme(scheme) => (scheme, rest),
            _ => ("", rest),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, place) = match rest.strip_prefix("//") {
            Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
            None => ("", rest),
        };
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        check_host(host)?;
        check_escapes(place)?;
        Ok(Self { scheme: scheme.to_lowercase(), user, host, query, fragment })
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

fn check_host(host: &str) -> Result<(), String> {
    let port = match host.strip_prefix('[') {
        Some(inner) => inner.split_once(']').ok_or("missing ']' in host")?.1,
        None => host.rfind(':').map_or("", |colon| &host[colon..]),
    };
    let is_port =
        |port: &str| port.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    if !port.is_empty() && !is_port(port) {
        return Err(format!("invalid port {port:?} after host"));
    }
    if let Some(wrong) = host.chars().find(|character| matches!(character, ' ' | '\\' | '^' | '`' | '{' | '|' | '}')) {
        return Err(format!("invalid character \"{}\" in host name", wrong.escape_debug()));
    }
    check_escapes(host)
}

/// `%2F`: what stands behind a percent sign is a byte.
fn check_escapes(text: &str) -> Result<(), String> {
    for (at, _) in text.match_indices('%') {
        let escape: String = text[at..].chars().take(3).collect();
        if escape.len() != 3 || !escape[1..].bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(format!("invalid URL escape {escape:?}"));
        }
    }
    Ok(())
}

fn validate_service(service: &Service<'_>, path: &Path, errors: &mut FieldErrors) {
    if service.name.is_empty() {
        errors.push(FieldError::required(&path.child("name"), ""));
    }
    if service.namespace.is_empty() {
        errors.push(FieldError::required(&path.child("namespace"), ""));
    }
    if !(1..=65535).contains(&service.port) {
        let why = "port is not valid: must be between 1 and 65535, inclusive";
        errors.push(FieldError::invalid(&path.child("port"), service.port, why));
    }
    let Some(place) = service.path.filter(|place| !matches!(*place, "" | "/")) else { return };
    let path = path.child("path");
    let mut wrong = |why: String| errors.push(FieldError::invalid(&path, place, why));
    if place == "//" {
        wrong("segment[0] may not be empty".to_owned());
        return;
    }
    if !place.starts_with('/') {
        wrong("must start with a '/'".to_owned());
    }
    let inner = place.strip_prefix('/').unwrap_or(place);
    for (index, step) in inner.strip_suffix('/').unwrap_or(inner).split('/').enumerate() {
        if step.is_empty() {
            wrong(format!("segment[{index}] may not be empty"));
        } else if let Err(why) = names::dns_subdomain(step) {
            wrong(format!("segment[{index}]: {why}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_one_that_can_be_called() {
        let told = |url: &str| {
            let mut errors = FieldErrors::default();
            validate_url(url, &Path::new("url"), &mut errors);
            errors.0.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        for fine in ["https://example.com", "HTTPS://example.com:8443/a%20b", "https://[::1]:443/"] {
            assert_eq!(told(fine), [""; 0], "{fine}");
        }
        for (url, why) in [
            ("https://a:b", "invalid port \":b\" after host"),
            ("https://[::1", "missing ']' in host"),
            ("https://a b/", "invalid character \" \" in host name"),
            ("https://a/%zz", "invalid URL escape \"%zz\""),
            (":", "missing protocol scheme"),
            ("https://a\u{7f}", "net/url: invalid control character in URL"),
        ] {
            let why = format!("url: Required value: url must be a valid URL: parse {url:?}: {why}{URL_FORM}");
            assert_eq!(told(url), [why]);
        }
        assert_eq!(
            told("https://ada@example.com/?q#f"),
            [
                "url: Invalid value: \"ada\": user information is not permitted in the URL",
                "url: Invalid value: \"f\": fragments are not permitted in the URL",
                "url: Invalid value: \"q\": query parameters are not permitted in the URL",
            ]
        );
        assert_eq!(
            told("/a"),
            [
                format!("url: Invalid value: \"\": 'https' is the only allowed URL scheme{URL_FORM}"),
                format!("url: Invalid value: \"\": host must be specified{URL_FORM}"),
            ]
        );
    }
}
