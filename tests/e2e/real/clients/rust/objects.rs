//! Typed and dynamic objects: their life, their parts, and what is refused.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{
    Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy,
};
use kube::core::Status;
use kube::discovery::{Discovery, Scope, verbs};
use kube::{Client, Error, ResourceExt};
use serde_json::json;
use tests::manifests::{config_map, deployment, service};

pub async fn typed(client: Client, namespace: String) {
    let maps = Api::<ConfigMap>::namespaced(client, &namespace);
    let object: ConfigMap = serde_json::from_value(config_map("a")).unwrap();
    let made = maps.create(&PostParams::default(), &object).await.unwrap();
    assert!(made.uid().is_some() && made.resource_version().is_some());
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    assert_eq!(refused(maps.create(&dry, &object).await).reason, "AlreadyExists");

    let patch = Patch::Strategic(json!({ "data": { "x": "1" }, "metadata": { "labels": { "side": "bow" } } }));
    let patched = maps.patch("a", &PatchParams::default(), &patch).await.unwrap();
    let patch = Patch::Merge(json!({ "data": { "y": "2" } }));
    let merged = maps.patch("a", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(merged.data.unwrap().len(), 2);
    let conflict = refused(maps.replace("a", &PostParams::default(), &patched).await);
    assert_eq!((conflict.code, conflict.reason.as_str()), (409, "Conflict"));

    let found = maps.list(&ListParams::default().labels("side=bow").limit(1)).await.unwrap();
    assert_eq!(found.items.len(), 1);
    assert_eq!(maps.list_metadata(&ListParams::default().labels("side!=bow,side")).await.unwrap().items.len(), 0);
    assert_eq!(maps.get_metadata("a").await.unwrap().labels()["side"], "bow");
    assert!(maps.get_opt("b").await.unwrap().is_none());

    let other = Preconditions { uid: Some("another".into()), ..Preconditions::default() };
    let wrong = refused(maps.delete("a", &DeleteParams::default().preconditions(other)).await);
    assert_eq!(wrong.code, 409);
    let done = maps.delete("a", &DeleteParams::default()).await.unwrap();
    assert!(done.right().is_some_and(|status| status.is_success()));
    assert_eq!(refused(maps.get("a").await).message, "configmaps \"a\" not found");
}

pub async fn dynamic(client: Client, namespace: String) {
    let kind = kube::api::ApiResource::erase::<Deployment>(&());
    let deployments: Api<DynamicObject> = Api::namespaced_with(client, &namespace, &kind);
    let mut wanted = deployment("ship", 0);
    let apply = |who: &str| PatchParams::apply(who);
    let made = deployments.patch("ship", &apply("red"), &Patch::Apply(&wanted)).await.unwrap();
    assert_eq!(made.data["spec"]["replicas"], 0);
    let fields: Vec<_> = made.managed_fields().iter().map(|entry| entry.manager.clone().unwrap()).collect();
    assert!(fields.contains(&"red".to_owned()), "{fields:?}");

    wanted["spec"]["replicas"] = json!(1);
    let conflict = refused(deployments.patch("ship", &apply("blue"), &Patch::Apply(&wanted)).await);
    assert_eq!(conflict.reason, "Conflict");
    assert!(conflict.message.contains("conflict with \"red\""), "{}", conflict.message);
    let forced = deployments.patch("ship", &apply("blue").force(), &Patch::Apply(&wanted)).await.unwrap();
    assert_eq!(forced.data["spec"]["replicas"], 1);
    let policy = PropagationPolicy::Foreground;
    let options = DeleteParams { propagation_policy: Some(policy), ..DeleteParams::default() };
    let left = deployments.delete("ship", &options).await.unwrap();
    assert!(left.left().is_some_and(|object| object.metadata.deletion_timestamp.is_some()));
}

/// Both ways of discovery find the same, and what can be listed is listed.
pub async fn discovery(client: Client) {
    let plain = Discovery::new(client.clone()).run().await.unwrap();
    let aggregated = Discovery::new(client.clone()).run_aggregated().await.unwrap();
    let told = |discovery: &Discovery| -> BTreeSet<String> {
        let kinds = discovery.groups().flat_map(|group| {
            let versions: Vec<_> = group.versions().map(str::to_owned).collect();
            versions.into_iter().flat_map(|version| group.versioned_resources(&version)).collect::<Vec<_>>()
        });
        kinds.map(|(resource, can)| format!("{resource:?} {:?} {:?}", can.scope, can.operations)).collect()
    };
    assert_eq!(told(&plain), told(&aggregated));
    let mut listed = 0;
    for group in plain.groups() {
        for (resource, can) in group.recommended_resources() {
            if can.supports_operation(verbs::LIST) {
                let list = Api::<DynamicObject>::all_with(client.clone(), &resource).list(&ListParams::default()).await;
                list.unwrap_or_else(|error| panic!("list {}: {error}", resource.plural));
                listed += 1;
            }
        }
    }
    assert!(listed >= 14, "only {listed} kinds can be listed");
    let kind = kube::core::GroupVersionKind::gvk("apps", "v1", "Deployment");
    let (_, can) = plain.resolve_gvk(&kind).expect("Deployments are there");
    assert_eq!(can.scope, Scope::Namespaced);
    assert!(can.subresources.iter().any(|(part, _)| part.plural == "scale"));
}

pub async fn parts(client: Client, namespace: String) {
    let deployments = Api::<Deployment>::namespaced(client, &namespace);
    let object: Deployment = serde_json::from_value(deployment("ship", 1)).unwrap();
    deployments.create(&PostParams::default(), &object).await.unwrap();
    let mut scale = deployments.get_scale("ship").await.unwrap();
    scale.spec.get_or_insert_default().replicas = Some(2);
    // Controllers write to the same object meanwhile.
    scale.metadata.resource_version = None;
    let scaled = deployments.replace_scale("ship", &PostParams::default(), &scale).await.unwrap();
    assert_eq!(scaled.spec.unwrap().replicas, Some(2));
    let patch = Patch::Merge(json!({ "spec": { "replicas": 0 } }));
    let scaled = deployments.patch_scale("ship", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(scaled.spec.unwrap().replicas, Some(0));

    let condition = json!({ "type": "Own", "status": "True", "reason": "Tested", "message": "" });
    let patch = Patch::Strategic(json!({ "status": { "conditions": [condition] }, "spec": { "replicas": 7 } }));
    let changed = deployments.patch_status("ship", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(changed.spec.and_then(|spec| spec.replicas), Some(0), "the status is all that is written");
    let status = deployments.get_status("ship").await.unwrap().status.unwrap();
    assert!(status.conditions.unwrap().iter().any(|condition| condition.type_ == "Own"));
}

pub async fn refusals(client: Client, namespace: String) {
    let kind = kube::api::ApiResource::erase::<k8s_openapi::api::core::v1::Service>(&());
    let services: Api<DynamicObject> = Api::namespaced_with(client, &namespace, &kind);
    let mut wrong = service("wrong", "a");
    wrong["spec"]["ports"][0]["port"] = json!(0);
    let object: DynamicObject = serde_json::from_value(wrong).unwrap();
    let invalid = refused(services.create(&PostParams::default(), &object).await);
    assert_eq!((invalid.code, invalid.reason.as_str()), (422, "Invalid"));
    let causes = invalid.details.expect("details tell the fields").causes;
    assert_eq!(causes[0].field, "spec.ports[0].port");
    let strict = PatchParams::default().validation_strict();
    let object: DynamicObject = serde_json::from_value(service("right", "a")).unwrap();
    services.create(&PostParams::default(), &object).await.unwrap();
    let patch = Patch::Merge(json!({ "spec": { "colour": "red" } }));
    let unknown = refused(services.patch("right", &strict, &patch).await);
    assert!(unknown.message.contains("unknown field \"spec.colour\""), "{}", unknown.message);
    assert_eq!(refused(services.get("none").await).code, 404);
}

/// The Status of a request that must be refused.
#[track_caller]
pub fn refused<T>(answer: Result<T, Error>) -> Box<Status> {
    match answer {
        Err(Error::Api(status)) => status,
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("it is not refused"),
    }
}
