//! The environment of a container: what it says itself, what it refers to, and the Services of its namespace.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use k8s_openapi::api::core::v1::{Container, EnvFromSource, EnvVar, Service};

use crate::pods::expansion::expand;
use crate::references::fields::Fields;
use crate::references::{Reference, Sources};

/// Variables in order; a later one of the same name has replaced the earlier.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Environment(Vec<(String, String)>);

impl Environment {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(held, _)| held == name).map(|(_, value)| value.as_str())
    }

    fn set(&mut self, name: String, value: String) {
        match self.0.iter_mut().find(|(held, _)| *held == name) {
            Some((_, held)) => *held = value,
            None => self.0.push((name, value)),
        }
    }

    pub fn into_vec(self) -> Vec<(String, String)> {
        self.0
    }
}

/// The objects that a container's environment refers to.
pub fn needs(container: &Container) -> BTreeSet<Reference> {
    let mut needs = BTreeSet::new();
    for from in container.env_from.iter().flatten() {
        needs.extend(from.config_map_ref.iter().map(|one| Reference::config_map(&one.name)));
        needs.extend(from.secret_ref.iter().map(|one| Reference::secret(&one.name)));
    }
    for from in container.env.iter().flatten().filter_map(|variable| variable.value_from.as_ref()) {
        needs.extend(from.config_map_key_ref.iter().map(|one| Reference::config_map(&one.name)));
        needs.extend(from.secret_key_ref.iter().map(|one| Reference::secret(&one.name)));
    }
    needs
}

/// All variables of a container, or what is missing for them.
pub fn environment(
    container: &Container,
    fields: Fields<'_>,
    sources: &Sources,
    services: &BTreeMap<String, String>,
) -> Result<Environment, String> {
    let mut environment = Environment::default();
    for from in container.env_from.iter().flatten() {
        add_all(&mut environment, from, sources)?;
    }
    for variable in container.env.iter().flatten() {
        let value = match &variable.value_from {
            Some(_) => referred(variable, container, fields, sources)?,
            None => {
                let text = variable.value.as_deref().unwrap_or_default();
                let known = |name: &str| environment.get(name).or_else(|| services.get(name).map(String::as_str));
                Some(expand(text, known))
            }
        };
        if let Some(value) = value {
            environment.set(variable.name.clone(), value);
        }
    }
    let own: HashSet<String> = environment.0.iter().map(|(name, _)| name.clone()).collect();
    let services = services.iter().filter(|(name, _)| !own.contains(*name));
    environment.0.extend(services.map(|(name, value)| (name.clone(), value.clone())));
    Ok(environment)
}

fn add_all(environment: &mut Environment, from: &EnvFromSource, sources: &Sources) -> Result<(), String> {
    let (reference, is_optional) = match (&from.config_map_ref, &from.secret_ref) {
        (Some(map), _) => (Reference::config_map(&map.name), map.optional),
        (_, Some(secret)) => (Reference::secret(&secret.name), secret.optional),
        _ => return Ok(()),
    };
    let Some(entries) = sources.get(&reference) else {
        return if is_optional == Some(true) { Ok(()) } else { Err(reference.not_found()) };
    };
    let prefix = from.prefix.as_deref().unwrap_or_default();
    for (key, value) in entries {
        let name = format!("{prefix}{key}");
        // Neither can stand in an environment.
        if !name.is_empty() && !name.contains(['=', '\0']) {
            environment.set(name, String::from_utf8_lossy(value).into_owned());
        }
    }
    Ok(())
}

/// The value that a variable refers to; none where it is missing and may be.
fn referred(
    variable: &EnvVar,
    container: &Container,
    fields: Fields<'_>,
    sources: &Sources,
) -> Result<Option<String>, String> {
    let Some(from) = &variable.value_from else { return Ok(None) };
    if let Some(field) = &from.field_ref {
        return fields.field(&field.field_path).map(Some);
    }
    if let Some(resource) = &from.resource_field_ref {
        return fields.resource(resource, Some(&container.name)).map(Some);
    }
    let (reference, key, is_optional) = match (&from.config_map_key_ref, &from.secret_key_ref) {
        (Some(map), _) => (Reference::config_map(&map.name), &map.key, map.optional),
        (_, Some(secret)) => (Reference::secret(&secret.name), &secret.key, secret.optional),
        _ => return Err(format!("environment variable {} refers to a source that is not supported", variable.name)),
    };
    let entries = sources.get(&reference);
    match (entries.and_then(|entries| entries.get(key)), is_optional == Some(true)) {
        (Some(value), _) => Ok(Some(String::from_utf8_lossy(value).into_owned())),
        (None, true) => Ok(None),
        (None, false) if entries.is_none() => Err(reference.not_found()),
        (None, false) => {
            let namespace = fields.pod.metadata.namespace.as_deref().unwrap_or_default();
            Err(format!("couldn't find key {key} in {:?} {namespace}/{}", reference.sort, reference.name))
        }
    }
}

