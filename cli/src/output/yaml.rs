//! YAML as kubectl writes it: lists at their parent's indent, long lines folded, strings quoted only where they must be.

use std::cmp::Ordering;

use serde_json::Value;

use crate::output::scalar::{self, Style};

/// The column behind which a space becomes a line break.
const BEST_WIDTH: usize = 80;

/// A document, with a line end.
pub fn document(value: &Value) -> String {
    let mut emitter = Emitter::default();
    match value {
        Value::Object(map) if !map.is_empty() => emitter.mapping(map, 0, false),
        Value::Array(items) if !items.is_empty() => emitter.sequence(items, 0, false),
        other => emitter.scalar(other, 0),
    }
    emitter.finish()
}

#[derive(Default)]
struct Emitter {
    out: String,
    column: usize,
}

impl Emitter {
    fn finish(mut self) -> String {
        if self.column > 0 {
            self.out.push('\n');
        }
        self.out
    }

    fn push(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    fn new_line(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }

    /// Goes to this column, on a new line unless the present one is still empty.
    fn indent(&mut self, column: usize) {
        if self.column > 0 {
            self.new_line();
        }
        self.push(&" ".repeat(column));
    }

    /// `inline` when the first entry stands behind a dash already.
    fn mapping(&mut self, map: &serde_json::Map<String, Value>, indent: usize, inline: bool) {
        for (at, key) in sorted_keys(map).into_iter().enumerate() {
            if at > 0 || !inline {
                self.indent(indent);
            }
            self.key(key, indent);
            match &map[key] {
                Value::Object(inner) if !inner.is_empty() => self.mapping(inner, indent + 2, false),
                Value::Array(items) if !items.is_empty() => self.sequence(items, indent, false),
                other => {
                    self.push(" ");
                    self.scalar(other, indent + 2);
                }
            }
        }
    }

    fn key(&mut self, key: &str, indent: usize) {
        // A key this long is no simple key any more.
        let is_complex = key.len() > 128;
        if is_complex {
            self.push("? ");
        }
        let style = match scalar::style_of(key) {
            Style::Literal => Style::DoubleQuoted,
            style => style,
        };
        match style {
            Style::Plain => self.push(key),
            Style::SingleQuoted => self.push(&format!("'{}'", key.replace('\'', "''"))),
            Style::DoubleQuoted | Style::Literal => {
                let escaped: String = key.chars().map(scalar::escaped).collect();
                self.push(&format!("\"{escaped}\""));
            }
        }
        if is_complex {
            self.indent(indent);
        }
        self.push(":");
    }

    fn sequence(&mut self, items: &[Value], indent: usize, inline: bool) {
        for (at, item) in items.iter().enumerate() {
            if at > 0 || !inline {
                self.indent(indent);
            }
            self.push("- ");
            match item {
                Value::Object(map) if !map.is_empty() => self.mapping(map, indent + 2, true),
                Value::Array(inner) if !inner.is_empty() => self.sequence(inner, indent + 2, true),
                other => self.scalar(other, indent + 2),
            }
        }
    }

    fn scalar(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Null => self.push("null"),
            Value::Bool(value) => self.push(if *value { "true" } else { "false" }),
            Value::Number(number) => self.push(&scalar::number_text(number)),
            Value::Array(_) => self.push("[]"),
            Value::Object(_) => self.push("{}"),
            Value::String(text) => match scalar::style_of(text) {
                Style::Plain => self.plain(text, indent),
                Style::SingleQuoted => self.single_quoted(text, indent),
                Style::DoubleQuoted => self.double_quoted(text, indent),
                Style::Literal => self.literal(text, indent),
            },
        }
    }

    fn plain(&mut self, text: &str, indent: usize) {
        self.folded(text, indent, false);
    }

    fn single_quoted(&mut self, text: &str, indent: usize) {
        self.push("'");
        self.folded(text, indent, true);
        self.push("'");
    }

    /// Text that may break at a single space, once the line is long enough.
    fn folded(&mut self, text: &str, indent: usize, quoted: bool) {
        let letters: Vec<char> = text.chars().collect();
        let mut after_space = false;
        for (at, letter) in letters.iter().enumerate() {
            let is_inside = !quoted || (at > 0 && at + 1 < letters.len());
            let next_is_space = letters.get(at + 1) == Some(&' ');
            if *letter == ' ' && !after_space && self.column > BEST_WIDTH && is_inside && !next_is_space {
                self.indent(indent);
            } else if *letter == '\'' && quoted {
                self.push("''");
            } else {
                self.push(letter.encode_utf8(&mut [0; 4]));
            }
            after_space = *letter == ' ';
        }
    }

