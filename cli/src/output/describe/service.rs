//! Services, with the endpoints behind each of their ports.

use serde_json::Value;

use crate::object;
use crate::output::describe::page::{Page, joined, number};
use crate::output::describe::{Describer, Need, Related, events};
use crate::output::{plain, table};

/// How many endpoints of a port are named.
const MOST_ENDPOINTS: usize = 3;

pub const DESCRIBER: Describer = Describer { group: "", kind: "Service", needs, write };

fn needs(object: &Value) -> Vec<Need> {
    let slices = Need::in_namespace("slices", object, "/apis/discovery.k8s.io/v1", "endpointslices");
    let selector = format!("{}={}", api::well_known::label::SERVICE_NAME, object::name(object));
    vec![events::need(object), slices.labels(selector)]
}

fn write(page: &mut Page, object: &Value, related: &Related) {
    let spec = &object["spec"];
    page.heading(object);
    page.field(0, "Selector", table::label_text(&spec["selector"]));
    page.field(0, "Type", object::text(spec, "type"));
    page.field_unless_empty(0, "IP Family Policy", object::text(spec, "ipFamilyPolicy"));
    page.field(0, "IP Families", or_none(joined(object::items(spec, "ipFamilies"), ",")));
    page.field(0, "IP", object::text(spec, "clusterIP"));
    page.field(0, "IPs", or_none(joined(object::items(spec, "clusterIPs"), ",")));
    page.field_unless_empty(0, "External IPs", &joined(object::items(spec, "externalIPs"), ","));
    page.field_unless_empty(0, "Desired LoadBalancer IP", object::text(spec, "loadBalancerIP"));
    page.field_unless_empty(0, "External Name", object::text(spec, "externalName"));
    page.field_unless_empty(0, "LoadBalancer Ingress", &ingress(object::items(object, "status.loadBalancer.ingress")));
    for port in object::items(spec, "ports") {
        write_port(page, port, related.items("slices"));
    }
    page.field(0, "Session Affinity", object::text(spec, "sessionAffinity"));
    page.field_unless_empty(0, "External Traffic Policy", object::text(spec, "externalTrafficPolicy"));
    page.field_unless_empty(0, "Internal Traffic Policy", object::text(spec, "internalTrafficPolicy"));
    if number(spec, "healthCheckNodePort") != 0 {
        page.field(0, "HealthCheck NodePort", number(spec, "healthCheckNodePort"));
    }
    let ranges = joined(object::items(spec, "loadBalancerSourceRanges"), ",");
    page.field_unless_empty(0, "LoadBalancer Source Ranges", &ranges);
    page.field_unless_empty(0, "Traffic Distribution", object::text(spec, "trafficDistribution"));
    events::write(page, related);
}

fn or_none(text: String) -> String {
    if text.is_empty() { "<none>".to_owned() } else { text }
}

fn ingress(points: &[Value]) -> String {
    let points = points.iter().map(|point| match (object::text(point, "ip"), object::text(point, "ipMode")) {
        ("", _) => object::text(point, "hostname").to_owned(),
        (ip, "") => ip.to_owned(),
        (ip, mode) => format!("{ip} ({mode})"),
    });
    points.collect::<Vec<_>>().join(", ")
}

fn write_port(page: &mut Page, port: &Value, slices: &[Value]) {
    let own_name = object::text(port, "name");
    let name = if own_name.is_empty() { "<unset>" } else { own_name };
    let protocol = object::text(port, "protocol");
    page.field(0, "Port", format_args!("{name}\t{}/{protocol}", port["port"]));
    page.field(0, "TargetPort", format_args!("{}/{protocol}", plain(&port["targetPort"])));
    page.field_unless_empty(0, "AppProtocol", object::text(port, "appProtocol"));
    if number(port, "nodePort") != 0 {
        page.field(0, "NodePort", format_args!("{name}\t{}/{protocol}", port["nodePort"]));
    }
    page.field(0, "Endpoints", endpoints(slices, own_name));
}

/// The ready addresses behind the port with this name: the first few, and how many more there are.
fn endpoints(slices: &[Value], port_name: &str) -> String {
    if slices.is_empty() {
        return "<none>".to_owned();
    }
    let mut addresses = Vec::new();
    for slice in slices {
        let ports = object::items(slice, "ports");
        let ready =
            object::items(slice, "endpoints").iter().filter(|endpoint| endpoint["conditions"]["ready"] != false);
        let ready: Vec<&str> = ready.map(|endpoint| endpoint["addresses"][0].as_str().unwrap_or_default()).collect();
        if ports.is_empty() {
            // A headless Service may have no ports.
            addresses.extend(ready.iter().map(|address| (*address).to_owned()));
        }
        for port in ports.iter().filter(|port| object::text(port, "name") == port_name) {
            addresses.extend(ready.iter().map(|address| host_and_port(address, &plain(&port["port"]))));
        }
    }
    let more = addresses.len().saturating_sub(MOST_ENDPOINTS);
    addresses.truncate(MOST_ENDPOINTS);
    let shown = addresses.join(",");
    if more > 0 { format!("{shown} + {more} more...") } else { shown }
}

fn host_and_port(address: &str, port: &str) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}
