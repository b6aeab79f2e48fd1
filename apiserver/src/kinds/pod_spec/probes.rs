//! Rules of probes and lifecycle handlers.

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::api::core::v1::{
    Container, ExecAction, HTTPGetAction, LifecycleHandler, Probe, SleepAction, TCPSocketAction,
};

use crate::kinds::rules::{non_negative, port_number, port_number_or_name, required_and_supported, text};

pub fn validate(container: &Container, path: &Path, errors: &mut FieldErrors) {
    if let Some(lifecycle) = &container.lifecycle {
        let path = path.child("lifecycle");
        if let Some(handler) = &lifecycle.post_start {
            validate_lifecycle_handler(handler, &path.child("postStart"), errors);
        }
        if let Some(handler) = &lifecycle.pre_stop {
            validate_lifecycle_handler(handler, &path.child("preStop"), errors);
        }
    }
    for (probe, name, succeeds_once) in [
        (&container.liveness_probe, "livenessProbe", true),
        (&container.readiness_probe, "readinessProbe", false),
        (&container.startup_probe, "startupProbe", true),
    ] {
        let Some(probe) = probe else { continue };
        let path = path.child(name);
        validate_probe(probe, &path, errors);
        if let Some(threshold) = probe.success_threshold.filter(|threshold| succeeds_once && *threshold != 1) {
            errors.push(FieldError::invalid(&path.child("successThreshold"), threshold, "must be 1"));
        }
    }
}

fn validate_probe(probe: &Probe, path: &Path, errors: &mut FieldErrors) {
    let handlers = Handlers {
        exec: probe.exec.as_ref(),
        http_get: probe.http_get.as_ref(),
        tcp_socket: probe.tcp_socket.as_ref(),
        grpc_port: probe.grpc.as_ref().map(|grpc| grpc.port),
        sleep: None,
    };
    handlers.validate(path, errors);
    for (name, value) in [
        ("initialDelaySeconds", probe.initial_delay_seconds),
        ("timeoutSeconds", probe.timeout_seconds),
        ("periodSeconds", probe.period_seconds),
        ("successThreshold", probe.success_threshold),
        ("failureThreshold", probe.failure_threshold),
    ] {
        non_negative(errors, &path.child(name), value.map(i64::from));
    }
    if let Some(seconds) = probe.termination_grace_period_seconds.filter(|seconds| *seconds <= 0) {
        errors.push(FieldError::invalid(
            &path.child("terminationGracePeriodSeconds"),
            seconds,
            "must be greater than 0",
        ));
    }
}

fn validate_lifecycle_handler(handler: &LifecycleHandler, path: &Path, errors: &mut FieldErrors) {
    let handlers = Handlers {
        exec: handler.exec.as_ref(),
        http_get: handler.http_get.as_ref(),
        tcp_socket: handler.tcp_socket.as_ref(),
        grpc_port: None,
        sleep: handler.sleep.as_ref(),
    };
    handlers.validate(path, errors);
}

/// What a probe or a handler may do. It does one of these.
struct Handlers<'a> {
    exec: Option<&'a ExecAction>,
    http_get: Option<&'a HTTPGetAction>,
    tcp_socket: Option<&'a TCPSocketAction>,
    grpc_port: Option<i32>,
    sleep: Option<&'a SleepAction>,
}

impl Handlers<'_> {
    fn validate(&self, path: &Path, errors: &mut FieldErrors) {
        let mut count = 0;
        let mut only_one = |name: &str, errors: &mut FieldErrors| {
            count += 1;
            let path = path.child(name);
            if count > 1 {
                errors.push(FieldError::forbidden(&path, "may not specify more than 1 handler type"));
            }
            path
        };
        if let Some(exec) = self.exec {
            let path = only_one("exec", errors);
            if exec.command.as_ref().is_none_or(Vec::is_empty) {
                errors.push(FieldError::required(&path.child("command"), ""));
            }
        }
        if let Some(get) = self.http_get {
            let path = only_one("httpGet", errors);
            validate_http_get(get, &path, errors);
        }
        if let Some(socket) = self.tcp_socket {
            let path = only_one("tcpSocket", errors);
            port_number_or_name(errors, &path.child("port"), &socket.port);
        }
        if let Some(port) = self.grpc_port {
            let path = only_one("grpc", errors);
            port_number(errors, &path.child("port"), port);
        }
        if let Some(sleep) = self.sleep {
            let path = only_one("sleep", errors);
            non_negative(errors, &path.child("seconds"), Some(sleep.seconds));
        }
        if count == 0 {
            errors.push(FieldError::required(path, "must specify a handler type"));
        }
    }
}

fn validate_http_get(get: &HTTPGetAction, path: &Path, errors: &mut FieldErrors) {
    if text(&get.path).is_empty() {
        errors.push(FieldError::required(&path.child("path"), ""));
    }
    port_number_or_name(errors, &path.child("port"), &get.port);
    required_and_supported(errors, &path.child("scheme"), text(&get.scheme), &["HTTP", "HTTPS"]);
    for (index, header) in get.http_headers.iter().flatten().enumerate() {
        errors.check(&path.child("httpHeaders").index(index).child("name"), &header.name, header_name);
    }
}

fn header_name(name: &str) -> Result<(), String> {
    if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Ok(());
    }
    Err("a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for \
         validation is '[-A-Za-z0-9]+')"
        .to_owned())
}
