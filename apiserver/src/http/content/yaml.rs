//! YAML as Kubernetes reads and writes it: version 1.1, where `yes` is a boolean and `014` is twelve.

use serde_json::Value;
use serde_yaml::options::DuplicateKeyPolicy;

/// The reader calls itself for each level, with much on the stack, which must not run out.
const DEEPEST: usize = 64;

/// What was read, and the complaint about keys that stand there twice, of which the last counts.
#[derive(Debug)]
pub struct Document {
    pub value: Value,
    pub duplicate: Option<String>,
}

/// Reads one document.
pub fn parse(text: &str) -> Result<Document, String> {
    let strict = read(text, DuplicateKeyPolicy::Error);
    let error = match strict {
        Ok(value) => return Ok(Document { value, duplicate: None }),
        Err(error) => error,
    };
    // Either a key stands there twice, or the text is no YAML at all: then this fails as well.
    let value = read(text, DuplicateKeyPolicy::LastWins)?;
    Ok(Document { value, duplicate: Some(error) })
}

fn read(text: &str, duplicate_keys: DuplicateKeyPolicy) -> Result<Value, String> {
    let budget = serde_yaml::budget! {
        max_depth: DEEPEST,
        flow_nesting_limit: DEEPEST,
        max_nodes: 1_000_000,
        max_documents: 1,
    };
    let options = serde_yaml::options! {
        budget: budget,
        duplicate_keys: duplicate_keys,
        legacy_octal_numbers: true,
        with_snippet: false,
    };
    serde_yaml::from_str_with_options(text, options).map_err(|error| error.to_string())
}

/// Writes a value so that every reader takes it for the same.
pub fn write(value: &Value) -> Result<String, String> {
    serde_yaml::to_string(value).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_old_words_for_booleans_and_octal_numbers_count() {
        let document = parse("a: yes\nb: 'yes'\nc: 014\nd: ~\ne: 1_000\nf: [1, x]\n").unwrap();
        assert_eq!(document.value, json!({"a": true, "b": "yes", "c": 12, "d": null, "e": 1000, "f": [1, "x"]}));
        assert!(document.duplicate.is_none());
    }

    #[test]
    fn text_that_looks_like_a_boolean_is_written_in_quotes() {
        let value = json!({"a": "yes", "b": "014", "c": "x", "d": [], "e": {}, "f": "two\nlines"});
        let text = write(&value).unwrap();
        assert_eq!(parse(&text).unwrap().value, value, "{text}");
    }

    #[test]
    fn a_key_that_stands_twice_is_told() {
        let document = parse("a: 1\na: 2\n").unwrap();
        assert_eq!(document.value, json!({"a": 2}));
        assert!(document.duplicate.unwrap().contains('a'));
    }

    #[test]
    fn what_is_no_yaml_is_an_error() {
        assert!(parse("a: [").is_err());
        assert!(parse("a: 1\n---\nb: 2\n").is_err());
        assert!(parse(&"[".repeat(100_000)).is_err());
        assert!(parse(&format!("{}1{}", "{a: ".repeat(5000), "}".repeat(5000))).is_err());
        assert!(parse(&format!("{}1", "- ".repeat(5000))).is_err());
        assert!(parse(&format!("{}1{}", "{a: ".repeat(60), "}".repeat(60))).is_ok());
    }
}
