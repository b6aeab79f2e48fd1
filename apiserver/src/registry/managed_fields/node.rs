//! A value as its type sees it, parsed or still as text.

use std::borrow::Cow;

use api::json::cursor::Cursor;
use serde_json::Value;

/// What decides how a value is taken where the schema does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    Null,
    Scalar,
    List,
    Map,
}

pub trait Node: Copy {
    fn sort(self) -> Sort;
    /// A field of an object.
    fn field(self, name: &str) -> Option<Value>;
    fn to_value(self) -> Value;
}

impl Node for &Value {
    fn sort(self) -> Sort {
        match self {
            Value::Null => Sort::Null,
            Value::Bool(_) | Value::Number(_) | Value::String(_) => Sort::Scalar,
            Value::Array(_) => Sort::List,
            Value::Object(_) => Sort::Map,
        }
    }

    fn field(self, name: &str) -> Option<Value> {
        self.get(name).cloned()
    }

    fn to_value(self) -> Value {
        self.clone()
    }
}

/// A value in canonical JSON: two that are equal are written alike. Only as much of it is read as is asked for, which is
/// little where two long objects differ in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    pub fn new(json: &'a str) -> Self {
        Self(json)
    }

    /// The fields of an object by name; none of anything else.
    pub fn fields(self) -> Vec<(Cow<'a, str>, Self)> {
        let mut fields = Vec::new();
        self.walk(b'{', b'}', |text| {
            let name = text.string()?;
            text.expect(b':')?;
            fields.push((name, self.next(text)?));
            Some(())
        });
        fields.sort_by(|(left, _), (right, _)| left.cmp(right));
        fields
    }

    /// The items of a list; none of anything else.
    pub fn items(self) -> Vec<Self> {
        let mut items = Vec::new();
        self.walk(b'[', b']', |text| {
            items.push(self.next(text)?);
            Some(())
        });
        items
    }

    /// Calls `step` at each part of this list or object.
    fn walk(self, start: u8, end: u8, mut step: impl FnMut(&mut Cursor<'a>) -> Option<()>) -> Option<()> {
        let mut text = Cursor::new(self.0);
        if text.peek()? != start {
            return None;
        }
        let mut is_over = text.enter(end)?;
        while !is_over {
            step(&mut text)?;
            is_over = text.is_over(end)?;
        }
        Some(())
    }

    /// The value that comes next in this one.
    fn next(self, text: &mut Cursor<'a>) -> Option<Self> {
        text.peek()?;
        let start = text.position();
        text.pass_over()?;
        Some(Self(&self.0[start..text.position()]))
    }
}

impl Node for Text<'_> {
    fn sort(self) -> Sort {
        match self.0.as_bytes().first() {
            Some(b'{') => Sort::Map,
            Some(b'[') => Sort::List,
            Some(b'n') | None => Sort::Null,
            Some(_) => Sort::Scalar,
        }
    }

    fn field(self, name: &str) -> Option<Value> {
        let found = self.fields().into_iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value.to_value())
    }

    fn to_value(self) -> Value {
        serde_json::from_str(self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn text_is_read_as_what_it_says() {
        let value = json!({"b": [1, "x,]", {"c": null}], "a\"": {"d": true}, "e": {}, "f": []});
        let text = value.to_string();
        let fields = Text::new(&text).fields();
        let names: Vec<&str> = fields.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["a\"", "b", "e", "f"]);
        for (name, field) in &fields {
            assert_eq!(field.to_value(), value[&**name]);
            assert_eq!(field.sort(), (&value[&**name]).sort());
            assert_eq!(Text::new(&text).field(name), (&value).field(name));
        }
        let items = fields[1].1.items();
        assert_eq!(items.iter().map(|item| item.sort()).collect::<Vec<_>>(), [Sort::Scalar, Sort::Scalar, Sort::Map]);
        assert_eq!(items[2].field("c"), Some(Value::Null));
        assert!(fields[0].1.items().is_empty() && items[0].fields().is_empty());
        assert!(Text::new("{\"a\":").fields().is_empty());
    }
}
