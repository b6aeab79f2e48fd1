//! How the documents are asked for and answered.

use http::header::{ACCEPT, ACCEPT_ENCODING};
use http_body_util::BodyExt;
use serde_json::Value;

use super::*;
use crate::kinds::KINDS;

async fn bytes(response: Response) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

async fn body(response: Response) -> Value {
    serde_json::from_slice(&bytes(response).await).unwrap()
}

fn asking(name: http::HeaderName, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
}

#[tokio::test]
async fn the_index_leads_to_documents_that_may_be_kept() {
    let openapi = OpenApi::new(KINDS);
    let headers = HeaderMap::new();
    let index = body(openapi.index(&headers)).await;
    for path in ["api", "apis", "apis/apps", "version"] {
        assert!(index["paths"][path].is_object(), "{path}");
    }
    let url = index["paths"]["apis/apps/v1"]["serverRelativeURL"].as_str().unwrap();
    let (path, query) = url.strip_prefix("/openapi/v3/").unwrap().split_once('?').unwrap();
    let response = openapi.document(path, &headers, &Query::parse(query));
    assert_eq!(response.headers()[CACHE_CONTROL], FOREVER);
    let document = body(response).await;
    let patch = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "Deployment");
    let parameters = patch["parameters"].as_array().unwrap();
    assert!(parameters.iter().any(|p| p["name"] == "fieldValidation" && p["in"] == "query"));
}

#[tokio::test]
async fn an_address_stays_the_same_from_one_start_to_the_next() {
    let one = body(OpenApi::new(KINDS).index(&HeaderMap::new())).await;
    // A kind list at another place in memory, as another start has it.
    let moved: Vec<_> = KINDS.to_vec();
    assert_eq!(one, body(OpenApi::new(&moved).index(&HeaderMap::new())).await);
    // Less is served: another document.
    let fewer = body(OpenApi::new(&moved[1..]).index(&HeaderMap::new())).await;
    assert_ne!(one["paths"]["api/v1"], fewer["paths"]["api/v1"]);
    assert_eq!(one["paths"]["apis/apps/v1"], fewer["paths"]["apis/apps/v1"]);
}

#[tokio::test]
async fn an_old_address_leads_to_the_new_one() {
    let openapi = OpenApi::new(KINDS);
    let response = openapi.document("api/v1", &HeaderMap::new(), &Query::parse("hash=OLD"));
    assert_eq!(response.status(), StatusCode::MOVED_PERMANENTLY);
    assert!(response.headers()[LOCATION].to_str().unwrap().starts_with("/openapi/v3/api/v1?hash="));
    assert_eq!(openapi.document("api/v2", &HeaderMap::new(), &Query::parse("")).status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn every_reference_of_a_document_is_in_the_document() {
    let openapi = OpenApi::new(KINDS);
    for document in &openapi.documents {
        let text = String::from_utf8(json3(std::slice::from_ref(document))).unwrap();
        let document: Value = serde_json::from_str(&text).unwrap();
        for part in text.split("\"#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
        }
    }
    let document = body(openapi.swagger(&HeaderMap::new())).await;
    let text = document.to_string();
    for (prefix, place) in [("\"#/definitions/", "definitions"), ("\"#/parameters/", "parameters")] {
        for part in text.split(prefix).skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(document[place].get(name).is_some(), "{name}");
        }
    }
}

#[tokio::test]
async fn operation_ids_are_unique() {
    let openapi = OpenApi::new(KINDS);
    let document = body(openapi.swagger(&HeaderMap::new())).await;
    let paths = document["paths"].as_object().unwrap().values();
    let operations = paths.flat_map(|item| item.as_object().unwrap().values());
    let mut ids: Vec<&str> = operations.filter_map(|operation| operation["operationId"].as_str()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert!(all > 100 && all == ids.len());
}

#[tokio::test]
async fn what_a_client_knows_already_is_not_sent_again() {
    let openapi = OpenApi::new(KINDS);
    let headers = HeaderMap::new();
    type Ask<'a> = &'a dyn Fn(&HeaderMap) -> Response;
    let asks: [Ask<'_>; 3] = [
        &|headers| openapi.index(headers),
        &|headers| openapi.document("apis/apps/v1", headers, &Query::parse("")),
        &|headers| openapi.swagger(headers),
    ];
    for ask in asks {
        let first = ask(&headers);
        assert_eq!((first.status(), &first.headers()[VARY]), (StatusCode::OK, &HeaderValue::from_static("Accept")));
        let again = ask(&asking(IF_NONE_MATCH, first.headers()[ETAG].to_str().unwrap()));
        assert_eq!((again.status(), &again.headers()[ETAG]), (StatusCode::NOT_MODIFIED, &first.headers()[ETAG]));
        assert!(bytes(again).await.is_empty());
        assert_eq!(ask(&asking(IF_NONE_MATCH, "\"other\"")).status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn the_compressed_document_says_the_same() {
    let openapi = OpenApi::new(KINDS);
    let plain = bytes(openapi.swagger(&HeaderMap::new())).await;
    let response = openapi.swagger(&asking(ACCEPT_ENCODING, "gzip"));
    assert_eq!(response.headers()[CONTENT_ENCODING], "gzip");
    let compressed = bytes(response).await;
    let mut unpacked = Vec::new();
    GzDecoder::new(&compressed[..]).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain);
    assert!(compressed.len() < plain.len() / 4);
}

#[tokio::test]
async fn a_client_gets_the_form_it_asks_for() {
    let openapi = OpenApi::new(KINDS);
    let old = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
    let new = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
    for (accept, expected) in [
        ("*/*", Some(JSON)),
        ("application/json", Some(JSON)),
        (old, Some(new)),
        (new, Some(new)),
        ("application/com.github.proto-openapi.spec.v2@v1.0+protobuf, application/json;q=0.5", Some(new)),
        ("application/com.github.proto-openapi.spec.v2@v1.0+protobuf;q=0.4,application/json;q=0.5", Some(JSON)),
        ("text/html", None),
    ] {
        let response = openapi.swagger(&asking(ACCEPT, accept));
        match expected {
            Some(media_type) => assert_eq!(response.headers()[CONTENT_TYPE], media_type, "{accept}"),
            None => assert_eq!(response.status(), StatusCode::NOT_ACCEPTABLE, "{accept}"),
        }
    }
    let accept = asking(ACCEPT, "application/com.github.proto-openapi.spec.v3@v1.0+protobuf");
    let response = openapi.document("apis/apps/v1", &accept, &Query::parse(""));
    assert_eq!(response.headers()[CONTENT_TYPE], OFFERED_V3[2]);
}
