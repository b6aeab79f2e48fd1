//! The objects that are made, as a real cluster's would be in size.

use bytes::Bytes;
use serde_json::{Value, json};

/// Pods ask for a scheduler that is not there, so that nothing runs them.
pub const NO_SCHEDULER: &str = "bench.invalid";

/// A ConfigMap of this many bytes, about.
pub fn config_map(name: &str, size: usize) -> Bytes {
    let padding = size.saturating_sub(200);
    let lines: String = (0..)
        .map(|number| format!("key{number} = some value that is of use to somebody\n"))
        .take(padding / 45)
        .collect();
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"app": "bench"}},
           "data": {"settings.conf": lines}})
    .to_string()
    .into()
}

/// A Pod of this many bytes, about: padded by environment variables as real ones are.
pub fn pod(name: &str, size: usize) -> Bytes {
    padded_pod(name, size, json!({"schedulerName": NO_SCHEDULER})).to_string().into()
}

/// A Pod without variables, and each of these.
const BARE: usize = 540;
const VARIABLE: usize = 77;

pub fn padded_pod(name: &str, size: usize, more: Value) -> Value {
    let variable = |number: usize| {
        let value = format!("https://service-{number}.example.org:8443/api/v1/some/path");
        json!({"name": format!("SETTING_{number}"), "value": value})
    };
    let count = size.saturating_sub(BARE) / VARIABLE;
    let mut spec = json!({"containers": [{
        "name": "main", "image": "registry.example.org/team/application:v1.2.3",
        "env": (0..count).map(variable).collect::<Vec<_>>(),
        "ports": [{"name": "http", "containerPort": 8080}],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
    }], "tolerations": [{"operator": "Exists"}], "automountServiceAccountToken": false});
    if let (Some(spec), Value::Object(more)) = (spec.as_object_mut(), more) {
        spec.extend(more);
    }
    json!({"apiVersion": "v1", "kind": "Pod", "spec": spec,
           "metadata": {"name": name, "labels": {"app": "bench", "pod-template-hash": "5d4f8c7b9"}}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_about_as_large_as_asked() {
        assert!((1_700..2_300).contains(&config_map("a", 2_048).len()));
        let sent = pod("a", 3_400).len();
        assert!((3_200..3_600).contains(&sent), "{sent}");
    }
}
