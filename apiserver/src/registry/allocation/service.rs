//! What a Service claims, and how what it leaves open is filled.

use std::collections::{BTreeMap, BTreeSet};

use api::failure::Failure;
use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::api::core::v1::{Service, ServiceSpec};

use crate::kinds::rules::{shown, text};
use crate::kinds::service_spec::{HEADLESS, is_headless, needs_cluster_ip, needs_health_check_port, needs_node_ports};
use crate::registry::allocation::{Claim, Reservation};

/// Why a Service cannot be given what it needs.
pub enum Unmet {
    Invalid(FieldErrors),
    /// A range is used up.
    Failed(Failure),
}

impl From<FieldError> for Unmet {
    fn from(error: FieldError) -> Self {
        Self::Invalid(FieldErrors(vec![error]))
    }
}

/// Everything that a stored Service holds.
pub fn claims_of(service: &Service) -> BTreeSet<Claim> {
    let Some(spec) = &service.spec else { return BTreeSet::new() };
    let addresses = spec.cluster_ips.iter().flatten().filter_map(|address| address.parse().ok()).map(Claim::Address);
    let ports = spec.ports.iter().flatten().filter_map(|port| port.node_port).chain(spec.health_check_node_port);
    let ports = ports.filter_map(|port| u16::try_from(port).ok()).filter(|port| *port > 0).map(Claim::Port);
    addresses.chain(ports).collect()
}

/// Fills addresses and ports of a Service that is about to be written. What `old` held it may hold on to.
pub fn fill(new: &mut Service, old: Option<&Service>, reservation: &mut Reservation) -> Result<(), Unmet> {
    let held = old.map(claims_of).unwrap_or_default();
    let spec = new.spec.get_or_insert_default();
    fill_families(spec)?;
    fill_address(spec, &held, reservation)?;
    fill_node_ports(spec, &held, reservation)?;
    fill_health_check_port(spec, &held, reservation)?;
    let kept = claims_of(new);
    reservation.let_go(held.into_iter().filter(|claim| !kept.contains(claim)));
    Ok(())
}

/// The cluster has one family: IPv4.
fn fill_families(spec: &mut ServiceSpec) -> Result<(), Unmet> {
    const FAMILY: &str = "IPv4";
    if !needs_cluster_ip(spec) {
        return Ok(());
    }
    // Without an address and a selector, a Service is what its owner makes of it.
    let is_free = is_headless(spec) && spec.selector.as_ref().is_none_or(|selector| selector.is_empty());
    let policy = text(&spec.ip_family_policy).to_owned();
    let families = spec.ip_families.get_or_insert_default();
    if is_free {
        if families.is_empty() {
            families.push(FAMILY.to_owned());
        }
        if families.len() < 2 && policy != "SingleStack" {
            families.push(if families[0] == FAMILY { "IPv6" } else { FAMILY }.to_owned());
        }
        spec.ip_family_policy.get_or_insert_with(|| "RequireDualStack".to_owned());
        return Ok(());
    }
    if policy == "RequireDualStack" {
        let path = Path::new("spec").child("ipFamilyPolicy");
        let why = "this cluster is not configured for dual-stack services";
        return Err(FieldError::invalid(&path, policy, why).into());
    }
    if let Some(index) = families.iter().position(|family| family != FAMILY) {
        let path = Path::new("spec").child("ipFamilies").index(index);
        return Err(FieldError::invalid(&path, families[index].as_str(), "not configured on this cluster").into());
    }
    if families.is_empty() {
        families.push(FAMILY.to_owned());
    }
    spec.ip_family_policy.get_or_insert_with(|| "SingleStack".to_owned());
    Ok(())
}

fn fill_address(spec: &mut ServiceSpec, held: &BTreeSet<Claim>, reservation: &mut Reservation) -> Result<(), Unmet> {
    if !needs_cluster_ip(spec) {
        return Ok(());
    }
    if is_headless(spec) {
        spec.cluster_ip = Some(HEADLESS.to_owned());
        spec.cluster_ips = Some(vec![HEADLESS.to_owned()]);
        return Ok(());
    }
    let given = spec.cluster_ips.clone().unwrap_or_default();
    let Some(first) = given.first() else {
        let used_up = || Unmet::Failed(Failure::internal("failed to allocate a serviceIP: range is full"));
        let address = reservation.take_any_address().ok_or_else(used_up)?.to_string();
        spec.cluster_ip = Some(address.clone());
        spec.cluster_ips = Some(vec![address]);
        return Ok(());
    };
    let path = Path::new("spec").child("clusterIPs");
    if given.len() > 1 {
        let why = "this cluster is not configured for dual-stack services";
        return Err(FieldError::invalid(&path, shown(&given), why).into());
    }
    // The rules have read it before.
    let Ok(address) = first.parse() else { return Ok(()) };
    if held.contains(&Claim::Address(address)) {
        return Ok(());
    }
    reservation.take(Claim::Address(address)).map_err(|refusal| {
        let why = format!("failed to allocate IP {address}: {refusal}");
        FieldError::invalid(&path, shown(&given), why).into()
    })
}

fn fill_node_ports(spec: &mut ServiceSpec, held: &BTreeSet<Claim>, reservation: &mut Reservation) -> Result<(), Unmet> {
    let path = Path::new("spec").child("ports");
    let needs_ports = needs_node_ports(spec);
    let ports = spec.ports.as_deref_mut().unwrap_or_default();
    let mut own: BTreeSet<u16> = BTreeSet::new();
    let mut by_port: BTreeMap<i32, i32> = BTreeMap::new();
    for (index, port) in ports.iter().enumerate() {
        let Some(number) = port.node_port else { continue };
        by_port.entry(port.port).or_insert(number);
        let path = path.index(index).child("nodePort");
        claim_port(number, &path, &mut own, held, reservation)?;
    }
    if !needs_ports {
        return Ok(());
    }
    for port in ports.iter_mut().filter(|port| port.node_port.is_none()) {
        // The same port over two protocols has the same number on the node.
        let number = match by_port.get(&port.port) {
            Some(number) => *number,
            None => i32::from(any_port(reservation)?),
        };
        by_port.insert(port.port, number);
        port.node_port = Some(number);
    }
    Ok(())
}

fn any_port(reservation: &mut Reservation) -> Result<u16, Unmet> {
    let used_up = || Unmet::Failed(Failure::internal("failed to allocate a nodePort: range is full"));
    reservation.take_any_port().ok_or_else(used_up)
}

/// A port that was asked for by number. One Service may have it over several protocols.
fn claim_port(
    number: i32,
    path: &Path,
    own: &mut BTreeSet<u16>,
    held: &BTreeSet<Claim>,
    reservation: &mut Reservation,
) -> Result<(), Unmet> {
    let port = u16::try_from(number).unwrap_or_default();
    if held.contains(&Claim::Port(port)) || !own.insert(port) {
        return Ok(());
    }
    let taken = reservation.take(Claim::Port(port));
    taken.map_err(|refusal| FieldError::invalid(path, number, refusal.to_string()).into())
}

fn fill_health_check_port(
    spec: &mut ServiceSpec,
    held: &BTreeSet<Claim>,
    reservation: &mut Reservation,
) -> Result<(), Unmet> {
    if !needs_health_check_port(spec) {
        return Ok(());
    }
    match spec.health_check_node_port {
        Some(number) => {
            let path = Path::new("spec").child("healthCheckNodePort");
            claim_port(number, &path, &mut BTreeSet::new(), held, reservation)
        }
        None => {
            spec.health_check_node_port = Some(i32::from(any_port(reservation)?));
            Ok(())
        }
    }
}
