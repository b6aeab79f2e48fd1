//! From protobuf to JSON, in one walk over the bytes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use crate::protobuf::envelope::{self, MAGIC};
use crate::protobuf::error::{Error, malformed};
use crate::protobuf::special::Time;
use crate::protobuf::table::{self, Field, Form, Holds, Layout, Presence, Shape};
use crate::protobuf::wire::{DELIMITED, FIXED64, Reader, VARINT};

/// Messages inside of one another go no deeper. Every level is one call.
const DEEPEST: usize = 100;

/// The JSON of an enveloped object. What its envelope leaves out is taken to be as `expected`, an `apiVersion` and a
/// `kind`, and left out of the JSON too.
pub fn object(bytes: &[u8], expected: (&str, &str)) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(bytes.len() * 2);
    write_object(bytes, expected, &mut out, 0)?;
    Ok(out)
}

fn write_object(bytes: &[u8], expected: (&str, &str), out: &mut Vec<u8>, depth: usize) -> Result<(), Error> {
    let envelope = envelope::read(bytes)?;
    let given = |given, expected| if str::is_empty(given) { expected } else { given };
    let (api_version, kind) = (given(envelope.api_version, expected.0), given(envelope.kind, expected.1));
    let message = table::of_kind(api_version, kind)
        .ok_or_else(|| Error::NoMessage { api_version: api_version.to_owned(), kind: kind.to_owned() })?;
    out.push(b'{');
    let mut is_first = true;
    for (name, text) in [("apiVersion", envelope.api_version), ("kind", envelope.kind)] {
        if !text.is_empty() {
            write_key(name, &mut is_first, out);
            write_text(text, out);
        }
    }
    write_members(message.layout(), envelope.raw, &mut is_first, out, depth)?;
    out.push(b'}');
    Ok(())
}

/// A field that stands in the bytes: its place in the layout, and where its value begins.
#[derive(Debug, Clone, Copy)]
struct Occurrence {
    field: u16,
    wire_type: u8,
    at: u32,
}

/// All fields of a message that its layout knows, in the layout's order.
fn occurrences(layout: &Layout, bytes: &[u8]) -> Result<Vec<Occurrence>, Error> {
    u32::try_from(bytes.len()).map_err(|_| malformed("the message is too long"))?;
    let mut found = Vec::new();
    let mut reader = Reader::new(bytes);
    while !reader.is_at_end() {
        let (number, wire_type) = reader.tag()?;
        if let Ok(field) = layout.fields.binary_search_by_key(&number, |field| field.number) {
            found.push(Occurrence { field: field as u16, wire_type, at: reader.position() as u32 });
        }
        reader.skip(wire_type)?;
    }
    found.sort_by_key(|occurrence| occurrence.field);
    Ok(found)
}

/// The fields of a message, as members of an object that is open.
fn write_members(
    layout: &Layout,
    bytes: &[u8],
    is_first: &mut bool,
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), Error> {
    if depth > DEEPEST {
        return Err(malformed("the message is too deep"));
    }
    for found in occurrences(layout, bytes)?.chunk_by(|one, other| one.field == other.field) {
        let field = &layout.fields[usize::from(found[0].field)];
        write_member(field, bytes, found, is_first, out, depth).map_err(|error| error.inside(field.name))?;
    }
    Ok(())
}

fn write_member(
    field: &Field,
    bytes: &[u8],
    found: &[Occurrence],
    is_first: &mut bool,
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), Error> {
    let values = || found.iter().map(|occurrence| value_at(bytes, *occurrence));
    if let (Holds::One, Shape::Message(_), [_, _, ..]) = (field.holds, field.shape, found) {
        // One would have to be merged into the other. No client writes this.
        return Err(malformed("the message stands twice"));
    }
    let last = values().next_back().unwrap_or_else(|| Err(malformed("the field is empty")))?;
    if let (true, Shape::Message(inner)) = (field.is_inline, field.shape) {
        return write_members(inner.layout(), last.bytes()?, is_first, out, depth + 1);
    }
    if field.holds == Holds::One && field.presence == Presence::Always && says_nothing(field.shape, last)? {
        return Ok(());
    }
    write_key(field.name, is_first, out);
    match field.holds {
        Holds::One => write_value(field.shape, last, out, depth),
        Holds::List => {
            out.push(b'[');
            let mut is_first = true;
            for value in values() {
                write_elements(field.shape, value?, &mut is_first, out, depth)?;
            }
            out.push(b']');
            Ok(())
        }
        Holds::Map => write_map(field.shape, values(), out, depth),
    }
}

/// Of one value several come if it is a packed list of numbers.
fn write_elements(
    shape: Shape,
    value: Value<'_>,
    is_first: &mut bool,
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), Error> {
    let mut write = |value| {
        if !std::mem::take(is_first) {
            out.push(b',');
        }
        write_value(shape, value, out, depth)
    };
    let Value::Bytes(packed) = value else { return write(value) };
    let mut reader = Reader::new(packed);
    match shape {
        Shape::Boolean | Shape::Int32 | Shape::Int64 => {
            while !reader.is_at_end() {
                write(Value::Varint(reader.varint()?))?;
            }
            Ok(())
        }
        Shape::Double => {
            while !reader.is_at_end() {
                write(Value::Fixed64(reader.fixed64()?))?;
            }
            Ok(())
        }
        Shape::String | Shape::Bytes | Shape::Message(_) => write(value),
    }
}

