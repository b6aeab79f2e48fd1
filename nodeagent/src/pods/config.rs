//! What a runtime is told about a container: a pure function of the pod and of what it refers to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use api::quantity::Quantity;
use k8s_openapi::api::core::v1::{Container, Pod, SecurityContext, Service, VolumeMount};

use crate::pods::context::identity;
use crate::pods::environment::{Environment, environment, service_variables};
use crate::pods::expansion::expand;
use crate::pods::folders::PodFolder;
use crate::references::Sources;
use crate::references::fields::Fields;
use crate::runtime::interface::{ContainerConfig, Mount, Stdin};

/// What a container's configuration is made from, beside the container.
pub struct Inputs<'a> {
    pub fields: Fields<'a>,
    pub folder: &'a PodFolder,
    pub sources: &'a Sources,
    pub services: &'a [Service],
    pub attempt: u32,
    /// Whether containers that name no user run as root.
    pub is_root: bool,
}

/// The configuration, or why there can be none: a sentence for the container's status.
pub fn config(container: &Container, inputs: &Inputs<'_>) -> Result<ContainerConfig, String> {
    let pod = inputs.fields.pod;
    let identity = Identity::of(pod, container);
    identity.check(inputs.is_root)?;
    let variables = service_variables(inputs.services);
    let environment = environment(container, inputs.fields, inputs.sources, &variables)?;
    let expanded = |list: &Option<Vec<String>>| -> Vec<String> {
        list.iter().flatten().map(|text| expand(text, |name| environment.get(name))).collect()
    };
    let (command, args) = (expanded(&container.command), expanded(&container.args));
    let mounts = mounts(container, inputs.folder, &environment)?;
    let resources = container.resources.as_ref();
    let limits = resources.and_then(|resources| resources.limits.as_ref());
    let requests = resources.and_then(|resources| resources.requests.as_ref());
    Ok(ContainerConfig {
        pod: self::identity(pod),
        name: container.name.clone(),
        attempt: inputs.attempt,
        image: container.image.clone().unwrap_or_default(),
        command,
        args,
        environment: with_host_name(environment, pod),
        working_dir: container.working_dir.clone().filter(|folder| !folder.is_empty()),
        user: identity.user,
        group: identity.group,
        supplemental_groups: identity.supplemental_groups,
        memory_limit: amount(limits, "memory").and_then(|amount| u64::try_from(amount.units()).ok()),
        cpu_limit_milli: amount(limits, "cpu").and_then(|amount| u64::try_from(amount.milli()).ok()),
        cpu_request_milli: amount(requests, "cpu").and_then(|amount| u64::try_from(amount.milli()).ok()),
        mounts,
        address: inputs.fields.address,
        port: first_port(container),
        no_new_privileges: identity.no_new_privileges,
        log_file: inputs.folder.log(&container.name, inputs.attempt),
        stdin: stdin(container),
    })
}

fn amount(
    map: Option<&BTreeMap<String, k8s_openapi::apimachinery::pkg::api::resource::Quantity>>,
    name: &str,
) -> Option<Quantity> {
    Quantity::parse(&map?.get(name)?.0).ok().filter(|amount| !amount.is_zero())
}

fn stdin(container: &Container) -> Stdin {
    match (container.stdin, container.stdin_once) {
        (Some(true), Some(true)) => Stdin::Once,
        (Some(true), _) => Stdin::Open,
        _ => Stdin::Empty,
    }
}

fn first_port(container: &Container) -> Option<u16> {
    u16::try_from(container.ports.as_ref()?.first()?.container_port).ok()
}

/// The pod's host name goes before all that the container says itself.
fn with_host_name(environment: Environment, pod: &Pod) -> Vec<(String, String)> {
    let own = pod.spec.as_ref().and_then(|spec| spec.hostname.clone());
    let name = own.or_else(|| pod.metadata.name.clone()).unwrap_or_default();
    // A host name is a label of at most 63 characters.
    let name = name.chars().take(63).collect::<String>().trim_end_matches(['-', '.']).to_owned();
    let mut all = vec![("HOSTNAME".to_owned(), name)];
    all.extend(environment.into_vec());
    all
}

/// As whom a container runs.
struct Identity {
    user: Option<i64>,
    group: Option<i64>,
    supplemental_groups: Vec<i64>,
    must_not_be_root: bool,
    no_new_privileges: bool,
}

impl Identity {
    /// What the container says wins over what the pod says.
    fn of(pod: &Pod, container: &Container) -> Self {
        let of_pod = pod.spec.as_ref().and_then(|spec| spec.security_context.as_ref());
        let empty = SecurityContext::default();
        let own = container.security_context.as_ref().unwrap_or(&empty);
        let mut supplemental_groups = of_pod.and_then(|all| all.supplemental_groups.clone()).unwrap_or_default();
        supplemental_groups.extend(of_pod.and_then(|all| all.fs_group));
        Self {
            user: own.run_as_user.or(of_pod.and_then(|all| all.run_as_user)),
            group: own.run_as_group.or(of_pod.and_then(|all| all.run_as_group)),
            supplemental_groups,
            must_not_be_root: own.run_as_non_root.or(of_pod.and_then(|all| all.run_as_non_root)) == Some(true),
            no_new_privileges: own.allow_privilege_escalation == Some(false),
        }
    }

