//! Selectors over labels and over fields, parsed from a query or from an object.
//!
//! Grammar and texts are upstream's `apimachinery/pkg/labels/selector.go` and `fields/selector.go`.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;

use crate::names;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
    Exists,
    DoesNotExist,
    GreaterThan(i64),
    LessThan(i64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

impl Requirement {
    fn matches(&self, value: Option<&str>) -> bool {
        match &self.test {
            Test::In(values) => value.is_some_and(|value| values.contains(value)),
            Test::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            Test::Exists => value.is_some(),
            Test::DoesNotExist => value.is_none(),
            Test::GreaterThan(bound) => {
                value.and_then(|value| value.parse::<i64>().ok()).is_some_and(|value| value > *bound)
            }
            Test::LessThan(bound) => {
                value.and_then(|value| value.parse::<i64>().ok()).is_some_and(|value| value < *bound)
            }
        }
    }
}

/// All requirements hold. The empty selector matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
    /// Set by `nothing`: a selector that is absent, not empty.
    matches_nothing: bool,
}

impl LabelSelector {
    pub fn everything() -> Self {
        Self::default()
    }

    pub fn nothing() -> Self {
        Self { requirements: Vec::new(), matches_nothing: true }
    }

    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty() && !self.matches_nothing
    }

    /// `a=b,c!=d,e in (f,g),!h`: the form of `labelSelector=`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let requirements =
            Parser::new(text).requirements().map_err(|why| format!("unable to parse requirement: {why}"))?;
        Ok(Self { requirements, matches_nothing: false })
    }

    /// The form inside a Service or a ReplicationController: every pair must be there.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a String, &'a String)>) -> Self {
        let requirement = |(key, value): (&String, &String)| Requirement {
            key: key.clone(),
            test: Test::In(BTreeSet::from([value.clone()])),
        };
        Self { requirements: pairs.into_iter().map(requirement).collect(), matches_nothing: false }
    }

    /// The form inside a Deployment: `matchLabels` and `matchExpressions`.
    pub fn from_object(selector: &meta::LabelSelector) -> Result<Self, String> {
        let mut parsed = Self::from_pairs(selector.match_labels.iter().flatten());
        for expression in selector.match_expressions.iter().flatten() {
            let values: BTreeSet<String> = expression.values.iter().flatten().cloned().collect();
            let test = match (expression.operator.as_str(), values.is_empty()) {
                ("In", false) => Test::In(values),
                ("NotIn", false) => Test::NotIn(values),
                ("In" | "NotIn", true) => {
                    return Err("for 'in', 'notin' operators, values set can't be empty".to_owned());
                }
                ("Exists", true) => Test::Exists,
                ("DoesNotExist", true) => Test::DoesNotExist,
                ("Exists" | "DoesNotExist", false) => {
                    return Err("values set must be empty for exists and does not exist".to_owned());
                }
                (other, _) => return Err(format!("\"{other}\" is not a valid label selector operator")),
            };
            parsed.requirements.push(Requirement { key: expression.key.clone(), test });
        }
        Ok(parsed)
    }

    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.matches_by(|key| labels.get(key).map(String::as_str))
    }

    /// As `matches`, for labels that are kept in another shape.
    pub fn matches_by<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        !self.matches_nothing
            && self.requirements.iter().all(|requirement| requirement.matches(label(&requirement.key)))
    }
}

/// `a=b,c=d` as `status.selector` of a Scale shows it.
impl std::fmt::Display for LabelSelector {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, Requirement { key, test }) in self.requirements.iter().enumerate() {
            if index > 0 {
                write!(out, ",")?;
            }
            let list = |values: &BTreeSet<String>| values.iter().map(String::as_str).collect::<Vec<_>>().join(",");
            match test {
                Test::In(values) if values.len() == 1 => write!(out, "{key}={}", list(values))?,
                Test::In(values) => write!(out, "{key} in ({})", list(values))?,
                Test::NotIn(values) if values.len() == 1 => write!(out, "{key}!={}", list(values))?,
                Test::NotIn(values) => write!(out, "{key} notin ({})", list(values))?,
                Test::Exists => write!(out, "{key}")?,
                Test::DoesNotExist => write!(out, "!{key}")?,
                Test::GreaterThan(bound) => write!(out, "{key}>{bound}")?,
                Test::LessThan(bound) => write!(out, "{key}<{bound}")?,
            }
        }
        Ok(())
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text.trim_start() }
    }

    fn requirements(mut self) -> Result<Vec<Requirement>, String> {
        let mut found = Vec::new();
        if self.rest.is_empty() {
            return Ok(found);
        }
        loop {
            found.push(self.requirement()?);
            if self.rest.is_empty() {
                return Ok(found);
            }
            self.expect(',')?;
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let negated = self.accept("!");
        let key = self.word();
        names::qualified_name(key).map_err(|why| format!("<nil>: Invalid value: {key:?}: {why}"))?;
        let key = key.to_owned();
        if negated {
            return Ok(Requirement { key, test: Test::DoesNotExist });
        }
        let test = if self.accept("==") || self.accept("=") {
            Test::In(BTreeSet::from([self.value()?]))
        } else if self.accept("!=") {
            Test::NotIn(BTreeSet::from([self.value()?]))
        } else if self.accept(">") {
            Test::GreaterThan(self.number()?)
        } else if self.accept("<") {
            Test::LessThan(self.number()?)
        } else if self.rest.is_empty() || self.rest.starts_with(',') {
            Test::Exists
        } else {
            match self.word() {
                "in" => Test::In(self.values()?),
                "notin" => Test::NotIn(self.values()?),
                other => {
                    let found = if other.is_empty() { self.rest } else { other };
                    return Err(format!("found '{found}', expected: in, notin, =, ==, !=, gt, lt"));
                }
            }
        };
        Ok(Requirement { key, test })
    }

    fn values(&mut self) -> Result<BTreeSet<String>, String> {
        self.expect('(')?;
        let mut values = BTreeSet::new();
        loop {
            values.insert(self.value()?);
            if self.accept(")") {
                return Ok(values);
            }
            self.expect(',')?;
        }
    }

    fn value(&mut self) -> Result<String, String> {
        let value = self.word();
        names::label_value(value).map_err(|why| format!("<nil>: Invalid value: {value:?}: {why}"))?;
        Ok(value.to_owned())
    }

    fn number(&mut self) -> Result<i64, String> {
        let word = self.word();
        word.parse().map_err(|_| format!("for 'Gt', 'Lt' operators, the value must be an integer, found {word:?}"))
    }

    fn word(&mut self) -> &'a str {
        let end = self.rest.find(|c: char| c.is_whitespace() || "=!<>(),".contains(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        word
    }

    fn accept(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: char) -> Result<(), String> {
        if self.accept(token.encode_utf8(&mut [0; 4])) {
            return Ok(());
        }
        Err(format!("found '{}', expected: '{token}'", self.rest))
    }
}

/// One term of a field selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldTerm {
    pub field: String,
    pub value: String,
    pub equal: bool,
}

