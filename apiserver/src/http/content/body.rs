//! Bodies of requests: bounded, and turned into JSON.

use std::time::Duration;

use api::failure::{Failure, Reason};
use api::names::{GroupVersionKind, api_version};
use api::protobuf;
use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::DeleteOptions;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::context::{FieldValidation, Warnings};
use crate::http::content::yaml;
use crate::kinds::strict::{self, Search};
use crate::registry::options::PatchType;

/// The longest body that is read: two of the largest objects, as upstream has it.
pub const LIMIT: usize = 3 * 1024 * 1024;

pub fn too_large() -> Failure {
    Failure::new(Reason::RequestEntityTooLarge, format!("Request entity too large: limit is {LIMIT}"))
}

/// All of a body.
pub async fn read(body: Body) -> Result<Bytes, Failure> {
    match Limited::new(body, LIMIT).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => Err(Failure::bad_request(format!("unable to read the body of the request: {error}"))),
    }
}

/// How much is read of a body that nobody wants, and for how long.
const MOST_DISCARDED: usize = 16 * 1024 * 1024;
const DISCARDED_WITHIN: Duration = Duration::from_secs(5);

/// Reads what a client still sends with a request that is refused already: many look at no answer before they have
/// sent everything.
pub async fn discard(body: Body) {
    let rest = async {
        let mut rest = Limited::new(body, MOST_DISCARDED);
        while let Some(Ok(_)) = rest.frame().await {}
    };
    tokio::time::timeout(DISCARDED_WITHIN, rest).await.ok();
}

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Yaml,
    Protobuf,
}

fn media_type(headers: &HeaderMap) -> &str {
    let value = headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or("?")).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

/// How a body is written that holds what is `expected`. Custom resources have no form in protobuf.
fn format(headers: &HeaderMap, expected: GroupVersionKind) -> Result<Format, Failure> {
    let speaks_protobuf = || protobuf::speaks(&api_version(expected.group, expected.version), expected.kind);
    match media_type(headers) {
        "" | "application/json" => Ok(Format::Json),
        "application/yaml" => Ok(Format::Yaml),
        PROTOBUF if speaks_protobuf() => Ok(Format::Protobuf),
        _ if speaks_protobuf() => Err(unsupported(&["application/json", "application/yaml", PROTOBUF])),
        _ => Err(unsupported(&["application/json", "application/yaml"])),
    }
}

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

fn unsupported(accepted: &[&str]) -> Failure {
    let text = "the body of the request was in an unknown format - accepted media types include: ";
    Failure::new(Reason::UnsupportedMediaType, text.to_owned() + &accepted.join(", "))
}

/// The object in a body, as JSON.
#[derive(Debug)]
pub struct Sent {
    pub json: Bytes,
    /// About keys that stand twice in YAML. In JSON they are found where it is decoded; protobuf has none.
    pub complaint: Option<String>,
}

/// An object as JSON, whichever way it was written. A message that does not say what it is, is what is `expected`.
pub async fn object(headers: &HeaderMap, body: Body, expected: GroupVersionKind) -> Result<Sent, Failure> {
    let format = format(headers, expected)?;
    let bytes = read(body).await?;
    match format {
        Format::Json => Ok(Sent { json: bytes, complaint: None }),
        Format::Protobuf => Ok(Sent { json: of_protobuf(&bytes, expected)?.into(), complaint: None }),
        Format::Yaml => {
            let document = parse_yaml(&bytes)?;
            let complaint = document.duplicate.map(|duplicate| format!("yaml: {duplicate}"));
            Ok(Sent { json: document.value.to_string().into(), complaint })
        }
    }
}

