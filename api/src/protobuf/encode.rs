//! From JSON to protobuf, without decoding the JSON into values.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::protobuf::error::{Error, malformed};
use crate::protobuf::outline::{self, Entries, Node};
use crate::protobuf::table::{self, Field, Form, Holds, Layout, Message, Presence, Shape};
use crate::protobuf::wire::{self, FIXED64, VARINT};
use crate::protobuf::{envelope, special};

/// Writes objects one after the other, with one set of buffers.
#[derive(Debug, Default)]
pub struct Writer {
    entries: Entries,
}

impl Writer {
    /// An object in its envelope. What it is stands in its `apiVersion` and `kind`.
    pub fn object(&mut self, json: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let outline = outline::of(json, &mut self.entries)?;
        let node = outline.root();
        let text = |name: &str| node.member(name).and_then(|value| value.string().ok()).unwrap_or_default();
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        write_enveloped(&api_version, &kind, node, out)
    }

    /// As `object`, for JSON that does not say what it is, or is to be written as something else: of a whole object
    /// `PartialObjectMetadata` takes the metadata.
    pub fn object_as(&mut self, api_version: &str, kind: &str, json: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let outline = outline::of(json, &mut self.entries)?;
        let node = outline.root();
        write_enveloped(api_version, kind, node, out)
    }

    /// A message without envelope.
    pub fn message(&mut self, api_version: &str, kind: &str, json: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let outline = outline::of(json, &mut self.entries)?;
        let node = outline.root();
        write_content(message(api_version, kind)?.layout(), node, out)
    }

    /// A list in its envelope: `metadata` and every item are JSON.
    pub fn list(
        &mut self,
        api_version: &str,
        kind: &str,
        metadata: &[u8],
        items: impl Iterator<Item = impl AsRef<[u8]>>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let layout = message(api_version, kind)?.layout();
        let part = |name: &str| match layout.field(name) {
            Some(Field { number, shape: Shape::Message(message), .. }) => Ok((*number, message.layout())),
            _ => Err(malformed(format!("{kind} has no {name}"))),
        };
        let (metadata_number, metadata_layout) = part("metadata")?;
        let (items_number, item_layout) = part("items")?;
        envelope::write(api_version, kind, out, |out| {
            let mut metadata_bytes = Vec::with_capacity(64);
            let outline = outline::of(metadata, &mut self.entries)?;
            wire::write_delimited(metadata_number, &mut metadata_bytes, |out| {
                write_fields(metadata_layout, outline.root(), out)
            })?;
            // In the old form of a list of metadata the items come first.
            let metadata_is_first = metadata_number < items_number;
            if metadata_is_first {
                out.extend_from_slice(&metadata_bytes);
            }
            for item in items {
                let outline = outline::of(item.as_ref(), &mut self.entries)?;
                wire::write_delimited(items_number, out, |out| write_fields(item_layout, outline.root(), out))?;
            }
            if !metadata_is_first {
                out.extend_from_slice(&metadata_bytes);
            }
            Ok(())
        })
    }
}

fn message(api_version: &str, kind: &str) -> Result<Message, Error> {
    table::of_kind(api_version, kind)
        .ok_or_else(|| Error::NoMessage { api_version: api_version.to_owned(), kind: kind.to_owned() })
}

fn write_enveloped(api_version: &str, kind: &str, node: Node<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
    let layout = message(api_version, kind)?.layout();
    envelope::write(api_version, kind, out, |out| write_content(layout, node, out))
}

/// A message, without tag and length.
fn write_content(layout: &Layout, node: Node<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
    match layout.form {
        Form::Object => write_fields(layout, node, out),
        Form::Time => {
            special::write_time(special::Time::parse(&node.string()?)?.in_seconds(), out);
            Ok(())
        }
        Form::MicroTime => {
            special::write_time(special::Time::parse(&node.string()?)?, out);
            Ok(())
        }
        Form::Quantity => {
            // A number is read as it is written.
            let text = if node.is_string() { node.string()? } else { node.text().into() };
            special::write_quantity(&text, out);
            Ok(())
        }
        Form::IntOrString if node.is_string() => {
            special::write_int_or_string(None, &node.string()?, out);
            Ok(())
        }
        Form::IntOrString => {
            let number = i32::try_from(node.integer()?).map_err(|_| node.unexpected("a 32-bit integer"))?;
            special::write_int_or_string(Some(number), "", out);
            Ok(())
        }
        Form::Raw => {
            wire::write_bytes(1, special::compact(node.text()).as_bytes(), out);
            Ok(())
        }
        Form::List => layout.fields.first().map_or(Ok(()), |list| write_field(list, node, out)),
        Form::SchemaOrBool | Form::SchemaOrSchemas | Form::SchemaOrStrings => write_choice(layout, node, out),
    }
}

