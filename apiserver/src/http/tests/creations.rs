//! Creating: what the server adds, what it takes away, and how names are made.

use lifecycle::tasks::Tasks;
use serde_json::{Value, json};

use super::fixtures::{admin, ask, does, furnished, told};

const MAPS: &str = "/api/v1/namespaces/d/configmaps";

#[tokio::test(start_paused = true)]
async fn what_the_server_owns_is_not_the_clients_to_say() {
    let server = furnished(&Tasks::new()).await;
    let deployment = json!({"metadata": {"name": "web", "uid": "mine", "generation": 7, "selfLink": "/x",
        "creationTimestamp": "2001-01-01T00:00:00Z", "deletionTimestamp": "2001-01-01T00:00:00Z",
        "deletionGracePeriodSeconds": 5},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "c", "image": "i"}]}}},
        "status": {"replicas": 9}});
    let (code, made) = does(&server, "POST", "/apis/apps/v1/namespaces/d/deployments", &deployment).await;
    assert_eq!(code, 201, "{made}");
    let metadata = &made["metadata"];
    assert_eq!(metadata["uid"].as_str().unwrap().len(), 36);
    assert_eq!(&metadata["uid"].as_str().unwrap()[14..15], "4");
    assert_eq!((&metadata["generation"], &metadata["namespace"]), (&json!(1), &json!("d")));
    for gone in ["selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        assert!(metadata[gone].is_null(), "{gone}");
    }
    let created = metadata["creationTimestamp"].as_str().unwrap();
    assert!(created.len() == 20 && created.ends_with('Z') && !created.starts_with("2001"), "{created}");
    assert!(made["status"]["replicas"].is_null());
    let (_, pod) = does(
        &server,
        "POST",
        "/api/v1/namespaces/d/pods",
        &json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}),
    )
    .await;
    assert_eq!(pod["metadata"]["generation"], 1);
    let (_, map) = does(&server, "POST", MAPS, &json!({"metadata": {"name": "m", "generation": 3}})).await;
    assert!(map["metadata"]["generation"].is_null(), "a kind without a spec counts nothing");
}

#[tokio::test(start_paused = true)]
async fn a_new_object_has_no_revision_yet() {
    let server = furnished(&Tasks::new()).await;
    let map = json!({"metadata": {"name": "a", "resourceVersion": "5"}});
    let (code, answer) = does(&server, "POST", MAPS, &map).await;
    let text = "resourceVersion should not be set on objects to be created";
    assert_eq!((code, answer["message"].as_str()), (400, Some(text)));
    assert_eq!(does(&server, "GET", &format!("{MAPS}/a"), &Value::Null).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn a_name_is_made_of_its_base_and_five_letters() {
    let server = furnished(&Tasks::new()).await;
    for (base, kept) in [("web-", "web-".to_owned()), (&"x".repeat(80), "x".repeat(58))] {
        let (code, made) = does(&server, "POST", MAPS, &json!({"metadata": {"generateName": base}})).await;
        assert_eq!(code, 201, "{made}");
        assert_eq!(made["metadata"]["generateName"], base);
        let name = made["metadata"]["name"].as_str().unwrap();
        let end = name.strip_prefix(&kept).unwrap();
        assert!(end.len() == 5 && end.chars().all(|letter| "bcdfghjklmnpqrstvwxz2456789".contains(letter)), "{name}");
    }
    let both = json!({"metadata": {"generateName": "web-", "name": "fixed"}});
    assert_eq!(does(&server, "POST", MAPS, &both).await.1["metadata"]["name"], "fixed");
    let (code, answer) = does(&server, "POST", MAPS, &json!({"metadata": {"generateName": "Web_"}})).await;
    assert!(code == 422 && answer["message"].as_str().unwrap().contains("metadata.generateName: Invalid value"));
    let (code, answer) = does(&server, "POST", MAPS, &json!({})).await;
    assert_eq!(code, 422);
    let text = "ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is required";
    assert_eq!(answer["message"], text);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_does_everything_but_keep() {
    let server = furnished(&Tasks::new()).await;
    let (code, made) = does(&server, "POST", &format!("{MAPS}?dryRun=All"), &json!({"metadata": {"name": "a"}})).await;
    assert_eq!(code, 201);
    assert!(made["metadata"]["uid"].is_string() && made["metadata"]["creationTimestamp"].is_string());
    assert!(made["metadata"]["resourceVersion"].is_null());
    assert_eq!(does(&server, "GET", &format!("{MAPS}/a"), &Value::Null).await.0, 404);
    let nowhere = "/api/v1/namespaces/nowhere/configmaps?dryRun=All";
    assert_eq!(does(&server, "POST", nowhere, &json!({"metadata": {"name": "a"}})).await.0, 404);
    for (method, path, options) in
        [("POST", "", "CreateOptions"), ("PUT", "/a", "UpdateOptions"), ("DELETE", "/a", "DeleteOptions")]
    {
        let body = if method == "DELETE" { Value::Null } else { json!({"metadata": {"name": "a"}}) };
        let (code, answer) = does(&server, method, &format!("{MAPS}{path}?dryRun=Some"), &body).await;
        let start = format!(
            "{options}.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"Some\"]: supported values: \"All\""
        );
        assert!(code == 422 && answer["message"].as_str().unwrap().starts_with(&start), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn warnings_are_quoted_and_said_once() {
    let server = furnished(&Tasks::new()).await;
    let body = r#"{"metadata":{"name":"a"},"x":1,"x":2,"y":{"z":1}}"#;
    let response = ask(&server, admin(), "POST", MAPS, body).await;
    let warnings: Vec<String> =
        response.headers().get_all("warning").iter().map(|warning| warning.to_str().unwrap().to_owned()).collect();
    assert_eq!(warnings, [r#"299 - "unknown field \"x\"""#, r#"299 - "unknown field \"y\"""#]);
    let quiet =
        ask(&server, admin(), "POST", &format!("{MAPS}?fieldValidation=Ignore"), &body.replace("\"a\"", "\"b\"")).await;
    assert!(quiet.status() == 201 && !quiet.headers().contains_key("warning"));
    let (code, answer) =
        told(ask(&server, admin(), "POST", &format!("{MAPS}?fieldValidation=Maybe"), body).await).await;
    let start =
        "CreateOptions.meta.k8s.io \"\" is invalid: fieldValidation: Unsupported value: \"Maybe\": supported values: ";
    assert!(code == 422 && answer["message"].as_str().unwrap().starts_with(start), "{answer}");
}
