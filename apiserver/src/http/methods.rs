//! Which methods the path of a resource has, as those are told who came with another.

use crate::http::path::Target;
use crate::kinds::facts::Facts;

/// The methods, in the form of an `Allow` header.
pub fn allowed(facts: &Facts, target: &Target) -> String {
    let is_collection = target.name.is_empty();
    let verbs = match &*target.subresource {
        "" => facts.verbs,
        name => facts.subresource(name).map_or(&[][..], |subresource| subresource.verbs),
    };
    // Objects are made and swept out in one namespace, and looked at in all.
    let is_everywhere = facts.namespaced && target.namespace.is_empty();
    let fits = |verb: &str| match verb {
        _ if target.legacy_watch => verb == "watch",
        "create" if target.subresource.is_empty() => is_collection && !is_everywhere,
        "create" => !is_collection,
        "deletecollection" => is_collection && !is_everywhere,
        "list" | "watch" => is_collection,
        _ => !is_collection,
    };
    let method = |verb: &&str| match *verb {
        "get" | "list" | "watch" => "GET",
        "create" => "POST",
        "update" => "PUT",
        "patch" => "PATCH",
        _ => "DELETE",
    };
    let mut methods: Vec<&str> = verbs.iter().filter(|verb| fits(verb)).map(method).collect();
    methods.sort_unstable();
    methods.dedup();
    methods.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::path::{self, ApiPath};
    use crate::kinds::KINDS;

    #[test]
    fn every_form_of_path_has_its_methods() {
        for (path, expected) in [
            ("/api/v1/namespaces/d/pods", "DELETE, GET, POST"),
            ("/api/v1/pods", "GET"),
            ("/api/v1/namespaces/d/pods/p", "DELETE, GET, PATCH, PUT"),
            ("/api/v1/namespaces/d/pods/p/status", "GET, PATCH, PUT"),
            ("/api/v1/namespaces/d/pods/p/eviction", "POST"),
            ("/api/v1/namespaces/d/pods/p/log", "GET"),
            ("/api/v1/watch/namespaces/d/pods", "GET"),
            ("/api/v1/namespaces/d/bindings", "POST"),
            ("/api/v1/bindings", ""),
            ("/api/v1/namespaces", "GET, POST"),
            ("/api/v1/namespaces/d", "DELETE, GET, PATCH, PUT"),
            ("/api/v1/namespaces/d/finalize", "PUT"),
            ("/api/v1/nodes", "DELETE, GET, POST"),
        ] {
            let ApiPath::Resource(target) = path::parse(path) else { panic!("{path}") };
            let kind = KINDS.iter().find(|kind| kind.facts().plural == target.resource).unwrap();
            assert_eq!(allowed(kind.facts(), &target), expected, "{path}");
        }
    }
}
