//! Questions over HTTP: about rights, about tokens, about oneself.

use lifecycle::tasks::Tasks;
use serde_json::{Value, json};

use super::fixtures::{admin, ask, server, told};
use crate::context::User;

const AUTHORIZATION: &str = "/apis/authorization.k8s.io/v1";
const AUTHENTICATION: &str = "/apis/authentication.k8s.io/v1";

fn somebody() -> User {
    User::new("ada", &["system:authenticated"])
}

async fn asked(user: User, path: &str, body: Value) -> (u16, Value) {
    let tasks = Tasks::new();
    told(ask(&server(&tasks).await, user, "POST", path, &body.to_string()).await).await
}

fn about(user: &str, groups: &[&str]) -> Value {
    let resource = json!({"verb": "delete", "resource": "pods", "namespace": "default", "name": "p"});
    json!({"spec": {"user": user, "groups": groups, "resourceAttributes": resource}})
}

#[tokio::test]
async fn the_servers_own_authorizers_say_who_may_do_what() {
    let path = format!("{AUTHORIZATION}/subjectaccessreviews");
    let (code, answer) = asked(admin(), &path, about("root", &["system:masters"])).await;
    assert_eq!((code, &answer["status"]), (201, &json!({"allowed": true})));
    assert_eq!(answer["kind"], "SubjectAccessReview");
    let (code, answer) = asked(admin(), &path, about("ada", &["system:authenticated"])).await;
    assert_eq!((code, &answer["status"]), (201, &json!({"allowed": false})));
    let node = about("system:node:n1", &["system:nodes"]);
    let (_, answer) = asked(admin(), &path, node).await;
    assert_eq!(answer["status"]["allowed"], true, "a pod that is gone may be deleted by anybody who runs pods");
    let version = json!({"spec": {"user": "ada", "groups": ["system:authenticated"],
        "nonResourceAttributes": {"verb": "get", "path": "/version"}}});
    assert_eq!(asked(admin(), &path, version).await.1["status"]["allowed"], true);
    let (code, _) = asked(somebody(), &path, about("root", &["system:masters"])).await;
    assert_eq!(code, 403, "not everybody may ask about others");
}

#[tokio::test]
async fn whoever_is_known_may_ask_about_himself() {
    let path = format!("{AUTHORIZATION}/selfsubjectaccessreviews");
    let body = json!({"spec": {"resourceAttributes": {"verb": "list", "resource": "nodes"}}});
    let (code, answer) = asked(somebody(), &path, body.clone()).await;
    assert_eq!((code, &answer["status"]["allowed"]), (201, &json!(false)));
    assert_eq!(asked(admin(), &path, body).await.1["status"]["allowed"], true);
    let rules = format!("{AUTHORIZATION}/selfsubjectrulesreviews");
    let (code, answer) = asked(somebody(), &rules, json!({"spec": {"namespace": "default"}})).await;
    assert_eq!((code, &answer["status"]["incomplete"]), (201, &json!(false)));
    let listed = answer["status"]["resourceRules"].as_array().unwrap();
    assert!(listed.iter().any(|rule| rule["resources"] == json!(["selfsubjectreviews"])), "{answer}");
    let (_, all) = asked(admin(), &rules, json!({"spec": {"namespace": "default"}})).await;
    let everything = json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]});
    assert_eq!(all["status"]["resourceRules"][0], everything);
    let (code, answer) = asked(somebody(), &format!("{AUTHENTICATION}/selfsubjectreviews"), json!({})).await;
    assert_eq!(code, 201);
    let user = json!({"username": "ada", "groups": ["system:authenticated"]});
    assert_eq!(answer["status"]["userInfo"], user);
    assert!(answer["metadata"]["creationTimestamp"].is_string());
}

#[tokio::test]
async fn a_token_that_nobody_has_is_not_authenticated() {
    let path = format!("{AUTHENTICATION}/tokenreviews");
    let (code, answer) = asked(admin(), &path, json!({"spec": {"token": "x"}})).await;
    assert_eq!((code, &answer["status"]), (201, &json!({"user": {}})));
    let (code, answer) = asked(admin(), &path, json!({})).await;
    assert_eq!((code, answer["message"].as_str()), (400, Some("token is required for TokenReview in authentication")));
}

#[tokio::test]
async fn questions_have_rules() {
    let path = format!("{AUTHORIZATION}/subjectaccessreviews");
    for (body, message) in [
        (
            json!({"spec": {"user": "a"}}),
            "spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be \
             specified",
        ),
        (
            json!({"spec": {"resourceAttributes": {"verb": "get"}}}),
            "spec.user: Invalid value: \"\": at least one of user or group must be specified",
        ),
        (
            json!({"metadata": {"name": "x"}, "spec": {"user": "a", "resourceAttributes": {"verb": "get"}}}),
            "metadata: Invalid value: {\"name\":\"x\"}: must be empty",
        ),
    ] {
        let (code, answer) = asked(admin(), &path, body).await;
        let text = format!("SubjectAccessReview.authorization.k8s.io \"\" is invalid: {message}");
        assert_eq!((code, answer["message"].as_str()), (422, Some(text.as_str())));
    }
    // A namespace that is not there can be asked about.
    let local = format!("{AUTHORIZATION}/namespaces/nowhere/localsubjectaccessreviews");
    let mut body = about("ada", &[]);
    let (code, answer) = asked(admin(), &local, body.clone()).await;
    assert_eq!(code, 422);
    assert!(answer["message"].as_str().unwrap().ends_with("must match metadata.namespace"), "{answer}");
    body["spec"]["resourceAttributes"]["namespace"] = json!("nowhere");
    assert_eq!(asked(admin(), &local, body).await.0, 201);
}

#[tokio::test]
async fn there_is_nothing_to_read() {
    let tasks = Tasks::new();
    let server = server(&tasks).await;
    for (method, path) in
        [("GET", "subjectaccessreviews"), ("GET", "subjectaccessreviews/x"), ("DELETE", "subjectaccessreviews")]
    {
        let (code, _) = told(ask(&server, admin(), method, &format!("{AUTHORIZATION}/{path}"), "").await).await;
        assert_eq!(code, 405, "{method} {path}");
    }
}
