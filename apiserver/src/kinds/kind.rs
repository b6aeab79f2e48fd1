//! What a kind has to say: the one trait that each file of this folder implements.

use api::field::FieldErrors;
use api::names::{GroupResource, NameRule};
use jiff::Timestamp;
use k8s_openapi::Metadata;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, Time};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::kinds::answer::Answer;
use crate::kinds::facts::{ALL_VERBS, ColumnHead, FieldLabel, Flags, Subresource};

/// A built-in kind: its struct from k8s-openapi, and what that does not say.
pub trait Kind:
    Metadata<Ty = ObjectMeta> + Clone + Default + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static
{
    const SHORT_NAMES: &'static [&'static str] = &[];
    const CATEGORIES: &'static [&'static str] = &[];
    const VERBS: &'static [&'static str] = ALL_VERBS;
    const SUBRESOURCES: &'static [Subresource] = &[];
    const FLAGS: Flags = Flags::USUAL;
    /// What a client is warned of whenever it uses the kind.
    const DEPRECATION: Option<&'static str> = None;
    const NAME_RULE: NameRule = api::names::dns_subdomain;
    /// Fields that selectors may ask for, besides name and namespace.
    const FIELD_LABELS: &'static [FieldLabel] = &[];
    const COLUMNS: &'static [Column<Self>];
    /// For a kind that is another kind's objects in another shape.
    const MAPPING: Option<Mapping<Self>> = None;
    /// For a kind that is a question: its objects are answered instead of stored.
    const ANSWER: Option<Answer<Self>> = None;

    /// Fills what the client left out. Called for every object that comes in, and for patched ones.
    fn fill_defaults(&mut self) {}

    /// What the server alone decides about a new object: an initial status, say.
    fn before_create(&mut self) {}

    /// What an update may not touch is put back from `old`: the status, say.
    fn before_update(&mut self, old: &Self) {
        let _ = old;
    }

    /// What a write of `/status` may not touch is put back from `old`: the spec, say.
    fn before_subresource_update(&mut self, subresource: &str, old: &Self) {
        let _ = (subresource, old);
    }

    /// Times that the server notes, of a new object (`old` is none) or a changed one.
    fn set_times(&mut self, old: Option<&Self>, now: &Time) {
        let _ = (old, now);
    }

    fn validate(&self, errors: &mut FieldErrors) {
        let _ = errors;
    }

    /// Runs beside `validate`, for rules that only new objects are held to.
    fn validate_create(&self, errors: &mut FieldErrors) {
        let _ = errors;
    }

    /// Runs beside `validate`, for rules that compare.
    fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
        let _ = (old, errors);
    }

    /// Runs instead of `validate` and `validate_update` for a write of a subresource.
    fn validate_subresource_update(&self, subresource: &str, old: &Self, errors: &mut FieldErrors) {
        let _ = (subresource, old, errors);
    }

    /// Whether anything but metadata and status differs: then the generation counts on.
    fn spec_differs(&self, old: &Self) -> bool {
        let _ = old;
        false
    }

    /// How long an object goes on living when it is deleted, in seconds; `None` for kinds that go at once.
    fn grace_period(&self, asked: Option<i64>) -> Option<i64> {
        let _ = asked;
        None
    }

    /// Whether something besides `metadata.finalizers` keeps a deleted object.
    fn holds_deletion(&self) -> bool {
        false
    }

    /// What `/scale` shows and sets, for kinds that have it among their subresources.
    fn scaled(&mut self) -> Option<Scaled<'_>> {
        None
    }

    /// Runs when the deletion of an object that stays for a while begins.
    fn begin_deletion(&mut self) {}

    /// Sentences for the client about what is accepted yet unwise.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether this update is not worth a write to disk: it only says that somebody is alive.
    fn is_volatile_update(&self, old: &Self) -> bool {
        let _ = old;
        Self::FLAGS.volatile
    }
}

/// How a kind's objects are kept as those of another kind. Both list their field labels in the same order.
pub struct Mapping<K> {
    pub resource: GroupResource,
    pub to_stored: fn(&K) -> Result<Vec<u8>, serde_json::Error>,
    pub of_stored: fn(&[u8]) -> Result<K, serde_json::Error>,
}

/// The parts of an object that its Scale shows.
pub struct Scaled<'a> {
    pub replicas: &'a mut Option<i32>,
    /// How many there are.
    pub current: i32,
    /// Which pods they are, in the form of a query.
    pub selector: String,
}

impl<'a> Scaled<'a> {
    pub fn new(replicas: &'a mut Option<i32>, current: i32, selector: &LabelSelector) -> Self {
        let selector = api::selector::LabelSelector::from_object(selector);
        Self { replicas, current, selector: selector.map(|selector| selector.to_string()).unwrap_or_default() }
    }
}

/// A column of `kubectl get`.
pub struct Column<K> {
    pub head: ColumnHead,
    pub cell: fn(&K, Timestamp) -> Value,
}

impl<K> Column<K> {
    pub const fn new(
        name: &'static str,
        kind: &'static str,
        description: &'static str,
        cell: fn(&K, Timestamp) -> Value,
    ) -> Self {
        Self { head: ColumnHead { name, kind, format: "", description, priority: 0 }, cell }
    }

    /// A column that only a wide listing shows.
    pub const fn wide(
        name: &'static str,
        kind: &'static str,
        description: &'static str,
        cell: fn(&K, Timestamp) -> Value,
    ) -> Self {
        Self { head: ColumnHead { name, kind, format: "", description, priority: 1 }, cell }
    }
}