/// A patch as it came, or as JSON if it is a configuration that is applied.
pub async fn patch(
    patch_type: PatchType,
    body: Body,
    validation: FieldValidation,
    warnings: &Warnings,
) -> Result<Bytes, Failure> {
    let bytes = read(body).await?;
    if patch_type == PatchType::Apply {
        return configuration(bytes, validation, warnings);
    }
    let complaints = duplicates(&bytes, validation);
    match validation {
        FieldValidation::Strict if !complaints.is_empty() => {
            return Err(Failure::bad_request(format!("strict decoding error: {}", complaints.join(", "))));
        }
        _ => complaints.into_iter().for_each(|complaint| warnings.add(complaint)),
    }
    Ok(bytes)
}

/// Complaints about keys that stand twice, if somebody wants to know.
fn duplicates(json: &[u8], validation: FieldValidation) -> Vec<String> {
    if validation == FieldValidation::Ignore {
        return Vec::new();
    }
    strict::scan(json, None, Search::Everything).complaints
}

/// A configuration is YAML. Most clients send JSON, which is YAML too, and much sooner read.
fn configuration(bytes: Bytes, validation: FieldValidation, warnings: &Warnings) -> Result<Bytes, Failure> {
    let is_json = bytes.trim_ascii_start().starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(&bytes).is_ok();
    // What stands twice is told in the words of YAML.
    if is_json && duplicates(&bytes, validation).is_empty() {
        return Ok(bytes);
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| Failure::bad_request("error decoding YAML: it is not UTF-8"))?;
    let document = yaml::parse(text).map_err(|error| {
        Failure::bad_request(format!("error decoding YAML: error converting YAML to JSON: yaml: {error}"))
    })?;
    let Some(duplicate) = document.duplicate else { return Ok(document.value.to_string().into()) };
    let complaint = format!("error converting YAML to JSON: yaml: {duplicate}");
    match validation {
        FieldValidation::Strict => {
            return Err(Failure::bad_request(format!("error strict decoding YAML: {complaint}")));
        }
        FieldValidation::Warn => warnings.add(complaint),
        FieldValidation::Ignore => {}
    }
    Ok(document.value.to_string().into())
}

fn parse_yaml(bytes: &[u8]) -> Result<yaml::Document, Failure> {
    let text = std::str::from_utf8(bytes).map_err(|_| unreadable("yaml: the text is not UTF-8"))?;
    yaml::parse(text).map_err(|error| unreadable(&format!("error converting YAML to JSON: yaml: {error}")))
}

fn of_protobuf(bytes: &[u8], expected: GroupVersionKind) -> Result<Vec<u8>, Failure> {
    let expected_version = api_version(expected.group, expected.version);
    protobuf::decode(bytes, (&expected_version, expected.kind)).map_err(|error| match error {
        protobuf::Error::Malformed(why) => {
            let kind = expected.kind;
            Failure::bad_request(format!(
                "{kind} in version {:?} cannot be handled as a {kind}: {why}",
                expected.version
            ))
        }
        other => Failure::bad_request(other.to_string()),
    })
}

fn unreadable(why: &str) -> Failure {
    Failure::bad_request(format!("couldn't get version/kind; json parse error: {why}"))
}

/// Which sort of patch this is.
pub fn patch_type(headers: &HeaderMap) -> Result<PatchType, Failure> {
    let given = media_type(headers);
    PatchType::ALL.into_iter().find(|patch_type| patch_type.media_type() == given).ok_or_else(|| {
        let known = PatchType::ALL.map(PatchType::media_type);
        unsupported(&known)
    })
}

const DELETE_OPTIONS: GroupVersionKind = GroupVersionKind { group: "", version: "v1", kind: "DeleteOptions" };

