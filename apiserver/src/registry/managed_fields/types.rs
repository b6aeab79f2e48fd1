//! What the schema says of a value: whether it is one thing, a list of items or a map of fields.

use std::borrow::Cow;
use std::cmp::Ordering;

use api::schema::{Definition, Property, Shape, View};
use serde_json::Value;

use crate::registry::managed_fields::element::Element;
use crate::registry::managed_fields::node::{Node, Sort};

/// A value's type, as far as the schema knows it.
#[derive(Debug, Clone, Copy)]
pub enum Type {
    Struct(Definition),
    /// What a field holds: its shape, and the attributes that stand beside it.
    Field(Property),
    /// An item of a list, or an entry of a map.
    Inner(Shape),
    /// Not known: lists are atoms, objects are maps.
    Deduced,
}

/// How a value is compared and merged.
pub enum Atom {
    Scalar(Scalar),
    List(ListType),
    Map(MapType),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar {
    Text,
    Number,
    Boolean,
    Any,
}

pub struct ListType {
    pub relation: Relation,
    pub items: Type,
}

/// What its items are to a list.
pub enum Relation {
    /// Nothing by themselves: the list is one value.
    Atomic,
    Set,
    /// Each is told apart by these fields.
    Map(Box<[&'static str]>),
}

pub struct MapType {
    /// Whether it is one value.
    pub is_atomic: bool,
    pub fields: Fields,
}

pub enum Fields {
    Declared(Definition),
    Entries(Type),
}

/// Where the type of a field is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Declared,
    /// An entry of a map.
    Entry,
    /// Its struct has no such field.
    Undeclared,
}

impl Type {
    /// `value` decides where the schema does not.
    pub fn atom(self, value: impl Node) -> Atom {
        self.atom_of(Some(value.sort()))
    }

    /// As the schema alone has it.
    pub fn declared_atom(self) -> Atom {
        self.atom_of(None)
    }

    fn atom_of(self, value: Option<Sort>) -> Atom {
        match self {
            Self::Struct(definition) => of_definition(definition, None, value),
            Self::Field(property) => of_shape(property.shape(), Some(property), value),
            Self::Inner(shape) => of_shape(shape, None, value),
            Self::Deduced => deduced(value),
        }
    }
}

fn deduced(value: Option<Sort>) -> Atom {
    match value {
        Some(Sort::List) => Atom::List(ListType { relation: Relation::Atomic, items: Type::Deduced }),
        None | Some(Sort::Map) => Atom::Map(MapType { is_atomic: false, fields: Fields::Entries(Type::Deduced) }),
        Some(Sort::Null | Sort::Scalar) => Atom::Scalar(Scalar::Any),
    }
}

fn of_shape(shape: Shape, property: Option<Property>, value: Option<Sort>) -> Atom {
    match shape.view() {
        View::String | View::Time | View::Bytes => Atom::Scalar(Scalar::Text),
        View::Int32 | View::Int64 | View::Number => Atom::Scalar(Scalar::Number),
        View::Boolean => Atom::Scalar(Scalar::Boolean),
        View::IntOrString => Atom::Scalar(Scalar::Any),
        View::Object | View::Any => deduced(value),
        View::Reference(definition) => of_definition(definition, property, value),
        View::List(items) => {
            let relation = match property.and_then(|property| Some((property, property.list_type()?))) {
                Some((property, "map")) => Relation::Map(property.list_map_keys().collect()),
                Some((_, "set")) => Relation::Set,
                _ => Relation::Atomic,
            };
            Atom::List(ListType { relation, items: Type::Inner(items) })
        }
        View::Map(entries) => {
            let is_atomic = property.is_some_and(|property| property.map_type() == Some("atomic"));
            Atom::Map(MapType { is_atomic, fields: Fields::Entries(Type::Inner(entries)) })
        }
    }
}

fn of_definition(definition: Definition, property: Option<Property>, value: Option<Sort>) -> Atom {
    match definition.shape().view() {
        View::Object if definition.properties().next().is_none() => deduced(value),
        View::Object => {
            let is_atomic = match property.and_then(Property::map_type) {
                Some(map_type) => map_type == "atomic",
                None => definition.is_atomic(),
            };
            Atom::Map(MapType { is_atomic, fields: Fields::Declared(definition) })
        }
        // A quantity may be written as a number.
        View::String if definition.name().ends_with(".Quantity") => Atom::Scalar(Scalar::Any),
        _ => of_shape(definition.shape(), None, value),
    }
}

impl MapType {
    pub fn field(&self, name: &str) -> (Type, Standing) {
        match self.fields {
            Fields::Entries(entries) => (entries, Standing::Entry),
            Fields::Declared(definition) => match definition.property(name) {
                Some(property) => (Type::Field(property), Standing::Declared),
                None => (Type::Deduced, Standing::Undeclared),
            },
        }
    }

