//! The pod that a stream is about, and where it runs.

use api::failure::Failure;
use k8s_openapi::api::core::v1::{Container, Pod};

use crate::http::app::App;
use crate::registry::Target;

pub fn find(app: &App, namespace: &str, name: &str) -> Result<Pod, Failure> {
    let kind = app.registry.find("", "v1", "pods").ok_or_else(Failure::unknown_resource)?;
    let object = app.registry.get(kind, Target { namespace: Some(namespace), name, subresource: None }, "")?;
    api::json::read(&object.bytes).map_err(|_| Failure::internal("read a stored pod"))
}

/// The node that a pod runs on; empty where none has been found for it yet.
pub fn node(pod: &Pod) -> &str {
    pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).unwrap_or_default()
}

/// The node, or why nothing can be done with a pod that has none.
pub fn node_of<'a>(pod: &'a Pod, name: &str) -> Result<&'a str, Failure> {
    match node(pod) {
        "" => Err(Failure::bad_request(format!("pod {name} does not have a host assigned"))),
        node => Ok(node),
    }
}

/// The container that was asked for, or the only one.
pub fn container(pod: &Pod, name: &str, wanted: &str) -> Result<String, Failure> {
    let spec = pod.spec.clone().unwrap_or_default();
    let names = |containers: &[Container]| -> Vec<String> { containers.iter().map(|c| c.name.clone()).collect() };
    let usual = names(&spec.containers);
    let init = names(spec.init_containers.as_deref().unwrap_or_default());
    let ephemeral: Vec<String> = spec.ephemeral_containers.iter().flatten().map(|c| c.name.clone()).collect();
    if !wanted.is_empty() {
        let is_there = usual.iter().chain(&init).chain(&ephemeral).any(|name| name == wanted);
        let missing = || Failure::bad_request(format!("container {wanted} is not valid for pod {name}"));
        return is_there.then(|| wanted.to_owned()).ok_or_else(missing);
    }
    if let [only] = &usual[..] {
        return Ok(only.clone());
    }
    let mut text = format!("a container name must be specified for pod {name}, choose one of: [{}]", usual.join(" "));
    if !init.is_empty() {
        text.push_str(&format!(" or one of the init containers: [{}]", init.join(" ")));
    }
    Err(Failure::bad_request(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::PodSpec;

    fn pod(containers: &[&str], init: &[&str]) -> Pod {
        let named = |names: &[&str]| -> Vec<Container> {
            names.iter().map(|name| Container { name: (*name).to_owned(), ..Container::default() }).collect()
        };
        let init_containers = (!init.is_empty()).then(|| named(init));
        Pod {
            spec: Some(PodSpec { containers: named(containers), init_containers, ..PodSpec::default() }),
            ..Pod::default()
        }
    }

    #[test]
    fn a_pod_with_several_containers_needs_a_name() {
        let told = |pod: &Pod, wanted: &str| container(pod, "x", wanted).map_err(|failure| failure.message);
        assert_eq!(told(&pod(&["a"], &["i"]), ""), Ok("a".to_owned()));
        assert_eq!(told(&pod(&["a", "b"], &[]), "b"), Ok("b".to_owned()));
        assert_eq!(told(&pod(&["a"], &["i"]), "i"), Ok("i".to_owned()));
        assert_eq!(
            told(&pod(&["a", "b"], &[]), ""),
            Err("a container name must be specified for pod x, choose one of: [a b]".to_owned())
        );
        assert_eq!(told(&pod(&["a"], &[]), "c"), Err("container c is not valid for pod x".to_owned()));
    }
}
