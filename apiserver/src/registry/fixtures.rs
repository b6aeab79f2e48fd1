//! A registry over the memory engine, and objects of every kind, for tests.

use std::sync::Arc;

use api::failure::Failure;
use bytes::Bytes;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::DeleteOptions;
use lifecycle::clock::Clock;
use lifecycle::tasks::Tasks;
use serde_json::{Value, json};

use crate::context::{Context, User};
use crate::kinds::erased::KindRef;
use crate::registry::layout::KindLayout;
use crate::registry::options::{Deleted, ListOptions, Options, Page, PatchType};
use crate::registry::samples;
use crate::registry::watch::WatchStream;
use crate::registry::{Registry, Target};
use crate::storage::Storage;
use crate::storage::limits::Limits;
use crate::storage::memory::Memory;
use crate::storage::object::Object;

/// A cluster with its initial namespaces, and one user who may do everything.
pub struct Fixture {
    pub registry: Registry,
    pub context: Context,
    pub tasks: Tasks,
}

pub fn value(object: &Object) -> Value {
    serde_json::from_slice(&object.bytes()).expect("a stored object is JSON")
}

impl Fixture {
    pub async fn new() -> Self {
        Self::with(|_| {}, Limits::default()).await
    }

    pub async fn with(change: impl FnOnce(&mut Options), limits: Limits) -> Self {
        let (tasks, clock) = (Tasks::new(), Clock::tokio());
        let storage = Storage::open(Arc::new(Memory::default()), Arc::new(KindLayout), clock.clone(), &tasks, limits);
        let mut options = Options::new(clock, tasks.clone());
        change(&mut options);
        let registry = Registry::new(storage.await.expect("an empty store opens"), options).expect("it is empty");
        registry.bootstrap().await.expect("nothing is in the way");
        let context = Context::new(Arc::new(User::new("admin", &["system:masters"])));
        Self { registry, context, tasks }
    }

    pub fn kind(&self, plural: &str) -> KindRef {
        let found = crate::kinds::KINDS.iter().find(|kind| kind.facts().plural == plural);
        *found.expect("the kind is in the list")
    }

    /// The namespace for objects of a kind.
    pub fn namespace(kind: KindRef) -> Option<&'static str> {
        kind.facts().namespaced.then_some("default")
    }

    pub fn target(kind: KindRef, name: &str) -> Target<'_> {
        Target { namespace: Self::namespace(kind), name, subresource: None }
    }

    pub async fn create(&self, plural: &str, object: Value) -> Result<Value, Failure> {
        self.create_as(self.kind(plural), object).await
    }

    pub async fn create_as(&self, kind: KindRef, object: Value) -> Result<Value, Failure> {
        let body = Bytes::from(object.to_string());
        self.registry.create(&self.context, kind, Self::namespace(kind), body).await.map(|object| value(&object))
    }

    pub async fn get(&self, plural: &str, name: &str) -> Result<Value, Failure> {
        let kind = self.kind(plural);
        self.registry.get(kind, Self::target(kind, name), "").map(|object| value(&object))
    }

    pub async fn update(&self, plural: &str, object: Value) -> Result<Value, Failure> {
        self.update_at(plural, None, object).await
    }

    pub async fn update_at(&self, plural: &str, subresource: Option<&str>, object: Value) -> Result<Value, Failure> {
        self.update_at_kind(self.kind(plural), subresource, object).await
    }

    pub async fn update_at_kind(
        &self,
        kind: KindRef,
        subresource: Option<&str>,
        object: Value,
    ) -> Result<Value, Failure> {
        let name = object["metadata"]["name"].as_str().expect("the object has a name").to_owned();
        let target = Target { subresource, ..Self::target(kind, &name) };
        let written = self.registry.update(&self.context, kind, target, Bytes::from(object.to_string())).await?;
        Ok(value(&written.object))
    }

    pub async fn patch(&self, plural: &str, name: &str, patch: Value) -> Result<Value, Failure> {
        self.patch_as(self.kind(plural), name, PatchType::Strategic, patch).await
    }

    pub async fn patch_as(
        &self,
        kind: KindRef,
        name: &str,
        patch_type: PatchType,
        patch: Value,
    ) -> Result<Value, Failure> {
        let body = Bytes::from(patch.to_string());
        let written = self.registry.patch(&self.context, kind, Self::target(kind, name), patch_type, body).await?;
        Ok(value(&written.object))
    }

    pub async fn delete(&self, plural: &str, name: &str) -> Result<Deleted, Failure> {
        self.delete_with(plural, name, DeleteOptions::default()).await
    }

    pub async fn delete_with(&self, plural: &str, name: &str, options: DeleteOptions) -> Result<Deleted, Failure> {
        let kind = self.kind(plural);
        self.registry.delete(&self.context, kind, Self::target(kind, name), &options).await
    }

    pub async fn list(&self, plural: &str, options: ListOptions) -> Result<Page, Failure> {
        let kind = self.kind(plural);
        self.registry.list(kind, Self::namespace(kind), &options)
    }

    pub fn watch(&self, plural: &str, options: ListOptions) -> Result<WatchStream, Failure> {
        let kind = self.kind(plural);
        self.registry.watch(kind, Self::namespace(kind), &options)
    }
}

