//! Kinds without a description of their own: every field, with its name spread into words.

use serde_json::{Map, Value};

use crate::output::describe::page::Page;
use crate::output::describe::{Describer, Related, events};
use crate::output::plain;

pub const DESCRIBER: Describer = Describer { group: "", kind: "", needs: |object| vec![events::need(object)], write };

/// What the heading says already, or nobody wants to read.
const SKIPPED: [&str; 5] =
    [".metadata.managedFields", ".metadata.name", ".metadata.namespace", ".metadata.labels", ".metadata.annotations"];

fn write(page: &mut Page, object: &Value, related: &Related) {
    page.heading(object);
    if let Some(map) = object.as_object() {
        write_fields(page, 0, map, "");
    }
    events::write(page, related);
}

fn write_fields(page: &mut Page, level: usize, map: &Map<String, Value>, above: &str) {
    for (field, value) in map {
        let path = format!("{above}.{field}");
        if SKIPPED.contains(&path.as_str()) {
            continue;
        }
        let label = words(field);
        match value {
            Value::Object(inner) => {
                page.line(level, &format!("{label}:"));
                write_fields(page, level + 1, inner, &path);
            }
            Value::Array(items) => {
                page.line(level, &format!("{label}:"));
                for item in items {
                    match item {
                        Value::Object(inner) => write_fields(page, level + 1, inner, &path),
                        other => page.line(level + 1, &plain(other)),
                    }
                }
            }
            other => page.field(level, &label, plain(other)),
        }
    }
}

/// `apiVersion` becomes `API Version`, `creationTimestamp` becomes `Creation Timestamp`.
fn words(field: &str) -> String {
    if !field.chars().all(|letter| letter.is_alphabetic() || letter == '-') {
        return field.to_owned();
    }
    let words = split(field).into_iter().map(|word| {
        let upper = word.to_uppercase();
        if ["API", "URL", "UID", "GUID"].contains(&upper.as_str()) {
            upper
        } else if word.to_lowercase() == word {
            let mut letters = word.chars();
            letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
        } else {
            word
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Cuts before a capital behind a small letter, and before the last of several capitals that a small letter follows.
fn split(field: &str) -> Vec<String> {
    let letters: Vec<char> = field.chars().collect();
    let mut words = vec![String::new()];
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| letters[before]);
        let next_is_small = letters.get(at + 1).is_some_and(|next| next.is_lowercase());
        let begins = match before {
            None => false,
            Some(before) if letter.is_uppercase() => before.is_lowercase() || (before.is_uppercase() && next_is_small),
            Some(before) => letter.is_alphabetic() != before.is_alphabetic(),
        };
        if begins {
            words.push(String::new());
        }
        words.last_mut().expect("there is always a word").push(*letter);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spread_into_words() {
        for (field, expected) in [
            ("apiVersion", "API Version"),
            ("creationTimestamp", "Creation Timestamp"),
            ("uid", "UID"),
            ("podCIDR", "Pod CIDR"),
            ("kind", "Kind"),
            ("a.b/c", "a.b/c"),
        ] {
            assert_eq!(words(field), expected);
        }
    }
}
