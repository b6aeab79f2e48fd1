//! JSON as Go writes it: keys sorted, `<`, `>` and `&` escaped, whole numbers without a fraction.

use serde_json::{Number, Value};

/// On one line, without spaces.
pub fn compact(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value, None);
    out
}

/// Over several lines, four spaces a level.
pub fn pretty(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value, Some(0));
    out
}

fn write(out: &mut String, value: &Value, level: Option<usize>) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number_text(number)),
        Value::String(text) => out.push_str(&quoted(text)),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                begin(out, at, level);
                write(out, item, level.map(|level| level + 1));
            }
            end(out, items.is_empty(), level);
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (at, (key, item)) in map.iter().enumerate() {
                begin(out, at, level);
                out.push_str(&quoted(key));
                out.push_str(if level.is_some() { ": " } else { ":" });
                write(out, item, level.map(|level| level + 1));
            }
            end(out, map.is_empty(), level);
            out.push('}');
        }
    }
}

fn begin(out: &mut String, at: usize, level: Option<usize>) {
    if at > 0 {
        out.push(',');
    }
    if let Some(level) = level {
        new_line(out, level + 1);
    }
}

fn end(out: &mut String, is_empty: bool, level: Option<usize>) {
    if let Some(level) = level.filter(|_| !is_empty) {
        new_line(out, level);
    }
}

fn new_line(out: &mut String, level: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("    ", level));
}

fn quoted(text: &str) -> String {
    let plain = serde_json::to_string(text).expect("a string can always be encoded");
    if !plain.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return plain;
    }
    let mut escaped = String::with_capacity(plain.len() + 16);
    for letter in plain.chars() {
        match letter {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => escaped.push_str(&format!("\\u{:04x}", u32::from(letter))),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A number as Go's `encoding/json` writes it.
pub fn number_text(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => {
            let size = float.abs();
            if size != 0.0 && !(1e-6..1e21).contains(&size) {
                let text = format!("{float:e}");
                if text.contains("e-") { text } else { text.replace('e', "e+") }
            } else {
                float.to_string()
            }
        }
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn text_is_that_of_go() {
        let value = json!({"b": [1, 1.0, 1e21, 1e-7, 1e20, 1.5], "a": {"x": "<a>&\u{2028}\n\u{1}"}, "c": [], "d": {}});
        assert_eq!(
            compact(&value),
            r#"{"a":{"x":"\u003ca\u003e\u0026\u2028\n\u0001"},"b":[1,1,1e+21,1e-7,100000000000000000000,1.5],"c":[],"d":{}}"#
        );
    }

    #[test]
    fn levels_are_four_spaces() {
        let value = json!({"a": {"b": [1, {"c": []}], "d": {}}});
        let expected = "{\n    \"a\": {\n        \"b\": [\n            1,\n            {\n                \"c\": []\n            }\n        ],\n        \"d\": {}\n    }\n}";
        assert_eq!(pretty(&value), expected);
    }
}
