//! A kind with its type hidden, so that one code serves all of them.

use std::any::{Any, TypeId};
use std::marker::PhantomData;

use api::failure::Failure;
use api::field::FieldErrors;
use api::names::GroupResource;
use api::schema::{self, Definition};
use bytes::Bytes;
use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde_json::Value;

use crate::kinds::answer::Asked;
use crate::kinds::canonical::{self, ManagedFields};
use crate::kinds::facts::{ColumnHead, Facts, FieldLabel};
use crate::kinds::kind::{Kind, Scaled};
use crate::kinds::strict::{self, Findings, Search};
use crate::kinds::zeros;

/// An entry of the kind list.
pub type KindRef = &'static dyn AnyKind;

/// Makes one form of an object of another.
pub type View = fn(&[u8]) -> Result<Bytes, serde_json::Error>;

/// What the rest of the server sees of a kind: JSON in, JSON out.
pub trait AnyKind: Send + Sync {
    fn facts(&self) -> &'static Facts;
    /// Whether its objects are questions: then there is nothing to read, list or change.
    fn is_answered(&self) -> bool;
    fn field_labels(&self) -> &'static [FieldLabel];
    fn columns(&self) -> Vec<ColumnHead>;
    /// The cells of one table row, in the order of `columns`.
    fn cells(&self, object: &[u8], now: Timestamp) -> Result<Vec<Value>, serde_json::Error>;
    /// Reads an object of this kind, and drops what the kind does not have. This is the one place at which a type of the
    /// API is read, since each way of reading it would be compiled for all types.
    fn decode_kept(&self, json: &[u8]) -> Result<Box<dyn Draft>, serde_json::Error>;
    /// Where its objects are kept: under its own name, unless it is another kind in another shape.
    fn storage(&self) -> GroupResource;
    /// The canonical form in which a draft of this kind is kept, without its managed fields.
    fn encode_stored(&self, draft: &dyn Draft) -> Result<Vec<u8>, serde_json::Error>;
    /// What makes this kind's form of what is kept; `None` if that is the same.
    fn view(&self) -> Option<View>;
}

impl dyn AnyKind {
    /// Reads what a client sent; unknown fields are dropped.
    pub fn decode(&self, json: &[u8], search: Search) -> Result<Decoded, serde_json::Error> {
        let definition = self.definition();
        let Findings { complaints, may_be_silent } = strict::scan(json, definition, search);
        let draft = match definition.filter(|_| may_be_silent) {
            Some(definition) => self.decode_without_silence(serde_json::from_slice(json)?, definition)?,
            None => self.decode_kept(json)?,
        };
        Ok(Decoded { draft, complaints })
    }

    pub fn decode_value(&self, value: Value, search: Search) -> Result<Decoded, serde_json::Error> {
        let definition = self.definition();
        // By way of text: one more way to read would make the program larger by all types of the API.
        let json = serde_json::to_vec(&value)?;
        let Findings { complaints, may_be_silent } = strict::scan(&json, definition, search);
        let draft = match definition.filter(|_| may_be_silent) {
            Some(definition) => self.decode_without_silence(value, definition)?,
            None => self.decode_kept(&json)?,
        };
        Ok(Decoded { draft, complaints })
    }

    /// Reads what is left without the values that say nothing.
    fn decode_without_silence(
        &self,
        mut value: Value,
        definition: Definition,
    ) -> Result<Box<dyn Draft>, serde_json::Error> {
        zeros::leave_out(&mut value, definition);
        self.decode_kept(&serde_json::to_vec(&value)?)
    }

    fn definition(&self) -> Option<Definition> {
        let facts = self.facts();
        schema::of_kind(facts.group, facts.version, facts.kind)
    }
}

/// An object that has been read.
pub struct Decoded {
    pub draft: Box<dyn Draft>,
    /// What the client should know: `unknown field "spec.foo"`.
    pub complaints: Vec<String>,
}