    /// Calls `visit` for each field that stands on either side: those that are declared, then all others. Both sides are
    /// sorted.
    pub fn zip<'a, N: Copy>(
        &self,
        left: impl Iterator<Item = (&'a str, N)>,
        right: impl Iterator<Item = (&'a str, N)>,
        visit: &mut dyn FnMut(Pair<'a, N>),
    ) {
        let mut undeclared = Vec::new();
        for (name, left, right) in both(left, right) {
            match self.field(name) {
                (_, Standing::Undeclared) => undeclared.push((name, left, right)),
                (of, standing) => visit(Pair { name, of, standing, left, right }),
            }
        }
        for (name, left, right) in undeclared {
            visit(Pair { name, of: Type::Deduced, standing: Standing::Undeclared, left, right });
        }
    }

    /// The fields of one object.
    pub fn each<'a, N: Copy>(
        &self,
        fields: impl Iterator<Item = (&'a str, N)>,
        visit: &mut dyn FnMut(&'a str, Type, Standing, N),
    ) {
        self.zip(std::iter::empty(), fields, &mut |pair| {
            if let Some(value) = pair.right {
                visit(pair.name, pair.of, pair.standing, value);
            }
        });
    }
}

/// The entries of two objects side by side.
fn both<'a, N: Copy>(
    left: impl Iterator<Item = (&'a str, N)>,
    right: impl Iterator<Item = (&'a str, N)>,
) -> impl Iterator<Item = (&'a str, Option<N>, Option<N>)> {
    let (mut left, mut right) = (left.peekable(), right.peekable());
    std::iter::from_fn(move || {
        let order = match (left.peek(), right.peek()) {
            (Some((one, _)), Some((other, _))) => one.cmp(other),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        let one = if order.is_le() { left.next() } else { None };
        let other = if order.is_ge() { right.next() } else { None };
        let (name, _) = one.or(other)?;
        Some((name, one.map(|(_, value)| value), other.map(|(_, value)| value)))
    })
}

/// A field as it stands on both sides.
pub struct Pair<'a, N> {
    pub name: &'a str,
    pub of: Type,
    pub standing: Standing,
    pub left: Option<N>,
    pub right: Option<N>,
}

impl<N> Pair<'_, N> {
    /// The step to it.
    pub fn element(&self) -> Element {
        step(self.name, self.of)
    }
}

/// The step to a field of this name and type.
pub fn step(name: &str, of: Type) -> Element {
    match of {
        Type::Field(property) => Element::declared(property.name()),
        _ => Element::field(name),
    }
}

impl ListType {
    pub fn is_atomic(&self) -> bool {
        matches!(self.relation, Relation::Atomic)
    }

    /// What an item is told apart by.
    pub fn element(&self, item: impl Node) -> Result<Element, String> {
        match &self.relation {
            Relation::Atomic => Err("invalid indexing of non-associative list".to_owned()),
            Relation::Set => match item.sort() {
                Sort::Map => Err("associative list without keys has an element that's a map type".to_owned()),
                Sort::List => Err("not supported: associative list with lists as elements".to_owned()),
                Sort::Null => Err("associative list without keys has an element that's an explicit null".to_owned()),
                Sort::Scalar => Ok(Element::Item(item.to_value())),
            },
            Relation::Map(keys) => {
                match item.sort() {
                    Sort::Map => {}
                    Sort::Null => return Err("associative list with keys may not have a null element".to_owned()),
                    _ => return Err("associative list with keys may not have non-map elements".to_owned()),
                }
                let keys = keys.iter().map(|key| {
                    let value = item.field(key).or_else(|| self.default_of(key));
                    value.map(|value| (Cow::Borrowed(*key), value)).ok_or_else(|| {
                        format!(
                            "associative list with keys has an element that omits key field {key:?} (and doesn't have \
                             default value)"
                        )
                    })
                });
                Ok(Element::key(keys.collect::<Result<Vec<_>, _>>()?))
            }
        }
    }

    /// A key that is left out has its default: a port's protocol.
    fn default_of(&self, key: &str) -> Option<Value> {
        let Type::Inner(shape) = self.items else { return None };
        let View::Reference(definition) = shape.view() else { return None };
        serde_json::from_str(definition.property(key)?.default()?).ok()
    }
}

/// The fields of an object; none for null and what is no object.
pub fn fields(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

/// The items of a list; none for null and what is no list.
pub fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn list(definition: &str, field: &str) -> ListType {
        let property = api::schema::definition(definition).unwrap().property(field).unwrap();
        match Type::Field(property).declared_atom() {
            Atom::List(list) => list,
            _ => panic!("{field} is a list"),
        }
    }

    #[test]
    fn items_are_told_apart_by_their_keys_with_defaults() {
        let ports = list("io.k8s.api.core.v1.Container", "ports");
        let key = |item: Value| ports.element(&item).map(|element| element.to_string());
        assert_eq!(key(json!({"containerPort": 80})).unwrap(), r#"[containerPort=80,protocol="TCP"]"#);
        assert_eq!(
            key(json!({"containerPort": 80, "protocol": "UDP"})).unwrap(),
            r#"[containerPort=80,protocol="UDP"]"#
        );
        let secrets = list("io.k8s.api.core.v1.ServiceAccount", "secrets");
        assert_eq!(
            secrets.element(&json!({"kind": "Secret"})).unwrap_err(),
            "associative list with keys has an element that omits key field \"name\" (and doesn't have default value)"
        );
        for item in [json!(null), json!(7)] {
            assert!(key(item).unwrap_err().starts_with("associative list with keys may not have"));
        }
        let finalizers = list("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", "finalizers");
        assert_eq!(finalizers.element(&json!("a/b")).unwrap().to_string(), r#"[="a/b"]"#);
        for item in [json!(null), json!({}), json!([])] {
            assert!(finalizers.element(&item).is_err());
        }
        assert!(list("io.k8s.api.core.v1.PodSpec", "tolerations").is_atomic());
    }

    #[test]
    fn atoms_are_those_that_the_schema_marks() {
        let atom = |definition: &str, field: &str| {
            Type::Field(api::schema::definition(definition).unwrap().property(field).unwrap()).declared_atom()
        };
        let is_atomic = |definition: &str, field: &str| match atom(definition, field) {
            Atom::Map(map) => map.is_atomic,
            _ => panic!("{field} is a map"),
        };
        assert!(is_atomic("io.k8s.api.core.v1.PodSpec", "nodeSelector"));
        assert!(is_atomic("io.k8s.api.apps.v1.DeploymentSpec", "selector"));
        assert!(!is_atomic("io.k8s.api.core.v1.PersistentVolumeSpec", "claimRef"), "the field overrules its type");
        assert!(!is_atomic("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", "labels"));
        assert!(matches!(atom("io.k8s.api.core.v1.ServicePort", "targetPort"), Atom::Scalar(Scalar::Any)));
        assert!(matches!(atom("io.k8s.api.core.v1.ContainerStatus", "restartCount"), Atom::Scalar(Scalar::Number)));
    }

    #[test]
    fn each_field_of_either_side_is_visited_once() {
        let pod = api::schema::of_kind("", "v1", "Pod").unwrap();
        let (left, right) = (json!({"spec": 1, "odd": 2}), json!({"odd": 3, "kind": 4, "more": 5}));
        let Atom::Map(map) = Type::Struct(pod).declared_atom() else { panic!("a pod is a struct") };
        let mut seen = Vec::new();
        map.zip(fields(&left), fields(&right), &mut |pair| {
            seen.push(format!("{} {:?} {:?}", pair.name, pair.standing, (pair.left.is_some(), pair.right.is_some())));
        });
        assert_eq!(
            seen,
            [
                "kind Declared (false, true)",
                "spec Declared (true, false)",
                "more Undeclared (false, true)",
                "odd Undeclared (true, true)"
            ]
        );
    }
}
