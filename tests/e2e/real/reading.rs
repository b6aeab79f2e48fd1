//! Reading what kubectl prints.

use std::collections::BTreeSet;

use serde_json::Value;
use tests::terminal::Terminal;

/// The second column of `kubectl get endpoints SERVICE`.
pub fn addresses(terminal: &Terminal, service: &str) -> BTreeSet<String> {
    let table = terminal.ok(&format!("kubectl get endpoints {service}"));
    let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(lines.next().as_deref(), Some(["NAME", "ENDPOINTS", "AGE"].as_slice()), "{table}");
    let row = lines.next().unwrap_or_default();
    assert_eq!(row.first(), Some(&service), "{table}");
    let cell = row.get(1).filter(|cell| **cell != "<none>");
    cell.map_or_else(BTreeSet::new, |cell| cell.split(',').map(str::to_owned).collect())
}

/// The internal address of the first node.
pub fn node_address(terminal: &Terminal) -> String {
    let nodes = terminal.json("nodes");
    let addresses = nodes["items"][0]["status"]["addresses"].as_array().cloned().unwrap_or_default();
    let internal = addresses.iter().find(|address| address["type"] == "InternalIP");
    text(&internal.expect("a node has an internal address")["address"])
}

pub fn items(list: &Value) -> &[Value] {
    list["items"].as_array().map_or(&[], Vec::as_slice)
}

pub fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}
