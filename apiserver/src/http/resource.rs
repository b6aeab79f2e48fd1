//! Requests for objects: what the path, the method and the query ask the registry to do.

use std::sync::Arc;
use std::time::Duration;

use api::failure::{Failure, Reason};
use api::names::{GroupVersionKind, api_version};
use api::protobuf;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::ALLOW;
use http::request::Parts;
use http::{HeaderValue, Method, Request, StatusCode};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{DeleteOptions, Status, StatusDetails};

use crate::context::Context;
use crate::http::app::App;
use crate::http::content::accept::{self, Accepted, Encoding, Form, Offer};
use crate::http::content::body::{self, Sent};
use crate::http::exchange::{Attributes, Exchange, Verb};
use crate::http::measures::Measures;
use crate::http::methods;
use crate::http::path::Target;
use crate::http::query::Query;
use crate::http::reply::failure::failure;
use crate::http::reply::list;
use crate::http::reply::object::{self, Look, accepts_gzip};
use crate::http::reply::table::RowObject;
use crate::http::reply::watch::{self, Counted, Watching};
use crate::http::reply::web_socket;
use crate::http::streaming::{self, upgrade};
use crate::kinds::erased::KindRef;
use crate::kinds::facts::{Facts, Subresource};
use crate::registry;
use crate::registry::options::{Deleted, PatchType, Written};
use crate::storage::object::Object;

/// A request whose path has been found to name something that is served.
struct Place<'a> {
    app: &'a Arc<App>,
    exchange: &'a Exchange,
    parts: &'a Parts,
    query: Query<'a>,
    kind: KindRef,
    /// `None` for cluster-scoped kinds, and for all namespaces.
    namespace: Option<&'a str>,
    /// Empty for a collection.
    name: &'a str,
    subresource: Option<&'static Subresource>,
}

/// Answers a request below a group and version. Who came with a method that is not there is told which are.
pub async fn serve(
    app: &Arc<App>,
    exchange: &Exchange,
    target: &Target,
    request: Request<Body>,
) -> Result<Response, Failure> {
    let answer = answer(app, exchange, target, request).await;
    let (Err(refusal), Some(kind)) = (&answer, exchange.kind) else { return answer };
    if refusal.reason != Reason::MethodNotAllowed {
        return answer;
    }
    let mut response = failure(refusal);
    let allowed = HeaderValue::try_from(methods::allowed(kind.facts(), target));
    response.headers_mut().extend(allowed.ok().map(|allowed| (ALLOW, allowed)));
    Ok(response)
}

async fn answer(
    app: &Arc<App>,
    exchange: &Exchange,
    target: &Target,
    request: Request<Body>,
) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let kind = exchange.kind.ok_or_else(Failure::unknown_resource)?;
    let place = Place::find(app, exchange, &parts, kind, target)?;
    if streaming::is_stream(&target.subresource) {
        return streaming::serve(app, target, Request::from_parts(parts, body)).await;
    }
    if parts.method == Method::HEAD {
        return Err(Failure::method_not_allowed());
    }
    match exchange.attributes.verb {
        Verb::Get => place.get().await,
        Verb::List => place.list().await,
        Verb::Watch => place.watch(&target.name, target.legacy_watch).await,
        Verb::Create => place.create(body).await,
        Verb::Update => place.update(body).await,
        Verb::Patch => place.patch(body).await,
        Verb::Delete => place.delete(body).await,
        Verb::DeleteCollection => place.delete_collection(body).await,
        Verb::Other => Err(Failure::method_not_allowed()),
    }
}