    fn double_quoted(&mut self, text: &str, indent: usize) {
        self.push("\"");
        let letters: Vec<char> = text.chars().collect();
        let mut after_space = false;
        for (at, letter) in letters.iter().enumerate() {
            let is_inside = at > 0 && at + 1 < letters.len();
            if *letter == ' ' && !after_space && self.column > BEST_WIDTH && is_inside {
                self.indent(indent);
                if letters.get(at + 1) == Some(&' ') {
                    self.push("\\");
                }
            } else {
                self.push(&scalar::escaped(*letter));
            }
            after_space = *letter == ' ';
        }
        self.push("\"");
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.push("|");
        if text.starts_with([' ', '\n']) {
            self.push("2");
        }
        if !text.ends_with('\n') {
            self.push("-");
        } else if text == "\n" || text.ends_with("\n\n") {
            self.push("+");
        }
        self.new_line();
        for line in text.split_inclusive('\n') {
            let bare = line.strip_suffix('\n');
            let content = bare.unwrap_or(line);
            if !content.is_empty() {
                self.push(&" ".repeat(indent));
                self.push(content);
            }
            if bare.is_some() {
                self.new_line();
            }
        }
    }
}

/// Keys that mix letters and digits may be in no order at all (`a10`, `a1b`, `a2`); sorting by insertion puts up with that.
fn sorted_keys(map: &serde_json::Map<String, Value>) -> Vec<&String> {
    let mut keys: Vec<&String> = Vec::with_capacity(map.len());
    for key in map.keys() {
        let after = keys.iter().rposition(|known| natural_order(known, key).is_le());
        keys.insert(after.map_or(0, |at| at + 1), key);
    }
    keys
}

/// The order of keys: letters by their code, runs of digits by their value, other signs before letters.
fn natural_order(a: &str, b: &str) -> Ordering {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    for at in 0..a.len().min(b.len()) {
        if a[at] == b[at] {
            continue;
        }
        let (a_is_letter, b_is_letter) = (a[at].is_alphabetic(), b[at].is_alphabetic());
        if a_is_letter && b_is_letter {
            return a[at].cmp(&b[at]);
        }
        if a_is_letter || b_is_letter {
            return a_is_letter.cmp(&b_is_letter);
        }
        let mut leading = 0;
        if a[at] == '0' || b[at] == '0' {
            let run = a[..at].iter().rev().take_while(|letter| letter.is_ascii_digit());
            leading = u64::from(run.clone().any(|digit| *digit != '0'));
        }
        let (a_number, a_length) = number_at(&a[at..], leading);
        let (b_number, b_length) = number_at(&b[at..], leading);
        return a_number.cmp(&b_number).then(a_length.cmp(&b_length)).then(a[at].cmp(&b[at]));
    }
    a.len().cmp(&b.len())
}

fn number_at(letters: &[char], leading: u64) -> (u64, usize) {
    let mut number = leading;
    let mut length = 0;
    for digit in letters.iter().map_while(|letter| letter.to_digit(10)) {
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
        length += 1;
    }
    (number, length)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both files were made by kubectl: `kubectl annotate --local -f yaml.json -o yaml`.
    #[test]
    fn all_kinds_of_strings_are_written_as_kubectl_writes_them() {
        let value: Value = serde_json::from_str(include_str!("testdata/yaml.json")).unwrap();
        let written = document(&value);
        for (ours, theirs) in written.lines().zip(include_str!("testdata/yaml.yaml").lines()) {
            assert_eq!(ours, theirs);
        }
        assert_eq!(written, include_str!("testdata/yaml.yaml"));
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let value: Value = serde_json::from_str(include_str!("testdata/yaml.json")).unwrap();
        let read = crate::manifests::parse_yaml(&document(&value)).unwrap();
        // Whole numbers lose their fraction on the way.
        assert_eq!(crate::output::json::compact(&read), crate::output::json::compact(&value));
    }

    #[test]
    fn keys_are_in_natural_order() {
        let keys = ["a10", "a2", "b", "B", "a", "a1.b", "-", "a02", "_"];
        let map = keys.into_iter().map(|key| (key.to_owned(), Value::Null)).collect();
        assert_eq!(sorted_keys(&map), ["-", "_", "B", "a", "a1.b", "a2", "a02", "a10", "b"]);
    }
}
