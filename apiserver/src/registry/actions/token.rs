//! `serviceaccounts/token`: a token for an account, for a while, perhaps bound to a pod, a secret or a node.

use std::sync::Arc;

use api::failure::Failure;
use api::field::{FieldError, FieldErrors, Path};
use api::names::{GroupResource, GroupVersionKind, split_api_version};
use async_trait::async_trait;
use bytes::Bytes;
use jiff::SignedDuration;
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestStatus};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::context::Context;
use crate::kinds::erased::KindRef;
use crate::registry::actions::action::{Action, answer};
use crate::registry::actions::body;
use crate::registry::token_signer::{Claims, Private, Reference};
use crate::registry::{Registry, Target};
use crate::storage::object::Object;

const TOKEN_REQUEST: GroupVersionKind =
    GroupVersionKind { group: "authentication.k8s.io", version: "v1", kind: "TokenRequest" };
const USUAL_SECONDS: i64 = 3600;
const FEWEST_SECONDS: i64 = 600;
const MOST_SECONDS: i64 = 1 << 32;
/// What pods are given by default asks for this long, and gets a year: old programs read their token only once.
const POD_SECONDS: i64 = 3607;
const YEAR_SECONDS: i64 = 365 * 24 * 3600;

pub struct RequestToken;

#[async_trait]
impl Action for RequestToken {
    fn place(&self) -> (GroupResource, Option<&'static str>) {
        (GroupResource { group: "", resource: "serviceaccounts" }, Some("token"))
    }

    async fn act(
        &self,
        registry: &Registry,
        context: &Context,
        kind: KindRef,
        target: Target<'_>,
        body: Bytes,
    ) -> Result<Bytes, Failure> {
        let mut request: TokenRequest = body::read(context, TOKEN_REQUEST, None, &body)?;
        check_names(&request, target)?;
        let account = registry.current(kind, target)?;
        fill(&mut request, target, registry);
        check(&request)?;
        let private = private_claims(registry, target, &account, &request)?;
        let signer = registry.token_signer.as_ref();
        let signer =
            signer.ok_or_else(|| Failure::internal("failed to generate token: there is no key to sign with"))?;
        let now = registry.clock.now();
        let wanted = request.spec.clone().unwrap_or_default();
        let (seconds, audiences) =
            (wanted.expiration_seconds.unwrap_or(USUAL_SECONDS), wanted.audiences.unwrap_or_default());
        let mut claims = Claims::new(now, seconds, audiences, private);
        if claims.private.pod.is_some() && seconds == POD_SECONDS && claims.aud == signer.audiences() {
            claims.private.warnafter = Some(claims.exp);
            claims.exp = claims.iat.saturating_add(YEAR_SECONDS);
        }
        let end = now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(jiff::Timestamp::MAX);
        request.metadata.creation_timestamp = Some(Time(registry.clock.now_seconds()));
        request.status = Some(TokenRequestStatus {
            token: Some(signer.sign(&claims)?),
            expiration_timestamp: Some(Time(jiff::Timestamp::from_second(end.as_second()).unwrap_or(end))),
        });
        answer(&request)
    }
}

fn invalid(name: &str, errors: FieldErrors) -> Failure {
    Failure::invalid(TOKEN_REQUEST.group, TOKEN_REQUEST.kind, name, errors)
}

/// What the body says of the account, it says as the path does.
fn check_names(request: &TokenRequest, target: Target<'_>) -> Result<(), Failure> {
    let metadata = &request.metadata;
    let path = Path::new("metadata");
    for (field, given, wanted, why) in [
        ("name", &metadata.name, target.name, "must match the service account name if specified"),
        (
            "namespace",
            &metadata.namespace,
            target.namespace.unwrap_or_default(),
            "must match the service account namespace if specified",
        ),
    ] {
        if let Some(given) = given.as_deref().filter(|given| !given.is_empty() && *given != wanted) {
            let error = FieldError::invalid(&path.child(field), given, why);
            return Err(invalid(target.name, FieldErrors(vec![error])));
        }
    }
    Ok(())
}

fn fill(request: &mut TokenRequest, target: Target<'_>, registry: &Registry) {
    request.metadata.name = Some(target.name.to_owned());
    request.metadata.namespace = target.namespace.map(str::to_owned);
    let spec = request.spec.get_or_insert_default();
    spec.expiration_seconds.get_or_insert(USUAL_SECONDS);
    if spec.audiences.as_ref().is_none_or(Vec::is_empty) {
        spec.audiences = registry.token_signer.as_ref().map(|signer| signer.audiences());
    }
}