/// The options in the body of a deletion. An empty body is none.
pub async fn delete_options(headers: &HeaderMap, body: Body) -> Result<Option<DeleteOptions>, Failure> {
    let bytes = read(body).await?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let json = |bytes: &[u8]| serde_json::from_slice(bytes).map_err(|error| unreadable(&error.to_string()));
    let value: serde_json::Value = match format(headers, DELETE_OPTIONS)? {
        Format::Yaml => parse_yaml(&bytes)?.value,
        Format::Json => json(&bytes)?,
        Format::Protobuf => json(&of_protobuf(&bytes, DELETE_OPTIONS)?)?,
    };
    let kind = value.get("kind").and_then(serde_json::Value::as_str).unwrap_or("DeleteOptions").to_owned();
    if kind != "DeleteOptions" {
        let text = format!("the object provided is unrecognized (must be of type DeleteOptions): it is a {kind}");
        return Err(Failure::bad_request(text));
    }
    // The kind may stand in any group and version; the type insists on none.
    #[derive(Deserialize)]
    struct Options {
        #[serde(flatten)]
        options: DeleteOptions,
    }
    let mut value = value;
    if let Some(fields) = value.as_object_mut() {
        fields.remove("kind");
        fields.remove("apiVersion");
    }
    let Options { options } = serde_json::from_value(value)
        .map_err(|error| Failure::bad_request(format!("DeleteOptions cannot be handled: json: {error}")))?;
    Ok(Some(options))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const POD: GroupVersionKind = GroupVersionKind { group: "", version: "v1", kind: "Pod" };

    fn typed(media_type: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(media_type))])
    }

    async fn taken(headers: HeaderMap, body: &'static str) -> Result<Bytes, Failure> {
        object(&headers, Body::from(body), POD).await.map(|read| read.json)
    }

    #[tokio::test]
    async fn json_yaml_and_protobuf_are_taken_and_nothing_else() {
        assert_eq!(taken(HeaderMap::new(), "{}").await.unwrap(), "{}");
        assert_eq!(taken(typed("application/json; charset=utf-8"), "{}").await.unwrap(), "{}");
        assert_eq!(taken(typed("application/yaml"), "a: on").await.unwrap(), r#"{"a":true}"#);
        let nameless = "k8s\0\x12\x06\x12\x04\x52\x02n1";
        assert_eq!(taken(typed(PROTOBUF), nameless).await.unwrap(), r#"{"spec":{"nodeName":"n1"}}"#);
        let failure = taken(typed(PROTOBUF), "k8s").await.unwrap_err();
        assert!(failure.code() == 400 && failure.message.starts_with("provided data does not appear to be"));
        let failure = taken(typed(PROTOBUF), "k8s\0\x12\x02\x12\x01").await.unwrap_err();
        assert_eq!(failure.message, "Pod in version \"v1\" cannot be handled as a Pod: unexpected EOF");
        let failure = taken(typed("application/cbor"), "").await.unwrap_err();
        assert_eq!(failure.code(), 415);
        assert!(failure.message.ends_with(
            "accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf"
        ));
        let custom = GroupVersionKind { group: "example.com", version: "v1", kind: "Cron" };
        let failure = object(&typed(PROTOBUF), Body::empty(), custom).await.unwrap_err();
        assert!(failure.code() == 415 && failure.message.ends_with("application/json, application/yaml"));
    }

    #[tokio::test]
    async fn a_key_that_stands_twice_in_yaml_is_complained_of() {
        let read = object(&typed("application/yaml"), Body::from("a: 1\na: 2"), POD).await.unwrap();
        assert_eq!(read.json, r#"{"a":2}"#);
        assert!(read.complaint.unwrap().starts_with("yaml: "));
        assert_eq!(taken(typed("application/yaml"), "a: [").await.unwrap_err().code(), 400);
    }

    #[tokio::test]
    async fn a_key_that_stands_twice_in_a_patch_is_refused_or_told() {
        let read = async |text: &'static str, validation| {
            let warnings = Warnings::default();
            let read = patch(PatchType::Merge, Body::from(text), validation, &warnings).await;
            read.map(|_| warnings.take())
        };
        let twice = r#"{"spec":{"a":1,"a":2}}"#;
        let failure = read(twice, FieldValidation::Strict).await.unwrap_err();
        assert_eq!(failure.message, "strict decoding error: duplicate field \"spec.a\"");
        assert_eq!(read(twice, FieldValidation::Warn).await.unwrap(), ["duplicate field \"spec.a\""]);
        assert_eq!(read(twice, FieldValidation::Ignore).await.unwrap(), [""; 0]);
    }

    #[tokio::test]
    async fn a_configuration_is_yaml_or_json() {
        let read = async |text: &'static str, validation| {
            let warnings = Warnings::default();
            let read = patch(PatchType::Apply, Body::from(text), validation, &warnings).await;
            read.map(|json| (String::from_utf8(json.to_vec()).unwrap(), warnings.take()))
        };
        let (json, _) = read("kind: Pod\nspec: {a: on}\n", FieldValidation::Strict).await.unwrap();
        assert_eq!(json, r#"{"kind":"Pod","spec":{"a":true}}"#);
        assert_eq!(read(r#" {"a" :1}"#, FieldValidation::Strict).await.unwrap().0, r#" {"a" :1}"#);
        assert_eq!(read("{a: 1}", FieldValidation::Strict).await.unwrap().0, r#"{"a":1}"#);
        for twice in ["a: 1\na: 2", r#"{"a":1,"a":2}"#] {
            let failure = read(twice, FieldValidation::Strict).await.unwrap_err();
            assert!(failure.message.starts_with("error strict decoding YAML: "), "{}", failure.message);
            assert_eq!(read(twice, FieldValidation::Warn).await.unwrap().1.len(), 1);
            assert!(read(twice, FieldValidation::Ignore).await.unwrap().1.is_empty());
        }
        let failure = read("a: [", FieldValidation::Ignore).await.unwrap_err();
        assert!(failure.code() == 400 && failure.message.starts_with("error decoding YAML: "), "{failure:?}");
    }

    #[tokio::test]
    async fn a_body_over_three_mebibytes_is_refused() {
        let failure = read(Body::from(vec![b' '; LIMIT + 1])).await.unwrap_err();
        assert_eq!((failure.code(), &*failure.message), (413, "Request entity too large: limit is 3145728"));
    }

    #[tokio::test]
    async fn options_of_a_deletion_come_in_any_version() {
        for body in [
            r#"{"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":3}"#,
            r#"{"kind":"DeleteOptions","apiVersion":"meta.k8s.io/v1","gracePeriodSeconds":3}"#,
            r#"{"gracePeriodSeconds":3}"#,
        ] {
            let options = delete_options(&HeaderMap::new(), Body::from(body)).await.unwrap().unwrap();
            assert_eq!(options.grace_period_seconds, Some(3), "{body}");
        }
        let binary = "k8s\0\x0a\x18\x0a\x07apps/v1\x12\x0dDeleteOptions\x12\x02\x08\x03";
        let options = delete_options(&typed(PROTOBUF), Body::from(binary)).await.unwrap().unwrap();
        assert_eq!(options.grace_period_seconds, Some(3));
        assert!(delete_options(&HeaderMap::new(), Body::empty()).await.unwrap().is_none());
        assert!(delete_options(&HeaderMap::new(), Body::from(r#"{"kind":"Pod"}"#)).await.is_err());
    }

    #[test]
    fn an_unknown_patch_is_told_what_there_is() {
        assert_eq!(patch_type(&typed("application/merge-patch+json")).unwrap(), PatchType::Merge);
        assert_eq!(patch_type(&typed("application/apply-patch+yaml")).unwrap(), PatchType::Apply);
        let failure = patch_type(&typed("application/json")).unwrap_err();
        assert_eq!(failure.code(), 415);
        assert!(failure.message.ends_with(
            "accepted media types include: application/json-patch+json, application/merge-patch+json, \
             application/strategic-merge-patch+json, application/apply-patch+yaml"
        ));
    }
}
