//! Which form of an answer a client asks for in `Accept`.

use api::failure::{Failure, Reason};
use http::HeaderMap;
use http::header::{ACCEPT, USER_AGENT};

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Json,
    Yaml,
}

impl Encoding {
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
        }
    }
}

/// The two versions of `meta.k8s.io` that answers are given in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetaVersion {
    V1,
    V1beta1,
}

impl MetaVersion {
    pub fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "meta.k8s.io/v1",
            Self::V1beta1 => "meta.k8s.io/v1beta1",
        }
    }
}

/// What an object is turned into before it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// As it is stored.
    Object,
    Table(MetaVersion),
    /// `PartialObjectMetadata`, or a list of them.
    Metadata(MetaVersion),
    /// Discovery of everything in one answer.
    AggregatedDiscovery,
}

/// What a client gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    pub encoding: Encoding,
    pub form: Form,
    pub pretty: bool,
}

/// The forms that a path can answer with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// Objects and lists of them: also as Table or metadata.
    Objects,
    /// What has no metadata: a Scale review, a Status, a list of groups.
    Plain,
    Discovery,
}

/// One clause of an `Accept` header.
struct Clause<'a> {
    media_type: &'a str,
    quality: f32,
    parameters: Vec<(&'a str, &'a str)>,
}

impl Clause<'_> {
    fn parameter(&self, name: &str) -> &str {
        self.parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }
}

/// Chooses the first clause that can be served; without an `Accept` that is plain JSON.
pub fn negotiate(headers: &HeaderMap, query_pretty: Option<&str>, offer: Offer) -> Result<Accepted, Failure> {
    let pretty = is_pretty(headers, query_pretty);
    let header = headers.get(ACCEPT).map(http::HeaderValue::to_str);
    let text = match header {
        None => "",
        Some(Ok(text)) => text,
        Some(Err(_)) => return Err(not_acceptable()),
    };
    // The usual cases first: most requests are from programs that ask for plain JSON.
    if matches!(text, "" | "*/*" | "application/json") {
        return Ok(Accepted { encoding: Encoding::Json, form: Form::Object, pretty });
    }
    let mut clauses: Vec<Clause<'_>> = text.split(',').filter_map(clause).collect();
    clauses.sort_by(|one, other| other.quality.total_cmp(&one.quality));
    for clause in &clauses {
        if let Some((encoding, form)) = serve(clause, offer) {
            return Ok(Accepted { encoding, form, pretty: pretty || clause.parameter("pretty") == "1" });
        }
    }
    Err(not_acceptable())
}

