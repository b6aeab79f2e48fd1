//! Which form of an answer a client asks for in `Accept`.

use api::failure::{Failure, Reason};
use http::HeaderMap;
use http::header::{ACCEPT, USER_AGENT};

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Json,
    Yaml,
    Protobuf,
}

impl Encoding {
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
            Self::Protobuf => "application/vnd.kubernetes.protobuf",
        }
    }

    /// How the events of a watch are announced.
    pub fn stream_type(self) -> &'static str {
        match self {
            Self::Json | Self::Yaml => self.media_type(),
            Self::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
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

impl Accepted {
    /// What everybody gets who says nothing.
    pub const JSON: Self = Self { encoding: Encoding::Json, form: Form::Object, pretty: false };
}

/// The forms that a path can answer with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// Objects and lists of them: also as Table or metadata.
    Objects,
    /// Objects that have no form in protobuf, though their metadata has.
    Custom,
    /// What has no metadata: a Scale review, a Status, a list of groups.
    Plain,
    /// What is no object of the API: versions, paths.
    Document,
    Discovery,
}

impl Offer {
    fn encodings(self) -> &'static [Encoding] {
        match self {
            Self::Objects | Self::Plain | Self::Discovery => &[Encoding::Json, Encoding::Yaml, Encoding::Protobuf],
            Self::Custom | Self::Document => &[Encoding::Json, Encoding::Yaml],
        }
    }
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

    /// Of clauses that are wanted equally, those count first that name what they want.
    fn vagueness(&self) -> usize {
        self.media_type.matches('*').count()
    }
}

/// Chooses the first clause that can be served; without an `Accept` that is plain JSON. What is offered is looked up only
/// where it matters.
pub fn negotiate(
    headers: &HeaderMap,
    query_pretty: Option<&str>,
    offer: impl FnOnce() -> Offer,
) -> Result<Accepted, Failure> {
    let pretty = is_pretty(headers, query_pretty);
    let header = headers.get(ACCEPT).map(http::HeaderValue::to_str);
    let text = match header {
        None => "",
        Some(Ok(text)) => text,
        Some(Err(_)) => return Err(not_acceptable(offer())),
    };
    // The usual cases first: most requests are from programs that ask for plain JSON.
    if matches!(text, "" | "*/*" | "application/json") {
        return Ok(Accepted { encoding: Encoding::Json, form: Form::Object, pretty });
    }
    let offer = offer();
    let mut clauses: Vec<Clause<'_>> = text.split(',').filter_map(clause).collect();
    clauses.sort_by(|one, other| other.quality.total_cmp(&one.quality).then(one.vagueness().cmp(&other.vagueness())));
    for clause in &clauses {
        if let Some((encoding, form)) = serve(clause, offer) {
            return Ok(Accepted { encoding, form, pretty: pretty || clause.parameter("pretty") == "1" });
        }
    }
    Err(not_acceptable(offer))
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
fn not_acceptable(offer: Offer) -> Failure {
    refusal(offer.encodings().iter().map(|encoding| encoding.media_type().to_owned()))
}

/// The answer to somebody who wants to watch in a form that has no end of its own.
pub fn not_streamable(offer: Offer) -> Failure {
    let streamable = offer.encodings().iter().filter(|encoding| **encoding != Encoding::Yaml);
    refusal(streamable.map(|encoding| format!("{};stream=watch", encoding.media_type())))
}

fn refusal(accepted: impl Iterator<Item = String>) -> Failure {
    let accepted: Vec<String> = accepted.collect();
    let text = format!("only the following media types are accepted: {}", accepted.join(", "));
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
        "application/vnd.kubernetes.protobuf" => Encoding::Protobuf,
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
        ("Table", Offer::Objects | Offer::Custom) if encoding != Encoding::Protobuf => Form::Table(meta_version?),
        ("PartialObjectMetadata" | "PartialObjectMetadataList", Offer::Objects | Offer::Custom) => {
            Form::Metadata(meta_version?)
        }
        ("APIGroupDiscoveryList", Offer::Discovery)
            if (group, version) == ("apidiscovery.k8s.io", "v2") && encoding == Encoding::Json =>
        {
            // Several servers behind one address would be told apart by `profile`; here there is only one.
            Form::AggregatedDiscovery
        }
        _ => return None,
    };
    // Metadata has the same form for every kind.
    if form == Form::Object && !offer.encodings().contains(&encoding) {
        return None;
    }
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
        negotiate(&headers, None, || offer).ok().map(|accepted| (accepted.encoding, accepted.form))
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
                Some((Encoding::Protobuf, Form::Object)),
            ),
            ("application/vnd.kubernetes.protobuf", Offer::Custom, None),
            ("application/vnd.kubernetes.protobuf", Offer::Document, None),
            ("application/cbor", Offer::Objects, None),
            (
                "application/vnd.kubernetes.protobuf,application/json",
                Offer::Custom,
                Some((Encoding::Json, Form::Object)),
            ),
            (
                "application/vnd.kubernetes.protobuf;stream=watch,application/json",
                Offer::Objects,
                Some((Encoding::Protobuf, Form::Object)),
            ),
            (
                "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io,application/json",
                Offer::Objects,
                Some((Encoding::Json, Form::Object)),
            ),
            ("application/json;sv=v1, application/yaml", Offer::Objects, Some((Encoding::Yaml, Form::Object))),
            ("*/*, application/yaml", Offer::Objects, Some((Encoding::Yaml, Form::Object))),
            ("application/*, application/yaml;q=0.9", Offer::Objects, Some((Encoding::Json, Form::Object))),
            ("application/json;q=0, application/yaml;q=0.1", Offer::Objects, Some((Encoding::Yaml, Form::Object))),
            ("application/json;export=1;profile=x;charset=utf-8", Offer::Plain, Some((Encoding::Json, Form::Object))),
            ("text/html, application/yaml;q=0.5, */*;q=0.1", Offer::Plain, Some((Encoding::Yaml, Form::Object))),
            ("application/json;q=0.2,application/yaml", Offer::Plain, Some((Encoding::Yaml, Form::Object))),
            (
                "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,\
                 application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
                Offer::Custom,
                Some((Encoding::Protobuf, Form::Metadata(MetaVersion::V1))),
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
    fn who_accepts_nothing_is_told_what_there_is() {
        let text = |failure: Failure| failure.message.rsplit(": ").next().unwrap().to_owned();
        assert_eq!(
            text(not_acceptable(Offer::Objects)),
            "application/json, application/yaml, application/vnd.kubernetes.protobuf"
        );
        assert_eq!(text(not_acceptable(Offer::Custom)), "application/json, application/yaml");
        assert_eq!(
            text(not_streamable(Offer::Objects)),
            "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"
        );
    }

    #[test]
    fn people_get_indented_answers() {
        let mut headers = HeaderMap::new();
        assert!(!negotiate(&headers, None, || Offer::Plain).unwrap().pretty);
        assert!(negotiate(&headers, Some("true"), || Offer::Plain).unwrap().pretty);
        headers.insert(USER_AGENT, HeaderValue::from_static("curl/8"));
        assert!(negotiate(&headers, None, || Offer::Plain).unwrap().pretty);
        assert!(!negotiate(&headers, Some("0"), || Offer::Plain).unwrap().pretty);
    }
}
