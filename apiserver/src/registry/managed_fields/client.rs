//! A client with a name, for tests of who manages what.

use api::failure::Failure;
use bytes::Bytes;
use serde_json::Value;

use crate::context::Context;
use crate::registry::Target;
use crate::registry::fixtures::{Fixture, value};
use crate::registry::options::PatchType;

/// A client that calls itself by this name.
pub struct Client<'a> {
    pub fixture: &'a Fixture,
    pub context: Context,
}

impl<'a> Client<'a> {
    pub fn new(fixture: &'a Fixture, manager: &str) -> Self {
        Self { fixture, context: Context { field_manager: manager.to_owned(), ..fixture.context.clone() } }
    }

    pub fn forcing(mut self) -> Self {
        self.context.force = true;
        self
    }

    pub async fn create(&self, plural: &str, object: Value) -> Value {
        let kind = self.fixture.kind(plural);
        let body = Bytes::from(object.to_string());
        let created = self.fixture.registry.create(&self.context, kind, Fixture::namespace(kind), body).await;
        value(&created.unwrap())
    }

    pub async fn update(&self, plural: &str, subresource: Option<&str>, object: Value) -> Result<Value, Failure> {
        let kind = self.fixture.kind(plural);
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let target = Target { subresource, ..Fixture::target(kind, &name) };
        let body = Bytes::from(object.to_string());
        self.fixture.registry.update(&self.context, kind, target, body).await.map(|written| value(&written.object))
    }

    pub async fn patch(
        &self,
        (plural, subresource): (&str, Option<&str>),
        patch_type: PatchType,
        name: &str,
        patch: Value,
    ) -> Result<Value, Failure> {
        let kind = self.fixture.kind(plural);
        let target = Target { subresource, ..Fixture::target(kind, name) };
        let body = Bytes::from(patch.to_string());
        let written = self.fixture.registry.patch(&self.context, kind, target, patch_type, body).await;
        written.map(|written| value(&written.object))
    }

    pub async fn apply_at(&self, plural: &str, subresource: Option<&str>, config: Value) -> Result<Value, Failure> {
        let name = config["metadata"]["name"].as_str().unwrap_or("web").to_owned();
        self.patch((plural, subresource), PatchType::Apply, &name, config).await
    }

    pub async fn apply(&self, plural: &str, config: Value) -> Result<Value, Failure> {
        self.apply_at(plural, None, config).await
    }
}
