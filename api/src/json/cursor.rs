//! Goes through JSON, and looks only at what is asked for.

use std::borrow::Cow;

use memchr::memchr2;

/// A place in a text. The steps return `None` where it does not go on as JSON does. Scalars are not looked at closely.
pub struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(text: &'a str) -> Self {
        Self::at(text, 0)
    }

    /// So far into a text.
    pub fn at(text: &'a str, at: usize) -> Self {
        Self { text, at }
    }

    pub fn position(&self) -> usize {
        self.at
    }

    /// The next byte that is no space.
    pub fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.as_bytes().get(self.at)? {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                byte => return Some(*byte),
            }
        }
    }

    pub fn expect(&mut self, wanted: u8) -> Option<()> {
        let is_here = self.peek()? == wanted;
        self.at += 1;
        is_here.then_some(())
    }

    /// Goes into the list or object that begins here, and whether it is over at once.
    pub fn enter(&mut self, end: u8) -> Option<bool> {
        self.at += 1;
        let is_empty = self.peek()? == end;
        self.at += usize::from(is_empty);
        Some(is_empty)
    }

    /// Whether the end comes next, rather than a comma.
    pub fn is_over(&mut self, end: u8) -> Option<bool> {
        let next = self.peek()?;
        self.at += 1;
        (next == end || next == b',').then_some(next == end)
    }

    /// Goes through the object that begins here, with `field` for what stands behind each name.
    pub fn object(&mut self, mut field: impl FnMut(&mut Self, Cow<'a, str>) -> Option<()>) -> Option<()> {
        if self.peek()? != b'{' {
            return None;
        }
        let mut is_over = self.enter(b'}')?;
        while !is_over {
            let name = self.string()?;
            self.expect(b':')?;
            field(self, name)?;
            is_over = self.is_over(b'}')?;
        }
        Some(())
    }

    /// What stands between the quotes, as it is written.
    pub fn quoted(&mut self) -> Option<&'a str> {
        let text = self.text;
        let start = self.at + 1;
        let mut end = start;
        loop {
            end += memchr2(b'"', b'\\', text.as_bytes().get(end..)?)?;
            if text.as_bytes()[end] == b'"' {
                break;
            }
            // With what it escapes.
            end += 2;
        }
        self.at = end + 1;
        text.get(start..end)
    }

    /// What a text means, copied only where it is written with escapes.
    pub fn string(&mut self) -> Option<Cow<'a, str>> {
        if self.peek()? != b'"' {
            return None;
        }
        let start = self.at;
        let quoted = self.quoted()?;
        if quoted.contains('\\') {
            // Escapes that mean nothing are refused only where somebody wants the text.
            let meant = serde_json::from_str(self.text.get(start..self.at)?);
            return Some(meant.map_or(Cow::Borrowed(quoted), Cow::Owned));
        }
        Some(Cow::Borrowed(quoted))
    }

    /// A number or a word.
    pub fn scalar(&mut self) -> Option<&'a str> {
        let text = self.text;
        let rest = text.get(self.at..)?;
        let end = rest.bytes().position(|byte| !matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'+' | b'.' | b'E'));
        let scalar = &rest[..end.unwrap_or(rest.len())];
        self.at += scalar.len();
        (!scalar.is_empty()).then_some(scalar)
    }

    /// Goes behind the value that begins here.
    pub fn pass_over(&mut self) -> Option<()> {
        let mut open = 0_usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.quoted()?;
                }
                b'{' | b'[' => {
                    open += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    open = open.checked_sub(1)?;
                    self.at += 1;
                }
                b',' | b':' if open > 0 => {
                    self.at += 1;
                    continue;
                }
                _ => {
                    self.scalar()?;
                }
            }
            if open == 0 {
                return Some(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_passed_over_is_one_value() {
        for value in [r#"{"a":[1,"]}\"",{}],"b":null}"#, "[[],[1 , 2]]", r#""a\\""#, "-1.5E+3", "true", "{}"] {
            let text = format!(" {value} , \"next\"");
            let mut cursor = Cursor::new(&text);
            assert_eq!(cursor.pass_over(), Some(()), "{value}");
            assert_eq!(cursor.is_over(b'}'), Some(false), "{value}");
            assert_eq!(cursor.string().as_deref(), Some("next"), "{value}");
        }
        for cut in ["", "{", "[1", "\"a", "}", "]", ",", "{\"a\":ä}"] {
            assert_eq!(Cursor::new(cut).pass_over(), None, "{cut}");
        }
    }

    #[test]
    fn texts_are_read_with_what_their_escapes_mean() {
        assert_eq!(Cursor::new(r#""n\u0031""#).string().as_deref(), Some("n1"));
        assert_eq!(Cursor::new(r#""\q""#).string().as_deref(), Some(r"\q"));
        assert_eq!(Cursor::new("1").string(), None);
    }

    #[test]
    fn an_empty_list_is_over_at_once() {
        assert_eq!(Cursor::new("[ ]").enter(b']'), Some(true));
        assert_eq!(Cursor::new("[1]").enter(b']'), Some(false));
        assert_eq!(Cursor::new("[").enter(b']'), None);
    }
}
