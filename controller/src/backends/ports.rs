//! The port of a pod that a Service's port means.

use crate::kinds::pod::Pod;
use crate::kinds::service::Port;
use crate::kinds::wire::IntOrString;

/// A number is meant as it is; a name is that of a container's port of the same protocol, if the pod has one.
pub fn target_port(pod: &Pod, port: &Port) -> Option<i32> {
    match &port.target_port {
        IntOrString::Int(number) => Some(*number),
        IntOrString::Text(name) => {
            let named = pod.spec.named_ports.iter();
            let mut named = named.filter(|named| named.name == *name && named.protocol == port.protocol);
            named.next().map(|named| named.number)
        }
    }
}

/// Whether the pod's hostname is part of the Service's domain.
pub fn has_hostname(pod: &Pod, service: &crate::kinds::service::Service) -> bool {
    !pod.spec.hostname.is_empty()
        && pod.spec.subdomain == service.meta.name
        && pod.meta.namespace == service.meta.namespace
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::pod::{NamedPort, Protocol};

    #[test]
    fn a_named_port_is_looked_up_in_the_pod() {
        let mut pod = Pod::default();
        pod.spec.named_ports = std::sync::Arc::new([
            NamedPort { name: "dns".into(), number: 53, protocol: Protocol::Tcp },
            NamedPort { name: "dns".into(), number: 5353, protocol: Protocol::Udp },
        ]);
        let port = |target: IntOrString, protocol| Port { target_port: target, protocol, ..Port::default() };
        let named = |name: &str| IntOrString::Text(name.into());
        assert_eq!(target_port(&pod, &port(IntOrString::Int(8080), Protocol::Tcp)), Some(8080));
        assert_eq!(target_port(&pod, &port(named("dns"), Protocol::Tcp)), Some(53));
        assert_eq!(target_port(&pod, &port(named("dns"), Protocol::Udp)), Some(5353));
        assert_eq!(target_port(&pod, &port(named("http"), Protocol::Tcp)), None);
    }
}
