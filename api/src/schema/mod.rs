//! The shapes of all types of the API, with what k8s-openapi's structs do not say: merge keys, list types, defaults.
//!
//! They stand in `table.txt`, made by `cargo xtask schema` from upstream's OpenAPI documents and read where it lies:
//! nothing of it is kept in memory but where each line begins. A type is a line `name shape kinds…`, sorted by name, and
//! below it, each behind a space and sorted too, its properties: `name shape attributes…`, with `!` before the name of a
//! required one.
//!
//! Shapes are `s` string, `t` time, `y` bytes in base64, `i` 32-bit and `l` 64-bit integer, `d` number, `b` boolean,
//! `x` integer or string, `o` object, `a` anything, `[` list of, `{` map of, `@` the type with this number. Attributes are
//! `L` list type, `K` keys of a list that is a map, `P` patch strategy, `M` patch merge key, `T` map type, `D` default as JSON;
//! `A` behind a type's shape says that it is atomic, `U` at the end of its line which of its fields exclude each other.

pub mod descriptions;

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::OnceLock;

use memchr::memchr;

/// Changes when a fact does.
pub static TABLE: &str = include_str!("table.txt");

/// Where things begin in the table.
struct Places {
    lines: Box<[u32]>,
    /// Of each type, its line.
    types: Box<[u16]>,
}

fn places() -> &'static Places {
    static PLACES: OnceLock<Places> = OnceLock::new();
    PLACES.get_or_init(|| {
        let (mut lines, mut types) = (Vec::with_capacity(4096), Vec::with_capacity(1024));
        let mut at = 0;
        for line in TABLE.split_inclusive('\n') {
            if !line.starts_with(' ') {
                types.push(lines.len() as u16);
            }
            lines.push(at);
            at += line.len() as u32;
        }
        Places { lines: lines.into(), types: types.into() }
    })
}

impl Places {
    /// Where a type begins.
    fn of_type(&self, number: usize) -> Option<usize> {
        self.types.get(number).map(|line| self.lines[usize::from(*line)] as usize)
    }

    /// Where the properties of a type begin.
    fn of_properties(&self, number: u16) -> &[u32] {
        let first = usize::from(self.types[usize::from(number)]) + 1;
        let end = self.types.get(usize::from(number) + 1).map_or(self.lines.len(), |line| usize::from(*line));
        &self.lines[first..end]
    }
}

/// A type of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Definition(u16);

/// All types, sorted by name.
pub fn definitions() -> impl Iterator<Item = Definition> {
    (0..places().types.len()).map(|number| Definition(number as u16))
}

/// The type with this full name: `io.k8s.api.core.v1.Pod`.
pub fn definition(name: &str) -> Option<Definition> {
    let Places { lines, types } = places();
    let found = types.binary_search_by(|line| word_at(lines[usize::from(*line)] as usize).cmp(name)).ok()?;
    Some(Definition(found as u16))
}

/// The type that is a kind of the API.
pub fn of_kind(group: &str, version: &str, kind: &str) -> Option<Definition> {
    let found = kinds().get(kind)?.iter().find(|(a, b, _)| *a == "*" || (*a == group && *b == version));
    found.map(|(_, _, definition)| *definition)
}

/// By kind: group, version, and the type.
type Kinds = HashMap<&'static str, Vec<(&'static str, &'static str, Definition)>>;

fn kinds() -> &'static Kinds {
    static KINDS: OnceLock<Kinds> = OnceLock::new();
    KINDS.get_or_init(|| {
        let mut kinds = Kinds::new();
        for definition in definitions() {
            for (group, version, kind) in definition.kinds() {
                kinds.entry(kind).or_default().push((group, version, definition));
            }
        }
        kinds
    })
}

fn word_at(start: usize) -> &'static str {
    let rest = &TABLE[start..];
    &rest[..rest.bytes().position(|byte| matches!(byte, b' ' | b'\n')).unwrap_or(rest.len())]
}

/// The first word of a line, and what comes after it.
fn word(line: &'static str) -> (&'static str, &'static str) {
    match line.bytes().position(|byte| byte == b' ') {
        Some(end) => (&line[..end], &line[end + 1..]),
        None => (line, ""),
    }
}

impl Definition {
    fn start(self) -> usize {
        places().of_type(usize::from(self.0)).unwrap_or_default()
    }

