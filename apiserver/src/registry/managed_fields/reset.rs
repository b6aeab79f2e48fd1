//! Fields that nobody manages: what identifies an object, and what a write through one door cannot reach.

use std::sync::OnceLock;

use api::schema;

use crate::kinds::erased::KindRef;
use crate::registry::managed_fields::element::Element;
use crate::registry::managed_fields::set::Set;

/// The paths that are left out of every entry. What lies below them is not.
pub fn never_managed() -> &'static Set {
    static PATHS: OnceLock<Set> = OnceLock::new();
    PATHS.get_or_init(|| {
        Set::of_fields(&[
            &["apiVersion"],
            &["kind"],
            &["metadata"],
            &["metadata", "name"],
            &["metadata", "namespace"],
            &["metadata", "creationTimestamp"],
            &["metadata", "selfLink"],
            &["metadata", "uid"],
            &["metadata", "clusterName"],
            &["metadata", "generation"],
            &["metadata", "managedFields"],
            &["metadata", "resourceVersion"],
        ])
    })
}

/// What a write through an object or a part of it is not about, with all that lies below: the status for the object itself,
/// all but the status for `/status`.
pub fn out_of_reach(kind: KindRef, subresource: Option<&str>) -> Set {
    let facts = kind.facts();
    let status = || Set::of_fields(&[&["status"]]);
    match subresource {
        None if facts.subresource("status").is_some() => status(),
        None | Some("scale") => Set::default(),
        Some("status") => {
            let mut paths = match (facts.group, facts.kind) {
                ("apps", "Deployment") => Set::of_fields(&[&["metadata", "labels"]]),
                ("", "Pod") => Set::of_fields(&[&["metadata", "deletionTimestamp"], &["metadata", "ownerReferences"]]),
                ("storage.k8s.io", "VolumeAttachment")
                | ("resource.k8s.io", "ResourceClaim")
                | ("flowcontrol.apiserver.k8s.io", _) => Set::of_fields(&[&["metadata"]]),
                _ => Set::default(),
            };
            let fields = schema::of_kind(facts.group, facts.version, facts.kind).into_iter();
            let fields = fields.flat_map(schema::Definition::properties).map(schema::Property::name);
            for name in fields.filter(|name| !matches!(*name, "apiVersion" | "kind" | "metadata" | "status")) {
                paths.add(Element::field(name), Set::member());
            }
            paths
        }
        Some("approval") => Set::of_fields(&[&["spec"], &["status", "certificate"]]),
        Some(_) => status(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_and_its_status_are_managed_apart() {
        let kind = |name: &str| *crate::kinds::KINDS.iter().find(|kind| kind.facts().kind == name).unwrap();
        assert_eq!(out_of_reach(kind("Deployment"), None).paths(), [".status"]);
        assert_eq!(out_of_reach(kind("Deployment"), Some("status")).paths(), [".spec", ".metadata.labels"]);
        assert_eq!(out_of_reach(kind("Node"), Some("status")).paths(), [".spec"]);
        assert!(out_of_reach(kind("ConfigMap"), None).is_empty());
        assert!(out_of_reach(kind("Deployment"), Some("scale")).is_empty());
    }
}
