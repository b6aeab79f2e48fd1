//! The canonical form of an object: `apiVersion`, `kind` and `metadata` come first, then the struct's other fields.

use std::ops::Range;

use api::json::cursor::Cursor;
use bytes::Bytes;
use k8s_openapi::Metadata;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use serde::ser::{Error as _, Impossible, SerializeStruct, Serializer};
use serde_json::Error;

const FIELD: &str = "managedFields";

/// `metadata.managedFields` as text. They are often as long as the rest of an object, and only those who note changes look
/// into them.
pub type ManagedFields = Option<Bytes>;

/// The bytes in which an object is kept.
pub fn encode<K: Metadata<Ty = ObjectMeta> + Serialize>(object: &K) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::with_capacity(1024);
    bytes.extend_from_slice(br#"{"apiVersion":""#);
    bytes.extend_from_slice(K::API_VERSION.as_bytes());
    bytes.extend_from_slice(br#"","kind":""#);
    bytes.extend_from_slice(K::KIND.as_bytes());
    bytes.extend_from_slice(br#"","metadata":"#);
    serde_json::to_writer(&mut bytes, object.metadata())?;
    object.serialize(Rest(&mut bytes))?;
    bytes.push(b'}');
    Ok(bytes)
}

/// Puts the managed fields into canonical bytes that have none, where the struct has them.
pub fn join(mut bytes: Vec<u8>, managed_fields: &ManagedFields) -> Vec<u8> {
    let Some(list) = managed_fields else { return bytes };
    let place = std::str::from_utf8(&bytes).ok().and_then(|text| Place::find(text, inside_metadata(text)?));
    let place = place.expect("bytes are canonical where managed fields are joined to them");
    let before = if place.is_last && bytes[place.field.start - 1] != b'{' { "," } else { "" };
    let after = if place.is_last { "" } else { "," };
    let behind = bytes.split_off(place.field.start);
    bytes.reserve(FIELD.len() + list.len() + behind.len() + 8);
    for part in [before.as_bytes(), b"\"", FIELD.as_bytes(), b"\":", list, after.as_bytes(), &behind] {
        bytes.extend_from_slice(part);
    }
    bytes
}

/// Neither a version nor the name of a kind holds a quote.
fn inside_metadata(text: &str) -> Option<usize> {
    const METADATA: &str = "\"metadata\":{";
    Some(text.find(METADATA)? + METADATA.len())
}

/// Takes the managed fields out of canonical bytes, which are given in two parts: the second begins with a field of the
/// metadata.
pub fn split<T: AsRef<[u8]>>((head, tail): (T, T)) -> (Bytes, ManagedFields) {
    let (head, tail) = (head.as_ref(), tail.as_ref());
    let place = std::str::from_utf8(tail).ok().and_then(|tail| Place::find(tail, 0));
    // The name follows, so it is a comma that goes with them.
    let Some(Place { field, list: Some(list), is_last: false }) = place else {
        return ([head, tail].concat().into(), None);
    };
    let rest = [head, &tail[..field.start], &tail[field.end + 1..]].concat();
    (rest.into(), Some(Bytes::copy_from_slice(&tail[list])))
}

/// Where in the text of metadata the managed fields are, or would be.
struct Place {
    field: Range<usize>,
    list: Option<Range<usize>>,
    /// Whether no other field comes after them.
    is_last: bool,
}

impl Place {
    /// `from` is where the first field of the metadata begins.
    fn find(metadata: &str, from: usize) -> Option<Self> {
        let mut text = Cursor::at(metadata, from);
        loop {
            let start = text.position();
            // Fields stand in the order of their names.
            let name = if text.peek()? == b'}' { None } else { Some(text.string()?) };
            match name.as_deref() {
                Some(FIELD) => {
                    text.expect(b':')?;
                    let value = text.position();
                    text.pass_over()?;
                    let end = text.position();
                    return Some(Self { field: start..end, list: Some(value..end), is_last: text.is_over(b'}')? });
                }
                Some(name) if name < FIELD => {
                    text.expect(b':')?;
                    text.pass_over()?;
                    let end = text.position();
                    if text.is_over(b'}')? {
                        return Some(Self { field: end..end, list: None, is_last: true });
                    }
                }
                after => return Some(Self { field: start..start, list: None, is_last: after.is_none() }),
            }
        }
    }
}

/// Appends the fields of a struct that do not come first.
struct Rest<'a>(&'a mut Vec<u8>);

impl SerializeStruct for Rest<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        if matches!(name, "apiVersion" | "kind" | "metadata") {
            return Ok(());
        }
        // Names of fields are plain ASCII.
        self.0.extend_from_slice(b",\"");
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
        serde_json::to_writer(&mut *self.0, value)
    }

    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}

