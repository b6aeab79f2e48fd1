//! The group that may do everything, whatever roles say.

use api::well_known::identity::MASTERS;

use crate::context::User;
use crate::http::authorization::authorizer::{Authorizer, Decision};
use crate::http::exchange::Attributes;
use crate::kinds::answer::Rules;

pub struct Masters;

impl Authorizer for Masters {
    fn decide(&self, user: &User, _: &Attributes) -> Decision {
        if user.is_in(MASTERS) { Decision::Allow } else { Decision::NoOpinion }
    }

    fn rules(&self, user: &User, _: &str) -> Option<Rules> {
        user.is_in(MASTERS).then(Rules::all)
    }
}