/// An object on its way through a write, its type hidden. Drafts that are handed in beside one another are of one kind.
pub trait Draft: Send + Sync {
    /// Holds no managed fields: they stand beside it.
    fn metadata(&self) -> &ObjectMeta;
    fn metadata_mut(&mut self) -> &mut ObjectMeta;
    fn managed_fields(&self) -> &ManagedFields;
    fn managed_fields_mut(&mut self) -> &mut ManagedFields;
    fn fill_defaults(&mut self);
    fn before_create(&mut self);
    fn before_update(&mut self, old: &dyn Draft);
    fn before_subresource_update(&mut self, subresource: &str, old: &dyn Draft);
    fn set_times(&mut self, old: Option<&dyn Draft>, now: Timestamp);
    fn validate(&self, errors: &mut FieldErrors);
    fn validate_create(&self, errors: &mut FieldErrors);
    fn validate_update(&self, old: &dyn Draft, errors: &mut FieldErrors);
    fn validate_subresource_update(&self, subresource: &str, old: &dyn Draft, errors: &mut FieldErrors);
    fn spec_differs(&self, old: &dyn Draft) -> bool;
    fn grace_period(&self, asked: Option<i64>) -> Option<i64>;
    fn holds_deletion(&self) -> bool;
    fn scaled(&mut self) -> Option<Scaled<'_>>;
    fn begin_deletion(&mut self);
    fn warnings(&self) -> Vec<String>;
    fn is_volatile_update(&self, old: &dyn Draft) -> bool;
    /// Answers what the object asks; refused for kinds that ask nothing.
    fn answer(&mut self, asked: &Asked<'_>) -> Result<(), Failure>;
    fn to_value(&self) -> Value;
    /// The canonical form: `{"apiVersion":…,"kind":…,"metadata":{…`, fields in the order of the struct.
    fn encode(&self) -> Bytes;
    fn copy(&self) -> Box<dyn Draft>;
    fn as_any(&self) -> &dyn Any;
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

impl dyn Draft + '_ {
    /// The object itself, for code that is about one kind.
    pub fn typed<K: Kind>(&self) -> Option<&K> {
        self.as_any().downcast_ref::<Typed<K>>().map(|typed| &typed.object)
    }

    pub fn typed_mut<K: Kind>(&mut self) -> Option<&mut K> {
        self.as_any_mut().downcast_mut::<Typed<K>>().map(|typed| &mut typed.object)
    }
}

/// The list's entry for a built-in kind.
pub struct Builtin<K>(PhantomData<fn() -> K>);

impl<K: Kind> Builtin<K> {
    pub const ENTRY: Self = Self(PhantomData);

    const FACTS: Facts = Facts {
        group: K::GROUP,
        version: K::VERSION,
        kind: K::KIND,
        plural: K::URL_PATH_SEGMENT,
        namespaced: false,
        short_names: K::SHORT_NAMES,
        categories: K::CATEGORIES,
        verbs: K::VERBS,
        subresources: K::SUBRESOURCES,
        flags: K::FLAGS,
        name_rule: K::NAME_RULE,
        deprecation: K::DEPRECATION,
    };
    const NAMESPACED_FACTS: Facts = Facts { namespaced: true, ..Self::FACTS };
}

impl<K: Kind> AnyKind for Builtin<K>
where
    K::Scope: 'static,
{
    fn facts(&self) -> &'static Facts {
        if TypeId::of::<K::Scope>() == TypeId::of::<NamespaceResourceScope>() {
            return &const { Self::NAMESPACED_FACTS };
        }
        &const { Self::FACTS }
    }

    fn is_answered(&self) -> bool {
        K::ANSWER.is_some()
    }

    fn field_labels(&self) -> &'static [FieldLabel] {
        K::FIELD_LABELS
    }

    fn columns(&self) -> Vec<ColumnHead> {
        K::COLUMNS.iter().map(|column| column.head).collect()
    }

    fn cells(&self, object: &[u8], now: Timestamp) -> Result<Vec<Value>, serde_json::Error> {
        let object: K = api::json::read(object)?;
        Ok(K::COLUMNS.iter().map(|column| (column.cell)(&object, now)).collect())
    }

    fn decode_kept(&self, json: &[u8]) -> Result<Box<dyn Draft>, serde_json::Error> {
        let mut object: K = api::json::read(json)?;
        let sent = object.metadata_mut().managed_fields.take();
        let managed_fields = sent.map(|list| serde_json::to_vec(&list)).transpose()?.map(Bytes::from);
        Ok(Box::new(Typed { object, managed_fields }))
    }

    fn storage(&self) -> GroupResource {
        K::MAPPING.map_or(GroupResource { group: K::GROUP, resource: K::URL_PATH_SEGMENT }, |mapping| mapping.resource)
    }

    fn encode_stored(&self, draft: &dyn Draft) -> Result<Vec<u8>, serde_json::Error> {
        match K::MAPPING {
            Some(mapping) => (mapping.to_stored)(Typed::<K>::of(draft)),
            None => canonical::encode(Typed::<K>::of(draft)),
        }
    }

    fn view(&self) -> Option<View> {
        K::MAPPING.map(|_| view::<K> as View)
    }
}

