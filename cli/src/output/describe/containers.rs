//! The containers of a pod or of a pod template.

use serde_json::Value;

use crate::object;
use crate::output::describe::page::{Page, number};
use crate::output::{age, plain};

/// Whose containers they are.
pub struct Owner<'a> {
    /// None for a template, whose containers have no status and no fields to resolve.
    pub pod: Option<&'a Value>,
    /// Before the label; a template's stand further in.
    pub space: &'a str,
}

pub fn write(page: &mut Page, label: &str, containers: &[Value], statuses: &[Value], owner: &Owner<'_>) {
    let none = if containers.is_empty() { " <none>" } else { "" };
    page.line(0, &format!("{}{label}:{none}", owner.space));
    for container in containers {
        let name = object::text(container, "name");
        let status = statuses.iter().find(|status| object::text(status, "name") == name);
        write_basics(page, container, status, owner);
        write_words(page, "Command", object::items(container, "command"));
        write_words(page, "Args", object::items(container, "args"));
        if let Some(status) = status {
            write_status(page, status);
        }
        write_resources(page, &container["resources"], 2);
        for (label, field) in
            [("Liveness", "livenessProbe"), ("Readiness", "readinessProbe"), ("Startup", "startupProbe")]
        {
            if container[field].is_object() {
                page.field(2, label, probe(&container[field]));
            }
        }
        write_environment(page, container, owner.pod);
        write_mounts(page, container);
    }
}

fn write_basics(page: &mut Page, container: &Value, status: Option<&Value>, owner: &Owner<'_>) {
    let indent = if owner.space.is_empty() { "" } else { " " };
    page.line(1, &format!("{indent}{}:", object::text(container, "name")));
    if let Some(status) = status {
        page.field(2, "Container ID", object::text(status, "containerID"));
    }
    page.field(2, "Image", object::text(container, "image"));
    if let Some(status) = status {
        page.field(2, "Image ID", object::text(status, "imageID"));
    }
    for (label, field) in [("Port", "containerPort"), ("Host Port", "hostPort")] {
        let ports = ports(object::items(container, "ports"), field);
        match ports.as_slice() {
            [] => page.field(2, label, "<none>"),
            [port] => page.field(2, label, port),
            several => page.field(2, &format!("{label}s"), several.join(", ")),
        }
    }
    write_seccomp(page, object::at(container, "securityContext.seccompProfile"), 2, 3);
}

pub fn write_seccomp(page: &mut Page, profile: &Value, level: usize, inner: usize) {
    if profile.is_object() {
        page.field(level, "SeccompProfile", object::text(profile, "type"));
        if object::text(profile, "type") == "Localhost" {
            page.field(inner, "LocalhostProfile", object::text(profile, "localhostProfile"));
        }
    }
}

fn ports(ports: &[Value], field: &str) -> Vec<String> {
    let text = |port: &Value| {
        let bare = format!("{}/{}", number(port, field), object::text(port, "protocol"));
        let name = object::text(port, "name");
        if name.is_empty() { bare } else { format!("{bare} ({name})") }
    };
    ports.iter().map(text).collect()
}

fn write_words(page: &mut Page, label: &str, words: &[Value]) {
    if words.is_empty() {
        return;
    }
    page.line(2, &format!("{label}:"));
    for line in words.iter().filter_map(Value::as_str).flat_map(|word| word.split('\n')) {
        page.line(3, line);
    }
}

fn write_status(page: &mut Page, status: &Value) {
    write_state(page, "State", &status["state"]);
    if status["lastState"]["terminated"].is_object() {
        write_state(page, "Last State", &status["lastState"]);
    }
    page.field(2, "Ready", if status["ready"] == true { "True" } else { "False" });
    page.field(2, "Restart Count", number(status, "restartCount"));
}

fn write_state(page: &mut Page, label: &str, state: &Value) {
    if state["running"].is_object() {
        page.field(2, label, "Running");
        page.field(3, "Started", age::date(&state["running"]["startedAt"]));
        return;
    }
    let ended = &state["terminated"];
    if !ended.is_object() {
        page.field(2, label, "Waiting");
        page.field_unless_empty(3, "Reason", object::text(state, "waiting.reason"));
        return;
    }
    page.field(2, label, "Terminated");
    page.field_unless_empty(3, "Reason", object::text(ended, "reason"));
    page.field_unless_empty(3, "Message", object::text(ended, "message"));
    page.field(3, "Exit Code", number(ended, "exitCode"));
    if number(ended, "signal") > 0 {
        page.field(3, "Signal", number(ended, "signal"));
    }
    page.field(3, "Started", age::date(&ended["startedAt"]));
    page.field(3, "Finished", age::date(&ended["finishedAt"]));
}

pub fn write_resources(page: &mut Page, resources: &Value, level: usize) {
    for (label, field) in [("Limits", "limits"), ("Requests", "requests")] {
        let Some(amounts) = resources[field].as_object().filter(|amounts| !amounts.is_empty()) else { continue };
        page.line(level, &format!("{label}:"));
        for (name, amount) in amounts {
            page.field(level + 1, name, plain(amount));
        }
    }
}

