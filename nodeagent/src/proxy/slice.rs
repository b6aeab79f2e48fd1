//! An EndpointSlice as forwarding needs it: parsed once, at the edge.

use std::net::IpAddr;

use api::names::NamespacedName;
use api::well_known::{annotation, label};
use jiff::Timestamp;

use crate::proxy::service::{Protocol, port_number};
use crate::proxy::wire;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    pub name: NamespacedName,
    /// The Service whose endpoints these are, in the same namespace.
    pub service: NamespacedName,
    /// When the change happened that this version of the slice tells of.
    pub trigger: Option<Timestamp>,
    pub ports: Vec<Port>,
    pub endpoints: Vec<Endpoint>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    pub name: String,
    pub protocol: Protocol,
    pub port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub address: IpAddr,
    pub node: Option<Box<str>>,
    pub state: State,
    pub zone_hints: Box<[Box<str>]>,
    pub node_hints: Box<[Box<str>]>,
}

/// How much an endpoint is wanted, the least first: of two that speak of one address, the greater is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    Down,
    /// On its way out, still answering: used where nothing is ready.
    Draining,
    Ready,
}

impl Slice {
    /// `None` for what is not forwarded to: headless, of no Service, left to another proxy by label, or no addresses.
    pub fn parse(from: wire::EndpointSlice) -> Option<Self> {
        let wire::EndpointSlice { metadata, address_type, endpoints, ports } = from;
        let labels = metadata.labels.unwrap_or_default();
        let is_ours = ![label::HEADLESS_SERVICE, label::SERVICE_PROXY_NAME].iter().any(|key| labels.contains_key(*key));
        if !is_ours || !matches!(address_type.as_str(), "IPv4" | "IPv6") {
            return None;
        }
        let service = labels.get(label::SERVICE_NAME).filter(|name| !name.is_empty())?;
        let namespace = metadata.namespace.unwrap_or_default();
        let trigger = metadata.annotations.as_ref().and_then(|all| all.get(annotation::ENDPOINTS_TRIGGER_TIME));
        Some(Self {
            service: NamespacedName::new(namespace.clone(), service.clone()),
            trigger: trigger.and_then(|text| text.parse().ok()),
            name: NamespacedName::new(namespace, metadata.name.unwrap_or_default()),
            ports: ports.unwrap_or_default().into_iter().filter_map(Port::parse).collect(),
            endpoints: endpoints.unwrap_or_default().into_iter().filter_map(Endpoint::parse).collect(),
        })
    }
}

impl Port {
    /// A port without a number means all ports, which no Service port can be mapped to.
    fn parse(from: wire::EndpointPort) -> Option<Self> {
        Some(Self {
            name: from.name.unwrap_or_default(),
            protocol: Protocol::parse(from.protocol.as_deref())?,
            port: port_number(from.port)?,
        })
    }
}

impl Endpoint {
    /// Addresses behind the first are alike by definition, and not used.
    fn parse(from: wire::Endpoint) -> Option<Self> {
        let names = |hints: Option<Vec<wire::Hint>>| -> Box<[Box<str>]> {
            hints.unwrap_or_default().into_iter().map(|hint| hint.name.into_boxed_str()).collect()
        };
        let hints = from.hints.unwrap_or_default();
        Some(Self {
            address: from.addresses.first()?.parse().ok()?,
            node: from.node_name.map(String::into_boxed_str),
            state: State::of(&from.conditions.unwrap_or_default()),
            zone_hints: names(hints.for_zones),
            node_hints: names(hints.for_nodes),
        })
    }
}

impl State {
    /// An absent `ready` or `serving` is true.
    fn of(conditions: &wire::EndpointConditions) -> Self {
        if conditions.ready.unwrap_or(true) {
            Self::Ready
        } else if conditions.serving.unwrap_or(true) && conditions.terminating.unwrap_or(false) {
            Self::Draining
        } else {
            Self::Down
        }
    }
}
