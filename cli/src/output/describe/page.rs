//! The page that a description is written on, and the parts that most kinds share.

use serde_json::{Map, Value};

use crate::object;
use crate::output::{columns, plain};

const LONGEST_ANNOTATION: usize = 140;

/// Lines of cells with tabs between them, put into columns at the end.
#[derive(Debug, Default)]
pub struct Page(String);

impl Page {
    pub fn finish(self) -> String {
        columns::align(&self.0, 0, 2)
    }

    /// Text as it is.
    pub fn raw(&mut self, text: &str) {
        self.0.push_str(&columns::escape(text));
    }

    /// A line, two spaces in for each level.
    pub fn line(&mut self, level: usize, text: &str) {
        self.raw(&"  ".repeat(level));
        self.raw(text);
        self.raw("\n");
    }

    /// `Label:  value`.
    pub fn field(&mut self, level: usize, label: &str, value: impl std::fmt::Display) {
        self.line(level, &format!("{label}:\t{value}"));
    }

    /// The same, unless there is nothing to show.
    pub fn field_unless_empty(&mut self, level: usize, label: &str, value: &str) {
        if !value.is_empty() {
            self.field(level, label, value);
        }
    }

    /// `Label:  a`, and the other values below the first.
    pub fn column(&mut self, label: &str, values: &[String]) {
        match values.split_first() {
            None => self.field(0, label, "<none>"),
            Some((first, rest)) => {
                self.field(0, label, first);
                for value in rest {
                    self.raw(&format!("\t{value}\n"));
                }
            }
        }
    }

    pub fn labels(&mut self, label: &str, labels: &Value) {
        let pairs = labels.as_object().into_iter().flatten().map(|(key, value)| format!("{key}={}", plain(value)));
        self.column(label, &pairs.collect::<Vec<_>>());
    }

    /// Long values stand below their key, cut short.
    pub fn annotations(&mut self, label: &str, annotations: &Value) {
        let empty = Map::new();
        let all = annotations.as_object().unwrap_or(&empty).iter();
        let mut shown = all.filter(|(key, _)| *key != api::well_known::annotation::LAST_APPLIED).peekable();
        self.raw(&format!("{label}:\t"));
        if shown.peek().is_none() {
            self.raw("<none>\n");
        }
        for (at, (key, value)) in shown.enumerate() {
            if at > 0 {
                self.raw("\t");
            }
            let value = value.as_str().unwrap_or_default();
            let value = value.strip_suffix('\n').unwrap_or(value);
            if key.len() + value.len() + 2 > LONGEST_ANNOTATION || value.contains('\n') {
                self.raw(&format!("{key}:\n"));
                for line in value.split('\n') {
                    self.raw(&format!("\t  {}\n", shorten(line, LONGEST_ANNOTATION - 2)));
                }
            } else {
                self.raw(&format!("{key}: {value}\n"));
            }
        }
    }

    /// Name, namespace, labels and annotations, with which most descriptions begin.
    pub fn heading(&mut self, object: &Value) {
        self.field(0, "Name", object::name(object));
        self.field(0, "Namespace", object::namespace(object));
        self.labels("Labels", object::at(object, "metadata.labels"));
        self.annotations("Annotations", object::at(object, "metadata.annotations"));
    }

    /// `Controlled By:  ReplicaSet/x`.
    pub fn controller(&mut self, object: &Value) {
        let owners = object::items(object, "metadata.ownerReferences");
        if let Some(owner) = owners.iter().find(|owner| owner["controller"] == true) {
            self.field(0, "Controlled By", format!("{}/{}", object::text(owner, "kind"), object::text(owner, "name")));
        }
    }

    /// Type, status and reason of each condition of a workload.
    pub fn conditions_with_reasons(&mut self, object: &Value) {
        let conditions = object::items(object, "status.conditions");
        if conditions.is_empty() {
            return;
        }
        self.raw("Conditions:\n  Type\tStatus\tReason\n");
        self.line(1, "----\t------\t------");
        for condition in conditions {
            let [kind, status, reason] = ["type", "status", "reason"].map(|name| object::text(condition, name));
            self.line(1, &format!("{kind} \t{status}\t{reason}"));
        }
    }
}

fn shorten(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    format!("{}...", &text[..end])
}

/// A number that is left out when it is zero.
pub fn number(object: &Value, path: &str) -> i64 {
    object::at(object, path).as_i64().unwrap_or_default()
}

/// The text at a path, or `<unset>`.
pub fn or_unset<'a>(object: &'a Value, path: &str) -> &'a str {
    object::at(object, path).as_str().unwrap_or("<unset>")
}

/// Texts of a list with something between them.
pub fn joined(list: &[Value], between: &str) -> String {
    list.iter().map(plain).collect::<Vec<_>>().join(between)
}

/// `app=web,tier in (a,b),!x`, as a label selector reads on the command line.
pub fn selector_text(selector: &Value) -> String {
    let mut terms: Vec<(String, String)> = Vec::new();
    for (key, value) in selector["matchLabels"].as_object().into_iter().flatten() {
        terms.push((key.clone(), format!("{key}={}", plain(value))));
    }
    for expression in object::items(selector, "matchExpressions") {
        let key = object::text(expression, "key");
        let mut values: Vec<String> = object::items(expression, "values").iter().map(plain).collect();
        values.sort();
        let values = values.join(",");
        let term = match object::text(expression, "operator") {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        };
        terms.push((key.to_owned(), term));
    }
    terms.sort();
    terms.into_iter().map(|(_, term)| term).collect::<Vec<_>>().join(",")
}

/// The same, or `<none>` for one that names nothing.
pub fn selector_or_none(selector: &Value) -> String {
    let text = selector_text(selector);
    if text.is_empty() { "<none>".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn long_annotations_stand_below_their_key() {
        let mut page = Page::default();
        page.annotations("Annotations", &json!({"a": "b\n", "long": "x".repeat(200), "lines": "1\n2"}));
        let text = page.finish();
        assert!(
            text.starts_with("Annotations:  a: b\n              lines:\n                1\n                2\n"),
            "{text}"
        );
        assert!(text.contains(&format!("{}...", "x".repeat(138))));
    }

    #[test]
    fn selectors_read_as_on_the_command_line() {
        let selector = json!({
            "matchLabels": {"b": "1"},
            "matchExpressions": [
                {"key": "a", "operator": "In", "values": ["y", "x"]},
                {"key": "c", "operator": "DoesNotExist"},
                {"key": "d", "operator": "Exists"},
            ],
        });
        assert_eq!(selector_text(&selector), "a in (x,y),b=1,!c,d");
        assert_eq!(selector_or_none(&json!({})), "<none>");
    }
}
