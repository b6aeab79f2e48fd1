//! One step of a path into an object: a field, or an item of a list.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use serde_json::{Map, Value};

/// How a child is told apart from its siblings.
#[derive(Debug, Clone)]
pub enum Element {
    /// A field of a struct, or an entry of a map.
    Field(Cow<'static, str>),
    /// An item of a list that is a map: the values of its keys, sorted by name.
    Key(Box<[(Cow<'static, str>, Value)]>),
    /// An item of a list that is a set.
    Item(Value),
    /// An item of a list that is neither.
    Index(i64),
}

impl Element {
    pub fn field(name: &str) -> Self {
        Self::Field(name.to_owned().into())
    }

    /// A field whose name the schema holds.
    pub fn declared(name: &'static str) -> Self {
        Self::Field(name.into())
    }

    pub fn key(fields: impl IntoIterator<Item = (Cow<'static, str>, Value)>) -> Self {
        let mut fields: Vec<_> = fields.into_iter().collect();
        fields.sort_by(|left, right| left.0.cmp(&right.0));
        Self::Key(fields.into())
    }

    /// `f:spec`, `k:{"name":"x"}`, `v:"x"`, `i:0`: the keys of `fieldsV1`.
    pub fn text(&self) -> String {
        match self {
            Self::Field(name) => ["f:", name].concat(),
            Self::Key(fields) => {
                let mut text = String::from("k:{");
                for (number, (name, value)) in fields.iter().enumerate() {
                    text.push_str(if number == 0 { "" } else { "," });
                    push_quoted(&mut text, name);
                    text.push(':');
                    push_scalar(&mut text, value);
                }
                text.push('}');
                text
            }
            Self::Item(value) => {
                let mut text = String::from("v:");
                push_scalar(&mut text, value);
                text
            }
            Self::Index(index) => format!("i:{index}"),
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        let (sort, rest) = text.split_once(':')?;
        match sort {
            "f" => Some(Self::field(rest)),
            "v" => serde_json::from_str(rest).ok().map(Self::Item),
            "i" => rest.parse().ok().map(Self::Index),
            "k" => {
                let fields: Map<String, Value> = serde_json::from_str(rest).ok()?;
                Some(Self::key(fields.into_iter().map(|(name, value)| (name.into(), value))))
            }
            _ => None,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Field(_) => 0,
            Self::Key(_) => 1,
            Self::Item(_) => 2,
            Self::Index(_) => 3,
        }
    }
}

/// Nearly all keys are plain words: to put them in as they are is many times as fast as to format them.
fn push_scalar(text: &mut String, value: &Value) {
    match value {
        Value::String(word) => push_quoted(text, word),
        other => text.push_str(&other.to_string()),
    }
}

fn push_quoted(text: &mut String, word: &str) {
    if word.bytes().any(|byte| matches!(byte, b'"' | b'\\' | ..0x20)) {
        text.push_str(&Value::from(word).to_string());
        return;
    }
    text.push('"');
    text.push_str(word);
    text.push('"');
}

impl Ord for Element {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Field(left), Self::Field(right)) => left.cmp(right),
            (Self::Key(left), Self::Key(right)) => compare_keys(left, right),
            (Self::Item(left), Self::Item(right)) => compare_values(left, right),
            (Self::Index(left), Self::Index(right)) => left.cmp(right),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Element {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Element {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Element {}

/// As errors show it: `.spec`, `[name="x"]`, `[="x"]`, `[0]`.
impl fmt::Display for Element {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(out, ".{name}"),
            Self::Key(fields) => {
                let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
                write!(out, "[{}]", fields.join(","))
            }
            Self::Item(value) => write!(out, "[={value}]"),
            Self::Index(index) => write!(out, "[{index}]"),
        }
    }
}

fn compare_keys(left: &[(Cow<'_, str>, Value)], right: &[(Cow<'_, str>, Value)]) -> Ordering {
    for (one, other) in left.iter().zip(right) {
        let ordering = one.0.cmp(&other.0).then_with(|| compare_values(&one.1, &other.1));
        if ordering != Ordering::Equal {
            return ordering;
        }
    }
    left.len().cmp(&right.len())
}

/// Numbers before texts before booleans before what keys do not hold. A whole number equals the same one with a point.
fn compare_values(left: &Value, right: &Value) -> Ordering {
    fn rank(value: &Value) -> u8 {
        match value {
            Value::Number(_) => 0,
            Value::String(_) => 1,
            Value::Bool(_) => 2,
            Value::Array(_) | Value::Object(_) => 3,
            Value::Null => 4,
        }
    }
    match (left, right) {
        (Value::Number(one), Value::Number(other)) => match (one.as_i64(), other.as_i64()) {
            (Some(one), Some(other)) => one.cmp(&other),
            _ => one.as_f64().unwrap_or_default().total_cmp(&other.as_f64().unwrap_or_default()),
        },
        (Value::String(one), Value::String(other)) => one.cmp(other),
        (Value::Bool(one), Value::Bool(other)) => one.cmp(other),
        (Value::Array(_) | Value::Object(_), Value::Array(_) | Value::Object(_)) => {
            left.to_string().cmp(&right.to_string())
        }
        _ => rank(left).cmp(&rank(right)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sort_of_element_is_read_as_it_is_written() {
        for (text, shown) in [
            ("f:spec", ".spec"),
            ("f:app.kubernetes.io/name", ".app.kubernetes.io/name"),
            ("f:with:colon", ".with:colon"),
            (r#"k:{"name":"a \"b\""}"#, r#"[name="a \"b\""]"#),
            (r#"k:{"containerPort":80,"protocol":"TCP"}"#, r#"[containerPort=80,protocol="TCP"]"#),
            (r#"v:"example.com/f""#, r#"[="example.com/f"]"#),
            ("v:7", "[=7]"),
            ("i:3", "[3]"),
        ] {
            let element = Element::parse(text).unwrap();
            assert_eq!((element.text().as_str(), element.to_string().as_str()), (text, shown));
        }
        for text in ["", "spec", "x:1", "i:x", "k:[1]", "v:{", "k:{\"a\""] {
            assert!(Element::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn keys_are_sorted_by_name_and_compared_by_value() {
        let key = |text: &str| Element::parse(text).unwrap();
        assert_eq!(key(r#"k:{"b":1,"a":2}"#), key(r#"k:{"a":2,"b":1}"#));
        assert_eq!(key("k:{\"port\":80}"), key("k:{\"port\":80.0}"));
        let sorted = ["f:a", "f:b", "k:{\"port\":80}", "k:{\"port\":8080}", "v:9", "v:10", "v:\"1\"", "v:true", "i:0"];
        assert!(sorted.map(key).is_sorted());
    }
}
