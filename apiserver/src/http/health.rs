//! Whether the server lives and is ready, as `/healthz`, `/livez` and `/readyz` tell it.

use std::sync::{Mutex, PoisonError};

use axum::response::Response;
use http::StatusCode;

use crate::http::query::Query;
use crate::http::reply::failure::{no_such_path, text};

const PATHS: [&str; 3] = ["/healthz", "/livez", "/readyz"];

/// Whether the path is one of the health checks or a single check below it.
pub fn is_health_path(path: &str) -> bool {
    PATHS.iter().any(|known| path.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

type Check = Box<dyn Fn() -> bool + Send + Sync>;

/// The checks, in the order in which they are shown.
#[derive(Default)]
pub struct Health {
    checks: Mutex<Vec<(&'static str, Only, Check)>>,
}

/// Which of the three paths a check counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Only {
    All,
    Readiness,
}

impl Health {
    pub fn add(&self, name: &'static str, only: Only, check: impl Fn() -> bool + Send + Sync + 'static) {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).push((name, only, Box::new(check)));
    }

    /// All paths that are answered.
    pub fn paths(&self) -> Vec<String> {
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        let below = |endpoint: &'static str| {
            let counts = move |only: Only| only == Only::All || endpoint == "/readyz";
            let served = checks.iter().filter(move |(_, only, _)| counts(*only));
            served.map(move |(name, _, _)| format!("{endpoint}/{name}"))
        };
        PATHS.iter().flat_map(|endpoint| below(endpoint).chain([(*endpoint).to_owned()])).collect()
    }

    /// Answers `/healthz`, or `/healthz/<check>` for one check alone.
    pub fn answer(&self, path: &str, query: &Query<'_>) -> Response {
        let mut parts = path.trim_matches('/').splitn(2, '/');
        let (endpoint, single) = (parts.next().unwrap_or_default(), parts.next());
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        let results: Vec<(&str, bool)> = checks
            .iter()
            .filter(|(_, only, _)| *only == Only::All || endpoint == "readyz")
            .map(|(name, _, check)| (*name, check()))
            .collect();
        if let Some(single) = single {
            return match results.iter().find(|(name, _)| *name == single) {
                None => no_such_path(),
                Some((_, true)) => text(StatusCode::OK, "ok"),
                Some((name, false)) => {
                    text(StatusCode::INTERNAL_SERVER_ERROR, format!("internal server error: {name} failed\n"))
                }
            };
        }
        report(endpoint, &results, query)
    }
}

fn report(endpoint: &str, results: &[(&str, bool)], query: &Query<'_>) -> Response {
    let excluded = query.all("exclude");
    let mut lines = String::new();
    let mut all_passed = true;
    for (name, passed) in results {
        let line = match (excluded.contains(name), passed) {
            (true, _) => format!("[+]{name} excluded: ok\n"),
            (false, true) => format!("[+]{name} ok\n"),
            (false, false) => {
                all_passed = false;
                format!("[-]{name} failed: reason withheld\n")
            }
        };
        lines.push_str(&line);
    }
    let mut unknown: Vec<String> = excluded
        .iter()
        .filter(|excluded| !results.iter().any(|(name, _)| name == *excluded))
        .map(|name| format!("{name:?}"))
        .collect();
    if !unknown.is_empty() {
        unknown.sort_unstable();
        unknown.dedup();
        let unknown = unknown.join(",");
        lines.push_str(&format!("warn: some health checks cannot be excluded: no matches for {unknown}\n"));
    }
    if !all_passed {
        return text(StatusCode::INTERNAL_SERVER_ERROR, format!("{lines}{endpoint} check failed\n"));
    }
    if query.get("verbose").is_some() {
        return text(StatusCode::OK, format!("{lines}{endpoint} check passed\n"));
    }
    text(StatusCode::OK, "ok")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    async fn asked(health: &Health, path: &str, query: &str) -> (u16, String) {
        let response = health.answer(path, &Query::parse(query));
        let code = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (code, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn checks_are_told_as_monitoring_expects() {
        let health = Health::default();
        health.add("ping", Only::All, || true);
        health.add("storage", Only::Readiness, || false);
        assert_eq!(asked(&health, "/healthz", "").await, (200, "ok".to_owned()));
        assert_eq!(asked(&health, "/livez", "verbose").await, (200, "[+]ping ok\nlivez check passed\n".to_owned()));
        assert_eq!(asked(&health, "/readyz/ping", "").await, (200, "ok".to_owned()));
        let failed = "[+]ping ok\n[-]storage failed: reason withheld\nreadyz check failed\n";
        assert_eq!(asked(&health, "/readyz", "").await, (500, failed.to_owned()));
        assert_eq!(asked(&health, "/readyz", "exclude=storage").await.0, 200);
        assert_eq!(asked(&health, "/healthz/other", "").await.0, 404);
        let warned =
            "[+]ping ok\nwarn: some health checks cannot be excluded: no matches for \"a\",\"b\"\nlivez check passed\n";
        assert_eq!(asked(&health, "/livez", "verbose&exclude=b&exclude=a").await, (200, warned.to_owned()));
    }
}
