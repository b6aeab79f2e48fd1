//! An API server that is just enough for the tests of this crate: objects by path, merge patches, watches.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::sync::watch;

/// Revision, kind, path, object.
type Change = (u64, &'static str, String, Value);

#[derive(Clone)]
pub struct FakeApi(Arc<Mutex<Inner>>);

struct Inner {
    revision: u64,
    is_silent: bool,
    /// By path without the status: `/api/v1/namespaces/default/pods/web`.
    objects: BTreeMap<String, Value>,
    history: Vec<Change>,
    changed: watch::Sender<usize>,
    /// Every write, as `PATCH /path`.
    writes: Vec<String>,
}

impl FakeApi {
    pub fn new() -> Self {
        let inner = Inner {
            revision: 1,
            is_silent: false,
            objects: BTreeMap::new(),
            history: Vec::new(),
            changed: watch::Sender::new(0),
            writes: Vec::new(),
        };
        Self(Arc::new(Mutex::new(inner)))
    }

    pub fn client(&self) -> kube::Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<kube::client::Body>| {
            let api = api.clone();
            async move { Ok::<_, Infallible>(api.answer(request).await) }
        });
        kube::Client::new(service, "default")
    }

    pub fn get(&self, path: &str) -> Option<Value> {
        self.0.lock().unwrap().objects.get(path).cloned()
    }

    pub fn pod(&self, name: &str) -> Option<Value> {
        self.get(&pod_path(name))
    }

    pub fn writes(&self) -> Vec<String> {
        self.0.lock().unwrap().writes.clone()
    }

    /// Whether all requests fail, as if no server were there.
    pub fn set_silent(&self, is_silent: bool) {
        self.0.lock().unwrap().is_silent = is_silent;
    }

    /// Puts an object in, as someone else would.
    pub fn put(&self, path: &str, object: Value) {
        self.0.lock().unwrap().store(path, object);
    }

    pub fn create_pod(&self, name: &str, node: &str, mut spec: Value) {
        spec["nodeName"] = json!(node);
        let metadata = json!({ "name": name, "namespace": "default", "uid": format!("uid-{name}"), "generation": 1 });
        self.put(&pod_path(name), json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec }));
    }

    /// Marks a pod as deleted, as the API server does for a graceful deletion.
    pub fn delete_pod(&self, name: &str, grace: i64, now: jiff::Timestamp) {
        let mut pod = self.pod(name).expect("the pod is there");
        let at = now.checked_add(jiff::SignedDuration::from_secs(grace)).unwrap();
        pod["metadata"]["deletionTimestamp"] = json!(at.to_string());
        pod["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
        self.put(&pod_path(name), pod);
    }

    /// Takes an object away at once.
    pub fn remove(&self, path: &str) {
        self.0.lock().unwrap().remove(path);
    }

    async fn answer(&self, request: Request<kube::client::Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let path = parts.uri.path().trim_end_matches("/status").to_owned();
        let query = parts.uri.query().unwrap_or_default();
        let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        if self.0.lock().unwrap().is_silent {
            return failure(503, "ServiceUnavailable");
        }
        if parts.method == Method::GET && query.contains("watch=true") {
            return self.watch(&path, query);
        }
        let mut inner = self.0.lock().unwrap();
        if parts.method != Method::GET {
            inner.writes.push(format!("{} {}", parts.method, parts.uri.path()));
        }
        match parts.method {
            Method::GET => inner.read(&path, query),
            Method::POST => {
                let name = body["metadata"]["name"].as_str().unwrap_or_default();
                let path = format!("{path}/{name}");
                if inner.objects.contains_key(&path) {
                    return failure(409, "AlreadyExists");
                }
                answer(201, &inner.store(&path, body))
            }
            Method::PUT => answer(200, &inner.store(&path, body)),
            Method::PATCH => inner.patch(&path, body),
            Method::DELETE => {
                let held = inner.objects.get(&path).map(|held| held["metadata"]["uid"].clone());
                let wanted = &body["preconditions"]["uid"];
                match held {
                    None => failure(404, "NotFound"),
                    Some(uid) if !wanted.is_null() && *wanted != uid => failure(409, "Conflict"),
                    Some(_) => answer(200, &inner.remove(&path)),
                }
            }
            _ => failure(405, "MethodNotAllowed"),
        }
    }

    fn watch(&self, path: &str, query: &str) -> Response<Body> {
        let (path, query) = (path.to_owned(), query.to_owned());
        let from: u64 = parameter(&query, "resourceVersion").and_then(|text| text.parse().ok()).unwrap_or(0);
        let (seen, changed) = {
            let inner = self.0.lock().unwrap();
            (inner.history.iter().take_while(|(revision, ..)| *revision <= from).count(), inner.changed.subscribe())
        };
        let changes = stream::unfold((self.clone(), seen, changed), |(api, seen, mut changed)| async move {
            changed.wait_for(|length| *length > seen).await.ok()?;
            let (_, kind, path, object) = api.0.lock().unwrap().history[seen].clone();
            Some(((kind, path, object), (api, seen + 1, changed)))
        });
        let lines = changes.filter_map(move |(kind, changed, object)| {
            let is_wanted = is_in(&changed, &path) && selects(&query, &object);
            async move {
                // As servers write it: the type first.
                let line = format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n");
                is_wanted.then(|| Ok::<_, Infallible>(Bytes::from(line)))
            }
        });
        Response::new(Body::from_stream(lines))
    }
}

