//! Sends what the client should know about an answer that is otherwise good: `Warning` headers.

use axum::response::Response;
use http::HeaderValue;
use http::header::WARNING;

use crate::http::app::App;
use crate::http::exchange::Exchange;
use crate::http::filters::filter::Filter;

/// Once all warnings together have more characters than this, each is cut to `SHORT`, and what then goes beyond is left
/// out.
const MUCH: usize = 4096;
const SHORT: usize = 256;

pub struct SendWarnings;

impl Filter for SendWarnings {
    fn after(&self, _: &App, exchange: &Exchange, response: &mut Response) {
        for header in headers(&exchange.warnings.take()) {
            response.headers_mut().append(WARNING, header);
        }
    }
}

fn headers(warnings: &[String]) -> Vec<HeaderValue> {
    let length = |warning: &String| warning.chars().count();
    let total: usize = warnings.iter().map(length).sum();
    let limit = if total > MUCH { SHORT } else { usize::MAX };
    let mut written = 0;
    let mut headers = Vec::new();
    for warning in warnings.iter().filter(|warning| !warning.is_empty()) {
        if written >= MUCH {
            break;
        }
        written += length(warning).min(limit);
        headers.extend(HeaderValue::from_str(&format!("299 - \"{}\"", quoted(warning, limit))));
    }
    headers
}

/// The inside of a quoted string. What cannot stand in a header becomes a space.
fn quoted(text: &str, limit: usize) -> String {
    let mut quoted = String::with_capacity(text.len());
    for character in text.chars().take(limit) {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            character if character.is_control() => quoted.push(' '),
            character => quoted.push(character),
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_quoted() {
        let found = headers(&["unknown field \"spec.foo\"".to_owned()]);
        assert_eq!(found, [HeaderValue::from_static(r#"299 - "unknown field \"spec.foo\"""#)]);
        let lines = headers(&["a\nb".to_owned()]);
        assert_eq!(lines, [HeaderValue::from_static(r#"299 - "a b""#)]);
    }

    #[test]
    fn many_long_warnings_are_cut() {
        let many: Vec<String> = (0..30).map(|number| format!("{number}{}", "x".repeat(500))).collect();
        let found = headers(&many);
        assert_eq!(found.len(), 16);
        assert!(found.iter().all(|header| header.len() < 270));
    }
}
