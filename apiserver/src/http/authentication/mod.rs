//! Whose a bearer token is: a list of authenticators, of which the first that knows the token answers.

pub mod authenticator;

use crate::http::authentication::authenticator::TokenAuthenticator;
use crate::kinds::answer::{Owner, Tokens};

/// The list. The tokens of ServiceAccounts will be its first entry; until then no token is known.
#[derive(Default)]
pub struct TokenAuthenticators(Vec<Box<dyn TokenAuthenticator>>);

impl Tokens for TokenAuthenticators {
    fn owner(&self, token: &str, audiences: &[String]) -> Option<Owner> {
        self.0.iter().find_map(|authenticator| authenticator.owner(token, audiences))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::User;

    struct Only(&'static str);

    impl TokenAuthenticator for Only {
        fn owner(&self, token: &str, audiences: &[String]) -> Option<Owner> {
            (token == self.0).then(|| Owner { user: User::new(token, &[]), audiences: audiences.to_vec() })
        }
    }

    #[test]
    fn the_first_that_knows_a_token_says_whose_it_is() {
        assert!(TokenAuthenticators::default().owner("a", &[]).is_none());
        let list = TokenAuthenticators(vec![Box::new(Only("a")), Box::new(Only("b"))]);
        assert_eq!(list.owner("b", &[]).map(|owner| owner.user.name).as_deref(), Some("b"));
        assert!(list.owner("c", &[]).is_none());
    }
}
