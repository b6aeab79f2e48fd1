//! APIService: who serves a version of a group.

use api::field::{FieldError, FieldErrors, Path};
use api::names::{self, NameRule};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::{
    APIService, APIServiceCondition, APIServiceSpec, APIServiceStatus,
};

use crate::kinds::facts::{Flags, STATUS, Subresource};
use crate::kinds::kind::{Column, Kind};
use crate::kinds::rules::{keep_metadata, supported, text};
use crate::kinds::table::{age_column, name_column};

const AVAILABLE: &str = "Available";

impl Kind for APIService {
    const CATEGORIES: &'static [&'static str] = &["api-extensions"];
    const SUBRESOURCES: &'static [Subresource] = &[STATUS];
    const FLAGS: Flags = Flags { unconditional_update: false, ..Flags::USUAL };
    const NAME_RULE: NameRule = names::path_segment;
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("Service", "string", "Who serves it.", |service, _| {
            let service = service.spec.as_ref().and_then(|spec| spec.service.as_ref());
            let name = service.map(|service| format!("{}/{}", text(&service.namespace), text(&service.name)));
            name.unwrap_or_else(|| "Local".to_owned()).into()
        }),
        Column::new("Available", "string", "Whether it is served.", |service, _| availability(service).into()),
        age_column(),
    ];

    fn fill_defaults(&mut self) {
        let spec = self.spec.get_or_insert_default();
        if let Some(service) = &mut spec.service {
            service.port.get_or_insert(443);
        }
        self.status.get_or_insert_default();
    }

    fn before_create(&mut self) {
        self.status = Some(APIServiceStatus::default());
    }

    fn before_update(&mut self, old: &Self) {
        self.status = old.status.clone();
    }

    fn before_subresource_update(&mut self, _: &str, old: &Self) {
        self.spec = old.spec.clone();
        keep_metadata(&mut self.metadata, &old.metadata);
    }

    /// What this server serves itself is there from the first moment.
    fn set_times(&mut self, old: Option<&Self>, now: &Time) {
        let is_local = self.spec.as_ref().is_some_and(|spec| spec.service.is_none());
        if old.is_none() && is_local {
            self.status.get_or_insert_default().conditions = Some(vec![APIServiceCondition {
                type_: AVAILABLE.to_owned(),
                status: "True".to_owned(),
                reason: Some("Local".to_owned()),
                message: Some("Local APIServices are always available".to_owned()),
                last_transition_time: Some(now.clone()),
            }]);
        }
    }

    fn validate(&self, errors: &mut FieldErrors) {
        let Some(spec) = &self.spec else { return };
        let wanted = format!("{}.{}", text(&spec.version), text(&spec.group));
        let name = text(&self.metadata.name);
        if names::path_segment(name).is_ok() && name != wanted {
            let why = format!("must be `spec.version+\".\"+spec.group`: {wanted:?}");
            errors.push(FieldError::invalid(&Path::new("metadata").child("name"), name, why));
        }
        validate_spec(spec, &Path::new("spec"), errors);
    }

    fn validate_subresource_update(&self, _: &str, _: &Self, errors: &mut FieldErrors) {
        let conditions = self.status.iter().flat_map(|status| status.conditions.iter().flatten());
        for (index, condition) in conditions.enumerate() {
            let path = Path::new("status").child("conditions").index(index).child("status");
            supported(errors, &path, &condition.status, &["True", "False", "Unknown"]);
        }
    }
}

fn availability(service: &APIService) -> String {
    let mut conditions = service.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let Some(found) = conditions.find(|condition| condition.type_ == AVAILABLE) else { return "Unknown".to_owned() };
    match text(&found.reason) {
        "" => found.status.clone(),
        _ if found.status == "True" => found.status.clone(),
        reason => format!("{} ({reason})", found.status),
    }
}

fn validate_spec(spec: &APIServiceSpec, path: &Path, errors: &mut FieldErrors) {
    let (group, version) = (text(&spec.group), text(&spec.version));
    if group.is_empty() && version != "v1" {
        let why = "only v1 may have an empty group and it better be legacy kube";
        errors.push(FieldError::required(&path.child("group"), why));
    }
    if !group.is_empty() {
        errors.check(&path.child("group"), group, names::dns_subdomain);
    }
    errors.check(&path.child("version"), version, names::dns_1035_label);
    let mut priority = |field: &str, value: i32, most: i32| {
        if !(1..=most).contains(&value) {
            let why = format!("must be positive and less than {most}");
            errors.push(FieldError::invalid(&path.child(field), value, why));
        }
    };
    priority("groupPriorityMinimum", spec.group_priority_minimum, 20_000);
    priority("versionPriority", spec.version_priority, 1000);
    validate_service(spec, path, errors);
}

fn validate_service(spec: &APIServiceSpec, path: &Path, errors: &mut FieldErrors) {
    let bundle = spec.ca_bundle.as_ref().map_or(0, |bundle| bundle.0.len());
    let insecure = spec.insecure_skip_tls_verify == Some(true);
    let insecure_path = path.child("insecureSkipTLSVerify");
    let Some(service) = &spec.service else {
        if bundle > 0 {
            let why = "local APIServices may not have a caBundle";
            errors.push(FieldError::invalid(&path.child("caBundle"), format!("{bundle} bytes"), why));
        }
        if insecure {
            let why = "local APIServices may not have insecureSkipTLSVerify";
            errors.push(FieldError::invalid(&insecure_path, true, why));
        }
        return;
    };
    let service_path = path.child("service");
    for (field, value) in [("namespace", text(&service.namespace)), ("name", text(&service.name))] {
        if value.is_empty() {
            errors.push(FieldError::required(&service_path.child(field), ""));
        }
    }
    if let Some(port) = service.port.filter(|port| !(1..=65535).contains(port)) {
        let why = "port is not valid: must be between 1 and 65535, inclusive";
        errors.push(FieldError::invalid(&service_path.child("port"), port, why));
    }
    if insecure && bundle > 0 {
        errors.push(FieldError::invalid(&insecure_path, true, "may not be true if caBundle is present"));
    }
}
