//! One request to the API server, and how its path and query are written.

use http::{HeaderValue, Method, Request, header};
use kube::client::Body;
use serde_json::Value;

use crate::error::CliError;

pub const JSON: &str = "application/json";
pub const MERGE_PATCH: &str = "application/merge-patch+json";
pub const JSON_PATCH: &str = "application/json-patch+json";
pub const STRATEGIC_MERGE_PATCH: &str = "application/strategic-merge-patch+json";
/// Asks for rows to print instead of objects.
pub const TABLE: &str =
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";

/// A request: what to do, where, and with what.
#[derive(Debug, Clone)]
pub struct Call {
    pub method: Method,
    path: String,
    query: Vec<(String, String)>,
    accept: &'static str,
    body: Option<(&'static str, Vec<u8>)>,
}

impl Call {
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), query: Vec::new(), accept: JSON, body: None }
    }

    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub fn query(mut self, key: &str, value: impl ToString) -> Self {
        self.query.push((key.to_owned(), value.to_string()));
        self
    }

    /// Adds a parameter unless its value is empty.
    pub fn query_unless_empty(self, key: &str, value: &str) -> Self {
        if value.is_empty() { self } else { self.query(key, value) }
    }

    pub fn accept(mut self, accept: &'static str) -> Self {
        self.accept = accept;
        self
    }

    pub fn body(mut self, content_type: &'static str, bytes: Vec<u8>) -> Self {
        self.body = Some((content_type, bytes));
        self
    }

    pub fn json(self, value: &Value) -> Self {
        self.body(JSON, value.to_string().into_bytes())
    }

    fn uri(&self) -> String {
        let mut uri = self.path.clone();
        for (at, (key, value)) in self.query.iter().enumerate() {
            uri.push(if at == 0 && !self.path.contains('?') { '?' } else { '&' });
            uri.push_str(&encode(key));
            uri.push('=');
            uri.push_str(&encode(value));
        }
        uri
    }

    pub fn into_request(self) -> Result<Request<Body>, CliError> {
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(self.uri())
            .header(header::ACCEPT, HeaderValue::from_static(self.accept));
        let bytes = match self.body {
            Some((content_type, bytes)) => {
                request = request.header(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
                bytes
            }
            None => Vec::new(),
        };
        request.body(Body::from(bytes)).map_err(|error| CliError::local(format!("invalid request: {error}")))
    }
}

/// Percent-encodes all that is not plain in a path segment or a query value.
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b':') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_percent_encoded() {
        let call = Call::get("/api/v1/pods").query("labelSelector", "a in (b,c)").query_unless_empty("x", "");
        assert_eq!(call.uri(), "/api/v1/pods?labelSelector=a%20in%20%28b%2Cc%29");
    }
}