    fn lines(self) -> impl Iterator<Item = &'static str> {
        let end = places().of_type(usize::from(self.0) + 1).unwrap_or(TABLE.len());
        let mut rest = &TABLE[self.start()..end];
        std::iter::from_fn(move || {
            let length = memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len());
            let line = (!rest.is_empty()).then(|| &rest[..length])?;
            rest = rest.get(length + 1..).unwrap_or_default();
            Some(line)
        })
    }

    fn header(self) -> impl Iterator<Item = &'static str> {
        let mut rest = self.lines().next().unwrap_or_default();
        std::iter::from_fn(move || {
            let (first, others) = word(rest);
            rest = others;
            (!first.is_empty()).then_some(first)
        })
    }

    pub fn name(self) -> &'static str {
        word_at(self.start())
    }

    /// `Object` for all but a few types that are a scalar by another name.
    pub fn shape(self) -> Shape {
        Shape(self.header().nth(1).unwrap_or_default())
    }

    /// Written and merged as one value.
    pub fn is_atomic(self) -> bool {
        self.header().nth(2) == Some("A")
    }

    /// Which fields exclude each other: the value of `x-kubernetes-unions`, as JSON text.
    pub fn unions(self) -> Option<&'static str> {
        self.header().skip(2).find_map(|word| word.strip_prefix('U'))
    }

    /// Group, version and kind; `*` as group and version stands for all of them.
    pub fn kinds(self) -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
        self.header().skip(2).filter_map(|word| {
            let (group, rest) = word.split_once('/')?;
            let (version, kind) = rest.split_once('/')?;
            Some((group, version, kind))
        })
    }

    pub fn properties(self) -> impl Iterator<Item = Property> {
        self.lines().skip(1).map(Property)
    }

    pub fn property(self, name: &str) -> Option<Property> {
        // No name holds what ends one.
        if name.contains([' ', '\n']) {
            return None;
        }
        let lines = places().of_properties(self.0);
        let found = lines.binary_search_by(|start| Property::order(*start as usize, name)).ok()?;
        let rest = &TABLE[lines[found] as usize..];
        Some(Property(&rest[..memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len())]))
    }
}

/// A field of a type. It is its line of the table.
#[derive(Debug, Clone, Copy)]
pub struct Property(&'static str);

impl Property {
    pub fn name(self) -> &'static str {
        word(self.0[1..].trim_start_matches('!')).0
    }

    /// Whether the property in the line that starts here comes before or after this name.
    fn order(start: usize, name: &str) -> Ordering {
        let line = &TABLE.as_bytes()[start + 1..];
        let line = line.strip_prefix(b"!").unwrap_or(line);
        let (own, rest) = line.split_at(name.len().min(line.len()));
        own.cmp(name.as_bytes()).then_with(|| if rest.starts_with(b" ") { Ordering::Equal } else { Ordering::Greater })
    }

    pub fn is_required(self) -> bool {
        self.0.starts_with(" !")
    }

    pub fn shape(self) -> Shape {
        Shape(word(word(&self.0[1..]).1).0)
    }

    fn attribute(self, key: char) -> Option<&'static str> {
        // Behind the name and the shape.
        let mut rest = word(word(&self.0[1..]).1).1;
        while !rest.is_empty() {
            // A default is last, and may hold spaces.
            if let Some(default) = rest.strip_prefix('D') {
                return (key == 'D').then_some(default);
            }
            let (attribute, others) = word(rest);
            if let Some(value) = attribute.strip_prefix(key) {
                return Some(value);
            }
            rest = others;
        }
        None
    }

    /// `atomic`, `set` or `map`.
    pub fn list_type(self) -> Option<&'static str> {
        self.attribute('L')
    }

    pub fn list_map_keys(self) -> impl Iterator<Item = &'static str> {
        self.attribute('K').into_iter().flat_map(|keys| keys.split(','))
    }

    /// `merge`, `replace`, `retainKeys`, or several with commas between.
    pub fn patch_strategy(self) -> Option<&'static str> {
        self.attribute('P')
    }

    pub fn patches_by(self, strategy: &str) -> bool {
        self.patch_strategy().is_some_and(|strategies| strategies.split(',').any(|one| one == strategy))
    }

    pub fn patch_merge_key(self) -> Option<&'static str> {
        self.attribute('M')
    }

    /// `atomic` or `granular`.
    pub fn map_type(self) -> Option<&'static str> {
        self.attribute('T')
    }

    /// JSON text.
    pub fn default(self) -> Option<&'static str> {
        self.attribute('D')
    }
}

