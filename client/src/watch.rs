//! Watches that go on for ever. kube's own watcher would be compiled once for each kind that is watched; here it sees texts,
//! which are read as the kind only at the end.

use std::borrow::Cow;
use std::fmt;

use futures::stream::{BoxStream, Stream, StreamExt, unfold};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use kube::api::{Api, ApiResource};
use kube::core::DynamicResourceScope;
use kube::runtime::watcher::{self, Event};
use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// An object as it came: its text, and of its metadata the revision, which a watcher goes by. With `METADATA` the server is
/// asked for metadata alone. An event of a watch must name its type before its object, as all servers do.
#[derive(Debug, Clone)]
pub struct Unread<const METADATA: bool = false> {
    metadata: ObjectMeta,
    json: Box<RawValue>,
}

impl<const METADATA: bool> Unread<METADATA> {
    pub fn read<K: DeserializeOwned>(&self) -> Result<K, serde_json::Error> {
        serde_json::from_str(self.json.get())
    }
}

impl<'de, const METADATA: bool> Deserialize<'de> for Unread<METADATA> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        let metadata = ObjectMeta { resource_version: revision(json.get()), ..ObjectMeta::default() };
        Ok(Self { metadata, json })
    }
}

/// What stands at `metadata.resourceVersion`. Nothing behind it is looked at.
fn revision(json: &str) -> Option<String> {
    let mut found = None;
    let seek = Seek { path: &["metadata", "resourceVersion"], found: &mut found };
    // It ends with an error in any case, since it does not go on to the end.
    let _ = seek.deserialize(&mut serde_json::Deserializer::from_str(json));
    found
}

struct Seek<'a> {
    path: &'a [&'a str],
    found: &'a mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.path.is_empty() {
            *self.found = Some(String::deserialize(deserializer)?);
            return Err(D::Error::custom("found"));
        }
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            if key == self.path[0] {
                return map.next_value_seed(Seek { path: &self.path[1..], found: self.found });
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

impl<const METADATA: bool> kube::Resource for Unread<METADATA> {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        Cow::Borrowed(&resource.kind)
    }

    fn group(resource: &ApiResource) -> Cow<'_, str> {
        Cow::Borrowed(&resource.group)
    }

    fn version(resource: &ApiResource) -> Cow<'_, str> {
        Cow::Borrowed(&resource.version)
    }

    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        Cow::Borrowed(&resource.plural)
    }

    fn metadata_api() -> bool {
        METADATA
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// All objects of a kind, in every namespace, as texts.
pub fn all<K: kube::Resource<DynamicType = ()>>(client: Client) -> Api<Unread> {
    Api::all_with(client, &ApiResource::erase::<K>(&()))
}

type Texts<const METADATA: bool> = BoxStream<'static, watcher::Result<Event<Unread<METADATA>>>>;

/// All that happens to the objects of one kind. After an error the stream goes on where it was when it is polled again; who
/// polls decides when. An object that cannot be read is an error, after which all are listed anew: what is left out of a list
/// would be taken for gone.
pub fn changes<K, const METADATA: bool>(
    api: Api<Unread<METADATA>>,
    config: watcher::Config,
) -> impl Stream<Item = watcher::Result<Event<K>>> + Send
where
    K: DeserializeOwned + Send,
{
    unfold(None, move |texts: Option<Texts<METADATA>>| {
        let mut texts = texts.unwrap_or_else(|| watcher::watcher(api.clone(), config.clone()).boxed());
        async move {
            let event = texts.next().await?.and_then(read);
            let is_unread = matches!(event, Err(watcher::Error::WatchFailed(kube::Error::SerdeError(_))));
            Some((event, (!is_unread).then_some(texts)))
        }
    })
}

/// The states of one object; `None` while it is not there.
pub fn states<K: DeserializeOwned>(
    api: Api<Unread>,
    name: &str,
) -> impl Stream<Item = watcher::Result<Option<K>>> + Send + use<K> {
    watcher::watch_object(api, name).map(|state| state?.map(|object| object.read().map_err(unreadable)).transpose())
}

fn unreadable(error: serde_json::Error) -> watcher::Error {
    watcher::Error::WatchFailed(kube::Error::SerdeError(error))
}

fn read<K: DeserializeOwned, const METADATA: bool>(event: Event<Unread<METADATA>>) -> watcher::Result<Event<K>> {
    let event = match event {
        Event::Init => Ok(Event::Init),
        Event::InitDone => Ok(Event::InitDone),
        Event::InitApply(object) => object.read().map(Event::InitApply),
        Event::Apply(object) => object.read().map(Event::Apply),
        Event::Delete(object) => object.read().map(Event::Delete),
    };
    event.map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{Request, Response};
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::client::Body;
    use serde_json::json;
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A server whose first list holds an object that is none; its watch tells one change and ends.
    fn client() -> Client {
        let lists = Arc::new(AtomicU32::new(0));
        let service = tower::service_fn(move |request: Request<Body>| {
            let is_watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
            let map = |revision: &str, data: serde_json::Value| {
                json!({"apiVersion": "v1", "kind": "ConfigMap", "data": data,
                       "metadata": {"name": "a", "resourceVersion": revision}})
            };
            let body = if is_watch {
                let change = map("3", json!({"key": "new"}));
                // As servers write it: the type first.
                format!("{{\"type\":\"MODIFIED\",\"object\":{change}}}\n")
            } else {
                let is_first = lists.fetch_add(1, Ordering::SeqCst) == 0;
                let data = if is_first { json!(7) } else { json!({"key": "old"}) };
                json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "2"},
                       "items": [map("1", data)]})
                .to_string()
            };
            let body = http_body_util::Full::new(bytes::Bytes::from(body));
            async move { Ok::<_, Infallible>(Response::new(body)) }
        });
        Client::new(service, "default")
    }

    #[test]
    fn of_an_object_the_revision_is_found() {
        let json = r#"{"kind":"A","spec":{"metadata":{"resourceVersion":"1"}},"metadata":{"name":"a","resourceVersion":"2","uid":"u"}}"#;
        assert_eq!(revision(json).as_deref(), Some("2"));
        assert_eq!(revision(r#"{"metadata":{"name":"a"}}"#), None);
        assert_eq!(revision(r#"{"metadata":null}"#), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_read_is_listed_anew() {
        let events = changes::<ConfigMap, false>(all::<ConfigMap>(client()), watcher::Config::default());
        let told = events.take(6).map(|event| match event {
            Ok(Event::Init) => "init".to_owned(),
            Ok(Event::InitDone) => "done".to_owned(),
            Ok(Event::InitApply(map)) => format!("listed {}", map.data.unwrap()["key"]),
            Ok(Event::Apply(map)) => format!("changed {}", map.data.unwrap()["key"]),
            Ok(Event::Delete(_)) => "deleted".to_owned(),
            Err(_) => "error".to_owned(),
        });
        let told: Vec<String> = told.collect().await;
        assert_eq!(told, ["init", "error", "init", "listed old", "done", "changed new"]);
    }
}
