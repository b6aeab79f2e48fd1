//! A Service as forwarding needs it: parsed once, at the edge.

use std::net::IpAddr;
use std::time::Duration;

use api::cidr::Cidr;
use api::names::NamespacedName;
use api::well_known::label;
use jiff::Timestamp;

use crate::proxy::wire;

/// What a client is held to its endpoint for where the Service does not say: three hours.
const DEFAULT_AFFINITY: Duration = Duration::from_secs(10_800);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

impl Protocol {
    /// An absent protocol is TCP.
    pub fn parse(text: Option<&str>) -> Option<Self> {
        match text {
            None | Some("" | "TCP") => Some(Self::Tcp),
            Some("UDP") => Some(Self::Udp),
            Some("SCTP") => Some(Self::Sctp),
            Some(_) => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        }
    }
}

/// A Service that has addresses to be reached at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    pub name: NamespacedName,
    pub uid: String,
    /// Decides which of two Services keeps an address that both ask for.
    pub created: Timestamp,
    pub cluster_ips: Vec<IpAddr>,
    pub external_ips: Vec<IpAddr>,
    /// Ingress addresses of its load balancer that packets arrive with (`ipMode: VIP`).
    pub load_balancer_ips: Vec<IpAddr>,
    /// Who may come in through the load balancer; `None` lets all in.
    pub source_ranges: Option<Vec<Cidr>>,
    pub internal_local: bool,
    pub external_local: bool,
    pub affinity: Option<Duration>,
    pub health_check_port: Option<u16>,
    pub ports: Vec<Port>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    pub name: String,
    pub protocol: Protocol,
    pub port: u16,
    pub node_port: Option<u16>,
}

impl Service {
    /// `None` for what is not forwarded: headless, ExternalName, or left to another proxy by label.
    pub fn parse(from: wire::Service) -> Option<Self> {
        let wire::Service { metadata, spec, status } = from;
        let is_of_another = metadata.labels.is_some_and(|labels| labels.contains_key(label::SERVICE_PROXY_NAME));
        let cluster_ips = spec.cluster_ips.clone().filter(|all| !all.is_empty());
        let cluster_ips = addresses(&cluster_ips.unwrap_or_else(|| spec.cluster_ip.iter().cloned().collect()));
        if is_of_another || spec.type_.as_deref() == Some("ExternalName") || cluster_ips.is_empty() {
            return None;
        }
        let ingress = status.load_balancer.and_then(|status| status.ingress).unwrap_or_default();
        let vips = ingress.into_iter().filter(|entry| entry.ip_mode.as_deref().unwrap_or("VIP") == "VIP");
        let load_balancer_ips = addresses(&vips.filter_map(|entry| entry.ip).collect::<Vec<_>>());
        let is_external = matches!(spec.type_.as_deref(), Some("NodePort" | "LoadBalancer"))
            || spec.external_ips.as_ref().is_some_and(|all| !all.is_empty());
        let external_local = is_external && spec.external_traffic_policy.as_deref() == Some("Local");
        let wants_health_check = external_local && spec.type_.as_deref() == Some("LoadBalancer");
        Some(Self {
            name: NamespacedName::new(metadata.namespace.unwrap_or_default(), metadata.name.unwrap_or_default()),
            uid: metadata.uid.unwrap_or_default(),
            created: metadata.creation_timestamp.map_or(Timestamp::MAX, |time| time.0),
            affinity: affinity(&spec),
            cluster_ips,
            external_ips: addresses(&spec.external_ips.unwrap_or_default()),
            load_balancer_ips,
            source_ranges: source_ranges(&spec.load_balancer_source_ranges.unwrap_or_default()),
            internal_local: spec.internal_traffic_policy.as_deref() == Some("Local"),
            external_local,
            health_check_port: port_number(spec.health_check_node_port).filter(|_| wants_health_check),
            ports: spec.ports.unwrap_or_default().into_iter().filter_map(Port::parse).collect(),
        })
    }

    /// Is it reached by anything other than its cluster addresses through this port?
    pub fn is_external(&self, port: &Port) -> bool {
        port.node_port.is_some() || !self.external_ips.is_empty() || !self.load_balancer_ips.is_empty()
    }
}

impl Port {
    fn parse(from: wire::ServicePort) -> Option<Self> {
        Some(Self {
            name: from.name.unwrap_or_default(),
            protocol: Protocol::parse(from.protocol.as_deref())?,
            port: port_number(Some(from.port))?,
            node_port: port_number(from.node_port),
        })
    }
}

fn affinity(spec: &wire::ServiceSpec) -> Option<Duration> {
    if spec.session_affinity.as_deref() != Some("ClientIP") {
        return None;
    }
    let config = spec.session_affinity_config.as_ref().and_then(|config| config.client_ip.as_ref());
    let seconds = config.and_then(|config| config.timeout_seconds).and_then(|seconds| u64::try_from(seconds).ok());
    Some(seconds.map_or(DEFAULT_AFFINITY, Duration::from_secs))
}

/// Ranges that cannot be read let nobody in: a firewall fails closed.
fn source_ranges(from: &[String]) -> Option<Vec<Cidr>> {
    if from.is_empty() { None } else { Some(from.iter().filter_map(|text| text.trim().parse().ok()).collect()) }
}

/// `None` and empty texts, as headless Services have, fall out.
fn addresses(from: &[String]) -> Vec<IpAddr> {
    from.iter().filter_map(|text| text.parse().ok()).collect()
}

pub(super) fn port_number(from: Option<i32>) -> Option<u16> {
    from.and_then(|number| u16::try_from(number).ok()).filter(|number| *number != 0)
}
