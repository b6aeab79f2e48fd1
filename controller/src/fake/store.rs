//! The objects of the fake, and what happened to them in order.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Plural, namespace, name.
pub type Key = (String, String, String);

#[derive(Debug, Clone)]
pub struct Event {
    pub revision: u64,
    pub plural: String,
    pub kind: &'static str,
    pub object: Value,
}

#[derive(Default)]
pub struct Store {
    pub revision: u64,
    pub objects: BTreeMap<Key, Value>,
    pub log: Vec<Event>,
}

/// A code and a Status.
pub type Refusal = (u16, Value);

pub fn refusal(code: u16, reason: &str, message: &str) -> Refusal {
    (
        code,
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message, "code": code}),
    )
}

fn now(store: &Store) -> String {
    let second = 1_800_000_000 + i64::try_from(store.revision).unwrap_or_default();
    jiff::Timestamp::from_second(second).unwrap().to_string()
}

impl Store {
    pub fn put(&mut self, key: Key, mut object: Value, kind: &'static str) -> Value {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        self.log.push(Event { revision: self.revision, plural: key.0.clone(), kind, object: object.clone() });
        if kind == "DELETED" {
            self.objects.remove(&key);
        } else {
            self.objects.insert(key, object.clone());
        }
        object
    }

    pub fn create(&mut self, plural: &str, namespace: &str, mut object: Value) -> Result<Value, Refusal> {
        let next = self.revision + 1;
        let meta = &mut object["metadata"];
        if meta["name"].is_null() {
            meta["name"] = json!(format!("{}{next:05}", meta["generateName"].as_str().unwrap_or_default()));
        }
        if !namespace.is_empty() {
            meta["namespace"] = json!(namespace);
        }
        let name = meta["name"].as_str().unwrap().to_owned();
        let key = (plural.to_owned(), namespace.to_owned(), name.clone());
        if self.objects.contains_key(&key) {
            return Err(refusal(409, "AlreadyExists", &format!("{plural} \"{name}\" already exists")));
        }
        meta["uid"] = json!(format!("uid-{next}"));
        if meta["creationTimestamp"].is_null() {
            meta["creationTimestamp"] = json!(now(self));
        }
        meta["generation"] = json!(1);
        if plural == "pods" && object["status"]["phase"].is_null() {
            object["status"]["phase"] = json!("Pending");
        }
        if plural == "namespaces" && object["spec"]["finalizers"].is_null() {
            object["spec"]["finalizers"] = json!(["kubernetes"]);
            object["status"]["phase"] = json!("Active");
        }
        Ok(self.put(key, object, "ADDED"))
    }

    pub fn get(&self, key: &Key) -> Result<Value, Refusal> {
        let missing = || refusal(404, "NotFound", &format!("{} \"{}\" not found", key.0, key.2));
        self.objects.get(key).cloned().ok_or_else(missing)
    }

    /// Writes what an update or a patch made of the object.
    pub fn update(&mut self, key: Key, mut new: Value, subresource: &str) -> Result<Value, Refusal> {
        let old = self.get(&key)?;
        let given = new["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        if !given.is_empty() && new["metadata"]["resourceVersion"] != old["metadata"]["resourceVersion"] {
            return Err(refusal(409, "Conflict", "the object has been modified"));
        }
        if !new["metadata"]["uid"].is_null() && new["metadata"]["uid"] != old["metadata"]["uid"] {
            return Err(refusal(409, "Conflict", "Precondition failed: UID"));
        }
        match subresource {
            "status" => {
                let status = new["status"].clone();
                new = old.clone();
                new["status"] = status;
            }
            "finalize" => {}
            _ if !old["status"].is_null() => new["status"] = old["status"].clone(),
            _ => {}
        }
        for field in ["uid", "creationTimestamp", "deletionTimestamp", "generation", "namespace", "name"] {
            let meta = new["metadata"].as_object_mut().unwrap();
            match old["metadata"].get(field) {
                Some(value) => meta.insert(field.to_owned(), value.clone()),
                None => meta.remove(field),
            };
        }
        new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"].clone();
        if new == old {
            return Ok(old);
        }
        let without_meta = |object: &Value| {
            let mut object = object.clone();
            object["metadata"] = object["metadata"]["labels"].clone();
            object["status"] = Value::Null;
            object
        };
        if without_meta(&new) != without_meta(&old) {
            new["metadata"]["generation"] = json!(old["metadata"]["generation"].as_u64().unwrap_or_default() + 1);
        }
        if is_released(&new) && subresource != "status" {
            return Ok(self.put(key, new, "DELETED"));
        }
        Ok(self.put(key, new, "MODIFIED"))
    }

    pub fn delete(&mut self, key: Key, options: &Value) -> Result<Value, Refusal> {
        let mut object = self.get(&key)?;
        let wanted = &options["preconditions"]["uid"];
        if !wanted.is_null() && *wanted != object["metadata"]["uid"] {
            return Err(refusal(409, "Conflict", "Precondition failed: UID"));
        }
        let wanted = &options["preconditions"]["resourceVersion"];
        if !wanted.is_null() && *wanted != object["metadata"]["resourceVersion"] {
            return Err(refusal(409, "Conflict", "Precondition failed: ResourceVersion"));
        }
        let finalizer = match options["propagationPolicy"].as_str() {
            Some("Foreground") => Some("foregroundDeletion"),
            Some("Orphan") => Some("orphan"),
            _ => None,
        };
        let mut finalizers = object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
        finalizers
            .extend(finalizer.map(|name| json!(name)).filter(|_| object["metadata"]["deletionTimestamp"].is_null()));
        object["metadata"]["finalizers"] = json!(finalizers);
        let running = key.0 == "pods"
            && object["spec"]["nodeName"].as_str().is_some_and(|node| !node.is_empty())
            && !matches!(object["status"]["phase"].as_str(), Some("Failed" | "Succeeded"));
        let graceful = running && options["gracePeriodSeconds"].as_u64() != Some(0);
        if finalizers.is_empty() && !graceful && key.0 != "namespaces" {
            return Ok(self.put(key, object, "DELETED"));
        }
        if !object["metadata"]["deletionTimestamp"].is_null() {
            return Ok(object);
        }
        object["metadata"]["deletionTimestamp"] = json!(now(self));
        object["metadata"]["generation"] = json!(object["metadata"]["generation"].as_u64().unwrap_or_default() + 1);
        if key.0 == "namespaces" {
            object["status"]["phase"] = json!("Terminating");
        }
        Ok(self.put(key, object, "MODIFIED"))
    }
}

/// Whether nothing holds back an object that is being deleted.
fn is_released(object: &Value) -> bool {
    let none = |list: &Value| list.as_array().is_none_or(Vec::is_empty);
    !object["metadata"]["deletionTimestamp"].is_null()
        && none(&object["metadata"]["finalizers"])
        && (object["kind"] != "Pod" || object["spec"]["nodeName"].is_null())
        && (object["kind"] != "Namespace" || none(&object["spec"]["finalizers"]))
}
