//! The controllers and the scheduler. Until there are roles they may do everything.

use api::well_known::identity::CONTROLLER_MANAGER;

use crate::context::User;
use crate::http::authorization::authorizer::{Authorizer, Decision};
use crate::http::exchange::Attributes;
use crate::kinds::answer::Rules;

pub struct ControllerManager;

impl Authorizer for ControllerManager {
    fn decide(&self, user: &User, _: &Attributes) -> Decision {
        if user.name == CONTROLLER_MANAGER { Decision::Allow } else { Decision::NoOpinion }
    }

    fn rules(&self, user: &User, _: &str) -> Option<Rules> {
        (user.name == CONTROLLER_MANAGER).then(Rules::all)
    }
}