/// What a value looks like. It is its code in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape(&'static str);

/// A shape, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    String,
    Time,
    Bytes,
    Int32,
    Int64,
    Number,
    Boolean,
    IntOrString,
    Object,
    Any,
    List(Shape),
    Map(Shape),
    Reference(Definition),
}

impl Shape {
    pub fn view(self) -> View {
        match self.0.as_bytes().first() {
            Some(b's') => View::String,
            Some(b't') => View::Time,
            Some(b'y') => View::Bytes,
            Some(b'i') => View::Int32,
            Some(b'l') => View::Int64,
            Some(b'd') => View::Number,
            Some(b'b') => View::Boolean,
            Some(b'x') => View::IntOrString,
            Some(b'o') => View::Object,
            Some(b'[') => View::List(Self(&self.0[1..])),
            Some(b'{') => View::Map(Self(&self.0[1..])),
            Some(b'@') => self.0[1..].parse().map_or(View::Any, |number| View::Reference(Definition(number))),
            _ => View::Any,
        }
    }

    /// The type at the end of lists and maps, if it has a name.
    pub fn referred(self) -> Option<Definition> {
        match self.view() {
            View::List(element) | View::Map(element) => element.referred(),
            View::Reference(definition) => Some(definition),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn property(definition_name: &str, name: &str) -> Property {
        definition(definition_name).unwrap().property(name).unwrap()
    }

    #[test]
    fn a_kind_is_found_and_its_fields_are_followed() {
        let pod = of_kind("", "v1", "Pod").unwrap();
        assert_eq!(pod.name(), "io.k8s.api.core.v1.Pod");
        let View::Reference(spec) = pod.property("spec").unwrap().shape().view() else { panic!("spec is a type") };
        let containers = spec.property("containers").unwrap();
        assert!(containers.is_required() && containers.patches_by("merge"));
        assert_eq!(containers.patch_merge_key(), Some("name"));
        let View::List(element) = containers.shape().view() else { panic!("containers is a list") };
        let View::Reference(container) = element.view() else { panic!("a container is a type") };
        assert_eq!(container.name(), "io.k8s.api.core.v1.Container");
        let keys: Vec<&str> = container.property("ports").unwrap().list_map_keys().collect();
        assert_eq!(keys, ["containerPort", "protocol"]);
        assert_eq!(property("io.k8s.api.core.v1.ContainerPort", "protocol").default(), Some("\"TCP\""));
    }

    #[test]
    fn strategies_scalars_and_atoms_are_told_apart() {
        let strategy = property("io.k8s.api.apps.v1.DeploymentSpec", "strategy");
        assert!(strategy.patches_by("retainKeys") && !strategy.patches_by("merge"));
        assert_eq!(property("io.k8s.api.core.v1.PodSpec", "tolerations").list_type(), Some("atomic"));
        assert_eq!(definition("io.k8s.apimachinery.pkg.apis.meta.v1.Time").unwrap().shape().view(), View::Time);
        assert!(definition("io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector").unwrap().is_atomic());
        let labels = property("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", "labels").shape().view();
        let View::Map(element) = labels else { panic!("labels is a map") };
        assert_eq!(element.view(), View::String);
    }

    #[test]
    fn every_line_of_the_table_can_be_read() {
        let mut names: Vec<&str> = definitions().map(Definition::name).collect();
        assert!(names.len() > 700 && names.is_sorted());
        names.dedup();
        for found in definitions() {
            assert_eq!(definition(found.name()), Some(found));
            for property in found.properties() {
                assert_eq!(found.property(property.name()).map(|same| same.0), Some(property.0));
                let mut shape = property.shape();
                while let View::List(element) | View::Map(element) = shape.view() {
                    shape = element;
                }
                if let View::Reference(other) = shape.view() {
                    assert!(names.binary_search(&other.name()).is_ok());
                }
                if let Some(default) = property.default() {
                    assert!(serde_json::from_str::<serde_json::Value>(default).is_ok(), "{default}");
                }
            }
        }
        let meta = definition("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta").unwrap();
        for none in ["", "a", "nam", "names", "name s", "uid\n", "zzz"] {
            assert!(meta.property(none).is_none(), "{none:?}");
        }
        assert!(of_kind("apps", "v1", "DeleteOptions").is_some());
        assert!(of_kind("apps", "v1", "Nothing").is_none());
    }
}
