//! How discovery is asked for and answered.

use http::header::{ACCEPT, CONTENT_TYPE};
use http_body_util::BodyExt;

use super::*;
use crate::http::path;
use crate::kinds::KINDS;

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

fn ask(path: &str, headers: &[(http::HeaderName, &str)]) -> Result<Response, Failure> {
    let mut request = http::Request::get(path).header(HOST, "skiff.example:6443");
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    Discovery::new(KINDS).answer(&path::parse(parts.uri.path()), &parts)
}

async fn body(response: Response) -> Value {
    serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

#[tokio::test]
async fn a_slash_at_the_end_makes_no_difference() {
    for path in ["/api", "/apis", "/apis/apps", "/api/v1", "/apis/apps/v1"] {
        let plain = body(ask(path, &[]).unwrap()).await;
        assert_eq!(body(ask(&format!("{path}/"), &[]).unwrap()).await, plain, "{path}");
    }
    assert_eq!(ask("/apis/none", &[]).unwrap_err().code(), 404);
    assert_eq!(ask("/apis/apps/v9", &[]).unwrap_err().code(), 404);
}

#[tokio::test]
async fn a_client_learns_the_address_that_it_has_found() {
    let versions = body(ask("/api", &[]).unwrap()).await;
    let address = serde_json::json!({"clientCIDR": "0.0.0.0/0", "serverAddress": "skiff.example:6443"});
    assert_eq!(versions["serverAddressByClientCIDRs"], serde_json::json!([address]));
}

#[tokio::test]
async fn everything_in_one_answer_is_for_those_who_ask() {
    for path in ["/api", "/apis"] {
        for (accept, aggregated) in [
            (AGGREGATED, true),
            ("application/json;as=APIGroupDiscoveryList;v=v2;g=apidiscovery.k8s.io", true),
            (
                "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList;profile=nopeer,application/json",
                true,
            ),
            // The form before, which no longer is: whoever takes nothing else is refused.
            ("application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json", false),
            ("application/json", false),
        ] {
            let response = ask(path, &[(ACCEPT, accept)]).unwrap();
            assert_eq!(response.headers()[VARY], "Accept");
            let media_type = if aggregated { AGGREGATED } else { "application/json" };
            assert_eq!(response.headers()[CONTENT_TYPE], media_type, "{accept}");
            assert_eq!(body(response).await["kind"] == "APIGroupDiscoveryList", aggregated, "{accept}");
        }
        let old = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";
        assert_eq!(ask(path, &[(ACCEPT, old)]).unwrap_err().code(), 406);
    }
}

#[tokio::test]
async fn what_a_client_knows_already_is_not_sent_again() {
    for path in ["/api", "/apis"] {
        let first = ask(path, &[(ACCEPT, AGGREGATED)]).unwrap();
        let tag = first.headers()[ETAG].to_str().unwrap().to_owned();
        assert!(tag.len() == 130 && tag.starts_with('"') && first.headers()[CACHE_CONTROL] == "public");
        let again = ask(path, &[(ACCEPT, AGGREGATED), (IF_NONE_MATCH, &tag)]).unwrap();
        assert_eq!((again.status(), again.headers()[ETAG].to_str().unwrap()), (StatusCode::NOT_MODIFIED, &*tag));
        assert!(again.into_body().collect().await.unwrap().to_bytes().is_empty());
    }
}
