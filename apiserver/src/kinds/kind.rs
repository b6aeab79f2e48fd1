//! What a kind has to say: the one trait that each file of this folder implements.

use api::field::FieldErrors;
use api::names::NameRule;
use jiff::Timestamp;
use k8s_openapi::Metadata;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

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
    const NAME_RULE: NameRule = api::names::dns_subdomain;
    /// Fields that selectors may ask for, besides name and namespace.
    const FIELD_LABELS: &'static [FieldLabel] = &[];
    const COLUMNS: &'static [Column<Self>];

    /// Fills what the client left out. Called for every object that comes in, and for patched ones.
    fn fill_defaults(&mut self) {}

    /// What the server alone decides about a new object: an initial status, say.
    fn before_create(&mut self) {}

    /// What an update may not touch is put back from `old`: the status, say.
    fn before_update(&mut self, old: &Self) {
        let _ = old;
    }

    /// What a write of `/status` may not touch is put back from `old`: all but the status.
    fn before_status_update(&mut self, old: &Self) {
        let _ = old;
    }

    fn validate(&self, errors: &mut FieldErrors) {
        let _ = errors;
    }

    /// Runs beside `validate`, for rules that compare.
    fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
        let _ = (old, errors);
    }

    /// Runs instead of `validate_update` for a write of `/status`.
    fn validate_status_update(&self, old: &Self, errors: &mut FieldErrors) {
        let _ = (old, errors);
    }

    /// Whether anything but metadata and status differs: then the generation counts on.
    fn spec_differs(&self, old: &Self) -> bool {
        let _ = old;
        false
    }

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

    /// Only a wide listing shows it.
    pub const fn wide(mut self) -> Self {
        self.head.priority = 1;
        self
    }
}

/// The column that every kind has first.
pub const fn name_column<K: Metadata<Ty = ObjectMeta>>() -> Column<K> {
    let head =
        ColumnHead { name: "Name", kind: "string", format: "name", description: "The object's name.", priority: 0 };
    Column { head, cell: |object, _| Value::from(object.metadata().name.clone().unwrap_or_default()) }
}