/// The least that is needed to create an object of a kind.
pub fn sample(kind: KindRef, name: &str) -> Value {
    let facts = kind.facts();
    let mut object = match facts.kind {
        "DaemonSet" | "Deployment" | "ReplicaSet" | "StatefulSet" => {
            let mut spec = json!({"selector": {"matchLabels": {"app": "web"}}, "template": pod_template()});
            if facts.subresource("scale").is_some() {
                spec["replicas"] = json!(2);
            }
            json!({"spec": spec})
        }
        "ReplicationController" => json!({"spec": {"replicas": 2, "template": pod_template()}}),
        "PodTemplate" => json!({"template": pod_template()}),
        "ControllerRevision" => json!({"data": {"spec": {}}, "revision": 1}),
        "Job" => json!({"spec": job_spec()}),
        "CronJob" => json!({"spec": {"schedule": "*/5 * * * *", "jobTemplate": {"spec": job_spec()}}}),
        "HorizontalPodAutoscaler" => json!({"spec": {
            "maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}}),
        "PodDisruptionBudget" => json!({"spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}}),
        "PersistentVolume" => json!({"spec": {
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/tmp"}}}),
        "PersistentVolumeClaim" => json!({"spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}),
        "LimitRange" => json!({"spec": {"limits": [{"type": "Container", "max": {"cpu": "1"}}]}}),
        "ResourceQuota" => json!({"spec": {"hard": {"pods": "5", "requests.cpu": "2"}}}),
        "Pod" => json!({"spec": pod_spec()}),
        "Service" => json!({"spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}}),
        "Endpoints" => json!({"subsets": [{"addresses": [{"ip": "127.64.1.2"}], "ports": [{"port": 8080}]}]}),
        "EndpointSlice" => json!({"addressType": "IPv4", "endpoints": [{"addresses": ["127.64.1.2"]}]}),
        "Event" if facts.group.is_empty() => json!({
            "involvedObject": {"kind": "Pod", "namespace": "default", "name": "p"},
            "reason": "Started", "type": "Normal", "message": "Started it"}),
        "Event" => json!({
            "regarding": {"kind": "Pod", "namespace": "default", "name": "p"}, "note": "Started it",
            "reason": "Started", "type": "Normal", "action": "Start", "eventTime": "2026-01-01T00:00:00.000000Z",
            "reportingController": "skiff.dev/agent", "reportingInstance": "n1"}),
        "Lease" => json!({"spec": {"holderIdentity": "n1", "leaseDurationSeconds": 40}}),
        "ConfigMap" => json!({"data": {"a": "1"}}),
        "Secret" => json!({"data": {"a": "MQ=="}}),
        _ => samples::of(facts.kind, name),
    };
    object["apiVersion"] = facts.api_version().into();
    object["kind"] = facts.kind.into();
    object["metadata"] = json!({"name": name});
    object
}

pub fn pod_template() -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": pod_spec()})
}

fn job_spec() -> Value {
    let mut spec = pod_spec();
    spec["restartPolicy"] = json!("Never");
    json!({"template": {"spec": spec}})
}

pub fn pod_spec() -> Value {
    json!({"containers": [{"name": "web", "image": "skiff.dev/echo:1", "ports": [{"containerPort": 8080}]}]})
}
