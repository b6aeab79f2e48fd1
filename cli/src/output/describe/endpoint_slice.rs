//! Endpoint slices: ports, and each endpoint with its conditions.

use serde_json::Value;

use crate::object;
use crate::output::describe::page::{Page, joined, or_unset};
use crate::output::describe::{Describer, Related, events};
use crate::output::plain;

pub const DESCRIBER: Describer =
    Describer { group: "discovery.k8s.io", kind: "EndpointSlice", needs: |object| vec![events::need(object)], write };

fn write(page: &mut Page, object: &Value, related: &Related) {
    page.heading(object);
    page.field(0, "AddressType", object::text(object, "addressType"));
    let ports = object::items(object, "ports");
    if ports.is_empty() {
        page.line(0, "Ports: <unset>");
    } else {
        page.line(0, "Ports:");
        page.line(1, "Name\tPort\tProtocol");
        page.line(1, "----\t----\t--------");
    }
    for port in ports {
        let name = Some(object::text(port, "name")).filter(|name| !name.is_empty()).unwrap_or("<unset>");
        let number = if port["port"].is_null() { "<unset>".to_owned() } else { plain(&port["port"]) };
        page.line(1, &format!("{name}\t{number}\t{}", object::text(port, "protocol")));
    }
    let endpoints = object::items(object, "endpoints");
    page.line(0, if endpoints.is_empty() { "Endpoints: <none>" } else { "Endpoints:" });
    for endpoint in endpoints {
        write_endpoint(page, endpoint);
    }
    events::write(page, related);
}

fn write_endpoint(page: &mut Page, endpoint: &Value) {
    let addresses = joined(object::items(endpoint, "addresses"), ", ");
    page.field(1, "- Addresses", if addresses.is_empty() { "<none>" } else { &addresses });
    page.line(2, "Conditions:");
    let ready = object::at(endpoint, "conditions.ready");
    page.field(3, "Ready", if ready.is_null() { "<unset>".to_owned() } else { plain(ready) });
    page.field(2, "Hostname", or_unset(endpoint, "hostname"));
    if endpoint["targetRef"].is_object() {
        let target =
            format!("{}/{}", object::text(endpoint, "targetRef.kind"), object::text(endpoint, "targetRef.name"));
        page.field(2, "TargetRef", target);
    }
    page.field(2, "NodeName", or_unset(endpoint, "nodeName"));
    page.field(2, "Zone", or_unset(endpoint, "zone"));
}
