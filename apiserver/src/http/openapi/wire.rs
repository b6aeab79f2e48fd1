//! Writes JSON as protobuf, along tables of what is said by which field.
//!
//! These are gnostic's messages for OpenAPI documents: a map is a list of names with values, and what is not foreseen is YAML.

use serde_json::Value;

/// How a value is written.
#[derive(Clone, Copy)]
pub enum Form {
    Text,
    Flag,
    Number,
    /// Any value, as YAML; JSON is YAML.
    Yaml,
    Message(&'static Message),
    /// One after the other.
    Each(&'static Form),
    /// Inside messages that have nothing but this, in the field with this number.
    Within(&'static [u32], &'static Form),
    /// Hangs on the value.
    Choice(fn(&Value) -> Form),
}

/// The fields of an object.
pub struct Message {
    pub fields: &'static [(&'static str, u32, Form)],
    /// The members that have no field of their own, by name.
    pub others: Option<(u32, Form)>,
    /// The members whose name begins with `x-`.
    pub extensions: Option<u32>,
}

impl Message {
    pub const fn map(number: u32, form: Form) -> Self {
        Self { fields: &[], others: Some((number, form)), extensions: None }
    }

    pub fn write(&self, value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        let Some(members) = value.as_object() else { return out };
        for (name, number, form) in self.fields {
            if let Some(member) = members.get(*name) {
                form.write(*number, member, &mut out);
            }
        }
        for (name, member) in members {
            let known = self.fields.iter().any(|(field, _, _)| field == name);
            let named = match (self.extensions, self.others) {
                (Some(number), _) if name.starts_with("x-") => Some((number, Form::Yaml)),
                (_, others) if !known => others,
                _ => None,
            };
            if let Some((number, form)) = named {
                bytes(number, &pair(name, form, member), &mut out);
            }
        }
        out
    }
}

/// An entry of a map: its name and its value.
pub fn pair(name: &str, form: Form, value: &Value) -> Vec<u8> {
    let mut pair = Vec::new();
    bytes(1, name.as_bytes(), &mut pair);
    form.write(2, value, &mut pair);
    pair
}

impl Form {
    pub fn write(self, number: u32, value: &Value, out: &mut Vec<u8>) {
        match self {
            Self::Text => bytes(number, value.as_str().unwrap_or_default().as_bytes(), out),
            Self::Flag => {
                varint(u64::from(number) << 3, out);
                varint(u64::from(value == true), out);
            }
            Self::Number => {
                varint((u64::from(number) << 3) | 1, out);
                out.extend_from_slice(&value.as_f64().unwrap_or_default().to_le_bytes());
            }
            Self::Yaml => {
                let mut any = Vec::new();
                bytes(2, value.to_string().as_bytes(), &mut any);
                bytes(number, &any, out);
            }
            Self::Message(message) => bytes(number, &message.write(value), out),
            Self::Each(form) => value.as_array().into_iter().flatten().for_each(|one| form.write(number, one, out)),
            Self::Within([], form) => form.write(number, value, out),
            Self::Within([inner, rest @ ..], form) => {
                let mut wrapped = Vec::new();
                Self::Within(rest, form).write(*inner, value, &mut wrapped);
                bytes(number, &wrapped, out);
            }
            Self::Choice(choose) => choose(value).write(number, value, out),
        }
    }
}

pub fn bytes(number: u32, content: &[u8], out: &mut Vec<u8>) {
    varint((u64::from(number) << 3) | 2, out);
    varint(content.len() as u64, out);
    out.extend_from_slice(content);
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    static TREE: Message =
        Message { fields: &[("name", 1, Form::Text), ("fast", 4, Form::Flag)], others: None, extensions: Some(7) };
    static FOREST: Message = Message {
        fields: &[
            ("trees", 2, Form::Each(&Form::Message(&TREE))),
            ("deep", 3, Form::Within(&[1, 2], &Form::Text)),
            ("size", 5, Form::Choice(|value| if value.is_number() { Form::Number } else { Form::Text })),
        ],
        others: Some((16, Form::Message(&TREE))),
        extensions: None,
    };

    #[test]
    fn every_form_is_written_as_its_field_says() {
        for (value, expected) in [
            (json!({}), &b""[..]),
            (json!({"trees": [{"name": "elm"}, {"fast": true}]}), b"\x12\x05\x0a\x03elm\x12\x02\x20\x01"),
            (json!({"deep": "x"}), b"\x1a\x05\x0a\x03\x12\x01x"),
            (json!({"size": 1.5}), b"\x29\x00\x00\x00\x00\x00\x00\xf8\x3f"),
            (json!({"size": ""}), b"\x2a\x00"),
            (json!({"trees": [{"x-age": [1]}]}), b"\x12\x10\x3a\x0e\x0a\x05x-age\x12\x05\x12\x03[1]"),
            (json!({"oak": {"name": "o"}}), b"\x82\x01\x0a\x0a\x03oak\x12\x03\x0a\x01o"),
        ] {
            assert_eq!(FOREST.write(&value), expected, "{value}");
        }
    }

    #[test]
    fn long_texts_have_long_lengths() {
        let mut out = Vec::new();
        Form::Text.write(1, &json!("x".repeat(300)), &mut out);
        assert_eq!((&out[..3], out.len()), (&b"\x0a\xac\x02"[..], 303));
    }
}
