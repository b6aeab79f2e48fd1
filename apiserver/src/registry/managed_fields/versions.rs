//! The API versions in which the managers of an object speak of it. Most kinds have one; some are served in two shapes.

use std::borrow::Cow;

use api::schema;
use serde_json::Value;

use crate::kinds::KINDS;
use crate::kinds::erased::KindRef;
use crate::kinds::strict::Search;
use crate::registry::managed_fields::types::Type;

pub struct Versions {
    kind: KindRef,
    /// That of the request.
    pub own: String,
}

impl Versions {
    pub fn of(kind: KindRef) -> Self {
        Self { kind, own: kind.facts().api_version() }
    }

    fn kind_at(&self, version: &str) -> Option<KindRef> {
        if version == self.own {
            return Some(self.kind);
        }
        let storage = self.kind.storage();
        KINDS.iter().copied().find(|kind| kind.storage() == storage && kind.facts().api_version() == version)
    }

    pub fn own_type(&self) -> Type {
        type_of(self.kind)
    }

    pub fn type_at(&self, version: &str) -> Type {
        self.kind_at(version).map_or(Type::Deduced, type_of)
    }

    /// The same object in another version. None if that is not served any more.
    pub fn convert<'a>(&self, value: &'a Value, from: &str, to: &str) -> Option<Cow<'a, Value>> {
        if from == to {
            return Some(Cow::Borrowed(value));
        }
        let (from, to) = (self.kind_at(from)?, self.kind_at(to)?);
        let draft = from.decode_value(value.clone(), Search::Silence).ok()?.draft;
        let stored = from.encode_stored(&*draft).ok()?;
        let viewed = match to.view().map(|form| form(&stored)) {
            None => stored,
            Some(viewed) => viewed.ok()?.into(),
        };
        serde_json::from_slice(&viewed).ok().map(Cow::Owned)
    }
}

fn type_of(kind: KindRef) -> Type {
    let facts = kind.facts();
    schema::of_kind(facts.group, facts.version, facts.kind).map_or(Type::Deduced, Type::Struct)
}