impl<'a> Place<'a> {
    fn find(
        app: &'a Arc<App>,
        exchange: &'a Exchange,
        parts: &'a Parts,
        kind: KindRef,
        target: &'a Target,
    ) -> Result<Self, Failure> {
        let facts = kind.facts();
        let namespace = namespace_of(facts, target)?;
        let subresource = match &*target.subresource {
            "" => None,
            name => Some(facts.subresource(name).ok_or_else(Failure::unknown_resource)?),
        };
        let verb = exchange.attributes.verb;
        let allowed = subresource.map_or(facts.verbs, |subresource| subresource.verbs);
        let is_collection = target.name.is_empty();
        // POST makes objects in a collection and sends things to subresources; PUT and PATCH need a name.
        let fits = match verb {
            Verb::Create => is_collection != subresource.is_some(),
            Verb::Update | Verb::Patch => !is_collection,
            _ => true,
        };
        // The old prefix is for watches alone.
        let fits = fits && (!target.legacy_watch || verb == Verb::Watch);
        let needs_namespace = facts.namespaced && matches!(verb, Verb::Create | Verb::DeleteCollection);
        if !allowed.contains(&verb.name()) || !fits || (needs_namespace && namespace.is_none()) {
            return Err(Failure::method_not_allowed());
        }
        let query = Query::parse(parts.uri.query().unwrap_or(""));
        // The name of an old watch path is a selector, no path.
        let name = if target.legacy_watch { "" } else { &target.name };
        Ok(Self { app, exchange, parts, query, kind, namespace, name, subresource })
    }

