//! What the server serves is no secret to anybody whom it knows; whether it lives, to nobody at all.

use api::well_known::identity::{AUTHENTICATED, UNAUTHENTICATED};

use crate::context::User;
use crate::http::authorization::authorizer::{Authorizer, Decision};
use crate::http::exchange::{Attributes, Verb};
use crate::http::filters::authentication::is_open_to_all;

pub struct Discovery;

/// Each also stands for all paths below it.
const PATHS: [&str; 3] = ["/api", "/apis", "/openapi"];

impl Authorizer for Discovery {
    fn decide(&self, user: &User, attributes: &Attributes) -> Decision {
        if attributes.target.is_some() || attributes.verb != Verb::Get {
            return Decision::NoOpinion;
        }
        let path = attributes.path.as_str();
        let is_listed =
            PATHS.iter().any(|known| path.strip_prefix(known).is_some_and(|r| r.is_empty() || r.starts_with('/')));
        let known = user.is_in(AUTHENTICATED);
        if (known && is_listed) || ((known || user.is_in(UNAUTHENTICATED)) && is_open_to_all(path)) {
            return Decision::Allow;
        }
        Decision::NoOpinion
    }
}
