//! Where the name before `/proxy` leads: `[scheme:]name[:port]`.

use std::net::IpAddr;

use api::failure::{Failure, Reason};
use k8s_openapi::api::core::v1::{EndpointAddress, Endpoints, Node, Pod, Service};

use crate::http::app::App;
use crate::http::path::Target;
use crate::http::streaming::pod;
use crate::http::streaming::stored::read;

/// What is behind a proxy.
#[derive(Debug, PartialEq, Eq)]
pub enum Location {
    /// The agent of a node itself.
    Node(String),
    Port(Port),
}

#[derive(Debug, PartialEq, Eq)]
pub struct Port {
    pub is_tls: bool,
    pub port: u16,
    pub of: Holder,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Holder {
    Pod {
        node: String,
        namespace: String,
        name: String,
    },
    /// Somebody outside of the cluster, behind a Service without a selector.
    Address(IpAddr),
}

pub fn find(app: &App, target: &Target) -> Result<Location, Failure> {
    let name = Name::parse(&target.name).ok_or_else(|| {
        Failure::bad_request(format!("invalid {} request {:?}", target.resource.trim_end_matches('s'), target.name))
    })?;
    match &*target.resource {
        "nodes" => {
            read::<Node>(app, "nodes", None, name.name)?;
            Ok(Location::Node(name.name.to_owned()))
        }
        "pods" => of_pod(app, &target.namespace, &name).map(Location::Port),
        "services" => of_service(app, &target.namespace, &name).map(Location::Port),
        _ => Err(Failure::unknown_resource()),
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Name<'a> {
    is_tls: bool,
    name: &'a str,
    port: &'a str,
}

impl<'a> Name<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let (scheme, name, port) = match parts[..] {
            [name] => ("", name, ""),
            [name, port] => ("", name, port),
            [scheme, name, port] => (scheme, name, port),
            _ => return None,
        };
        let is_known = matches!(scheme, "" | "http" | "https") && !name.is_empty();
        is_known.then_some(Self { is_tls: scheme == "https", name, port })
    }

    /// Where no port is known.
    fn usual_port(&self) -> u16 {
        if self.is_tls { 443 } else { 80 }
    }
}

fn of_pod(app: &App, namespace: &str, name: &Name<'_>) -> Result<Port, Failure> {
    let pod: Pod = pod::find(app, namespace, name.name)?;
    let port = match name.port {
        "" => {
            let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
            let declared = containers.flat_map(|container| container.ports.iter().flatten()).next();
            declared.and_then(|port| u16::try_from(port.container_port).ok()).unwrap_or_else(|| name.usual_port())
        }
        text => text.parse().map_err(|_| Failure::bad_request(format!("invalid port {text:?}: it is a number")))?,
    };
    if pod.status.as_ref().and_then(|status| status.pod_ip.as_deref()).unwrap_or_default().is_empty() {
        return Err(Failure::bad_request("address not allocated"));
    }
    Ok(Port { is_tls: name.is_tls, port, of: holder_of(&pod, name.name)? })
}

fn holder_of(pod: &Pod, name: &str) -> Result<Holder, Failure> {
    let node = pod::node_of(pod, name)?.to_owned();
    let namespace = pod.metadata.namespace.clone().unwrap_or_default();
    Ok(Holder::Pod { node, namespace, name: name.to_owned() })
}

fn of_service(app: &App, namespace: &str, name: &Name<'_>) -> Result<Port, Failure> {
    let unavailable = |text: String| Failure::new(Reason::ServiceUnavailable, text);
    let service: Service = read(app, "services", Some(namespace), name.name)?;
    let wanted = port_name(&service, name.port)
        .ok_or_else(|| unavailable(format!("no service port {} found for service {:?}", name.port, name.name)))?;
    let nobody = || unavailable(format!("no endpoints available for service {:?}", name.name));
    let endpoints: Endpoints = read(app, "endpoints", Some(namespace), name.name).map_err(|_| nobody())?;
    let fitting = endpoints.subsets.iter().flatten().flat_map(|subset| {
        let ports = subset.ports.iter().flatten();
        let ports = ports.filter(|port| port.name.as_deref().unwrap_or_default() == wanted);
        ports.flat_map(|port| subset.addresses.iter().flatten().map(|address| (address, port.port)))
    });
    let fitting: Vec<(&EndpointAddress, i32)> = fitting.collect();
    let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0_u8) as usize;
    let (address, port) = fitting.get(random % fitting.len().max(1)).ok_or_else(nobody)?;
    let port = u16::try_from(*port).map_err(|_| nobody())?;
    let pod = address.target_ref.as_ref().filter(|target| target.kind.as_deref() == Some("Pod"));
    let of = match pod.and_then(|target| target.name.as_deref()) {
        Some(pod) => holder_of(&pod::find(app, namespace, pod)?, pod)?,
        None => Holder::Address(outside(&address.ip)?),
    };
    Ok(Port { is_tls: name.is_tls, port, of })
}

/// The name of the port that is meant: by its number, by its name, or the one without a name.
fn port_name(service: &Service, port: &str) -> Option<String> {
    let Ok(number) = port.parse::<i32>() else { return Some(port.to_owned()) };
    let ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
    ports.into_iter().find(|known| known.port == number).map(|known| known.name.clone().unwrap_or_default())
}

/// An address that this server may be sent to: none of this machine.
fn outside(address: &str) -> Result<IpAddr, Failure> {
    let address: IpAddr = address.parse().map_err(|_| Failure::bad_request("address not allocated"))?;
    let is_link_local = match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_multicast(),
        IpAddr::V6(address) => address.is_unicast_link_local() || address.is_multicast(),
    };
    if address.is_loopback() || address.is_unspecified() || is_link_local {
        return Err(Failure::bad_request("address not allowed"));
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_a_scheme_and_a_port_where_they_say_so() {
        let name = |is_tls, name, port| Some(Name { is_tls, name, port });
        assert_eq!(Name::parse("web"), name(false, "web", ""));
        assert_eq!(Name::parse("web:80"), name(false, "web", "80"));
        assert_eq!(Name::parse("https:web:"), name(true, "web", ""));
        assert_eq!(Name::parse("http:web:main"), name(false, "web", "main"));
        for wrong in ["", ":80", "ftp:web:1", "a:b:c:d"] {
            assert_eq!(Name::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_service_leads_nobody_to_this_machine() {
        for inside in ["127.0.0.1", "169.254.169.254", "::1", "fe80::1", "0.0.0.0", "224.0.0.1", "x"] {
            assert!(outside(inside).is_err(), "{inside}");
        }
        assert!(outside("192.0.2.1").is_ok() && outside("2001:db8::1").is_ok());
    }
}