    fn target(&self) -> registry::Target<'a> {
        let subresource = self.subresource.map(|subresource| subresource.name);
        registry::Target { namespace: self.namespace, name: self.name, subresource }
    }

    fn accepted(&self) -> Result<Accepted, Failure> {
        accept::negotiate(&self.parts.headers, self.query.get("pretty"), || self.offer())
    }

    fn offer(&self) -> Offer {
        let is_object = !self.kind.is_answered() && self.subresource.is_none_or(|subresource| subresource.of.is_none());
        let expected = self.expected();
        let speaks_protobuf = protobuf::speaks(&api_version(expected.group, expected.version), expected.kind);
        match (is_object, speaks_protobuf) {
            (true, true) => Offer::Objects,
            (true, false) => Offer::Custom,
            (false, true) => Offer::Plain,
            (false, false) => Offer::Document,
        }
    }

    /// What is read and written at this place.
    fn expected(&self) -> GroupVersionKind {
        self.subresource.and_then(|subresource| subresource.of).unwrap_or_else(|| self.kind.facts().gvk())
    }

    fn look(&self) -> Look {
        let gzip = self.exchange.attributes.verb.is_read() && accepts_gzip(&self.parts.headers);
        Look { gzip, rows: RowObject::of_query(&self.query), now: self.app.clock.now() }
    }

    /// The circumstances of a write. `options` names them for error texts.
    fn context(&self, options: &str) -> Result<Context, Failure> {
        Ok(Context {
            user: self.exchange.user.clone(),
            dry_run: self.query.dry_run(options)?,
            field_validation: self.query.field_validation(options)?,
            field_manager: self.query.field_manager(&self.parts.headers, options)?,
            warnings: self.exchange.warnings.clone(),
            ..Context::default()
        })
    }

    /// The circumstances of a deletion: what the query says of it stands in its options.
    fn context_of_deletion(&self, options: &DeleteOptions) -> Context {
        let dry_run = options.dry_run.as_ref().is_some_and(|runs| !runs.is_empty());
        let (user, warnings) = (self.exchange.user.clone(), self.exchange.warnings.clone());
        Context { dry_run, warnings, ..Context::new(user) }
    }

    /// The object in the body of a write, as JSON. What is to be said of its form is added to the circumstances.
    async fn body(&self, body: Body, context: Context) -> Result<(Bytes, Context), Failure> {
        let Sent { json, complaint } = body::object(&self.parts.headers, body, self.expected()).await?;
        Ok((json, Context { complaint, ..context }))
    }

    fn reply(&self, code: StatusCode, accepted: Accepted, object: &Object) -> Response {
        object::object(code, accepted, self.kind, object, &self.look())
    }

    async fn get(&self) -> Result<Response, Failure> {
        let accepted = self.accepted()?;
        let revision = self.query.get("resourceVersion").unwrap_or_default();
        self.app.registry.wait_for(revision).await?;
        let object = self.app.registry.get(self.kind, self.target(), revision)?;
        Ok(self.reply(StatusCode::OK, accepted, &object))
    }

    async fn list(&self) -> Result<Response, Failure> {
        let accepted = self.accepted()?;
        let options = self.query.list_options()?;
        if options.continue_token.is_empty() {
            self.app.registry.wait_for(&options.resource_version).await?;
        }
        let page = self.app.registry.list(self.kind, self.namespace, &options)?;
        Ok(list::list(accepted, self.kind, page, &self.look()).await)
    }

    async fn watch(&self, name: &str, legacy: bool) -> Result<Response, Failure> {
        let accepted = self.accepted()?;
        // Messages of a WebSocket are texts.
        let encoding = if upgrade::is_web_socket(self.parts) { Encoding::Json } else { accepted.encoding };
        if encoding == Encoding::Yaml {
            return Err(accept::not_streamable(self.offer()));
        }
        let mut options = self.query.list_options()?;
        if legacy && !name.is_empty() {
            options.field_selector = format!("metadata.name={name}");
        }
        if options.send_initial_events == Some(true) {
            self.app.registry.wait_for(&options.resource_version).await?;
        }
        let timeout = self.query.integer("timeoutSeconds")?.and_then(|seconds| u64::try_from(seconds).ok());
        let timeout = timeout.filter(|seconds| *seconds > 0).map_or_else(usual_timeout, Duration::from_secs);
        let events = match self.app.registry.watch(self.kind, self.namespace, &options) {
            // Some clients list again only when the stream says so.
            Err(failure) if failure.reason == Reason::Expired => {
                return Ok(watch::ended(&failure, encoding));
            }
            events => events?,
        };
        let gauge = self.app.measures.long_running.get_or_create(&Measures::request_labels(self.exchange)).clone();
        let watching = Watching {
            app: self.app.clone(),
            kind: self.kind,
            events,
            encoding,
            form: accepted.form,
            rows: RowObject::of_query(&self.query),
            timeout: Box::pin(tokio::time::sleep(timeout)),
            stop: Box::pin(self.app.stop.clone().cancelled_owned()),
            counted: Counted::new(gauge),
            columns_are_known: false,
            is_over: false,
        };
        if upgrade::is_web_socket(self.parts) {
            return web_socket::watch(self.parts, watching).await;
        }
        Ok(watch::watch(watching))
    }

    async fn create(&self, body: Body) -> Result<Response, Failure> {
        let accepted = self.accepted()?;
        let (json, context) = self.body(body, self.context("CreateOptions")?).await?;
        if self.subresource.is_some() || self.app.registry.only_acts(self.kind) {
            let answer = self.app.registry.act(&context, self.kind, self.target(), json).await?;
            return Ok(object::document(StatusCode::CREATED, accepted, answer, &self.parts.headers));
        }
        if self.kind.is_answered() {
            let (judge, tokens) = (&self.app.authorizers, &self.app.token_authenticators);
            let answer = self.app.registry.answer(&context, self.kind, self.namespace, &json, judge, tokens).await?;
            return Ok(object::document(StatusCode::CREATED, accepted, answer, &self.parts.headers));
        }
        let object = self.app.registry.create(&context, self.kind, self.namespace, json).await?;
        Ok(self.reply(StatusCode::CREATED, accepted, &object))
    }

    async fn update(&self, body: Body) -> Result<Response, Failure> {
        let accepted = self.accepted()?;
        let (json, context) = self.body(body, self.context("UpdateOptions")?).await?;
        if self.kind.facts().flags.create_on_update {
            self.check_creation()?;
        }
        let written = self.app.registry.update(&context, self.kind, self.target(), json).await?;
        Ok(self.written(accepted, &written))
    }

    async fn patch(&self, body: Body) -> Result<Response, Failure> {
        let accepted = self.accepted()?;
        let patch_type = body::patch_type(&self.parts.headers)?;
        let force = self.query.force(patch_type)?;
        let context = Context { force, ..self.context("PatchOptions")? };
        let patch = body::patch(patch_type, body, context.field_validation, &context.warnings).await?;
        if patch_type == PatchType::Apply {
            self.check_creation()?;
        }
        let written = self.app.registry.patch(&context, self.kind, self.target(), patch_type, patch).await?;
        Ok(self.written(accepted, &written))
    }

    /// Who creates an object by changing one that is not there must be allowed to create it.
    fn check_creation(&self) -> Result<(), Failure> {
        if self.subresource.is_some() || self.app.registry.get(self.kind, self.target(), "").is_ok() {
            return Ok(());
        }
        let attributes = Attributes { verb: Verb::Create, ..self.exchange.attributes.clone() };
        self.app.authorizers.check(&self.exchange.user, &attributes)
    }

    fn written(&self, accepted: Accepted, written: &Written) -> Response {
        let code = if written.created { StatusCode::CREATED } else { StatusCode::OK };
        self.reply(code, accepted, &written.object)
    }

    async fn delete(&self, body: Body) -> Result<Response, Failure> {
        let accepted = self.accepted()?;
        let options = self.query.delete_options(body::delete_options(&self.parts.headers, body).await?)?;
        let context = self.context_of_deletion(&options);
        let deleted = self.app.registry.delete(&context, self.kind, self.target(), &options).await?;
        match deleted {
            Deleted::Object { object, pending } => {
                let old_client_waits = pending && options.orphan_dependents == Some(false);
                let code = if old_client_waits { StatusCode::ACCEPTED } else { StatusCode::OK };
                Ok(self.reply(code, accepted, &object))
            }
            Deleted::Gone(object) => {
                // A Status is no row of a table, whatever was asked for.
                let accepted = Accepted { form: Form::Object, ..accepted };
                let status = gone(self.kind.facts(), &object);
                Ok(object::document(StatusCode::OK, accepted, status, &self.parts.headers))
            }
        }
    }

    async fn delete_collection(&self, body: Body) -> Result<Response, Failure> {
        let accepted = self.accepted()?;
        let options = self.query.delete_options(body::delete_options(&self.parts.headers, body).await?)?;
        let context = self.context_of_deletion(&options);
        let list = self.query.list_options()?;
        let page = self.app.registry.delete_collection(&context, self.kind, self.namespace, &list, &options).await?;
        Ok(list::list(accepted, self.kind, page, &self.look()).await)
    }
}

