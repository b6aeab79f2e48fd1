//! What an authenticator of tokens is.

use crate::kinds::answer::Owner;

pub trait TokenAuthenticator: Send + Sync {
    /// Whose the token is; none if it is not one of this authenticator's, not valid, or for no one of these audiences.
    /// No audiences stand for the server's own.
    fn owner(&self, token: &str, audiences: &[String]) -> Option<Owner>;
}
