//! Who makes tokens: the key is somebody else's to keep.

use std::fmt::Debug;

use api::failure::Failure;
use jiff::Timestamp;
use serde::Serialize;

/// Signs what a token says.
pub trait TokenSigner: Debug + Send + Sync {
    /// For whom tokens are that name nobody: the API server itself.
    fn audiences(&self) -> Vec<String>;

    /// The token, signed.
    fn sign(&self, claims: &Claims) -> Result<String, Failure>;
}

/// What a token says, without its issuer. As JSON it is what stands in the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Claims {
    pub aud: Vec<String>,
    pub exp: i64,
    pub iat: i64,
    pub nbf: i64,
    pub jti: String,
    pub sub: String,
    #[serde(rename = "kubernetes.io")]
    pub private: Private,
}

/// Whose token it is, and with what it ends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Private {
    pub namespace: String,
    pub serviceaccount: Reference,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<Reference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Reference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<Reference>,
    /// From then on its use is to be warned of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warnafter: Option<i64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Reference {
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

impl Claims {
    pub fn new(now: Timestamp, seconds: i64, audiences: Vec<String>, private: Private) -> Self {
        let issued = now.as_second();
        Self {
            aud: audiences,
            exp: issued.saturating_add(seconds),
            iat: issued,
            nbf: issued,
            jti: uuid::Uuid::new_v4().to_string(),
            sub: format!("system:serviceaccount:{}:{}", private.namespace, private.serviceaccount.name),
            private,
        }
    }
}
