//! HTTP over the fake's store: paths, verbs, watches, discovery.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, StreamBody};
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::fake::patch;
use crate::fake::store::{Key, Refusal, Store, refusal};

pub type Answer = Response<StreamBody<BoxStream<'static, Result<http_body::Frame<Bytes>, Infallible>>>>;

#[derive(Clone)]
pub struct Fake {
    pub store: Arc<Mutex<Store>>,
    pub changed: watch::Sender<u64>,
    /// Every write as `VERB path`.
    pub writes: Arc<Mutex<Vec<String>>>,
    pub interruption: Arc<Mutex<Option<Interruption>>>,
}

/// What somebody else does just before a request of a client, once.
pub struct Interruption {
    pub method: Method,
    pub path: String,
    pub act: Box<dyn FnOnce(&Fake) + Send>,
}

/// Group, version, kind, plural, whether namespaced.
const SERVED: &[(&str, &str, &str, bool)] = &[
    ("v1", "Namespace", "namespaces", false),
    ("v1", "Node", "nodes", false),
    ("v1", "Pod", "pods", true),
    ("v1", "Service", "services", true),
    ("v1", "Endpoints", "endpoints", true),
    ("v1", "ConfigMap", "configmaps", true),
    ("v1", "Secret", "secrets", true),
    ("v1", "ServiceAccount", "serviceaccounts", true),
    ("v1", "Event", "events", true),
    ("apps/v1", "Deployment", "deployments", true),
    ("apps/v1", "ReplicaSet", "replicasets", true),
    ("discovery.k8s.io/v1", "EndpointSlice", "endpointslices", true),
    ("coordination.k8s.io/v1", "Lease", "leases", true),
    ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", true),
    ("example.com/v1", "Ship", "ships", true),
    ("example.com/v1", "Scale", "ships/scale", true),
];

struct Target {
    key: Key,
    subresource: String,
}

fn target(path: &str) -> Option<Target> {
    let mut parts = path.trim_matches('/').split('/');
    let skipped = if parts.next()? == "api" { 1 } else { 2 };
    let rest: Vec<&str> = parts.skip(skipped).collect();
    let (namespace, rest) = match rest.as_slice() {
        ["namespaces", namespace, plural, rest @ ..] if !matches!(*plural, "status" | "finalize") => {
            (*namespace, [&[*plural], rest].concat())
        }
        [] => return None,
        rest => ("", rest.to_vec()),
    };
    let part = |index: usize| rest.get(index).copied().unwrap_or_default().to_owned();
    Some(Target { key: (part(0), namespace.to_owned(), part(1)), subresource: part(2) })
}

fn frames(answer: impl futures::Stream<Item = Bytes> + Send + 'static) -> Answer {
    Response::new(StreamBody::new(answer.map(|bytes| Ok(http_body::Frame::data(bytes))).boxed()))
}

fn json_answer(code: u16, body: &Value) -> Answer {
    let bytes = Bytes::from(body.to_string());
    let mut response = frames(futures::stream::iter([bytes]));
    *response.status_mut() = http::StatusCode::from_u16(code).unwrap();
    response
}

impl Fake {
    pub fn new() -> Self {
        Self {
            store: Arc::default(),
            changed: watch::Sender::new(0),
            writes: Arc::default(),
            interruption: Arc::default(),
        }
    }

