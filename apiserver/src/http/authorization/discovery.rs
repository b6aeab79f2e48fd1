//! What the server serves is no secret to anybody whom it knows; whether it lives, to nobody at all.

use api::well_known::identity::{AUTHENTICATED, UNAUTHENTICATED};

use crate::context::User;
use crate::http::authorization::authorizer::{Authorizer, Decision};
use crate::http::exchange::{Attributes, Verb};
use crate::http::filters::authentication::is_open_to_all;
use crate::kinds::answer::{PathRule, Rules};

pub struct Discovery;

/// Each also stands for all paths below it.
const PATHS: [&str; 3] = ["/api", "/apis", "/openapi"];
/// As rules name what is open to all.
const OPEN_PATHS: [&str; 4] = ["/healthz", "/livez", "/readyz", "/version"];

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

    fn rules(&self, user: &User, _: &str) -> Option<Rules> {
        let listed = PATHS.iter().flat_map(|path| [(*path).to_owned(), format!("{path}/*")]);
        let open = OPEN_PATHS.iter().map(|path| (*path).to_owned());
        let known = user.is_in(AUTHENTICATED);
        let paths: Vec<String> = listed.filter(|_| known).chain(open).collect();
        let rule = PathRule { verbs: vec!["get".to_owned()], paths };
        (known || user.is_in(UNAUTHENTICATED)).then(|| Rules { paths: vec![rule], ..Rules::default() })
    }
}
