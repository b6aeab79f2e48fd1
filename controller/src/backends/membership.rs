//! Which pods a Service selects, and which Services a change of a pod concerns.

use std::collections::BTreeSet;
use std::sync::Arc;

use api::names::NamespacedName;

use crate::caches::cache::{Cache, Change};
use crate::kinds::kind::IndexKey;
use crate::kinds::pairs::Pairs;
use crate::kinds::pod::Pod;
use crate::kinds::service::Service;

/// The pods that a selector picks, sorted by name. An empty one picks all of the namespace.
pub fn selected(pods: &Cache<Pod>, namespace: &str, selector: &Pairs) -> Vec<Arc<Pod>> {
    let Some((key, value)) = selector.iter().next() else { return pods.list(Some(namespace)) };
    let mut found = pods.indexed(IndexKey::label(namespace, key, value));
    found.retain(|pod| *pod.meta.namespace == *namespace && selector.all_in(&pod.meta.labels));
    found
}

/// The Services whose endpoints may differ after this change of a pod.
pub fn concerned(services: &Cache<Service>, change: &Change<'_, Pod>) -> BTreeSet<NamespacedName> {
    match (change.old, change.new) {
        (Some(old), Some(new)) => {
            let moved = old.meta.labels != new.meta.labels
                || old.spec.hostname != new.spec.hostname
                || old.spec.subdomain != new.spec.subdomain;
            match (differs(old, new), moved) {
                (false, false) => BTreeSet::new(),
                (true, false) => selecting(services, new),
                (true, true) => &selecting(services, old) | &selecting(services, new),
                (false, true) => &selecting(services, old) ^ &selecting(services, new),
            }
        }
        (None, Some(pod)) | (Some(pod), None) => selecting(services, pod),
        (None, None) => BTreeSet::new(),
    }
}

/// Whether a pod's endpoint differs, apart from what its labels say.
fn differs(old: &Pod, new: &Pod) -> bool {
    old.meta.deletion_timestamp != new.meta.deletion_timestamp
        || old.status.is_ready != new.status.is_ready
        || old.status.ips != new.status.ips
        || old.status.phase.is_over() != new.status.phase.is_over()
        || old.spec.node_name != new.spec.node_name
}

/// The Services that select a pod by its present labels.
pub fn selecting(services: &Cache<Service>, pod: &Pod) -> BTreeSet<NamespacedName> {
    let namespace = &pod.meta.namespace;
    let keys = pod.meta.labels.iter().map(|(key, value)| IndexKey::selector(namespace, key, value));
    let keys = keys.chain([IndexKey::selector(namespace, "", "")]);
    let found = keys.flat_map(|key| services.indexed(key));
    let selects = |service: &Arc<Service>| {
        service.meta.namespace == *namespace
            && service.spec.selector.as_ref().is_some_and(|selector| selector.all_in(&pod.meta.labels))
    };
    found.filter(selects).map(|service| service.meta.key()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::kind::Kind;

    fn service(name: &str, selector: Option<&[(&str, &str)]>) -> Service {
        let mut service = Service::default();
        service.meta.namespace = "a".into();
        service.meta.name = name.into();
        service.spec.selector = selector.map(|pairs| pairs.iter().copied().collect());
        service
    }

    fn pod(name: &str, labels: &[(&str, &str)]) -> Arc<Pod> {
        let mut pod = Pod::default();
        pod.meta.namespace = "a".into();
        pod.meta.name = name.into();
        pod.meta.labels = labels.iter().copied().collect();
        Arc::new(pod)
    }

    fn services() -> Cache<Service> {
        let services = Cache::new(Service::RESOURCE);
        services.apply(service("all", Some(&[])));
        services.apply(service("none", None));
        services.apply(service("web", Some(&[("app", "web")])));
        services.apply(service("front", Some(&[("app", "web"), ("tier", "front")])));
        services
    }

    fn names(keys: BTreeSet<NamespacedName>) -> Vec<String> {
        keys.into_iter().map(|key| key.name).collect()
    }

    #[test]
    fn a_service_selects_the_pods_with_all_its_labels() {
        let pods = Cache::new(Pod::RESOURCE);
        pods.apply(Pod::clone(&pod("x", &[("app", "web"), ("tier", "front")])));
        pods.apply(Pod::clone(&pod("y", &[("app", "web")])));
        let selected = |pairs: &[(&str, &str)]| {
            let found = selected(&pods, "a", &pairs.iter().copied().collect());
            found.iter().map(|pod| pod.meta.name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(selected(&[("app", "web")]), ["x", "y"]);
        assert_eq!(selected(&[("app", "web"), ("tier", "front")]), ["x"]);
        assert_eq!(selected(&[]), ["x", "y"]);
        assert!(selected(&[("app", "db")]).is_empty());
    }

    #[test]
    fn only_services_that_select_the_pod_are_concerned() {
        let services = services();
        let new = pod("x", &[("app", "web")]);
        assert_eq!(names(concerned(&services, &Change { old: None, new: Some(&new) })), ["all", "web"]);
    }

    #[test]
    fn a_change_that_no_endpoint_shows_concerns_nobody() {
        let services = services();
        let old = pod("x", &[("app", "web")]);
        let mut new = Pod::clone(&old);
        new.status.restarts = 5;
        assert!(concerned(&services, &Change { old: Some(&old), new: Some(&Arc::new(new.clone())) }).is_empty());
        new.status.is_ready = true;
        assert_eq!(names(concerned(&services, &Change { old: Some(&old), new: Some(&Arc::new(new)) })), ["all", "web"]);
    }

    #[test]
    fn a_pod_that_moves_concerns_those_that_it_leaves_and_joins() {
        let services = services();
        let old = pod("x", &[("app", "web")]);
        let new = pod("x", &[("app", "web"), ("tier", "front")]);
        assert_eq!(names(concerned(&services, &Change { old: Some(&old), new: Some(&new) })), ["front"]);
        let mut ready = Pod::clone(&new);
        ready.status.is_ready = true;
        let change = Change { old: Some(&old), new: Some(&Arc::new(ready)) };
        assert_eq!(names(concerned(&services, &change)), ["all", "front", "web"]);
    }
}