fn write_map<'a>(
    shape: Shape,
    values: impl Iterator<Item = Result<Value<'a>, Error>>,
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), Error> {
    // Of a key that stands twice, the last counts.
    let mut entries = BTreeMap::<Cow<'a, str>, Option<Value<'a>>>::new();
    for value in values {
        let bytes = value?.bytes()?;
        let (mut key, mut value) = (Cow::Borrowed(""), None);
        let mut reader = Reader::new(bytes);
        while !reader.is_at_end() {
            match reader.tag()? {
                (1, DELIMITED) => key = String::from_utf8_lossy(reader.delimited()?),
                (2, wire_type) => {
                    value = Some(read_value(&mut reader, wire_type)?);
                }
                (_, wire_type) => reader.skip(wire_type)?,
            }
        }
        entries.insert(key, value);
    }
    out.push(b'{');
    for (at, (key, value)) in entries.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_text(&key, out);
        out.push(b':');
        let zero = match shape {
            Shape::Boolean | Shape::Int32 | Shape::Int64 => Value::Varint(0),
            Shape::Double => Value::Fixed64(0),
            Shape::String | Shape::Bytes | Shape::Message(_) => Value::Bytes(b""),
        };
        write_value(shape, value.unwrap_or(zero), out, depth)?;
    }
    out.push(b'}');
    Ok(())
}

/// A value, not yet asked what it means.
#[derive(Debug, Clone, Copy)]
enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
}

fn value_at(bytes: &[u8], occurrence: Occurrence) -> Result<Value<'_>, Error> {
    read_value(&mut Reader::at(bytes, occurrence.at as usize), occurrence.wire_type)
}

fn read_value<'a>(reader: &mut Reader<'a>, wire_type: u8) -> Result<Value<'a>, Error> {
    match wire_type {
        VARINT => reader.varint().map(Value::Varint),
        FIXED64 => reader.fixed64().map(Value::Fixed64),
        DELIMITED => reader.delimited().map(Value::Bytes),
        other => Err(wrong_type(other)),
    }
}

fn wrong_type(wire_type: u8) -> Error {
    malformed(format!("proto: wrong wireType = {wire_type}"))
}

impl<'a> Value<'a> {
    fn bytes(self) -> Result<&'a [u8], Error> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Varint(_) => Err(wrong_type(VARINT)),
            Self::Fixed64(_) => Err(wrong_type(FIXED64)),
        }
    }

    fn varint(self) -> Result<u64, Error> {
        match self {
            Self::Varint(value) => Ok(value),
            Self::Bytes(_) => Err(wrong_type(DELIMITED)),
            Self::Fixed64(_) => Err(wrong_type(FIXED64)),
        }
    }

    fn double(self) -> Result<f64, Error> {
        match self {
            Self::Fixed64(value) => Ok(f64::from_bits(value)),
            Self::Bytes(_) => Err(wrong_type(DELIMITED)),
            Self::Varint(_) => Err(wrong_type(VARINT)),
        }
    }
}

/// Whether Go leaves the value out of JSON: zeros, but no messages save for times.
fn says_nothing(shape: Shape, value: Value<'_>) -> Result<bool, Error> {
    Ok(match shape {
        Shape::String | Shape::Bytes => value.bytes()?.is_empty(),
        Shape::Boolean | Shape::Int32 | Shape::Int64 => value.varint()? == 0,
        Shape::Double => value.double()? == 0.0,
        Shape::Message(inner) => match inner.layout().form {
            Form::Time | Form::MicroTime => Time::read(value.bytes()?)?.is_none(),
            Form::Raw => value.bytes()?.is_empty(),
            _ => false,
        },
    })
}

fn write_value(shape: Shape, value: Value<'_>, out: &mut Vec<u8>, depth: usize) -> Result<(), Error> {
    match shape {
        Shape::String => write_text(&String::from_utf8_lossy(value.bytes()?), out),
        Shape::Boolean => out.extend_from_slice(if value.varint()? == 0 { b"false" } else { b"true" }),
        // As Go does it: what is too long for 32 bits is cut.
        Shape::Int32 => write_number(i64::from(value.varint()? as i32), out),
        Shape::Int64 => write_number(value.varint()? as i64, out),
        Shape::Double => {
            let number = serde_json::Number::from_f64(value.double()?)
                .ok_or_else(|| malformed("JSON has no such number as infinity"))?;
            write_json(&number, out);
        }
        Shape::Bytes => {
            out.push(b'"');
            out.extend_from_slice(STANDARD.encode(value.bytes()?).as_bytes());
            out.push(b'"');
        }
        Shape::Message(inner) => return write_message(inner.layout(), value.bytes()?, out, depth + 1),
    }
    Ok(())
}