/// What containers learn of Services by variables: where each is, in the two forms that the field knows.
pub fn service_variables<'a>(services: impl IntoIterator<Item = &'a Service>) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    for service in services {
        let Some(spec) = &service.spec else { continue };
        let address = spec.cluster_ip.as_deref().unwrap_or_default();
        let ports = spec.ports.as_deref().unwrap_or_default();
        let (true, Some(first)) = (!matches!(address, "" | "None"), ports.first()) else { continue };
        let name = variable_name(service.metadata.name.as_deref().unwrap_or_default());
        let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
        let mut set = |suffix: String, value: String| variables.insert(format!("{name}_{suffix}"), value);
        set("SERVICE_HOST".to_owned(), address.to_owned());
        set("SERVICE_PORT".to_owned(), first.port.to_string());
        for (index, port) in ports.iter().enumerate() {
            if let Some(port_name) = port.name.as_deref().filter(|name| !name.is_empty()) {
                set(format!("SERVICE_PORT_{}", variable_name(port_name)), port.port.to_string());
            }
            let protocol = port.protocol.as_deref().unwrap_or("TCP");
            let url = format!("{}://{host}:{}", protocol.to_ascii_lowercase(), port.port);
            if index == 0 {
                set("PORT".to_owned(), url.clone());
            }
            let prefix = format!("PORT_{}_{protocol}", port.port);
            set(format!("{prefix}_PROTO"), protocol.to_ascii_lowercase());
            set(format!("{prefix}_PORT"), port.port.to_string());
            set(format!("{prefix}_ADDR"), address.to_owned());
            set(prefix, url);
        }
    }
    variables
}

fn variable_name(name: &str) -> String {
    name.to_ascii_uppercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::{Node, Pod};
    use serde_json::{Value, json};

    fn build(container: Value, sources: &Sources, services: &BTreeMap<String, String>) -> Result<Environment, String> {
        let mut container = container;
        container["name"] = json!("a");
        let pod = json!({ "metadata": { "name": "p", "namespace": "ns" }, "spec": { "containers": [container] } });
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let (host, address) = ("127.0.0.1".parse().unwrap(), "127.64.1.2".parse().unwrap());
        let fields = Fields { pod: &pod, node: &Node::default(), host, address };
        environment(&pod.spec.as_ref().unwrap().containers[0], fields, sources, services)
    }

    #[test]
    fn variables_see_those_before_them_and_services() {
        let services = BTreeMap::from([("WEB_SERVICE_HOST".to_owned(), "127.96.0.9".to_owned())]);
        let container = json!({ "env": [
            { "name": "A", "value": "1" },
            { "name": "B", "value": "$(A)-$(C)-$(WEB_SERVICE_HOST)" },
            { "name": "C", "valueFrom": { "fieldRef": { "fieldPath": "status.podIP" } } },
            { "name": "A", "value": "$(A)2" }
        ] });
        let environment = build(container, &Sources::default(), &services).unwrap();
        assert_eq!(environment.get("B"), Some("1-$(C)-127.96.0.9"));
        assert_eq!((environment.get("C"), environment.get("A")), (Some("127.64.1.2"), Some("12")));
        assert_eq!(environment.get("WEB_SERVICE_HOST"), Some("127.96.0.9"));
    }

    #[test]
    fn references_are_read_and_missing_ones_named() {
        let sources = Sources::default()
            .with(Reference::config_map("c"), &[("k", "v"), ("x=y", "no")])
            .with(Reference::secret("s"), &[("p", "w")]);
        let container = json!({
            "envFrom": [
                { "prefix": "P_", "configMapRef": { "name": "c" } },
                { "secretRef": { "name": "none", "optional": true } }
            ],
            "env": [
                { "name": "W", "valueFrom": { "secretKeyRef": { "name": "s", "key": "p" } } },
                { "name": "N", "valueFrom": { "configMapKeyRef": { "name": "c", "key": "q", "optional": true } } }
            ]
        });
        let environment = build(container, &sources, &BTreeMap::new()).unwrap();
        assert_eq!(environment.into_vec(), [("P_k".to_owned(), "v".to_owned()), ("W".to_owned(), "w".to_owned())]);
        let missing = |from: Value| {
            let container = json!({ "env": [{ "name": "X", "valueFrom": from }] });
            build(container, &sources, &BTreeMap::new()).unwrap_err()
        };
        assert_eq!(missing(json!({ "configMapKeyRef": { "name": "d", "key": "k" } })), "configmap \"d\" not found");
        let key = missing(json!({ "secretKeyRef": { "name": "s", "key": "k" } }));
        assert_eq!(key, "couldn't find key k in Secret ns/s");
    }

    #[test]
    fn services_are_told_in_both_forms() {
        let service = |spec: Value| -> Service {
            serde_json::from_value(json!({ "metadata": { "name": "my-db" }, "spec": spec })).unwrap()
        };
        let ports = json!([{ "port": 5432 }, { "port": 53, "name": "dns-udp", "protocol": "UDP" }]);
        let variables = service_variables(&[service(json!({ "clusterIP": "127.96.0.7", "ports": ports }))]);
        for (name, value) in [
            ("MY_DB_SERVICE_HOST", "127.96.0.7"),
            ("MY_DB_SERVICE_PORT", "5432"),
            ("MY_DB_SERVICE_PORT_DNS_UDP", "53"),
            ("MY_DB_PORT", "tcp://127.96.0.7:5432"),
            ("MY_DB_PORT_53_UDP", "udp://127.96.0.7:53"),
            ("MY_DB_PORT_53_UDP_PROTO", "udp"),
            ("MY_DB_PORT_5432_TCP_PORT", "5432"),
            ("MY_DB_PORT_5432_TCP_ADDR", "127.96.0.7"),
        ] {
            assert_eq!(variables.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert!(service_variables(&[service(json!({ "clusterIP": "None", "ports": ports }))]).is_empty());
    }
}
