//! `/`: the paths there are.

use std::collections::BTreeSet;

use crate::http::health::{self, Health};
use crate::kinds::KINDS;

/// Paths that follow from no list.
const OTHERS: [&str; 7] = ["/api", "/apis", "/apis/", "/metrics", "/openapi/v3", "/openapi/v3/", "/version"];

/// Every path that can be asked for by itself, in order.
pub fn paths(health: &Health) -> Vec<String> {
    let mut paths: BTreeSet<String> = OTHERS.into_iter().map(str::to_owned).collect();
    for facts in KINDS.iter().map(|kind| kind.facts()) {
        if facts.group.is_empty() {
            paths.insert(format!("/api/{}", facts.version));
        } else {
            paths.insert(format!("/apis/{}", facts.group));
            paths.insert(format!("/apis/{}/{}", facts.group, facts.version));
        }
    }
    for endpoint in health::PATHS {
        paths.insert(endpoint.to_owned());
        paths.extend(health.names(endpoint).into_iter().map(|name| format!("{endpoint}/{name}")));
    }
    paths.into_iter().collect()
}