fn check(request: &TokenRequest) -> Result<(), Failure> {
    let seconds = request.spec.as_ref().and_then(|spec| spec.expiration_seconds).unwrap_or(USUAL_SECONDS);
    let why = match seconds {
        ..FEWEST_SECONDS => "may not specify a duration less than 10 minutes",
        FEWEST_SECONDS..=MOST_SECONDS => return Ok(()),
        _ => "may not specify a duration larger than 2^32 seconds",
    };
    let path = Path::new("spec").child("expirationSeconds");
    Err(invalid("", FieldErrors(vec![FieldError::invalid(&path, seconds, why)])))
}

fn private_claims(
    registry: &Registry,
    target: Target<'_>,
    account: &Object,
    request: &TokenRequest,
) -> Result<Private, Failure> {
    let mut private = Private {
        namespace: target.namespace.unwrap_or_default().to_owned(),
        serviceaccount: reference(account),
        ..Private::default()
    };
    let Some(bound) = request.spec.as_ref().and_then(|spec| spec.bound_object_ref.as_ref()) else {
        return Ok(private);
    };
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let (api_version, kind) = (text(&bound.api_version), text(&bound.kind));
    let (group, version) = split_api_version(&api_version);
    let found = match (group, kind.as_str()) {
        ("", "Pod") => {
            let pod = bound_object(registry, "pods", target.namespace, bound)?;
            private.node = node_of(registry, target.name, &pod)?;
            private.pod = Some(reference(&pod));
            pod
        }
        ("", "Secret") => {
            let secret = bound_object(registry, "secrets", target.namespace, bound)?;
            private.secret = Some(reference(&secret));
            secret
        }
        ("", "Node") => {
            let node = bound_object(registry, "nodes", None, bound)?;
            private.node = Some(reference(&node));
            node
        }
        _ => {
            let why = format!("cannot bind token to object of type {group}/{version}, Kind={kind}");
            return Err(Failure::bad_request(why));
        }
    };
    let uid = text(&bound.uid);
    if !uid.is_empty() && *uid != *found.meta.uid {
        let why = format!(
            "the UID in the bound object reference ({uid}) does not match the UID in record. The object might have been \
             deleted and then recreated"
        );
        let kind = found.key.resource.resource;
        let kind = if kind == "pods" {
            "Pod"
        } else if kind == "nodes" {
            "Node"
        } else {
            "Secret"
        };
        return Err(Failure::conflict(GroupResource { group: "", resource: kind }, &text(&bound.name), why));
    }
    Ok(private)
}

fn reference(object: &Object) -> Reference {
    Reference { name: object.meta.name.to_string(), uid: object.meta.uid.to_string() }
}

fn bound_object(
    registry: &Registry,
    plural: &'static str,
    namespace: Option<&str>,
    bound: &BoundObjectReference,
) -> Result<Arc<Object>, Failure> {
    let kind = registry.find("", "v1", plural).ok_or_else(Failure::unknown_resource)?;
    registry.current(kind, Target { namespace, name: bound.name.as_deref().unwrap_or_default(), subresource: None })
}

/// The node of a pod that runs under this account. One that has gone is known by its name still.
fn node_of(registry: &Registry, account: &str, pod: &Arc<Object>) -> Result<Option<Reference>, Failure> {
    let pods = registry.find("", "v1", "pods").ok_or_else(Failure::unknown_resource)?;
    let draft = Registry::decode_stored(pods, pod)?;
    let spec = draft.typed::<Pod>().and_then(|pod| pod.spec.clone()).unwrap_or_default();
    let own = spec.service_account_name.unwrap_or_default();
    if own != account {
        return Err(Failure::bad_request(format!(
            "cannot bind token for serviceaccount {account:?} to pod running with serviceaccount {own:?}"
        )));
    }
    let Some(name) = spec.node_name.filter(|name| !name.is_empty()) else { return Ok(None) };
    let snapshot = registry.storage.snapshot();
    let node = snapshot.find(GroupResource { group: "", resource: "nodes" }, "", &name);
    Ok(Some(node.map_or(Reference { name, uid: String::new() }, |node| reference(node))))
}
