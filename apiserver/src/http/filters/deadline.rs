//! Ends requests that take too long. Watches and logs may take as long as they like.

use std::future::Future;
use std::time::Duration;

use api::failure::Failure;
use axum::response::Response;
use http::request::Parts;

use crate::http::app::App;
use crate::http::exchange::Exchange;
use crate::http::filters::filter::Filter;
use crate::http::query::Query;
use crate::http::reply::failure;

const LONGEST: Duration = Duration::from_secs(60);

/// Reads how long the client will wait: `timeout=10s`. It may ask for less than is usual, not for more.
pub struct Deadline;

impl Filter for Deadline {
    fn before(&self, _: &App, exchange: &mut Exchange, request: &Parts) -> Result<(), Failure> {
        let query = Query::parse(request.uri.query().unwrap_or(""));
        let Some(text) = query.get("timeout").filter(|text| !text.is_empty()) else { return Ok(()) };
        let asked = duration(text).ok_or_else(|| {
            let start = "invalid timeout specified in the request URL";
            Failure::bad_request(format!("{start} - time: invalid duration {text:?}"))
        })?;
        exchange.patience = Some(asked).filter(|asked| !asked.is_zero());
        Ok(())
    }
}

pub async fn within(exchange: &Exchange, answer: impl Future<Output = Response>) -> Response {
    if exchange.is_long_running() {
        return answer.await;
    }
    let text = "request did not complete within requested timeout - context deadline exceeded";
    tokio::time::timeout(exchange.patience.unwrap_or(LONGEST).min(LONGEST), answer)
        .await
        .unwrap_or_else(|_| failure::failure(&Failure::timeout(text)))
}

/// A duration as Go writes it: `1m30s`, `1.5h`, `300ms`. Without a unit only `0` is one.
fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut seconds = 0.0;
    while !rest.is_empty() || seconds == 0.0 {
        let end = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let end = rest.find(|character: char| character.is_ascii_digit() || character == '.').unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" | "μs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        seconds += number * unit;
        rest = &rest[end..];
        if rest.is_empty() {
            break;
        }
    }
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn any_text_is_a_duration_or_none(text in "[-+0-9.hmnsuµ ]{0,30}") {
            let _ = duration(&text);
        }
    }

    #[test]
    fn durations_are_read_as_clients_write_them() {
        for (text, expected) in [
            ("10s", Some(10_000)),
            ("1m30s", Some(90_000)),
            ("1.5h", Some(5_400_000)),
            ("300ms", Some(300)),
            ("0", Some(0)),
            ("0s", Some(0)),
            ("+2s", Some(2000)),
            ("10", None),
            ("s", None),
            ("1d", None),
            ("-5s", None),
            ("1s2", None),
            ("99999999999999999999h", None),
        ] {
            assert_eq!(duration(text).map(|duration| duration.as_millis()), expected, "{text}");
        }
    }
}
