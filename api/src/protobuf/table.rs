//! The messages of the API, read where they lie: in `table.txt`, made by `cargo xtask protobuf`.
//!
//! A message is a line with its name, `group.version.Name`, sorted by name; below it, each behind a space, stand its
//! fields by number: `name number shape`. The name is that in JSON. Before it stands `+` if the field is written even if
//! it is zero, `!` if JSON shows it then too, and `^` if its own fields stand beside the message's others in JSON.
//!
//! Shapes are `s` string, `b` boolean, `i` 32-bit and `l` 64-bit integer, `d` double, `y` bytes, `@` the message with this
//! number; before these `[` a list of, `{` a map from strings to.

use std::sync::OnceLock;

use crate::names::split_api_version;

static TABLE: &str = include_str!("table.txt");

/// Where each message begins in the table.
fn starts() -> &'static [u32] {
    static STARTS: OnceLock<Box<[u32]>> = OnceLock::new();
    STARTS.get_or_init(|| {
        let mut starts = Vec::with_capacity(1200);
        let mut at = 0;
        for line in TABLE.split_inclusive('\n') {
            if !line.starts_with(' ') {
                starts.push(at);
            }
            at += line.len() as u32;
        }
        starts.into()
    })
}

/// A message of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message(u16);

/// The message with this name: `core.v1.Pod`.
fn named(name: &str) -> Option<Message> {
    let found = starts().binary_search_by(|start| name_at(*start as usize).cmp(name)).ok()?;
    Some(Message(found as u16))
}

fn name_at(start: usize) -> &'static str {
    TABLE[start..].lines().next().unwrap_or_default()
}

/// The message in which a kind travels; `None` for what has no other form than JSON.
pub fn of_kind(api_version: &str, kind: &str) -> Option<Message> {
    let (group, version) = split_api_version(api_version);
    let package = match group {
        "" => "core",
        "rbac.authorization.k8s.io" => "rbac",
        "flowcontrol.apiserver.k8s.io" => "flowcontrol",
        "internal.apiserver.k8s.io" => "apiserverinternal",
        // Names of packages, not of groups.
        "core" | "apiserverinternal" => return None,
        other => other.strip_suffix(".k8s.io").unwrap_or(other),
    };
    if package.contains('.') {
        return None;
    }
    // Some kinds stand in every group and version: `Status`, `DeleteOptions`.
    named(&format!("{package}.{version}.{kind}")).or_else(|| named(&format!("meta.v1.{kind}")))
}

/// The names of all fields whose `false` or `0` may be the same as nothing. A field of the same name elsewhere may differ.
pub fn names_of_silent_zeros() -> impl Iterator<Item = &'static str> {
    let fields = TABLE.lines().filter_map(|line| line.strip_prefix(" +"));
    fields.filter_map(|field| {
        let mut words = field.split(' ');
        let (name, code) = (words.next()?, words.nth(1)?);
        matches!(code, "b" | "i" | "l" | "d").then_some(name)
    })
}

impl Message {
    /// The message of a type of the schemas: `io.k8s.api.core.v1.Pod`.
    pub fn of_schema(name: &str) -> Option<Self> {
        let (start, _) = name.rmatch_indices('.').nth(2)?;
        named(&name[start + 1..])
    }

    /// Whether `""`, `false` or `0` in this field is the same as nothing: its type in Go cannot tell them apart.
    pub fn zero_is_nothing(self, field: &str) -> bool {
        let layout = self.layout();
        match layout.field(field) {
            Some(field) => field.presence != Presence::IfSet && !matches!(field.shape, Shape::Message(_)),
            // It may stand in one whose fields stand beside the others.
            None => layout.fields.iter().filter(|field| field.is_inline).any(|inline| match inline.shape {
                Shape::Message(inner) => inner.zero_is_nothing(field),
                _ => false,
            }),
        }
    }

    pub fn name(self) -> &'static str {
        name_at(starts()[usize::from(self.0)] as usize)
    }

    /// How the message is laid out. Taken apart when it is first asked for: most of them never are.
    pub fn layout(self) -> &'static Layout {
        static LAYOUTS: OnceLock<Box<[OnceLock<Layout>]>> = OnceLock::new();
        let layouts = LAYOUTS.get_or_init(|| starts().iter().map(|_| OnceLock::new()).collect());
        layouts[usize::from(self.0)].get_or_init(|| {
            let start = starts()[usize::from(self.0)] as usize;
            let end = starts().get(usize::from(self.0) + 1).map_or(TABLE.len(), |end| *end as usize);
            Layout::parse(self.name(), TABLE[start..end].lines().skip(1))
        })
    }
}