fn view<K: Kind>(stored: &[u8]) -> Result<Bytes, serde_json::Error> {
    let Some(mapping) = K::MAPPING else { return Ok(Bytes::copy_from_slice(stored)) };
    canonical::encode(&(mapping.of_stored)(stored)?).map(Bytes::from)
}

struct Typed<K> {
    object: K,
    managed_fields: ManagedFields,
}

impl<K: Kind> Typed<K> {
    fn of(draft: &dyn Draft) -> &K {
        draft.typed().expect("drafts beside one another are of one kind")
    }
}

impl<K: Kind> Draft for Typed<K> {
    fn metadata(&self) -> &ObjectMeta {
        self.object.metadata()
    }

    fn metadata_mut(&mut self) -> &mut ObjectMeta {
        self.object.metadata_mut()
    }

    fn managed_fields(&self) -> &ManagedFields {
        &self.managed_fields
    }

    fn managed_fields_mut(&mut self) -> &mut ManagedFields {
        &mut self.managed_fields
    }

    fn fill_defaults(&mut self) {
        self.object.fill_defaults();
    }

    fn before_create(&mut self) {
        self.object.before_create();
    }

    fn before_update(&mut self, old: &dyn Draft) {
        self.object.before_update(Self::of(old));
    }

    fn before_subresource_update(&mut self, subresource: &str, old: &dyn Draft) {
        self.object.before_subresource_update(subresource, Self::of(old));
    }

    fn set_times(&mut self, old: Option<&dyn Draft>, now: Timestamp) {
        self.object.set_times(old.map(Self::of), &Time(now));
    }

    fn validate(&self, errors: &mut FieldErrors) {
        self.object.validate(errors);
    }

    fn validate_create(&self, errors: &mut FieldErrors) {
        self.object.validate_create(errors);
    }

    fn validate_update(&self, old: &dyn Draft, errors: &mut FieldErrors) {
        self.object.validate_update(Self::of(old), errors);
    }

    fn validate_subresource_update(&self, subresource: &str, old: &dyn Draft, errors: &mut FieldErrors) {
        self.object.validate_subresource_update(subresource, Self::of(old), errors);
    }

    fn spec_differs(&self, old: &dyn Draft) -> bool {
        self.object.spec_differs(Self::of(old))
    }

    fn grace_period(&self, asked: Option<i64>) -> Option<i64> {
        self.object.grace_period(asked)
    }

    fn holds_deletion(&self) -> bool {
        self.object.holds_deletion()
    }

    fn scaled(&mut self) -> Option<Scaled<'_>> {
        self.object.scaled()
    }

    fn begin_deletion(&mut self) {
        self.object.begin_deletion();
    }

    fn warnings(&self) -> Vec<String> {
        self.object.warnings()
    }

    fn is_volatile_update(&self, old: &dyn Draft) -> bool {
        self.object.is_volatile_update(Self::of(old))
    }

    fn answer(&mut self, asked: &Asked<'_>) -> Result<(), Failure> {
        K::ANSWER.map_or_else(|| Err(Failure::method_not_allowed()), |answer| answer(&mut self.object, asked))
    }

    fn to_value(&self) -> Value {
        serde_json::from_slice(&self.encode()).expect("what was just written is JSON")
    }

    fn encode(&self) -> Bytes {
        let bare = canonical::encode(&self.object).expect("a Kubernetes object is a JSON object");
        canonical::join(bare, &self.managed_fields).into()
    }

    fn copy(&self) -> Box<dyn Draft> {
        Box::new(Self { object: self.object.clone(), managed_fields: self.managed_fields.clone() })
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