    pub fn client(&self) -> kube::Client {
        let fake = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let fake = fake.clone();
            async move { Ok::<_, Infallible>(fake.answer(request).await) }
        });
        kube::Client::new(service, "default")
    }

    async fn answer(&self, request: Request<Body>) -> Answer {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let query = parts.uri.query().unwrap_or_default().to_owned();
        if let Some(document) = discovery(&path) {
            return json_answer(200, &document);
        }
        let content_type = parts.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let strategic = content_type.contains("strategic");
        let body = body.collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        if parts.method == Method::GET && query.contains("watch=true") {
            return self.watch(&path, &query);
        }
        self.interrupt(&parts.method, &path);
        let outcome = self.act(&parts.method, &path, body, strategic);
        match outcome {
            Ok(value) => json_answer(if parts.method == Method::POST { 201 } else { 200 }, &value),
            Err((code, status)) => json_answer(code, &status),
        }
    }

    fn interrupt(&self, method: &Method, path: &str) {
        let is_due = |due: &mut Interruption| due.method == *method && due.path == path;
        let due = self.interruption.lock().unwrap().take_if(is_due);
        if let Some(due) = due {
            (due.act)(self);
        }
    }

    pub fn act(&self, method: &Method, path: &str, body: Value, strategic: bool) -> Result<Value, Refusal> {
        let Some(Target { key, subresource }) = target(path) else {
            return Err(refusal(404, "NotFound", "no such path"));
        };
        let mut store = self.store.lock().unwrap();
        let before = store.revision;
        let outcome = match *method {
            Method::GET if key.2.is_empty() => Ok(list(&store, &key)),
            Method::GET => store.get(&key),
            Method::POST if subresource == "binding" => bind(&mut store, key.clone(), &body),
            Method::POST => {
                let ending = store.objects.get(&("namespaces".to_owned(), String::new(), key.1.clone()));
                if ending.is_some_and(|namespace| namespace["status"]["phase"] == "Terminating") {
                    let mut refused = refusal(403, "Forbidden", "namespace is being terminated");
                    refused.1["details"] = json!({"causes": [{"reason": "NamespaceTerminating"}]});
                    Err(refused)
                } else {
                    store.create(&key.0, &key.1, body)
                }
            }
            Method::PUT => store.update(key.clone(), body, &subresource),
            Method::PATCH => store.get(&key).and_then(|mut object| {
                let given = &body["metadata"]["resourceVersion"];
                if !given.is_null() && *given != object["metadata"]["resourceVersion"] {
                    return Err(refusal(409, "Conflict", "the object has been modified"));
                }
                patch::merge(&mut object, &body, strategic);
                store.update(key.clone(), object, &subresource)
            }),
            Method::DELETE if key.2.is_empty() => {
                let all: Vec<Key> = store.objects.keys().filter(|it| it.0 == key.0 && it.1 == key.1).cloned().collect();
                all.into_iter().for_each(|key| drop(store.delete(key, &body)));
                Ok(json!({"kind": "Status", "status": "Success"}))
            }
            Method::DELETE => store.delete(key.clone(), &body),
            _ => Err(refusal(405, "MethodNotAllowed", "no")),
        };
        if *method != Method::GET && key.0 != "events" {
            let code = outcome.as_ref().err().map(|(code, _)| format!(" {code}")).unwrap_or_default();
            self.writes.lock().unwrap().push(format!("{method} {path}{code}"));
        }
        if store.revision != before {
            let revision = store.revision;
            drop(store);
            self.changed.send_replace(revision);
        }
        outcome
    }

    fn watch(&self, path: &str, query: &str) -> Answer {
        let plural = target(path).map(|target| target.key.0).unwrap_or_default();
        let from = query.split('&').find_map(|part| part.strip_prefix("resourceVersion="));
        let from: u64 = from.and_then(|text| text.parse().ok()).unwrap_or_default();
        let state = (self.clone(), self.changed.subscribe(), plural, from);
        frames(futures::stream::unfold(state, |(fake, mut changed, plural, mut from)| async move {
            loop {
                changed.borrow_and_update();
                let (mut lines, after) = (String::new(), from);
                for event in fake.store.lock().unwrap().log.iter().filter(|event| event.revision > after) {
                    from = event.revision;
                    if event.plural == plural {
                        let line = format!("{{\"type\":\"{}\",\"object\":{}}}\n", event.kind, event.object);
                        lines.push_str(&line);
                    }
                }
                if !lines.is_empty() {
                    return Some((Bytes::from(lines), (fake, changed, plural, from)));
                }
                changed.changed().await.ok()?;
            }
        }))
    }
}

fn list(store: &Store, key: &Key) -> Value {
    let inside = |it: &&Key| it.0 == key.0 && (key.1.is_empty() || it.1 == key.1);
    let items: Vec<Value> = store.objects.keys().filter(inside).map(|key| store.objects[key].clone()).collect();
    json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": store.revision.to_string()}, "items": items})
}

fn bind(store: &mut Store, key: Key, binding: &Value) -> Result<Value, Refusal> {
    let mut pod = store.get(&key)?;
    if !pod["spec"]["nodeName"].is_null() {
        return Err(refusal(409, "Conflict", "pod is already assigned to a node"));
    }
    pod["spec"]["nodeName"] = binding["target"]["name"].clone();
    Ok(store.put(key, pod, "MODIFIED"))
}

fn discovery(path: &str) -> Option<Value> {
    match path.trim_end_matches('/') {
        "/api" => return Some(json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})),
        "/apis" => {
            let groups = SERVED.iter().filter_map(|(version, ..)| version.split_once('/'));
            let groups: std::collections::BTreeSet<_> = groups.collect();
            let groups: Vec<Value> = groups
                .into_iter()
                .map(|(group, version)| {
                    let version = json!({"groupVersion": format!("{group}/{version}"), "version": version});
                    json!({"name": group, "versions": [version], "preferredVersion": version})
                })
                .collect();
            return Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}));
        }
        _ => {}
    }
    let api_version = path.strip_prefix("/apis/").or_else(|| path.strip_prefix("/api/"))?;
    let served: Vec<Value> = SERVED
        .iter()
        .filter(|(version, ..)| *version == api_version)
        .map(|(_, kind, plural, namespaced)| {
            let verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
            json!({"name": plural, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": verbs})
        })
        .collect();
    (!served.is_empty()).then(|| json!({"kind": "APIResourceList", "groupVersion": api_version, "resources": served}))
}
