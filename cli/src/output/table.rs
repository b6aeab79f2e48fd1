//! Rows under headers, as the server computed them.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::object;
use crate::output::{age, columns, plain};

const PADDING: usize = 3;
const LEAST_WIDTH: usize = 6;

/// What is shown besides what the server says.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub wide: bool,
    pub no_headers: bool,
    pub with_namespace: bool,
    pub show_labels: bool,
    /// Labels with a column of their own.
    pub label_columns: Vec<String>,
    /// `pod` or `deployment.apps`, put before each name.
    pub kind: Option<String>,
    /// Whether each row begins with what happened.
    pub with_event: bool,
}

/// Prints tables of one type below each other, keeping their columns in line.
#[derive(Debug, Default)]
pub struct Printer {
    options: Options,
    /// Of the last table that named any; those of a watch name them once.
    definitions: Vec<Value>,
    headers_shown: Vec<String>,
    widths: Vec<usize>,
    lines: Vec<Vec<String>>,
}

impl Printer {
    pub fn new(options: Options) -> Self {
        Self { options, ..Self::default() }
    }

    /// Takes in what a server sent when it was asked for a table, with what happened if it comes from a watch.
    /// The time is for a server that makes no tables.
    pub fn add(&mut self, answer: &Value, event: &str, now: Timestamp) {
        let made;
        let table = if object::kind(answer) == "Table" {
            answer
        } else {
            made = table_of(answer, now);
            &made
        };
        if let Some(definitions) = table["columnDefinitions"].as_array().filter(|definitions| !definitions.is_empty()) {
            self.definitions.clone_from(definitions);
        }
        let rows = object::items(table, "rows");
        if rows.is_empty() {
            return;
        }
        let headers = self.headers();
        if headers != self.headers_shown {
            if !self.options.no_headers {
                self.lines.push(headers.clone());
            }
            self.headers_shown = headers;
        }
        for row in rows {
            let cells = self.cells(row, event);
            self.lines.push(cells);
        }
    }

    fn shown_columns(&self) -> impl Iterator<Item = (usize, &Value)> {
        let wide = self.options.wide;
        self.definitions
            .iter()
            .enumerate()
            .filter(move |(_, column)| wide || column["priority"].as_i64().unwrap_or(0) == 0)
    }

    fn headers(&self) -> Vec<String> {
        let mut headers = Vec::new();
        if self.options.with_event {
            headers.push("EVENT".to_owned());
        }
        if self.options.with_namespace {
            headers.push("NAMESPACE".to_owned());
        }
        headers.extend(self.shown_columns().map(|(_, column)| object::text(column, "name").to_uppercase()));
        let labels = self.options.label_columns.iter();
        headers.extend(labels.map(|label| label.rsplit('/').next().unwrap_or(label).to_uppercase()));
        if self.options.show_labels {
            headers.push("LABELS".to_owned());
        }
        headers
    }

    fn cells(&self, row: &Value, event: &str) -> Vec<String> {
        let object = &row["object"];
        let mut cells = Vec::new();
        if self.options.with_event {
            // As wide as the longest, so that the column does not move when that comes.
            cells.push(format!("{event:<8}"));
        }
        if self.options.with_namespace {
            cells.push(object::namespace(object).to_owned());
        }
        let name_column =
            self.definitions.iter().position(|column| column["format"] == "name" && column["type"] == "string");
        for (at, _) in self.shown_columns() {
            let mut cell = cell_text(&row["cells"][at]);
            if let Some(kind) = self.options.kind.as_ref().filter(|_| name_column == Some(at)) {
                cell = format!("{kind}/{cell}");
            }
            cells.push(cell);
        }
        let labels = &object["metadata"]["labels"];
        for label in &self.options.label_columns {
            cells.push(labels[label].as_str().unwrap_or("<none>").to_owned());
        }
        if self.options.show_labels {
            cells.push(label_text(labels));
        }
        cells
    }

    /// All that was taken in since the last time.
    pub fn take(&mut self) -> String {
        for line in &self.lines {
            for (at, cell) in line.iter().enumerate() {
                let width = LEAST_WIDTH.max(cell.chars().count() + PADDING);
                match self.widths.get_mut(at) {
                    Some(known) => *known = width.max(*known),
                    None => self.widths.push(width),
                }
            }
        }
        let mut text = String::new();
        for line in std::mem::take(&mut self.lines) {
            columns::push_line(&mut text, &line, &self.widths);
            text.push('\n');
        }
        text
    }
}

