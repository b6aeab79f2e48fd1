//! Where the values of a JSON text begin and end, so that it can be walked without being decoded.

use std::borrow::Cow;

use crate::protobuf::error::{Error, malformed};

/// Deeper texts are refused: what walks them calls itself.
const DEEPEST: usize = 200;

/// One value of the text, or a key. What follows an object or a list in the outline are its parts.
#[derive(Debug, Clone, Copy)]
struct Entry {
    start: u32,
    end: u32,
    /// The entry behind this one and all of its parts.
    next: u32,
    /// Whether the text is not what it is written as.
    is_escaped: bool,
}

/// Buffers of an outline, to be used for one text after the other.
#[derive(Debug, Default)]
pub struct Entries(Vec<Entry>);

/// A JSON text with the places of its values.
#[derive(Debug)]
pub struct Outline<'a> {
    text: &'a str,
    entries: &'a [Entry],
}

/// A value in an outline.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    outline: &'a Outline<'a>,
    at: u32,
}

/// Reads the whole text. That it is JSON is held where it shows in its structure; scalars are read when they are asked for.
pub fn of<'a>(json: &'a [u8], buffer: &'a mut Entries) -> Result<Outline<'a>, Error> {
    let text = std::str::from_utf8(json).map_err(|_| malformed("the JSON is not UTF-8"))?;
    u32::try_from(text.len()).map_err(|_| malformed("the JSON is too long"))?;
    buffer.0.clear();
    let mut reader = Reader { bytes: text.as_bytes(), at: 0, entries: &mut buffer.0 };
    reader.value(0)?;
    reader.skip_spaces();
    if reader.at != text.len() {
        return Err(malformed("there is more behind the JSON"));
    }
    Ok(Outline { text, entries: &buffer.0 })
}

impl Outline<'_> {
    /// The text as a whole.
    pub fn root(&self) -> Node<'_> {
        Node { outline: self, at: 0 }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    entries: &'a mut Vec<Entry>,
}

impl Reader<'_> {
    fn skip_spaces(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// The next byte that is no space.
    fn peek(&mut self) -> Option<u8> {
        self.skip_spaces();
        self.bytes.get(self.at).copied()
    }

    fn value(&mut self, depth: usize) -> Result<(), Error> {
        if depth > DEEPEST {
            return Err(malformed("the JSON is too deep"));
        }
        let first = self.peek().ok_or_else(|| malformed("the JSON ends early"))?;
        let (entry, start) = (self.entries.len(), self.at as u32);
        self.entries.push(Entry { start, end: start, next: 0, is_escaped: false });
        let mut is_escaped = false;
        match first {
            b'{' => self.parts(b'}', |reader| {
                if reader.peek() != Some(b'"') {
                    return Err(malformed("a key is missing in the JSON"));
                }
                let (start, key) = (reader.at as u32, reader.entries.len() as u32);
                let is_escaped = reader.string()?;
                reader.entries.push(Entry { start, end: reader.at as u32, next: key + 1, is_escaped });
                if reader.peek() != Some(b':') {
                    return Err(malformed("a key has no value in the JSON"));
                }
                reader.at += 1;
                reader.value(depth + 1)
            })?,
            b'[' => self.parts(b']', |reader| reader.value(depth + 1))?,
            b'"' => is_escaped = self.string()?,
            _ => {
                let rest = &self.bytes[self.at..];
                let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t' | b'"' | b':');
                let length = rest.iter().position(ends).unwrap_or(rest.len());
                if length == 0 {
                    return Err(malformed("a value is missing in the JSON"));
                }
                self.at += length;
            }
        }
        let next = self.entries.len() as u32;
        self.entries[entry] = Entry { start, end: self.at as u32, next, is_escaped };
        Ok(())
    }

    /// What stands between brackets, with commas between.
    fn parts(&mut self, close: u8, mut part: impl FnMut(&mut Self) -> Result<(), Error>) -> Result<(), Error> {
        self.at += 1;
        if self.peek() == Some(close) {
            self.at += 1;
            return Ok(());
        }
        loop {
            part(self)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(byte) if byte == close => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(malformed("a bracket is not closed in the JSON")),
            }
        }
    }

    /// Steps over a text, and tells whether something in it is escaped.
    fn string(&mut self) -> Result<bool, Error> {
        self.at += 1;
        let mut is_escaped = false;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let special = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'));
            let special = special.ok_or_else(|| malformed("a text is not closed in the JSON"))?;
            if rest[special] == b'"' {
                self.at += special + 1;
                return Ok(is_escaped);
            }
            is_escaped = true;
            self.at += special + 2;
        }
    }
}

