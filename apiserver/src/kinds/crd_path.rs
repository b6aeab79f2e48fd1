//! Paths to the fields of a definition's schema: `.spec['a.b']`.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;

use crate::kinds::crd_structural::additional;

const NO_FIELD: &str = "does not refer to a valid field";
const NO_END: &str = "unexpected end of JSON path";

/// Whether names in brackets are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Brackets {
    Allowed,
    Forbidden,
}

/// The schema of the field that the path leads to.
pub fn find<'a>(schema: &'a JSONSchemaProps, path: &str, brackets: Brackets) -> Result<&'a JSONSchemaProps, String> {
    let mut schema = schema;
    let mut tokens = Tokens(path);
    while let Some(token) = tokens.next() {
        let name = match token {
            "." => tokens.next().ok_or(NO_END)?.to_owned(),
            "[" if brackets == Brackets::Forbidden => return Err("array notation is not allowed".to_owned()),
            "[" => {
                let name = quoted(tokens.next().ok_or(NO_END)?)?;
                match tokens.next().ok_or(NO_END)? {
                    "]" => name,
                    other => return Err(format!("expected ] but got {other}")),
                }
            }
            other => return Err(format!("expected [ or . but got: {other}")),
        };
        let properties = schema.properties.as_ref().filter(|properties| !properties.is_empty());
        let found = match properties {
            Some(properties) => properties.get(&name),
            None => additional(schema),
        };
        schema = found.ok_or(NO_FIELD)?;
    }
    Ok(schema)
}

fn quoted(token: &str) -> Result<String, String> {
    let inner = token.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    let inner = inner.ok_or_else(|| format!("expected single quoted string but got {token}"))?;
    let mut name = String::new();
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        name.push(match character {
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some(plain @ ('\'' | '\\')) => plain,
                other => {
                    let escape: String = other.into_iter().collect();
                    return Err(format!("invalid string literal: invalid escape char \\{escape}"));
                }
            },
            plain => plain,
        });
    }
    Ok(name)
}

/// Dots, brackets, and what is between them; what is quoted is one.
struct Tokens<'a>(&'a str);

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let bytes = self.0.as_bytes();
        let end = match bytes.first()? {
            b'.' | b'[' | b']' => 1,
            b'\'' => {
                let closing = (1..bytes.len()).find(|at| bytes[*at] == b'\'' && bytes[at - 1] != b'\\');
                closing.map_or(bytes.len(), |at| at + 1)
            }
            _ => self.0.find(['.', '[', ']']).unwrap_or(bytes.len()),
        };
        let (token, rest) = self.0.split_at(end);
        self.0 = rest;
        Some(token)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_leads_through_fields_and_maps() {
        let schema: JSONSchemaProps = serde_json::from_value(json!({"properties": {
            "spec": {"properties": {"a.b": {"type": "string"}}},
            "map": {"additionalProperties": {"properties": {"x": {"type": "integer"}}}}}}))
        .unwrap();
        let told = |path: &str, brackets| {
            find(&schema, path, brackets).map(|found| found.type_.clone().unwrap_or_default()).unwrap_or_else(|why| why)
        };
        for (path, found) in [
            (".spec['a.b']", "string"),
            (".map.any.x", "integer"),
            (".map['a\\'b'].x", "integer"),
            (".spec.a.b", NO_FIELD),
            (".spec['a.b'].c", NO_FIELD),
            (".spec.", NO_END),
            ("spec", "expected [ or . but got: spec"),
            (".spec[0]", "expected single quoted string but got 0"),
            (".spec['a.b'.", "expected ] but got ."),
            (".spec['\\x']", "invalid string literal: invalid escape char \\x"),
        ] {
            assert_eq!(told(path, Brackets::Allowed), found, "{path}");
        }
        assert_eq!(told(".spec['a.b']", Brackets::Forbidden), "array notation is not allowed");
    }
}
