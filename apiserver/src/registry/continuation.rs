//! Where a list goes on: the token between its pages.

use api::failure::Failure;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::storage::object::{Object, Revision};

const VERSION: &str = "meta.k8s.io/v1";

#[derive(Serialize, Deserialize)]
struct Token {
    v: String,
    /// -1 for the newest revision, whatever it is.
    rv: i64,
    /// `namespace/name` of the last object that was given.
    start: String,
}

/// The place behind an object, at a revision or in the newest state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Continuation {
    pub revision: Option<Revision>,
    pub namespace: String,
    pub name: String,
}

impl Continuation {
    pub fn behind(object: &Object, revision: Revision) -> Self {
        let namespace = object.key.namespace.to_string();
        Self { revision: Some(revision), namespace, name: object.key.name.to_string() }
    }

    pub fn parse(token: &str) -> Result<Self, Failure> {
        let bytes = URL_SAFE_NO_PAD.decode(token.trim_end_matches('=')).map_err(|error| invalid(&error))?;
        let token: Token = serde_json::from_slice(&bytes).map_err(|error| invalid(&error))?;
        if token.v != VERSION {
            return Err(invalid(&format!("server does not recognize this encoded version {}", token.v)));
        }
        if token.rv == 0 || token.rv < -1 {
            return Err(invalid(&format!("incorrect encoded start resourceVersion (version {VERSION})")));
        }
        if token.start.is_empty() {
            return Err(invalid(&format!("encoded start key empty (version {VERSION})")));
        }
        let (namespace, name) = token.start.split_once('/').ok_or_else(|| invalid(&token.start))?;
        let revision = u64::try_from(token.rv).ok().map(Revision);
        Ok(Self { revision, namespace: namespace.to_owned(), name: name.to_owned() })
    }

    pub fn token(&self) -> String {
        let rv = self.revision.map_or(-1, |revision| i64::try_from(revision.0).unwrap_or(i64::MAX));
        let token = Token { v: VERSION.to_owned(), rv, start: format!("{}/{}", self.namespace, self.name) };
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&token).expect("a token is plain JSON"))
    }

    /// The answer when the token's revision is no longer kept. It says how to go on all the same.
    pub fn expired(self) -> Failure {
        let mut failure = Failure::expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a new list \
             without the continue parameter, or use the continue token in this response to retrieve the remainder of the \
             results. Continuing with the provided token results in an inconsistent list - objects that were created, \
             modified, or deleted between the time the first chunk was returned and now may show up in the list.",
        );
        failure.continue_token = Some(Self { revision: None, ..self }.token());
        failure
    }
}

fn invalid(why: &dyn std::fmt::Display) -> Failure {
    Failure::bad_request(format!("invalid continue token: continue key is not valid: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn any_text_is_a_token_or_is_refused(text in ".{0,60}", inside in ".{0,60}") {
            let _ = Continuation::parse(&text);
            if let Ok(place) = Continuation::parse(&URL_SAFE_NO_PAD.encode(inside)) {
                assert_eq!(Continuation::parse(&place.token()).unwrap(), place);
            }
        }

        #[test]
        fn every_place_has_a_token(revision in 1..u64::MAX / 2, namespace in "[a-z.-]{0,9}", name in "[^/]{1,9}") {
            let place = Continuation { revision: Some(Revision(revision)), namespace, name };
            assert_eq!(Continuation::parse(&place.token()).unwrap(), place);
        }
    }

    #[test]
    fn a_token_reads_back_and_a_made_up_one_is_refused() {
        let place = Continuation { revision: Some(Revision(7)), namespace: "n".into(), name: "a".into() };
        assert_eq!(Continuation::parse(&place.token()).unwrap(), place);
        let newest = Continuation { revision: None, ..place };
        assert_eq!(Continuation::parse(&newest.token()).unwrap(), newest);
        for token in ["x", "e30", &URL_SAFE_NO_PAD.encode(r#"{"v":"meta.k8s.io/v1","rv":0,"start":"a/b"}"#)] {
            assert_eq!(Continuation::parse(token).unwrap_err().code(), 400, "{token}");
        }
    }
}