/// All terms hold. Which fields a kind knows is the kind's business.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSelector {
    pub terms: Vec<FieldTerm>,
}

impl FieldSelector {
    /// `spec.nodeName=a,status.phase!=Running`: the form of `fieldSelector=`. `\` escapes `,`, `=` and itself.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut terms = Vec::new();
        for term in split_unescaped(text) {
            if term.is_empty() {
                continue;
            }
            let invalid = || format!("invalid selector: '{text}'; can't understand '{term}'");
            let at = term.find(['=', '!']).ok_or_else(invalid)?;
            let (field, rest) = term.split_at(at);
            let (equal, value) = match rest.strip_prefix("!=") {
                Some(value) => (false, value),
                None => (true, rest.strip_prefix("==").or_else(|| rest.strip_prefix('=')).ok_or_else(invalid)?),
            };
            terms.push(FieldTerm { field: field.to_owned(), value: unescape(value)?, equal });
        }
        Ok(Self { terms })
    }

    /// The value that this field must have, if the selector says so.
    pub fn required(&self, field: &str) -> Option<&str> {
        self.terms.iter().find(|term| term.equal && term.field == field).map(|term| term.value.as_str())
    }

    /// A field that is absent counts as empty, as upstream has it.
    pub fn matches_by<'a>(&self, value: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.terms.iter().all(|term| (value(&term.field).unwrap_or("") == term.value) == term.equal)
    }
}

fn split_unescaped(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b',' => {
                parts.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn unescape(value: &str) -> Result<String, String> {
    let mut plain = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some(next @ (',' | '=' | '\\')) => plain.push(next),
                Some(next) => return Err(format!("invalid field selector: invalid escape sequence: \\{next}")),
                None => return Err("invalid field selector: unterminated escape sequence".to_owned()),
            },
            '=' => return Err(format!("invalid field selector: unescaped character in value: {value}")),
            other => plain.push(other),
        }
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_operator_of_the_grammar_is_understood() {
        let web = labels(&[("app", "web"), ("tier", "front"), ("size", "3")]);
        for (text, expected) in [
            ("", true),
            ("app=web", true),
            ("app == web , tier=front", true),
            ("app!=web", false),
            ("other!=web", true),
            ("app in (web, api)", true),
            ("app notin (web,api)", false),
            ("other notin (web)", true),
            ("app", true),
            ("!app", false),
            ("!other", true),
            ("size>2", true),
            ("size<2", false),
            ("app=", false),
        ] {
            assert_eq!(LabelSelector::parse(text).unwrap().matches(&web), expected, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_selector_or_is_refused(
            text in "([a-z/.]{1,3}|=|==|!=|!|<|>| in | notin |\\(|\\)|,| |-|\\\\|\\PC){0,20}"
        ) {
            if let Ok(selector) = LabelSelector::parse(&text) {
                proptest::prop_assert_eq!(LabelSelector::parse(&selector.to_string()).unwrap(), selector);
            }
            let _ = FieldSelector::parse(&text);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["a b", "=x", "a in x", "a in (x", "a=b c", "a!", "-a=b", "a=b,", "a>x"] {
            assert!(LabelSelector::parse(text).is_err(), "{text}");
        }
        assert!(FieldSelector::parse("a").is_err());
        assert!(FieldSelector::parse("a=b=c").is_err());
    }

    #[test]
    fn a_selector_prints_as_it_is_written() {
        let text = "app=web,tier in (a,b),!x";
        assert_eq!(LabelSelector::parse(text).unwrap().to_string(), text);
    }

    #[test]
    fn field_terms_may_be_escaped() {
        let selector = FieldSelector::parse(r"metadata.name=a\,b,status.phase!=Running").unwrap();
        assert_eq!(selector.required("metadata.name"), Some("a,b"));
        assert!(selector.matches_by(|field| (field == "metadata.name").then_some("a,b")));
        assert!(!selector.matches_by(|field| Some(if field == "metadata.name" { "a,b" } else { "Running" })));
    }

    #[test]
    fn nothing_matches_nothing() {
        assert!(!LabelSelector::nothing().matches(&labels(&[])));
        assert!(LabelSelector::everything().matches(&labels(&[])));
    }
}
