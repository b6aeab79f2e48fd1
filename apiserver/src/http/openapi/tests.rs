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

/// A server of few kinds, for what does not hang on the kinds.
fn small() -> OpenApi {
    let few = ["pods", "deployments"];
    let kinds: Vec<KindRef> = KINDS.iter().copied().filter(|kind| few.contains(&kind.facts().plural)).collect();
    OpenApi::new(&kinds)
}

fn asking(name: http::HeaderName, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
}

#[tokio::test]
async fn the_index_leads_to_documents_that_may_be_kept() {
    let openapi = small();
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
    let openapi = small();
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
    let openapi = small();
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
    let openapi = small();
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
    let openapi = small();
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

/// The contents of all fields of a protobuf message with this number, which hold bytes.
fn fields(message: &[u8], wanted: u64) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let mut rest = message;
    let varint = |rest: &mut &[u8]| {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let byte = rest[0];
            *rest = &rest[1..];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        value
    };
    while !rest.is_empty() {
        let key = varint(&mut rest);
        match key & 7 {
            0 => _ = varint(&mut rest),
            1 => rest = &rest[8..],
            2 => {
                let length = varint(&mut rest) as usize;
                let (content, after) = rest.split_at(length);
                if key >> 3 == wanted {
                    found.push(content);
                }
                rest = after;
            }
            other => panic!("wire type {other}"),
        }
    }
    found
}

/// The value in a map of a message, by its name.
fn entry<'a>(message: &'a [u8], map: u64, name: &str) -> &'a [u8] {
    let entries = fields(message, map);
    let named = entries.into_iter().find(|entry| fields(entry, 1) == [name.as_bytes()]);
    fields(named.unwrap_or_else(|| panic!("no {name}")), 2)[0]
}

#[tokio::test]
async fn the_binary_form_of_v2_has_everything_where_gnostic_looks() {
    let openapi = small();
    let document = bytes(openapi.swagger(&asking(ACCEPT, OFFERED_V2[1]))).await;
    assert_eq!(fields(&document, 1), [b"2.0"]);
    let item = entry(fields(&document, 8)[0], 2, "/api/v1/namespaces/{namespace}/pods");
    let create = fields(item, 4)[0];
    assert_eq!(fields(create, 5), [b"createCoreV1NamespacedPod"]);
    // Parameters: first the body, which is a schema by reference.
    let body = fields(fields(fields(create, 8)[0], 1)[0], 1)[0];
    assert_eq!(
        (fields(body, 2)[0], fields(fields(body, 5)[0], 1)[0]),
        (&b"body"[..], &b"#/definitions/io.k8s.api.core.v1.Pod"[..])
    );
    let kind = entry(create, 13, "x-kubernetes-group-version-kind");
    let yaml: Value = serde_json::from_slice(fields(kind, 2)[0]).unwrap();
    assert_eq!(yaml["kind"], "Pod");
    let pod = entry(fields(&document, 9)[0], 1, "io.k8s.api.core.v1.Pod");
    assert_eq!(fields(fields(pod, 22)[0], 1), [b"object"]);
    let spec = entry(fields(pod, 25)[0], 1, "spec");
    assert_eq!(fields(spec, 1), [b"#/definitions/io.k8s.api.core.v1.PodSpec"]);
}

#[tokio::test]
async fn the_binary_form_of_v3_has_everything_where_gnostic_looks() {
    let openapi = small();
    let accept = asking(ACCEPT, OFFERED_V3[1]);
    let document = bytes(openapi.document("apis/apps/v1", &accept, &Query::parse(""))).await;
    assert_eq!(fields(&document, 1), [b"3.0.0"]);
    let item = entry(fields(&document, 4)[0], 1, "/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
    let patch = fields(item, 10)[0];
    assert_eq!(fields(patch, 5), [b"patchAppsV1NamespacedDeployment"]);
    let parameters = fields(patch, 6);
    let names: Vec<&[u8]> = parameters.iter().map(|one| fields(fields(one, 1)[0], 1)[0]).collect();
    assert_eq!(names, [&b"dryRun"[..], b"fieldManager", b"fieldValidation", b"force"]);
    let content = fields(fields(fields(patch, 7)[0], 1)[0], 2)[0];
    let merge = entry(content, 1, "application/merge-patch+json");
    let reference = fields(fields(fields(merge, 1)[0], 2)[0], 1)[0];
    assert_eq!(reference, b"#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.Patch");
    let schemas = fields(fields(&document, 5)[0], 1)[0];
    let deployment = fields(entry(schemas, 1, "io.k8s.api.apps.v1.Deployment"), 1)[0];
    assert_eq!(fields(deployment, 25), [b"object"]);
    let ours = "x-kubernetes-group-version-kind";
    assert!(String::from_utf8_lossy(fields(entry(deployment, 36, ours), 2)[0]).contains("\"Deployment\""));
}
