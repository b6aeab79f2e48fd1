//! What the server tells of itself is so.

use lifecycle::tasks::Tasks;
use serde_json::Value;

use super::fixtures::{admin, ask, server, told};

#[tokio::test]
async fn every_path_that_the_root_lists_is_answered() {
    let server = server(&Tasks::new()).await;
    let (_, root) = told(ask(&server, admin(), "GET", "/", "").await).await;
    let paths: Vec<&str> = root["paths"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for path in ["/api/v1", "/apis/", "/apis/apps", "/apis/apps/v1", "/openapi/v2", "/readyz/ping", "/version"] {
        assert!(paths.contains(&path), "{path}");
    }
    assert!(paths.is_sorted());
    for path in paths {
        let (code, _) = told(ask(&server, admin(), "GET", path, "").await).await;
        assert_eq!(code, 200, "{path}");
    }
}

#[tokio::test]
async fn every_document_of_the_index_is_served_at_its_address() {
    let server = server(&Tasks::new()).await;
    let (_, index) = told(ask(&server, admin(), "GET", "/openapi/v3", "").await).await;
    for (path, entry) in index["paths"].as_object().unwrap() {
        let address = entry["serverRelativeURL"].as_str().unwrap();
        let (code, document) = told(ask(&server, admin(), "GET", address, "").await).await;
        assert_eq!((code, &document["openapi"]), (200, &"3.0.0".into()), "{path}");
    }
}

/// A method that a document knows is never refused as a method, and one that it does not know always is.
#[tokio::test]
async fn the_methods_of_a_path_are_those_of_its_document() {
    let server = server(&Tasks::new()).await;
    for document in ["api", "api/v1", "apis", "apis/apps", "apis/apps/v1", "apis/coordination.k8s.io/v1"] {
        let (_, document) = told(ask(&server, admin(), "GET", &format!("/openapi/v3/{document}"), "").await).await;
        for (path, item) in document["paths"].as_object().unwrap() {
            // Watches have no end, and proxies ask others.
            if path.contains("/watch/") || path.contains("/proxy") {
                continue;
            }
            let path = path.replace("{namespace}", "n").replace("{name}", "x");
            for method in ["get", "put", "post", "delete", "patch"] {
                let response = ask(&server, admin(), &method.to_uppercase(), &path, "{}").await;
                let refused = response.status() == 405;
                assert_eq!(refused, item.get(method).is_none(), "{method} {path}: {}", response.status());
            }
        }
    }
}