fn probe(probe: &Value) -> String {
    let times = format!(
        "delay={}s timeout={}s period={}s #success={} #failure={}",
        number(probe, "initialDelaySeconds"),
        number(probe, "timeoutSeconds"),
        number(probe, "periodSeconds"),
        number(probe, "successThreshold"),
        number(probe, "failureThreshold"),
    );
    if probe["exec"].is_object() {
        let command = Value::Array(object::items(probe, "exec.command").to_vec());
        return format!("exec {} {times}", plain(&command));
    }
    let get = &probe["httpGet"];
    if get.is_object() {
        let scheme = object::text(get, "scheme").to_lowercase();
        let path = object::text(get, "path");
        let slash = if path.is_empty() || path.starts_with('/') { "" } else { "/" };
        return format!(
            "http-get {scheme}://{}:{}{slash}{path} {times}",
            object::text(get, "host"),
            plain(&get["port"])
        );
    }
    let socket = &probe["tcpSocket"];
    if socket.is_object() {
        return format!("tcp-socket {}:{} {times}", object::text(socket, "host"), plain(&socket["port"]));
    }
    if probe["grpc"].is_object() {
        return format!("grpc <pod>:{} {} {times}", probe["grpc"]["port"], object::text(probe, "grpc.service"));
    }
    format!("unknown {times}")
}

fn write_environment(page: &mut Page, container: &Value, pod: Option<&Value>) {
    let sources = object::items(container, "envFrom");
    if !sources.is_empty() {
        page.line(2, "Environment Variables from:");
    }
    for source in sources {
        let (kind, reference) = if source["configMapRef"].is_object() {
            ("ConfigMap", &source["configMapRef"])
        } else {
            ("Secret", &source["secretRef"])
        };
        let prefix = object::text(source, "prefix");
        let with = if prefix.is_empty() { String::new() } else { format!(" with prefix '{prefix}'") };
        page.line(
            3,
            &format!("{}\t{kind}{with}\tOptional: {}", object::text(reference, "name"), is_optional(reference)),
        );
    }
    let variables = object::items(container, "env");
    page.line(2, if variables.is_empty() { "Environment:\t<none>" } else { "Environment:" });
    for variable in variables {
        write_variable(page, variable, container, pod);
    }
}

fn is_optional(reference: &Value) -> bool {
    reference["optional"] == true
}

fn write_variable(page: &mut Page, variable: &Value, container: &Value, pod: Option<&Value>) {
    let name = object::text(variable, "name");
    let from = &variable["valueFrom"];
    if !from.is_object() {
        for (at, line) in object::text(variable, "value").split('\n').enumerate() {
            if at == 0 {
                page.field(3, name, line);
            } else {
                page.line(3, &format!("\t{line}"));
            }
        }
        return;
    }
    let [secret, config] = [&from["secretKeyRef"], &from["configMapKeyRef"]];
    if from["fieldRef"].is_object() {
        let path = object::text(from, "fieldRef.fieldPath");
        let value = pod.map(|pod| field_of(pod, path)).unwrap_or_default();
        page.field(3, name, format_args!("{value} ({}:{path})", object::text(from, "fieldRef.apiVersion")));
    } else if from["resourceFieldRef"].is_object() {
        let resource = object::text(from, "resourceFieldRef.resource");
        page.field(3, name, format_args!("{} ({resource})", resource_of(container, resource)));
    } else if secret.is_object() {
        let [key, source] = ["key", "name"].map(|field| object::text(secret, field));
        let optional = is_optional(secret);
        page.field(3, name, format_args!("<set to the key '{key}' in secret '{source}'>\tOptional: {optional}"));
    } else if config.is_object() {
        let [key, source] = ["key", "name"].map(|field| object::text(config, field));
        let optional = is_optional(config);
        page.field(3, name, format_args!("<set to the key '{key}' of config map '{source}'>\tOptional: {optional}"));
    }
}

/// The fields that kubectl resolves; of all others only the path is shown.
fn field_of<'a>(pod: &'a Value, path: &str) -> &'a str {
    match path {
        "metadata.name" | "metadata.namespace" => object::text(pod, path),
        _ => "",
    }
}

/// `limits.cpu` in whole cores, `requests.memory` in bytes; what is not limited is what the node has.
fn resource_of(container: &Value, resource: &str) -> String {
    let amount = resource.split_once('.').map(|(kind, name)| object::text(&container["resources"][kind], name));
    match amount.and_then(|amount| api::quantity::Quantity::parse(amount).ok()) {
        Some(amount) => amount.units().to_string(),
        None if matches!(resource, "limits.cpu" | "limits.memory") => "node allocatable".to_owned(),
        None => "0".to_owned(),
    }
}

fn write_mounts(page: &mut Page, container: &Value) {
    let mut mounts: Vec<&Value> = object::items(container, "volumeMounts").iter().collect();
    let mut devices: Vec<&Value> = object::items(container, "volumeDevices").iter().collect();
    mounts.sort_by_key(|mount| object::text(mount, "mountPath"));
    devices.sort_by_key(|device| object::text(device, "devicePath"));
    page.line(2, if mounts.is_empty() { "Mounts:\t<none>" } else { "Mounts:" });
    for mount in &mounts {
        let mode = if mount["readOnly"] == true { "ro" } else { "rw" };
        let path = object::text(mount, "subPath");
        let path = if path.is_empty() { String::new() } else { format!(",path={path:?}") };
        page.line(
            3,
            &format!("{} from {} ({mode}{path})", object::text(mount, "mountPath"), object::text(mount, "name")),
        );
    }
    if !devices.is_empty() {
        page.line(2, if mounts.is_empty() { "Devices:\t<none>" } else { "Devices:" });
    }
    for device in devices {
        page.line(3, &format!("{} from {}", object::text(device, "devicePath"), object::text(device, "name")));
    }
}
