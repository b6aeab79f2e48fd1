//! Rules of probes and lifecycle handlers.

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::api::core::v1::{
    Container, ExecAction, HTTPGetAction, LifecycleHandler, PodSpec, Probe, SleepAction, TCPSocketAction,
};

use crate::kinds::rules::{non_negative, port_number, port_number_or_name, supported, text};

pub fn validate(container: &Container, spec: &PodSpec, path: &Path, errors: &mut FieldErrors) {
    let grace = spec.termination_grace_period_seconds;
    if let Some(lifecycle) = &container.lifecycle {
        let path = path.child("lifecycle");
        if let Some(handler) = &lifecycle.post_start {
            validate_lifecycle_handler(handler, grace, &path.child("postStart"), errors);
        }
        if let Some(handler) = &lifecycle.pre_stop {
            validate_lifecycle_handler(handler, grace, &path.child("preStop"), errors);
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
        if let Some(seconds) = probe.termination_grace_period_seconds.filter(|_| !succeeds_once) {
            let path = path.child("terminationGracePeriodSeconds");
            errors.push(FieldError::invalid(&path, seconds, "must not be set for readinessProbes"));
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
        grace: None,
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

fn validate_lifecycle_handler(handler: &LifecycleHandler, grace: Option<i64>, path: &Path, errors: &mut FieldErrors) {
    let handlers = Handlers {
        exec: handler.exec.as_ref(),
        http_get: handler.http_get.as_ref(),
        tcp_socket: handler.tcp_socket.as_ref(),
        grpc_port: None,
        sleep: handler.sleep.as_ref(),
        grace,
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
    /// How long the pod has to end, which is as long as a handler may sleep.
    grace: Option<i64>,
}

impl Handlers<'_> {
    /// The first that is there counts; the others are refused unseen.
    fn validate(&self, path: &Path, errors: &mut FieldErrors) {
        let all = [
            ("exec", self.exec.is_some()),
            ("httpGet", self.http_get.is_some()),
            ("tcpSocket", self.tcp_socket.is_some()),
            ("grpc", self.grpc_port.is_some()),
            ("sleep", self.sleep.is_some()),
        ];
        let mut given = all.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name);
        match given.next() {
            None => errors.push(FieldError::required(path, "must specify a handler type")),
            Some(first) => self.validate_first(&path.child(first), errors),
        }
        for name in given {
            errors.push(FieldError::forbidden(&path.child(name), "may not specify more than 1 handler type"));
        }
    }

    fn validate_first(&self, path: &Path, errors: &mut FieldErrors) {
        if let Some(exec) = self.exec {
            if exec.command.as_ref().is_none_or(Vec::is_empty) {
                errors.push(FieldError::required(&path.child("command"), ""));
            }
        } else if let Some(get) = self.http_get {
            validate_http_get(get, path, errors);
        } else if let Some(socket) = self.tcp_socket {
            port_number_or_name(errors, &path.child("port"), &socket.port);
        } else if let Some(port) = self.grpc_port {
            port_number(errors, &path.child("port"), port);
        } else if let (Some(sleep), Some(grace)) = (self.sleep, self.grace)
            && !(0..=grace).contains(&sleep.seconds)
        {
            let why = format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
            errors.push(FieldError::invalid(path, sleep.seconds, why));
        }
    }
}

fn validate_http_get(get: &HTTPGetAction, path: &Path, errors: &mut FieldErrors) {
    if text(&get.path).is_empty() {
        errors.push(FieldError::required(&path.child("path"), ""));
    }
    port_number_or_name(errors, &path.child("port"), &get.port);
    supported(errors, &path.child("scheme"), text(&get.scheme), &["HTTP", "HTTPS"]);
    for header in get.http_headers.iter().flatten() {
        errors.check(&path.child("httpHeaders"), &header.name, header_name);
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