/// A message, taken apart.
#[derive(Debug)]
pub struct Layout {
    pub form: Form,
    /// By number, which is the order in which they are written.
    pub fields: Box<[Field]>,
    /// Places in `fields`, by name: the shorter first, since lengths are compared sooner.
    by_name: Box<[u16]>,
}

/// What a message looks like in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Object,
    /// A time in seconds.
    Time,
    MicroTime,
    Quantity,
    IntOrString,
    /// Any JSON, kept as its text.
    Raw,
    /// A list, the one field of its message.
    List,
    /// Each of these is one of two shapes, which stand in two fields.
    SchemaOrBool,
    SchemaOrSchemas,
    SchemaOrStrings,
}

#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    pub number: u32,
    pub shape: Shape,
    pub holds: Holds,
    pub presence: Presence,
    /// Its fields stand beside the others of the message in JSON.
    pub is_inline: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    String,
    Boolean,
    Int32,
    Int64,
    Double,
    Bytes,
    Message(Message),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    One,
    List,
    Map,
}

/// What is done about a field that is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Zero is a value like any other, and what is not set is not written.
    IfSet,
    /// Zero is nothing: protobuf has it always, JSON if it is something.
    Always,
    /// As `Always`, and JSON shows zero.
    Shown,
}

fn by_length(name: &str) -> (usize, &str) {
    (name.len(), name)
}

impl Layout {
    fn parse(name: &str, lines: std::iter::Skip<std::str::Lines<'static>>) -> Self {
        let fields: Box<[Field]> = lines.filter_map(Field::parse).collect();
        let mut by_name: Box<[u16]> = (0..fields.len() as u16).collect();
        by_name.sort_unstable_by_key(|at| by_length(fields[usize::from(*at)].name));
        Self { form: Form::of(name), fields, by_name }
    }

    /// The place in `fields` of the field with this name.
    pub fn find(&self, name: &str) -> Option<u16> {
        let wanted = by_length(name);
        let found =
            self.by_name.binary_search_by(|at| by_length(self.fields[usize::from(*at)].name).cmp(&wanted)).ok()?;
        Some(self.by_name[found])
    }

    pub fn field(&self, name: &str) -> Option<&Field> {
        self.find(name).map(|at| &self.fields[usize::from(at)])
    }
}

impl Form {
    fn of(name: &str) -> Self {
        match name {
            "meta.v1.Time" => Self::Time,
            "meta.v1.MicroTime" => Self::MicroTime,
            "Quantity" => Self::Quantity,
            "intstr.IntOrString" => Self::IntOrString,
            "runtime.RawExtension" | "meta.v1.FieldsV1" => Self::Raw,
            "meta.v1.Verbs" => Self::List,
            _ => match name.rsplit_once('.') {
                Some((_, "ExtraValue")) => Self::List,
                Some(("apiextensions.v1" | "apiextensions.v1beta1", kind)) => match kind {
                    "JSON" => Self::Raw,
                    "JSONSchemaPropsOrBool" => Self::SchemaOrBool,
                    "JSONSchemaPropsOrArray" => Self::SchemaOrSchemas,
                    "JSONSchemaPropsOrStringArray" => Self::SchemaOrStrings,
                    _ => Self::Object,
                },
                _ => Self::Object,
            },
        }
    }
}

