//! Endpoints: addresses and ports of each subset.

use serde_json::Value;

use crate::object;
use crate::output::describe::page::Page;
use crate::output::describe::{Describer, Related, events};

pub const DESCRIBER: Describer =
    Describer { group: "", kind: "Endpoints", needs: |object| vec![events::need(object)], write };

fn write(page: &mut Page, object: &Value, related: &Related) {
    page.heading(object);
    page.line(0, "Subsets:");
    for subset in object::items(object, "subsets") {
        page.field(1, "Addresses", addresses(subset, "addresses"));
        page.field(1, "NotReadyAddresses", addresses(subset, "notReadyAddresses"));
        let ports = object::items(subset, "ports");
        if !ports.is_empty() {
            page.line(1, "Ports:");
            page.line(2, "Name\tPort\tProtocol");
            page.line(2, "----\t----\t--------");
        }
        for port in ports {
            let name = Some(object::text(port, "name")).filter(|name| !name.is_empty()).unwrap_or("<unset>");
            page.line(2, &format!("{name}\t{}\t{}", port["port"], object::text(port, "protocol")));
        }
        page.raw("\n");
    }
    events::write(page, related);
}

fn addresses(subset: &Value, field: &str) -> String {
    let list: Vec<&str> = object::items(subset, field).iter().map(|address| object::text(address, "ip")).collect();
    if list.is_empty() { "<none>".to_owned() } else { list.join(",") }
}
