//! Whether the node's ports that a pod asks for are free.

use crate::kinds::node::Node;
use crate::kinds::pod::{HostPort, Pod};
use crate::scheduler::board::Place;

pub fn filter(pod: &Pod, _: &Node, place: &Place) -> Vec<String> {
    let is_taken = |wanted: &HostPort| place.ports.iter().any(|held| clash(held, wanted));
    if pod.spec.host_ports.iter().any(is_taken) {
        return vec!["node(s) didn't have free ports for the requested pod ports".to_owned()];
    }
    Vec::new()
}

fn clash(one: &HostPort, two: &HostPort) -> bool {
    let is_any = |ip: &str| matches!(ip, "" | "0.0.0.0" | "::");
    one.number == two.number && one.protocol == two.protocol && (is_any(&one.ip) || is_any(&two.ip) || one.ip == two.ip)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::pod::Protocol;

    #[test]
    fn ports_clash_on_one_address_and_on_all() {
        let port = |ip: &str, number, protocol| HostPort { ip: ip.into(), number, protocol };
        let held = port("127.0.0.1", 80, Protocol::Tcp);
        assert!(clash(&held, &port("127.0.0.1", 80, Protocol::Tcp)));
        assert!(clash(&held, &port("", 80, Protocol::Tcp)));
        assert!(!clash(&held, &port("127.0.0.2", 80, Protocol::Tcp)));
        assert!(!clash(&held, &port("127.0.0.1", 80, Protocol::Udp)));
        assert!(!clash(&held, &port("127.0.0.1", 81, Protocol::Tcp)));
    }
}