impl Field {
    fn parse(line: &'static str) -> Option<Self> {
        let mut words = line.strip_prefix(' ')?.split(' ');
        let (name, number, code) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
        let presence = match name.as_bytes().first()? {
            b'+' => Presence::Always,
            b'!' => Presence::Shown,
            _ => Presence::IfSet,
        };
        let (holds, code) = match code.as_bytes().first()? {
            b'[' => (Holds::List, &code[1..]),
            b'{' => (Holds::Map, &code[1..]),
            _ => (Holds::One, code),
        };
        let shape = match code.as_bytes().first()? {
            b's' => Shape::String,
            b'b' => Shape::Boolean,
            b'i' => Shape::Int32,
            b'l' => Shape::Int64,
            b'd' => Shape::Double,
            b'y' => Shape::Bytes,
            _ => Shape::Message(Message(code.strip_prefix('@')?.parse().ok()?)),
        };
        let is_inline = name.starts_with('^');
        Some(Self { name: name.trim_start_matches(['+', '!', '^']), number, shape, holds, presence, is_inline })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_can_be_read() {
        let messages: Vec<Message> = (0..starts().len()).map(|number| Message(number as u16)).collect();
        assert!(messages.len() > 1000 && messages.iter().map(|message| message.name()).is_sorted());
        let mut lines = 0;
        for message in &messages {
            assert_eq!(named(message.name()), Some(*message));
            let layout = message.layout();
            assert!(layout.fields.iter().map(|field| field.number).is_sorted());
            for field in &layout.fields {
                assert_eq!(layout.field(field.name).unwrap().number, field.number);
                if let Shape::Message(inner) = field.shape {
                    assert!(messages.contains(&inner));
                }
            }
            lines += 1 + layout.fields.len();
        }
        assert_eq!(lines, TABLE.lines().count());
    }

    #[test]
    fn kinds_are_found_in_their_groups_and_nowhere_else() {
        for (api_version, kind, message) in [
            ("v1", "Pod", "core.v1.Pod"),
            ("apps/v1", "DeploymentList", "apps.v1.DeploymentList"),
            ("rbac.authorization.k8s.io/v1", "Role", "rbac.v1.Role"),
            ("flowcontrol.apiserver.k8s.io/v1", "FlowSchema", "flowcontrol.v1.FlowSchema"),
            ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "apiextensions.v1.CustomResourceDefinition"),
            ("apiregistration.k8s.io/v1", "APIService", "apiregistration.v1.APIService"),
            ("policy/v1", "DeleteOptions", "meta.v1.DeleteOptions"),
            ("meta.k8s.io/v1beta1", "PartialObjectMetadataList", "meta.v1beta1.PartialObjectMetadataList"),
            ("meta.k8s.io/v1beta1", "PartialObjectMetadata", "meta.v1.PartialObjectMetadata"),
        ] {
            assert_eq!(of_kind(api_version, kind).map(Message::name), Some(message));
        }
        for (api_version, kind) in
            [("resource.example.com/v1", "Device"), ("stable.example.com/v1", "CronTab"), ("v1", "Table"), ("", "")]
        {
            assert_eq!(of_kind(api_version, kind), None, "{api_version} {kind}");
        }
    }

    #[test]
    fn presence_follows_gos_types() {
        let field = |message: &str, name: &str| named(message).unwrap().layout().field(name).unwrap();
        assert_eq!(field("core.v1.PodSpec", "nodeName").presence, Presence::Always);
        assert_eq!(field("core.v1.PodSpec", "priority").presence, Presence::IfSet);
        assert_eq!(field("core.v1.Container", "name").presence, Presence::Shown);
        assert_eq!(field("core.v1.Container", "securityContext").presence, Presence::IfSet);
        assert_eq!(field("core.v1.Container", "resources").presence, Presence::Always);
        assert!(field("core.v1.Volume", "volumeSource").is_inline);
        assert_eq!(field("discovery.v1.EndpointPort", "name").presence, Presence::IfSet);
        assert_eq!(field("core.v1.EndpointPort", "name").presence, Presence::Always);
        let names: Vec<&str> = names_of_silent_zeros().collect();
        assert!(names.contains(&"hostNetwork") && names.contains(&"generation"));
        assert!(!names.contains(&"restartCount") && !names.contains(&"terminationGracePeriodSeconds"));
        let is_nothing = |name: &str, field: &str| Message::of_schema(name).unwrap().zero_is_nothing(field);
        assert!(is_nothing("io.k8s.api.core.v1.PodSpec", "hostNetwork"));
        assert!(is_nothing("io.k8s.api.core.v1.EphemeralContainer", "tty"));
        assert!(!is_nothing("io.k8s.api.core.v1.PodSpec", "priority"));
        assert!(!is_nothing("io.k8s.api.core.v1.PodSpec", "securityContext"));
        assert!(!is_nothing("io.k8s.api.core.v1.PodSpec", "unknown"));
    }
}