/// The namespace that the path gives to the registry, if the path fits the scope of the kind.
fn namespace_of<'a>(facts: &Facts, target: &'a Target) -> Result<Option<&'a str>, Failure> {
    // No namespace lies inside another.
    let is_core = target.group.is_empty();
    let is_namespace_itself = is_core && target.resource == "namespaces" && target.name == target.namespace;
    match (&*target.namespace, facts.namespaced) {
        ("", false) => Ok(None),
        (_, false) if is_namespace_itself => Ok(None),
        ("", true) if target.name.is_empty() => Ok(None),
        (namespace, true) if !namespace.is_empty() => Ok(Some(namespace)),
        _ => Err(Failure::unknown_resource()),
    }
}

/// Half an hour to an hour, so that watches which began together do not end together.
fn usual_timeout() -> Duration {
    let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0_u8);
    Duration::from_secs(1800 + random % 1800)
}

/// The Status about an object that is no more.
fn gone(facts: &Facts, object: &Object) -> Vec<u8> {
    let text = |value: &str| (!value.is_empty()).then(|| value.to_owned());
    let details = StatusDetails {
        name: text(&object.meta.name),
        group: text(facts.group),
        kind: text(facts.plural),
        uid: text(&object.meta.uid),
        ..StatusDetails::default()
    };
    let status = Status { status: Some("Success".to_owned()), details: Some(details), ..Status::default() };
    serde_json::to_vec(&status).expect("a Status is JSON")
}
