//! Which Kubernetes this is.

use serde_json::{Value, json};

/// The version whose API is served.
pub const MAJOR: &str = "1";
pub const MINOR: &str = "36";
const PATCH: &str = "2";

/// What `/version` answers.
pub fn info() -> Value {
    let platform = format!("{}/{}", std::env::consts::OS, architecture());
    json!({
        "major": MAJOR,
        "minor": MINOR,
        "emulationMajor": MAJOR,
        "emulationMinor": MINOR,
        "minCompatibilityMajor": MAJOR,
        "minCompatibilityMinor": "35",
        "gitVersion": format!("v{MAJOR}.{MINOR}.{PATCH}+skiff.{}", env!("CARGO_PKG_VERSION")),
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "rustc",
        "platform": platform,
    })
}

/// As Go names it, which clients expect.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    }
}