/// `a=b,c=d`, or `<none>`.
pub fn label_text(labels: &Value) -> String {
    let Some(map) = labels.as_object().filter(|map| !map.is_empty()) else { return "<none>".to_owned() };
    map.iter().map(|(key, value)| format!("{key}={}", plain(value))).collect::<Vec<_>>().join(",")
}

/// A cell holds one line; that there were more is shown by dots.
fn cell_text(cell: &Value) -> String {
    let text = plain(cell);
    match text.find(['\n', '\r', '\u{c}']) {
        Some(end) => columns::escape(&text[..end]) + "...",
        None => columns::escape(&text),
    }
}

/// For a server that makes no tables: names and ages.
fn table_of(answer: &Value, now: Timestamp) -> Value {
    let single = std::slice::from_ref(answer);
    let objects = if object::is_list(answer) { object::items(answer, "items") } else { single };
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let age = age::since(&object["metadata"]["creationTimestamp"], now);
            json!({"cells": [object::name(object), age], "object": object})
        })
        .collect();
    json!({
        "columnDefinitions": [
            {"name": "Name", "type": "string", "format": "name"},
            {"name": "Age", "type": "string"},
        ],
        "rows": rows,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn pods() -> Value {
        json!({
            "kind": "Table",
            "columnDefinitions": [
                {"name": "Name", "type": "string", "format": "name", "priority": 0},
                {"name": "Ready", "type": "string", "priority": 0},
                {"name": "Restarts", "type": "integer", "priority": 0},
                {"name": "IP", "type": "string", "priority": 1},
            ],
            "rows": [
                {"cells": ["web-1", "1/1", 0, "127.64.1.2"],
                 "object": {"metadata": {"name": "web-1", "namespace": "a", "labels": {"app": "web", "x/tier": "front"}}}},
                {"cells": ["a-longer-name", "0/1", 12, null], "object": {"metadata": {"name": "a-longer-name", "namespace": "b"}}},
            ],
        })
    }

    fn print(options: Options) -> String {
        let mut printer = Printer::new(options);
        printer.add(&pods(), "ADDED", NOW);
        printer.take()
    }

    #[test]
    fn columns_stand_in_line() {
        let expected = "\
NAME            READY   RESTARTS
web-1           1/1     0
a-longer-name   0/1     12
";
        assert_eq!(print(Options::default()), expected);
    }

    #[test]
    fn wide_shows_all_columns_and_flags_add_more() {
        let options = Options {
            wide: true,
            with_namespace: true,
            show_labels: true,
            label_columns: vec!["x/tier".to_owned()],
            kind: Some("pod".to_owned()),
            ..Options::default()
        };
        let expected = "\
NAMESPACE   NAME                READY   RESTARTS   IP           TIER     LABELS
a           pod/web-1           1/1     0          127.64.1.2   front    app=web,x/tier=front
b           pod/a-longer-name   0/1     12         <nil>        <none>   <none>
";
        assert_eq!(print(options), expected);
    }

    #[test]
    fn rows_that_come_later_keep_to_the_columns() {
        let mut printer = Printer::new(Options { with_event: true, ..Options::default() });
        printer.add(&pods(), "ADDED", NOW);
        printer.take();
        let row =
            json!({"kind": "Table", "columnDefinitions": null, "rows": [{"cells": ["b", "1/1", 1, ""], "object": {}}]});
        printer.add(&row, "MODIFIED", NOW);
        assert_eq!(printer.take(), "MODIFIED   b               1/1     1\n");
    }

    #[test]
    fn no_headers_and_no_rows_print_nothing() {
        assert!(print(Options { no_headers: true, ..Options::default() }).starts_with("web-1"));
        let mut printer = Printer::default();
        printer.add(&json!({"kind": "Table", "columnDefinitions": [{"name": "Name"}], "rows": []}), "", NOW);
        assert_eq!(printer.take(), "");
    }

    #[test]
    fn a_server_without_tables_gets_names_and_ages() {
        let list = json!({"kind": "PodList", "items": [{"metadata": {"name": "a", "creationTimestamp": "1970-01-01T00:00:00Z"}}]});
        let mut printer = Printer::default();
        printer.add(&table_of(&list, Timestamp::from_second(5).unwrap()), "", NOW);
        printer.add(&json!({"kind": "Pod", "metadata": {"name": "b"}}), "", NOW);
        let text = printer.take();
        assert!(text.ends_with("b      <unknown>\n"), "{text}");
    }

    #[test]
    fn a_cell_is_one_line() {
        assert_eq!(cell_text(&json!("a\nb")), "a...");
        assert_eq!(cell_text(&json!(["a", 1])), "[a 1]");
    }
}
