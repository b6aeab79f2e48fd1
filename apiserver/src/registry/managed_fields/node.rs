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

/// An object in canonical JSON, where two values that are equal are written alike, and where each value of it stands.
pub struct Tape<'a> {
    text: &'a str,
    marks: Vec<Mark>,
}

/// A value, or the name of a field, which comes right before its value. What is in a value comes right after it.
struct Mark {
    what: What,
    start: u32,
    end: u32,
    /// The mark behind all that is in it.
    next: u32,
}

enum What {
    Value(Sort),
    Name { is_escaped: bool },
}

impl<'a> Tape<'a> {
    /// None if it is no JSON.
    pub fn read(text: &'a str) -> Option<Self> {
        let mut tape = Self { text, marks: Vec::with_capacity(text.len() / 12) };
        tape.value(&mut Cursor::new(text))?;
        Some(tape)
    }

    fn value(&mut self, text: &mut Cursor<'a>) -> Option<()> {
        let (sort, end) = match text.peek()? {
            b'{' => (Sort::Map, b'}'),
            b'[' => (Sort::List, b']'),
            b'n' => (Sort::Null, 0),
            _ => (Sort::Scalar, 0),
        };
        let own = self.begin(What::Value(sort), text);
        if matches!(sort, Sort::Map | Sort::List) {
            let mut is_over = text.enter(end)?;
            while !is_over {
                if sort == Sort::Map {
                    self.name(text)?;
                    text.expect(b':')?;
                }
                self.value(text)?;
                is_over = text.is_over(end)?;
            }
        } else {
            text.pass_over()?;
        }
        self.end(own, text);
        Some(())
    }

    fn name(&mut self, text: &mut Cursor<'a>) -> Option<()> {
        if text.peek()? != b'"' {
            return None;
        }
        let own = self.begin(What::Name { is_escaped: false }, text);
        let is_escaped = text.quoted()?.contains('\\');
        self.marks[own].what = What::Name { is_escaped };
        self.end(own, text);
        Some(())
    }

    fn begin(&mut self, what: What, text: &Cursor<'_>) -> usize {
        self.marks.push(Mark { what, start: text.position() as u32, end: 0, next: 0 });
        self.marks.len() - 1
    }

    fn end(&mut self, own: usize, text: &Cursor<'_>) {
        let next = self.marks.len() as u32;
        let mark = &mut self.marks[own];
        (mark.end, mark.next) = (text.position() as u32, next);
    }

    /// The whole.
    pub fn root(&self) -> Text<'_> {
        Text { tape: self, at: 0 }
    }
}

/// A value on a tape.
#[derive(Clone, Copy)]
pub struct Text<'a> {
    tape: &'a Tape<'a>,
    at: usize,
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl<'a> Text<'a> {
    fn mark(self) -> &'a Mark {
        &self.tape.marks[self.at]
    }

    /// As it is written.
    pub fn text(self) -> &'a str {
        let Mark { start, end, .. } = self.mark();
        &self.tape.text[*start as usize..*end as usize]
    }

    /// What is right in it: items, or names and values in turn.
    fn parts(self) -> impl Iterator<Item = Self> {
        let (mut at, end) = (self.at + 1, self.mark().next as usize);
        std::iter::from_fn(move || {
            let part = (at < end).then_some(Self { at, ..self })?;
            at = part.mark().next as usize;
            Some(part)
        })
    }

    fn name(self) -> Cow<'a, str> {
        let text = self.text();
        match self.mark().what {
            What::Name { is_escaped: true } => serde_json::from_str(text).map_or(Cow::Borrowed(text), Cow::Owned),
            _ => text[1..text.len() - 1].into(),
        }
    }

    /// The fields of an object by name; none of anything else.
    pub fn fields(self) -> Vec<(Cow<'a, str>, Self)> {
        if self.sort() != Sort::Map {
            return Vec::new();
        }
        let mut parts = self.parts();
        let mut fields: Vec<_> = std::iter::from_fn(|| Some((parts.next()?.name(), parts.next()?))).collect();
        fields.sort_by(|(left, _), (right, _)| left.cmp(right));
        fields
    }

    /// The items of a list; none of anything else.
    pub fn items(self) -> Vec<Self> {
        if self.sort() == Sort::List { self.parts().collect() } else { Vec::new() }
    }
}

impl Node for Text<'_> {
    fn sort(self) -> Sort {
        match self.mark().what {
            What::Value(sort) => sort,
            What::Name { .. } => Sort::Scalar,
        }
    }

    fn field(self, name: &str) -> Option<Value> {
        let mut parts = self.parts();
        while let (Some(own), Some(value)) = (parts.next(), parts.next()) {
            // No field that is asked for is written with escapes.
            if own.text().strip_prefix('"').and_then(|own| own.strip_suffix('"')) == Some(name) {
                return Some(value.to_value());
            }
        }
        None
    }

    fn to_value(self) -> Value {
        let text = self.text();
        match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            Some(plain) if !plain.contains('\\') => Value::from(plain),
            _ => serde_json::from_str(text).unwrap_or_default(),
        }
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
        let tape = Tape::read(&text).unwrap();
        let fields = tape.root().fields();
        let names: Vec<&str> = fields.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["a\"", "b", "e", "f"]);
        for (name, field) in &fields {
            assert_eq!(field.to_value(), value[&**name]);
            assert_eq!(field.sort(), (&value[&**name]).sort());
            let is_plain = !name.contains('"');
            assert_eq!(tape.root().field(name), (&value).field(name).filter(|_| is_plain));
        }
        let items = fields[1].1.items();
        assert_eq!(items.iter().map(|item| item.sort()).collect::<Vec<_>>(), [Sort::Scalar, Sort::Scalar, Sort::Map]);
        assert_eq!(items[2].field("c"), Some(Value::Null));
        assert!(fields[0].1.items().is_empty() && items[0].fields().is_empty());
        for text in ["", "{\"a\":", "[1", "{1:2}", "{\"a\" 1}"] {
            assert!(Tape::read(text).is_none(), "{text}");
        }
    }
}
