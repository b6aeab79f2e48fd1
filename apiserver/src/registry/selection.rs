//! Which objects a list or a watch is about.

use std::sync::Arc;

use api::failure::Failure;
use api::selector::{FieldSelector, LabelSelector};

use crate::kinds::erased::KindRef;
use crate::registry::options::ListOptions;
use crate::storage::object::Object;
use crate::storage::watch::Scope;

/// Selectors that have been read and fit the kind.
#[derive(Debug)]
pub struct Selection {
    labels: LabelSelector,
    fields: Vec<Term>,
}

#[derive(Debug)]
struct Term {
    field: Field,
    value: String,
    equal: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Name,
    Namespace,
    /// By its place among the kind's field labels.
    Label(usize),
}

impl Selection {
    pub fn of(kind: KindRef, options: &ListOptions) -> Result<Self, Failure> {
        let labels = LabelSelector::parse(&options.label_selector).map_err(Failure::bad_request)?;
        let fields = FieldSelector::parse(&options.field_selector).map_err(Failure::bad_request)?;
        let term = |term: api::selector::FieldTerm| {
            let field = field(kind, &term.field)?;
            Ok(Term { field, value: term.value, equal: term.equal })
        };
        let fields = fields.terms.into_iter().map(term).collect::<Result<_, Failure>>()?;
        Ok(Self { labels, fields })
    }

    pub fn is_everything(&self) -> bool {
        self.labels.is_everything() && self.fields.is_empty()
    }

    pub fn matches(&self, object: &Object) -> bool {
        let has_value = |term: &Term| {
            let value: &str = match term.field {
                Field::Name => &object.key.name,
                Field::Namespace => &object.key.namespace,
                Field::Label(index) => object.fields.get(index).map_or("", |value| value),
            };
            (value == term.value) == term.equal
        };
        self.fields.iter().all(has_value)
            && (self.labels.is_everything() || self.labels.matches_by(|key| object.meta.label(key)))
    }

    fn required(&self, field: Field) -> Option<&str> {
        self.fields.iter().find(|term| term.equal && term.field == field).map(|term| term.value.as_str())
    }

    /// The one name that an object must have.
    pub fn name(&self) -> Option<&str> {
        self.required(Field::Name)
    }

    /// The one namespace that an object must be in.
    pub fn namespace(&self) -> Option<&str> {
        self.required(Field::Namespace)
    }

    /// The narrowest scope of a watch that holds all that is selected.
    pub fn scope(&self, namespace: Option<&str>, namespaced: bool) -> Scope {
        let namespace: Option<Arc<str>> = namespace.or(self.namespace()).map(Arc::from);
        let object_namespace = if namespaced { namespace.clone() } else { Some(Arc::from("")) };
        if let (Some(namespace), Some(name)) = (object_namespace, self.name()) {
            return Scope::Object { namespace, name: Arc::from(name) };
        }
        let by_label = self.fields.iter().find_map(|term| match term.field {
            Field::Label(index) if term.equal && !term.value.is_empty() => Some((index, term.value.as_str())),
            _ => None,
        });
        match (by_label, namespace) {
            (Some((index, value)), _) => Scope::Field(index, Box::from(value)),
            (None, Some(namespace)) => Scope::Namespace(namespace),
            (None, None) => Scope::All,
        }
    }
}

fn field(kind: KindRef, label: &str) -> Result<Field, Failure> {
    let labels = kind.field_labels();
    match label {
        "metadata.name" => return Ok(Field::Name),
        // Kinds without labels of their own take it even where it is empty.
        "metadata.namespace" if kind.facts().namespaced || labels.is_empty() => return Ok(Field::Namespace),
        _ => {}
    }
    if let Some(index) = labels.iter().position(|known| known.label == label) {
        return Ok(Field::Label(index));
    }
    Err(Failure::bad_request(if labels.is_empty() {
        format!("{label:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
    } else {
        format!("field label not supported: {label}")
    }))
}