/// What is either a schema or something simpler.
fn write_choice(layout: &Layout, node: Node<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
    let field = |name: &str| layout.field(name).ok_or_else(|| malformed(format!("there is no {name}")));
    if layout.form == Form::SchemaOrBool {
        let allows = node.is_object() || node.boolean()?;
        wire::write_tag(field("allows")?.number, VARINT, out);
        out.push(u8::from(allows));
    }
    if node.is_object() {
        return write_field(field("schema")?, node, out);
    }
    match layout.form {
        Form::SchemaOrSchemas => write_field(field("jSONSchemas")?, node, out),
        Form::SchemaOrStrings => write_field(field("property")?, node, out),
        _ => Ok(()),
    }
}

fn write_fields(layout: &Layout, node: Node<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
    let mut found: Vec<(u16, Node<'_>)> = Vec::with_capacity(16);
    for (key, value) in node.members()? {
        if let Some(at) = layout.find(&key.string()?)
            && !value.is_null()
        {
            found.push((at, value));
        }
    }
    found.sort_by_key(|(at, _)| *at);
    let mut found = found.into_iter().peekable();
    for (at, field) in layout.fields.iter().enumerate() {
        if let (true, Shape::Message(inner)) = (field.is_inline, field.shape) {
            wire::write_delimited(field.number, out, |out| write_fields(inner.layout(), node, out))?;
            continue;
        }
        // Of a key that stands twice, the last counts.
        let mut value = None;
        while let Some((_, node)) = found.next_if(|(place, _)| usize::from(*place) == at) {
            value = Some(node);
        }
        match value {
            Some(value) => write_field(field, value, out).map_err(|error| error.inside(field.name))?,
            None if field.presence == Presence::IfSet => {}
            None => write_zero(field, out)?,
        }
    }
    Ok(())
}

fn write_field(field: &Field, value: Node<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
    match field.holds {
        Holds::One => write_one(field.number, field.shape, value, out),
        Holds::List => value.elements()?.try_for_each(|element| write_one(field.number, field.shape, element, out)),
        Holds::Map => write_map(field, value, out),
    }
}

/// Entries are sorted by key, so that equal maps are equal bytes.
fn write_map(field: &Field, value: Node<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
    let mut entries = Vec::new();
    for (key, value) in value.members()? {
        entries.push((key.string()?, value));
    }
    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut entries = entries.into_iter().peekable();
    while let Some((key, value)) = entries.next() {
        if entries.peek().is_some_and(|(next, _)| *next == key) {
            continue;
        }
        wire::write_delimited(field.number, out, |out| {
            wire::write_bytes(1, key.as_bytes(), out);
            write_one(2, field.shape, value, out)
        })?;
    }
    Ok(())
}

fn write_one(number: u32, shape: Shape, value: Node<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
    if value.is_null() {
        return write_zero_of(number, shape, out);
    }
    match shape {
        Shape::String => wire::write_bytes(number, value.string()?.as_bytes(), out),
        Shape::Boolean => write_integer(number, i64::from(value.boolean()?), out),
        Shape::Int64 => write_integer(number, value.integer()?, out),
        Shape::Int32 => {
            let integer = i32::try_from(value.integer()?).map_err(|_| value.unexpected("a 32-bit integer"))?;
            write_integer(number, i64::from(integer), out);
        }
        Shape::Double => {
            wire::write_tag(number, FIXED64, out);
            out.extend_from_slice(&value.number()?.to_le_bytes());
        }
        Shape::Bytes => {
            let bytes = STANDARD.decode(&*value.string()?).map_err(|error| malformed(format!("base64: {error}")))?;
            wire::write_bytes(number, &bytes, out);
        }
        Shape::Message(inner) => {
            return wire::write_delimited(number, out, |out| write_content(inner.layout(), value, out));
        }
    }
    Ok(())
}

fn write_integer(number: u32, value: i64, out: &mut Vec<u8>) {
    wire::write_tag(number, VARINT, out);
    wire::write_varint(value as u64, out);
}

fn write_zero(field: &Field, out: &mut Vec<u8>) -> Result<(), Error> {
    match field.holds {
        Holds::One => write_zero_of(field.number, field.shape, out),
        Holds::List | Holds::Map => Ok(()),
    }
}

fn write_zero_of(number: u32, shape: Shape, out: &mut Vec<u8>) -> Result<(), Error> {
    match shape {
        Shape::String | Shape::Bytes => wire::write_bytes(number, b"", out),
        Shape::Boolean | Shape::Int32 | Shape::Int64 => write_integer(number, 0, out),
        Shape::Double => {
            wire::write_tag(number, FIXED64, out);
            out.extend_from_slice(&[0; 8]);
        }
        Shape::Message(inner) => {
            return wire::write_delimited(number, out, |out| write_zero_content(inner.layout(), out));
        }
    }
    Ok(())
}

/// A message of which nothing is set. What holds itself does so by pointers, so this ends.
fn write_zero_content(layout: &Layout, out: &mut Vec<u8>) -> Result<(), Error> {
    match layout.form {
        Form::Quantity => special::write_quantity("0", out),
        Form::IntOrString => special::write_int_or_string(Some(0), "", out),
        Form::Object => {
            let mut written = layout.fields.iter().filter(|field| field.is_inline || field.presence != Presence::IfSet);
            return written.try_for_each(|field| write_zero(field, out));
        }
        _ => {}
    }
    Ok(())
}
