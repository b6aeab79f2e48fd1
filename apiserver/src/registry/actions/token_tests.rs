//! Tokens, from a signer that only writes down what it is given.

use std::sync::Arc;

use api::failure::Failure;
use serde_json::{Value, json};

use crate::registry::Target;
use crate::registry::fixtures::{Fixture, sample};
use crate::registry::token_signer::{Claims, TokenSigner};
use crate::storage::limits::Limits;

#[derive(Debug)]
struct Open;

impl TokenSigner for Open {
    fn audiences(&self) -> Vec<String> {
        vec!["https://kubernetes.default.svc".to_owned()]
    }

    fn sign(&self, claims: &Claims) -> Result<String, Failure> {
        Ok(serde_json::to_string(claims).unwrap())
    }
}

async fn signing() -> Fixture {
    let fixture = Fixture::with(|options| options.token_signer = Some(Arc::new(Open)), Limits::default()).await;
    fixture.create("serviceaccounts", sample(fixture.kind("serviceaccounts"), "robot")).await.unwrap();
    fixture
}

async fn ask(fixture: &Fixture, body: Value) -> Result<Value, Failure> {
    let target = Target { namespace: Some("default"), name: "robot", subresource: Some("token") };
    let kind = fixture.kind("serviceaccounts");
    let answer = fixture.registry.act(&fixture.context, kind, target, body.to_string().into()).await?;
    Ok(serde_json::from_slice(&answer).unwrap())
}

fn claims(answer: &Value) -> Value {
    serde_json::from_str(answer["status"]["token"].as_str().unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_token_is_for_an_hour_and_for_the_server_unless_asked_otherwise() {
    let fixture = signing().await;
    let answer = ask(&fixture, json!({})).await.unwrap();
    assert_eq!(
        (&answer["kind"], &answer["apiVersion"], &answer["metadata"]["name"], &answer["metadata"]["namespace"]),
        (&json!("TokenRequest"), &json!("authentication.k8s.io/v1"), &json!("robot"), &json!("default"))
    );
    assert_eq!(answer["spec"], json!({"audiences": ["https://kubernetes.default.svc"], "expirationSeconds": 3600}));
    let token = claims(&answer);
    assert_eq!(token["exp"].as_i64().unwrap() - token["iat"].as_i64().unwrap(), 3600);
    assert_eq!(
        (&token["sub"], &token["aud"]),
        (&json!("system:serviceaccount:default:robot"), &answer["spec"]["audiences"])
    );
    let account = fixture.get("serviceaccounts", "robot").await.unwrap();
    let expected =
        json!({"namespace": "default", "serviceaccount": {"name": "robot", "uid": account["metadata"]["uid"]}});
    assert_eq!(token["kubernetes.io"], expected);
    let end: jiff::Timestamp = answer["status"]["expirationTimestamp"].as_str().unwrap().parse().unwrap();
    assert_eq!(end.as_second(), token["exp"]);
    let wanted = json!({"spec": {"audiences": ["vault"], "expirationSeconds": 600}});
    assert_eq!(claims(&ask(&fixture, wanted).await.unwrap())["aud"], json!(["vault"]));
}

#[tokio::test(start_paused = true)]
async fn requests_for_tokens_are_checked() {
    let fixture = signing().await;
    let start = "TokenRequest.authentication.k8s.io";
    for (body, code, message) in [
        (
            json!({"spec": {"expirationSeconds": 599}}),
            422,
            format!(
                "{start} \"\" is invalid: spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes"
            ),
        ),
        (
            json!({"spec": {"expirationSeconds": 4_294_967_297_i64}}),
            422,
            format!(
                "{start} \"\" is invalid: spec.expirationSeconds: Invalid value: 4294967297: may not specify a duration larger than 2^32 seconds"
            ),
        ),
        (
            json!({"metadata": {"name": "other"}}),
            422,
            format!(
                "{start} \"robot\" is invalid: metadata.name: Invalid value: \"other\": must match the service account name if specified"
            ),
        ),
        (
            json!({"spec": {"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "none"}}}),
            404,
            "pods \"none\" not found".to_owned(),
        ),
        (
            json!({"spec": {"boundObjectRef": {"apiVersion": "v1", "kind": "ConfigMap", "name": "x"}}}),
            400,
            "cannot bind token to object of type /v1, Kind=ConfigMap".to_owned(),
        ),
        (
            json!({"kind": "Pod"}),
            400,
            "Pod in version \"v1\" cannot be handled as a TokenRequest: it is of another kind".to_owned(),
        ),
    ] {
        let failure = ask(&fixture, body).await.unwrap_err();
        assert_eq!((failure.code(), failure.message), (code, message));
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_bound_to_a_pod_of_the_account_and_its_node() {
    let fixture = signing().await;
    let node = fixture.create("nodes", sample(fixture.kind("nodes"), "n1")).await.unwrap();
    let mut pod = sample(fixture.kind("pods"), "p");
    pod["spec"]["nodeName"] = json!("n1");
    pod["spec"]["serviceAccountName"] = json!("robot");
    let pod = fixture.create("pods", pod).await.unwrap();
    let bound = |seconds: i64, name: &str, uid: &str| {
        json!({"spec": {"expirationSeconds": seconds,
            "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid}}})
    };
    let uid = pod["metadata"]["uid"].as_str().unwrap();
    let token = claims(&ask(&fixture, bound(3600, "p", uid)).await.unwrap());
    assert_eq!(token["kubernetes.io"]["pod"], json!({"name": "p", "uid": uid}));
    assert_eq!(token["kubernetes.io"]["node"], json!({"name": "n1", "uid": node["metadata"]["uid"]}));
    let answer = ask(&fixture, bound(3607, "p", uid)).await.unwrap();
    let (token, issued) = (claims(&answer), claims(&answer)["iat"].as_i64().unwrap());
    assert_eq!(
        (token["exp"].as_i64(), token["kubernetes.io"]["warnafter"].as_i64()),
        (Some(issued + 31_536_000), Some(issued + 3607))
    );
    let failure = ask(&fixture, bound(3600, "p", "old")).await.unwrap_err();
    assert!(
        failure
            .message
            .starts_with("Operation cannot be fulfilled on Pod \"p\": the UID in the bound object reference (old)")
    );
    fixture.create("pods", sample(fixture.kind("pods"), "q")).await.unwrap();
    let failure = ask(&fixture, bound(3600, "q", "")).await.unwrap_err();
    assert_eq!(
        failure.message,
        "cannot bind token for serviceaccount \"robot\" to pod running with serviceaccount \"default\""
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_key_there_are_no_tokens() {
    let fixture = Fixture::new().await;
    fixture.create("serviceaccounts", sample(fixture.kind("serviceaccounts"), "robot")).await.unwrap();
    let failure = ask(&fixture, json!({})).await.unwrap_err();
    let text = "Internal error occurred: failed to generate token: there is no key to sign with";
    assert_eq!((failure.code(), failure.message.as_str()), (500, text));
}
