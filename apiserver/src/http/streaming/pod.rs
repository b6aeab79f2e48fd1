//! The pod that a stream is about, and where it runs.

use api::failure::Failure;
use k8s_openapi::api::core::v1::{Container, Pod};

use crate::http::app::App;
use crate::http::streaming::stored;

pub fn find(app: &App, namespace: &str, name: &str) -> Result<Pod, Failure> {
    stored::read(app, "pods", Some(namespace), name)
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
pub fn container<'a>(pod: &'a Pod, name: &str, wanted: &'a str) -> Result<&'a str, Failure> {
    let spec = pod.spec.as_ref();
    let names = |containers: &'a [Container]| -> Vec<&'a str> { containers.iter().map(|c| &*c.name).collect() };
    let usual = names(spec.map_or(&[], |spec| &spec.containers));
    let init = names(spec.and_then(|spec| spec.init_containers.as_deref()).unwrap_or_default());
    if !wanted.is_empty() {
        let mut ephemeral = spec.and_then(|spec| spec.ephemeral_containers.as_deref()).into_iter().flatten();
        let is_there = usual.contains(&wanted) || init.contains(&wanted) || ephemeral.any(|c| c.name == wanted);
        let missing = || Failure::bad_request(format!("container {wanted} is not valid for pod {name}"));
        return is_there.then_some(wanted).ok_or_else(missing);
    }
    if let [only] = &usual[..] {
        return Ok(only);
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
        let told =
            |pod: &Pod, wanted: &str| container(pod, "x", wanted).map(str::to_owned).map_err(|failure| failure.message);
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