macro_rules! refuse {
    ($($method:ident($($argument:ty),*) -> $result:ty;)*) => {
        $(fn $method(self, $(_: $argument),*) -> Result<$result, Error> {
            Err(Error::custom("a kind is a struct"))
        })*
    };
}

type Never = Impossible<(), Error>;

impl Serializer for Rest<'_> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Self;
    type SerializeStructVariant = Never;

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    refuse! {
        serialize_bool(bool) -> ();
        serialize_i8(i8) -> ();
        serialize_i16(i16) -> ();
        serialize_i32(i32) -> ();
        serialize_i64(i64) -> ();
        serialize_u8(u8) -> ();
        serialize_u16(u16) -> ();
        serialize_u32(u32) -> ();
        serialize_u64(u64) -> ();
        serialize_f32(f32) -> ();
        serialize_f64(f64) -> ();
        serialize_char(char) -> ();
        serialize_str(&str) -> ();
        serialize_bytes(&[u8]) -> ();
        serialize_none() -> ();
        serialize_unit() -> ();
        serialize_unit_struct(&'static str) -> ();
        serialize_unit_variant(&'static str, u32, &'static str) -> ();
        serialize_seq(Option<usize>) -> Never;
        serialize_tuple(usize) -> Never;
        serialize_tuple_struct(&'static str, usize) -> Never;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Never;
        serialize_map(Option<usize>) -> Never;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Never;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<(), Error> {
        Err(Error::custom("a kind is a struct"))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, _: &T) -> Result<(), Error> {
        Err(Error::custom("a kind is a struct"))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Error> {
        Err(Error::custom("a kind is a struct"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;

    #[test]
    fn metadata_comes_before_the_other_fields() {
        let text =
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"x":"y"},"immutable":true}"#;
        let map: ConfigMap = serde_json::from_str(text).unwrap();
        assert_eq!(String::from_utf8(encode(&map).unwrap()).unwrap(), text);
    }

    #[test]
    fn managed_fields_stand_where_the_struct_has_them() {
        let list = Bytes::from_static(br#"[{"manager":"a","x":["}",{}]}]"#);
        let head = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"#;
        for metadata in [
            r#""labels":{"managedFields":"x","name":"y"},"name":"a""#,
            r#""name":"a","namespace":"b""#,
            r#""generateName":"a\"-","labels":{}"#,
            "",
        ] {
            let map: ConfigMap = serde_json::from_str(&format!("{head}{metadata}}}}}")).unwrap();
            let with = join(encode(&map).unwrap(), &Some(list.clone()));
            let mut expected = map.clone();
            expected.metadata.managed_fields = Some(serde_json::from_slice(&list).unwrap());
            let mut expected = serde_json::to_value(&expected).unwrap();
            expected["metadata"]["managedFields"] = serde_json::from_slice(&list).unwrap();
            assert_eq!(serde_json::from_slice::<serde_json::Value>(&with).unwrap(), expected, "{metadata}");
            if map.metadata.name.is_some() {
                let typed: ConfigMap = serde_json::from_slice(&with).unwrap();
                assert_eq!(encode(&typed).unwrap().len(), with.len() - r#","x":["}",{}]"#.len());
                let (rest, found) = split(with.split_at(head.len()));
                assert_eq!((rest, found), (encode(&map).unwrap().into(), Some(list.clone())));
                let bare = encode(&map).unwrap();
                assert_eq!(split(bare.split_at(head.len())), (bare.clone().into(), None));
            }
        }
    }
}
