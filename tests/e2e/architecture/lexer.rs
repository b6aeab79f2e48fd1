//! Rust source as a row of tokens: just enough to tell names from texts, comments and characters.

/// What matters of a piece of source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token<'a> {
    Word(&'a str),
    /// `::`
    Colons,
    /// A bracket or a mark, alone.
    Mark(char),
}

/// Splits source into tokens, without comments, texts, characters and lifetimes.
pub fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if first.is_whitespace() {
            first.len_utf8()
        } else if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = string(rest) {
            length
        } else if first == '\'' {
            character_or_lifetime(rest)
        } else if is_word(first) {
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            found.push(Token::Word(&rest[..length]));
            length
        } else if rest.starts_with("::") {
            found.push(Token::Colons);
            2
        } else {
            found.push(Token::Mark(first));
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    found
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of a comment that may hold others.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of a text literal that starts here: plain, of bytes or C, raw or not.
fn string(text: &str) -> Option<usize> {
    let prefix = text.find(|c| !matches!(c, 'b' | 'c' | 'r')).filter(|length| *length <= 2)?;
    let after = &text[prefix..];
    if text[..prefix].ends_with('r') {
        let hashes = after.find(|c| c != '#')?;
        let body = after[hashes..].strip_prefix('"')?;
        let end = format!("\"{}", "#".repeat(hashes));
        let length = body.find(&end).map_or(body.len(), |at| at + end.len());
        return Some(prefix + hashes + 1 + length);
    }
    let body = after.strip_prefix('"')?;
    Some(prefix + 1 + quoted(body, '"'))
}

/// The length up to and with the closing mark, minding backslashes.
fn quoted(body: &str, close: char) -> usize {
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == close => return at + c.len_utf8(),
            _ => {}
        }
    }
    body.len()
}

fn character_or_lifetime(text: &str) -> usize {
    let body = &text[1..];
    let mut letters = body.chars();
    let first = letters.next();
    if first == Some('\\') || letters.next() == Some('\'') {
        return 1 + quoted(body, '\'');
    }
    1 + body.find(|c| !is_word(c)).unwrap_or(body.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        tokens(text)
            .into_iter()
            .filter_map(|token| if let Token::Word(word) = token { Some(word) } else { None })
            .collect()
    }

    #[test]
    fn comments_and_texts_are_no_names() {
        let source = r##"
            one // crate::no "
            /* crate::no /* nested */ ' */ two
            "crate::no \" still" three b"no" r#"no " no"# four br"no" c"no" five
        "##;
        assert_eq!(words(source), ["one", "two", "three", "four", "five"]);
    }

    #[test]
    fn characters_and_lifetimes_are_told_apart() {
        assert_eq!(words(r"fn a<'b>(c: &'b str) { '\'' ; 'x' ; '\u{7f}' ; '{' }"), ["fn", "a", "c", "str"]);
        assert_eq!(words("b'x' next 'label: loop"), ["b", "next", "loop"]);
    }

    #[test]
    fn a_name_that_begins_like_a_text_is_a_name() {
        assert_eq!(words("request bcr brr crate r#type"), ["request", "bcr", "brr", "crate", "r", "type"]);
    }

    #[test]
    fn a_text_without_an_end_ends_with_the_source() {
        assert_eq!(words("one \"two three"), ["one"]);
        assert_eq!(words("one r#\"two\" three"), ["one"]);
        assert_eq!(words("one /* two"), ["one"]);
    }
}