impl<'a> Node<'a> {
    fn entry(self) -> Entry {
        self.outline.entries[self.at as usize]
    }

    /// The value as it is written.
    pub fn text(self) -> &'a str {
        let entry = self.entry();
        &self.outline.text[entry.start as usize..entry.end as usize]
    }

    fn first(self) -> u8 {
        self.outline.text.as_bytes()[self.entry().start as usize]
    }

    pub fn is_null(self) -> bool {
        self.text() == "null"
    }

    pub fn is_object(self) -> bool {
        self.first() == b'{'
    }

    pub fn is_string(self) -> bool {
        self.first() == b'"'
    }

    /// The keys and values of an object.
    pub fn members(self) -> Result<impl Iterator<Item = (Node<'a>, Node<'a>)>, Error> {
        if !self.is_object() {
            return Err(self.unexpected("an object"));
        }
        let (mut at, end) = (self.at + 1, self.entry().next);
        Ok(std::iter::from_fn(move || {
            (at < end).then(|| {
                let key = Node { at, ..self };
                let value = Node { at: at + 1, ..self };
                at = value.entry().next;
                (key, value)
            })
        }))
    }

    /// The value of one key; of several, that of the last.
    pub fn member(self, name: &str) -> Option<Node<'a>> {
        let found = self.members().ok()?.filter(|(key, _)| key.string().is_ok_and(|key| key == name)).last();
        found.map(|(_, value)| value)
    }

    pub fn elements(self) -> Result<impl Iterator<Item = Node<'a>>, Error> {
        if self.first() != b'[' {
            return Err(self.unexpected("a list"));
        }
        let (mut at, end) = (self.at + 1, self.entry().next);
        Ok(std::iter::from_fn(move || {
            (at < end).then(|| {
                let element = Node { at, ..self };
                at = element.entry().next;
                element
            })
        }))
    }

    pub fn string(self) -> Result<Cow<'a, str>, Error> {
        let text = self.text();
        if !self.is_string() {
            return Err(self.unexpected("a text"));
        }
        if self.entry().is_escaped {
            return serde_json::from_str(text).map(Cow::Owned).map_err(|_| self.unexpected("a text"));
        }
        Ok(Cow::Borrowed(&text[1..text.len() - 1]))
    }

    pub fn boolean(self) -> Result<bool, Error> {
        match self.text() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(self.unexpected("a boolean")),
        }
    }

    pub fn integer(self) -> Result<i64, Error> {
        self.text().parse().map_err(|_| self.unexpected("an integer"))
    }

    pub fn number(self) -> Result<f64, Error> {
        serde_json::from_str(self.text()).map_err(|_| self.unexpected("a number"))
    }

    pub fn unexpected(self, wanted: &str) -> Error {
        let text: String = self.text().chars().take(40).collect();
        malformed(format!("{wanted} is wanted where the JSON has {text}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_without_decoding() {
        let mut buffer = Entries::default();
        let json = br#" {"a": {"b": [1, -2.5, "x\"y"], "c": {}}, "d\u0065": null, "a": true } "#;
        let outline = of(json, &mut buffer).unwrap();
        let node = outline.root();
        let keys: Vec<String> = node.members().unwrap().map(|(key, _)| key.string().unwrap().into_owned()).collect();
        assert_eq!(keys, ["a", "de", "a"]);
        assert!(node.member("a").unwrap().boolean().unwrap() && node.member("de").unwrap().is_null());
        let (_, first) = node.members().unwrap().next().unwrap();
        let list: Vec<Node<'_>> = first.member("b").unwrap().elements().unwrap().collect();
        assert_eq!(list[0].integer().unwrap(), 1);
        assert_eq!(list[1].number().unwrap(), -2.5);
        assert_eq!(list[2].string().unwrap(), "x\"y");
        assert_eq!(first.member("c").unwrap().members().unwrap().count(), 0);
    }

    #[test]
    fn what_is_no_json_is_refused() {
        let mut buffer = Entries::default();
        for text in ["", "{", "[1", "{\"a\"}", "{a:1}", "[1 2]", "{\"a\":}", "[,]", "1 2", "\"a", "\"a\\", "[1,]"] {
            assert!(of(text.as_bytes(), &mut buffer).is_err(), "{text}");
        }
        assert!(of("[".repeat(100_000).as_bytes(), &mut buffer).is_err());
        assert!(of(b"\xff", &mut buffer).is_err());
    }
}
