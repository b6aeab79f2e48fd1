//! Objects that a stream is about.

use api::failure::Failure;
use serde::de::DeserializeOwned;

use crate::http::app::App;
use crate::registry::Target;

/// The newest state of an object of the core group.
pub fn read<T: DeserializeOwned>(app: &App, plural: &str, namespace: Option<&str>, name: &str) -> Result<T, Failure> {
    let kind = app.registry.find("", "v1", plural).ok_or_else(Failure::unknown_resource)?;
    let object = app.registry.get(kind, Target { namespace, name, subresource: None }, "")?;
    api::json::read(&object.bytes()).map_err(|_| Failure::internal("read a stored object"))
}