    fn check(&self, is_root: bool) -> Result<(), String> {
        match self.user {
            _ if !self.must_not_be_root => Ok(()),
            Some(0) => Err("container's runAsUser breaks non-root policy".to_owned()),
            None if is_root => Err("container has runAsNonRoot and image will run as root".to_owned()),
            _ => Ok(()),
        }
    }
}

fn mounts(container: &Container, folder: &PodFolder, environment: &Environment) -> Result<Vec<Mount>, String> {
    container.volume_mounts.iter().flatten().map(|mount| one_mount(mount, folder, environment)).collect()
}

fn one_mount(mount: &VolumeMount, folder: &PodFolder, environment: &Environment) -> Result<Mount, String> {
    let expanded = mount.sub_path_expr.as_deref().map(|path| expand(path, |name| environment.get(name)));
    let below = expanded.or_else(|| mount.sub_path.clone()).unwrap_or_default();
    let is_inside = Path::new(&below).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if !is_inside {
        return Err(format!("failed to prepare subPath for volumeMount \"{}\": it leaves the volume", mount.name));
    }
    let mut source = folder.volume(&mount.name);
    if !below.is_empty() {
        source.push(below);
    }
    Ok(Mount {
        volume: mount.name.clone(),
        source,
        target: PathBuf::from(&mount.mount_path),
        read_only: mount.read_only == Some(true),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Node;
    use serde_json::{Value, json};

    fn build(spec: Value, is_root: bool) -> Result<ContainerConfig, String> {
        let pod = json!({ "metadata": { "name": "p", "namespace": "ns", "uid": "u" }, "spec": spec });
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let (host, address) = ("127.0.0.1".parse().unwrap(), "127.64.1.2".parse().unwrap());
        let inputs = Inputs {
            fields: Fields { pod: &pod, node: &Node::default(), host, address },
            folder: &PodFolder::new(Path::new("/data"), "u").unwrap(),
            sources: &Sources::default(),
            services: &[],
            attempt: 2,
            is_root,
        };
        config(&pod.spec.as_ref().unwrap().containers[0], &inputs)
    }

    #[test]
    fn commands_are_expanded_and_resources_read() {
        let config = build(
            json!({ "containers": [{
                "name": "a", "command": ["sh", "-c", "echo $(WHO) $(NOBODY)"], "args": ["$(WHO)"],
                "env": [{ "name": "WHO", "value": "me" }],
                "ports": [{ "containerPort": 81 }, { "containerPort": 82 }],
                "resources": { "limits": { "cpu": "500m", "memory": "1Mi" }, "requests": { "cpu": "1" } }
            }] }),
            true,
        )
        .unwrap();
        assert_eq!((config.command[2].as_str(), config.args[0].as_str()), ("echo me $(NOBODY)", "me"));
        assert_eq!((config.port, config.memory_limit), (Some(81), Some(1 << 20)));
        assert_eq!((config.cpu_limit_milli, config.cpu_request_milli), (Some(500), Some(1000)));
        assert_eq!(config.environment[0], ("HOSTNAME".to_owned(), "p".to_owned()));
        assert_eq!(config.log_file, Path::new("/data/pods/u/logs/a/2.log"));
    }

    #[test]
    fn who_a_container_runs_as_is_said_by_it_or_by_its_pod() {
        let spec = |own: Value| {
            json!({ "securityContext": { "runAsUser": 7, "fsGroup": 9, "runAsNonRoot": true },
                "containers": [{ "name": "a", "securityContext": own }] })
        };
        let config = build(spec(json!({ "runAsUser": 8 })), true).unwrap();
        assert_eq!((config.user, config.supplemental_groups), (Some(8), vec![9]));
        assert_eq!(build(spec(json!({})), true).unwrap().user, Some(7));
        assert!(build(spec(json!({ "runAsUser": 0 })), true).is_err());
        let unnamed = json!({ "securityContext": { "runAsNonRoot": true }, "containers": [{ "name": "a" }] });
        assert!(build(unnamed.clone(), true).is_err() && build(unnamed, false).is_ok());
    }

    #[test]
    fn a_mount_stays_inside_its_volume() {
        let spec = |path: &str| json!({ "containers": [{ "name": "a", "volumeMounts": [{ "name": "v", "mountPath": "/x", "subPath": path }] }] });
        assert_eq!(build(spec("a/b"), true).unwrap().mounts[0].source, Path::new("/data/pods/u/volumes/v/a/b"));
        assert_eq!(build(spec(""), true).unwrap().mounts[0].source, Path::new("/data/pods/u/volumes/v"));
        assert!(build(spec("../b"), true).is_err() && build(spec("/b"), true).is_err());
    }
}