impl Inner {
    fn store(&mut self, path: &str, mut object: Value) -> Value {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        if object["metadata"]["uid"].is_null() {
            object["metadata"]["uid"] = json!(format!("uid-{}", self.revision));
        }
        let kind = if self.objects.contains_key(path) { "MODIFIED" } else { "ADDED" };
        self.objects.insert(path.to_owned(), object.clone());
        self.announce(kind, path, &object);
        object
    }

    fn remove(&mut self, path: &str) -> Value {
        self.revision += 1;
        let mut object = self.objects.remove(path).expect("the object is there");
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        self.announce("DELETED", path, &object);
        object
    }

    fn announce(&mut self, kind: &'static str, path: &str, object: &Value) {
        self.history.push((self.revision, kind, path.to_owned(), object.clone()));
        self.changed.send_replace(self.history.len());
    }

    fn patch(&mut self, path: &str, patch: Value) -> Response<Body> {
        let Some(mut object) = self.objects.get(path).cloned() else { return failure(404, "NotFound") };
        let uid = &patch["metadata"]["uid"];
        if !uid.is_null() && *uid != object["metadata"]["uid"] {
            return failure(409, "Conflict");
        }
        let before = object.clone();
        merge(&mut object, patch);
        if object == before { answer(200, &object) } else { answer(200, &self.store(path, object)) }
    }

    fn read(&self, path: &str, query: &str) -> Response<Body> {
        if let Some(object) = self.objects.get(path) {
            return answer(200, object);
        }
        // A plural at the end is a list; all else would be one object.
        if !path.rsplit('/').next().is_some_and(|last| LISTS.contains(&last)) {
            return failure(404, "NotFound");
        }
        let items = self.objects.iter().filter(|(held, object)| is_in(held, path) && selects(query, object));
        let items: Vec<&Value> = items.map(|(_, object)| object).collect();
        let metadata = json!({ "resourceVersion": self.revision.to_string() });
        answer(200, &json!({ "kind": "List", "apiVersion": "v1", "metadata": metadata, "items": items }))
    }
}

const LISTS: [&str; 6] = ["pods", "nodes", "services", "endpointslices", "configmaps", "secrets"];

pub fn pod_path(name: &str) -> String {
    format!("/api/v1/namespaces/default/pods/{name}")
}

/// Whether an object belongs to a list, also to one of all namespaces.
fn is_in(object: &str, list: &str) -> bool {
    let Some((folder, _)) = object.rsplit_once('/') else { return false };
    if folder == list {
        return true;
    }
    let (Some((base, kind)), Some((_, own_kind))) = (list.rsplit_once('/'), folder.rsplit_once('/')) else {
        return false;
    };
    kind == own_kind && folder.starts_with(&format!("{base}/namespaces/"))
}

fn selects(query: &str, object: &Value) -> bool {
    let Some(selector) = parameter(query, "fieldSelector") else { return true };
    let Some((field, value)) = selector.split_once("%3D").or_else(|| selector.split_once('=')) else { return true };
    let pointer = format!("/{}", field.replace('.', "/"));
    object.pointer(&pointer).and_then(Value::as_str) == Some(value)
}

fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
}

fn merge(target: &mut Value, patch: Value) {
    let Value::Object(fields) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in fields {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(&name);
        } else {
            merge(&mut target[name], value);
        }
    }
}

fn answer(code: u16, object: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(object.to_string()));
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response
}

fn failure(code: u16, reason: &str) -> Response<Body> {
    let status = json!({ "kind": "Status", "status": "Failure", "reason": reason, "message": reason, "code": code });
    answer(code, &status)
}
