//! IngressClass: which controller serves an Ingress.

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::networking::v1::{IngressClass, IngressClassParametersReference};

use crate::kinds::facts::Flags;
use crate::kinds::kind::{Column, Kind};
use crate::kinds::rules::{default_text, immutable, required_name, supported, text};
use crate::kinds::table::{NONE, age_column, name_column};

const LONGEST_CONTROLLER: usize = 250;

impl Kind for IngressClass {
    const FLAGS: Flags = Flags { counts_generations: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("Controller", "string", "Who serves the class.", |class, _| controller(class).into()),
        Column::new("Parameters", "string", "The object with the controller's settings.", |class, _| {
            parameters(class).map_or_else(|| NONE.to_owned(), shown_parameters).into()
        }),
        age_column(),
    ];

    fn fill_defaults(&mut self) {
        let spec = self.spec.get_or_insert_default();
        if let Some(parameters) = &mut spec.parameters {
            default_text(&mut parameters.scope, "Cluster");
        }
    }

    fn validate(&self, errors: &mut FieldErrors) {
        let path = Path::new("spec");
        let (controller, controller_path) = (controller(self), path.child("controller"));
        if controller.is_empty() {
            errors.push(FieldError::required(&controller_path, ""));
        } else {
            if controller.len() > LONGEST_CONTROLLER {
                errors.push(FieldError::too_long(&controller_path, LONGEST_CONTROLLER));
            }
            domain_prefixed_path(controller, &controller_path, errors);
        }
        if let Some(parameters) = parameters(self) {
            validate_parameters(parameters, &path.child("parameters"), errors);
        }
    }

    fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
        let path = Path::new("spec").child("controller");
        immutable(errors, &path, &controller(self).to_owned(), &controller(old).to_owned());
    }

    fn spec_differs(&self, old: &Self) -> bool {
        self.spec != old.spec
    }
}

fn controller(class: &IngressClass) -> &str {
    class.spec.as_ref().map(|spec| text(&spec.controller)).unwrap_or_default()
}

fn parameters(class: &IngressClass) -> Option<&IngressClassParametersReference> {
    class.spec.as_ref()?.parameters.as_ref()
}

fn shown_parameters(parameters: &IngressClassParametersReference) -> String {
    let group = parameters.api_group.as_ref().map(|group| format!(".{group}")).unwrap_or_default();
    format!("{}{group}/{}", parameters.kind, parameters.name)
}

/// `example.com/controller`.
fn domain_prefixed_path(value: &str, path: &Path, errors: &mut FieldErrors) {
    let Some((host, rest)) = value.split_once('/').filter(|(host, rest)| !host.is_empty() && !rest.is_empty()) else {
        let why = "must be a domain-prefixed path (such as \"acme.io/foo\")";
        errors.push(FieldError::invalid(path, value, why));
        return;
    };
    errors.check(path, host, names::dns_subdomain);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&byte);
    if !rest.bytes().all(allowed) {
        let why = r"Invalid path (regex used for validation is '[A-Za-z0-9/\-._~%!$&'()*+,;=:]+')";
        errors.push(FieldError::invalid(path, rest, why));
    }
}

fn validate_parameters(parameters: &IngressClassParametersReference, path: &Path, errors: &mut FieldErrors) {
    if let Some(group) = &parameters.api_group {
        errors.check(&path.child("apiGroup"), group, names::dns_subdomain);
    }
    required_name(errors, &path.child("kind"), &parameters.kind, names::path_segment);
    required_name(errors, &path.child("name"), &parameters.name, names::path_segment);
    let namespace_path = path.child("namespace");
    match (text(&parameters.scope), &parameters.namespace) {
        ("Namespace", None) => {
            errors.push(FieldError::required(&namespace_path, "`parameters.scope` is set to 'Namespace'"));
        }
        ("Namespace", Some(namespace)) => errors.check(&namespace_path, namespace, names::dns_label),
        ("Cluster", Some(_)) => {
            errors.push(FieldError::forbidden(&namespace_path, "`parameters.scope` is set to 'Cluster'"));
        }
        ("Cluster", None) => {}
        (other, _) => supported(errors, &path.child("scope"), other, &["Cluster", "Namespace"]),
    }
}