fn write_message(layout: &Layout, bytes: &[u8], out: &mut Vec<u8>, depth: usize) -> Result<(), Error> {
    match layout.form {
        Form::Object => {
            out.push(b'{');
            write_members(layout, bytes, &mut true, out, depth)?;
            out.push(b'}');
        }
        Form::Time | Form::MicroTime => match Time::read(bytes)? {
            Some(time) => write_text(&time.text(layout.form == Form::MicroTime)?, out),
            None => out.extend_from_slice(b"null"),
        },
        Form::Quantity => {
            let text = field_bytes(bytes, 1)?.unwrap_or_default();
            write_text(&String::from_utf8_lossy(text), out);
        }
        Form::IntOrString => write_int_or_string(bytes, out)?,
        Form::Raw => write_raw(field_bytes(bytes, 1)?.unwrap_or_default(), out, depth)?,
        Form::List => {
            out.push(b'[');
            let mut is_first = true;
            for occurrence in occurrences(layout, bytes)? {
                let shape = layout.fields[usize::from(occurrence.field)].shape;
                write_elements(shape, value_at(bytes, occurrence)?, &mut is_first, out, depth)?;
            }
            out.push(b']');
        }
        Form::SchemaOrBool | Form::SchemaOrSchemas | Form::SchemaOrStrings => {
            write_choice(layout, bytes, out, depth)?;
        }
    }
    Ok(())
}

/// The last value of a field, of a message that is read without its layout.
fn field_bytes(bytes: &[u8], wanted: u32) -> Result<Option<&[u8]>, Error> {
    let mut found = None;
    let mut reader = Reader::new(bytes);
    while !reader.is_at_end() {
        match reader.tag()? {
            (number, DELIMITED) if number == wanted => found = Some(reader.delimited()?),
            (_, wire_type) => reader.skip(wire_type)?,
        }
    }
    Ok(found)
}

fn write_int_or_string(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let (mut is_text, mut number, mut text) = (0, 0, &b""[..]);
    let mut reader = Reader::new(bytes);
    while !reader.is_at_end() {
        match reader.tag()? {
            (1, VARINT) => is_text = reader.varint()?,
            (2, VARINT) => number = reader.varint()? as i32,
            (3, DELIMITED) => text = reader.delimited()?,
            (_, wire_type) => reader.skip(wire_type)?,
        }
    }
    match is_text {
        0 => write_number(i64::from(number), out),
        1 => write_text(&String::from_utf8_lossy(text), out),
        _ => return Err(malformed("impossible IntOrString.Type")),
    }
    Ok(())
}

/// JSON that is kept as it is, or another object in an envelope of its own.
fn write_raw(raw: &[u8], out: &mut Vec<u8>, depth: usize) -> Result<(), Error> {
    if raw.is_empty() {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    if raw.starts_with(&MAGIC) {
        return write_object(raw, ("", ""), out, depth + 1);
    }
    let json: &RawValue = serde_json::from_slice(raw).map_err(|error| malformed(format!("json: {error}")))?;
    out.extend_from_slice(json.get().as_bytes());
    Ok(())
}

/// What is either a schema or something simpler.
fn write_choice(layout: &Layout, bytes: &[u8], out: &mut Vec<u8>, depth: usize) -> Result<(), Error> {
    let found = occurrences(layout, bytes)?;
    let of = |name: &'static str| {
        let field = move |found: &Occurrence| &layout.fields[usize::from(found.field)];
        found.iter().filter(move |found| field(found).name == name).map(move |found| (field(found), *found))
    };
    let list = if layout.form == Form::SchemaOrSchemas { "jSONSchemas" } else { "property" };
    if layout.form != Form::SchemaOrBool && of(list).next().is_some() {
        out.push(b'[');
        let mut is_first = true;
        for (field, occurrence) in of(list) {
            write_elements(field.shape, value_at(bytes, occurrence)?, &mut is_first, out, depth)?;
        }
        out.push(b']');
        return Ok(());
    }
    if let Some((field, schema)) = of("schema").next_back() {
        return write_value(field.shape, value_at(bytes, schema)?, out, depth);
    }
    if layout.form == Form::SchemaOrBool {
        let allows = of("allows").next_back().map(|(_, found)| value_at(bytes, found)?.varint()).transpose()?;
        out.extend_from_slice(if allows.is_some_and(|allows| allows != 0) { b"true" } else { b"false" });
    } else {
        out.extend_from_slice(b"null");
    }
    Ok(())
}

fn write_key(name: &str, is_first: &mut bool, out: &mut Vec<u8>) {
    if !std::mem::take(is_first) {
        out.push(b',');
    }
    write_text(name, out);
    out.push(b':');
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    write_json(text, out);
}

fn write_number(number: i64, out: &mut Vec<u8>) {
    write!(out, "{number}").expect("a Vec takes any bytes");
}

fn write_json<T: serde::Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("a Vec takes any bytes");
}