/// Chooses among media types that have no parameters; without an `Accept` the first.
pub fn choose<const N: usize>(headers: &HeaderMap, offered: [&'static str; N]) -> Result<&'static str, Failure> {
    let text = headers.get(ACCEPT).map_or(Ok("*/*"), http::HeaderValue::to_str).unwrap_or_default();
    let mut clauses: Vec<Clause<'_>> = text.split(',').filter_map(clause).collect();
    clauses.sort_by(|one, other| other.quality.total_cmp(&one.quality));
    let wanted = clauses.iter().find_map(|clause| match clause.media_type {
        "*/*" | "application/*" => offered.first(),
        exact => offered.iter().find(|media_type| **media_type == exact),
    });
    let refusal = || {
        let text = format!("only the following media types are accepted: {}", offered.join(", "));
        Failure::new(Reason::NotAcceptable, text)
    };
    wanted.copied().ok_or_else(refusal)
}

/// The answer to somebody whose every clause is foreign here.
pub fn not_acceptable() -> Failure {
    let text = "only the following media types are accepted: application/json, application/yaml";
    Failure::new(Reason::NotAcceptable, text)
}

fn clause(text: &str) -> Option<Clause<'_>> {
    let mut parts = text.split(';').map(str::trim);
    let media_type = parts.next()?;
    let mut quality = 1.0;
    let mut parameters = Vec::new();
    for (key, value) in parts.filter_map(|part| part.split_once('=')) {
        let (key, value) = (key.trim(), value.trim().trim_matches('"'));
        if key == "q" {
            quality = value.parse().unwrap_or(1.0);
        } else {
            parameters.push((key, value));
        }
    }
    (!media_type.is_empty() && quality > 0.0).then_some(Clause { media_type, quality, parameters })
}

fn serve(clause: &Clause<'_>, offer: Offer) -> Option<(Encoding, Form)> {
    let encoding = match clause.media_type {
        "application/json" | "*/*" | "application/*" => Encoding::Json,
        "application/yaml" => Encoding::Yaml,
        _ => return None,
    };
    if !matches!(clause.parameter("stream"), "" | "watch") || !clause.parameter("sv").is_empty() {
        return None;
    }
    let (group, version) = (clause.parameter("g"), clause.parameter("v"));
    let meta_version = match (group, version) {
        ("meta.k8s.io", "v1") => Some(MetaVersion::V1),
        ("meta.k8s.io", "v1beta1") => Some(MetaVersion::V1beta1),
        _ => None,
    };
    let form = match (clause.parameter("as"), offer) {
        ("", _) if group.is_empty() && version.is_empty() => Form::Object,
        ("Table", Offer::Objects) => Form::Table(meta_version?),
        ("PartialObjectMetadata" | "PartialObjectMetadataList", Offer::Objects) => Form::Metadata(meta_version?),
        ("APIGroupDiscoveryList", Offer::Discovery) if (group, version) == ("apidiscovery.k8s.io", "v2") => {
            // Several servers behind one address would be told apart by this; here there is only one.
            Form::AggregatedDiscovery
        }
        _ => return None,
    };
    Some((encoding, form))
}

/// People at a terminal or in a browser get indented JSON.
fn is_pretty(headers: &HeaderMap, query: Option<&str>) -> bool {
    if let Some(value) = query.filter(|value| !value.is_empty()) {
        return matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True");
    }
    let agent = headers.get(USER_AGENT).map_or(&b""[..], http::HeaderValue::as_bytes);
    [&b"curl"[..], b"Wget", b"Mozilla/5.0"].iter().any(|person| agent.starts_with(person))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn asked(accept: &str, offer: Offer) -> Option<(Encoding, Form)> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_str(accept).unwrap());
        negotiate(&headers, None, offer).ok().map(|accepted| (accepted.encoding, accepted.form))
    }

    #[test]
    fn the_best_clause_that_can_be_served_wins() {
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,\
                     application/json";
        for (accept, offer, expected) in [
            ("", Offer::Objects, Some((Encoding::Json, Form::Object))),
            ("application/yaml", Offer::Objects, Some((Encoding::Yaml, Form::Object))),
            (table, Offer::Objects, Some((Encoding::Json, Form::Table(MetaVersion::V1)))),
            (table, Offer::Plain, Some((Encoding::Json, Form::Object))),
            (
                "application/vnd.kubernetes.protobuf,application/json",
                Offer::Plain,
                Some((Encoding::Json, Form::Object)),
            ),
            ("application/vnd.kubernetes.protobuf", Offer::Objects, None),
            ("text/html, application/yaml;q=0.5, */*;q=0.1", Offer::Plain, Some((Encoding::Yaml, Form::Object))),
            ("application/json;q=0.2,application/yaml", Offer::Plain, Some((Encoding::Yaml, Form::Object))),
            (
                "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,\
                 application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
                Offer::Objects,
                Some((Encoding::Json, Form::Metadata(MetaVersion::V1))),
            ),
            ("application/json;as=Other;g=meta.k8s.io;v=v1", Offer::Objects, None),
            (
                "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList;profile=nopeer,application/json",
                Offer::Discovery,
                Some((Encoding::Json, Form::AggregatedDiscovery)),
            ),
            (
                "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json",
                Offer::Discovery,
                Some((Encoding::Json, Form::Object)),
            ),
        ] {
            assert_eq!(asked(accept, offer), expected, "{accept}");
        }
    }

    #[test]
    fn people_get_indented_answers() {
        let mut headers = HeaderMap::new();
        assert!(!negotiate(&headers, None, Offer::Plain).unwrap().pretty);
        assert!(negotiate(&headers, Some("true"), Offer::Plain).unwrap().pretty);
        headers.insert(USER_AGENT, HeaderValue::from_static("curl/8"));
        assert!(negotiate(&headers, None, Offer::Plain).unwrap().pretty);
        assert!(!negotiate(&headers, Some("0"), Offer::Plain).unwrap().pretty);
    }
}
