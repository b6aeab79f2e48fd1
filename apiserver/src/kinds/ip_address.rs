//! IPAddress: that an address of the Service range is taken, and by what.

use api::field::{FieldErrors, Path};
use api::names::{self, NameRule};
use k8s_openapi::api::networking::v1::IPAddress;

use crate::kinds::addresses::canonical_ip;
use crate::kinds::kind::{Column, Kind};
use crate::kinds::rules::{immutable, required_name, text};
use crate::kinds::table::name_column;

impl Kind for IPAddress {
    const SHORT_NAMES: &'static [&'static str] = &["ip"];
    const NAME_RULE: NameRule = canonical_ip;
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("ParentRef", "string", "What has the address.", |address, _| parent(address).into()),
    ];

    fn validate(&self, errors: &mut FieldErrors) {
        let (parent, path) = (&self.spec.parent_ref, Path::new("spec").child("parentRef"));
        let optional: [(&str, &Option<String>, NameRule); 2] =
            [("group", &parent.group, names::dns_subdomain), ("namespace", &parent.namespace, names::path_segment)];
        for (field, value, rule) in optional {
            if !text(value).is_empty() {
                errors.check(&path.child(field), text(value), rule);
            }
        }
        required_name(errors, &path.child("resource"), &parent.resource, names::path_segment);
        required_name(errors, &path.child("name"), &parent.name, names::path_segment);
    }

    fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
        let path = Path::new("spec").child("parentRef");
        immutable(errors, &path, &self.spec.parent_ref, &old.spec.parent_ref);
    }
}

/// `services/default/web`.
fn parent(address: &IPAddress) -> String {
    let parent = &address.spec.parent_ref;
    let group = text(&parent.group);
    let resource = if group.is_empty() { parent.resource.clone() } else { format!("{}.{group}", parent.resource) };
    let namespace = text(&parent.namespace);
    let namespace = if namespace.is_empty() { String::new() } else { format!("/{namespace}") };
    format!("{}{namespace}/{}", resource.to_lowercase(), parent.name)
}
