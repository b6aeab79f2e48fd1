//! Pages behind a proxy: their links lead back to it.
//!
//! As upstream's `apimachinery/pkg/util/proxy/transport.go`: paths on the same host get the proxy's path before them.

/// Attributes that hold an address, by tag.
const LINKS: [(&str, &[&str]); 28] = [
    ("a", &["href"]),
    ("applet", &["codebase"]),
    ("area", &["href"]),
    ("audio", &["src"]),
    ("base", &["href"]),
    ("blockquote", &["cite"]),
    ("body", &["background"]),
    ("button", &["formaction"]),
    ("command", &["icon"]),
    ("del", &["cite"]),
    ("embed", &["src"]),
    ("form", &["action"]),
    ("frame", &["longdesc", "src"]),
    ("head", &["profile"]),
    ("html", &["manifest"]),
    ("iframe", &["longdesc", "src"]),
    ("img", &["longdesc", "src", "usemap"]),
    ("input", &["formaction", "src", "usemap"]),
    ("ins", &["cite"]),
    ("link", &["href"]),
    ("object", &["classid", "codebase", "data", "usemap"]),
    ("q", &["cite"]),
    ("script", &["src"]),
    ("source", &["src"]),
    ("track", &["src"]),
    ("video", &["poster", "src"]),
    ("menuitem", &["icon"]),
    ("image", &["href"]),
];

/// An address that a page names, as it is reached through the proxy at `prefix`. `host` is the page's own.
pub fn through(prefix: &str, host: &str, address: &str) -> String {
    let path = match address.split_once("://") {
        Some((_, rest)) => match rest.strip_prefix(host) {
            Some(path) if !host.is_empty() && (path.is_empty() || path.starts_with('/')) => path,
            _ => return address.to_owned(),
        },
        None => address,
    };
    let is_rooted = path.starts_with('/') && !path.starts_with("//");
    if !is_rooted || path.starts_with(prefix) {
        return address.to_owned();
    }
    format!("{prefix}{path}")
}

/// A page with its links led through the proxy. What is no tag is left as it is.
pub fn rewritten(page: &str, prefix: &str, host: &str) -> String {
    let mut written = String::with_capacity(page.len() + page.len() / 8);
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        written.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = if rest.starts_with("<!--") { rest.find("-->").map(|end| end + 3) } else { end_of_tag(rest) };
        let (tag, behind) = rest.split_at(end.unwrap_or(rest.len()));
        match links_of(tag) {
            Some(links) if end.is_some() => push_tag(&mut written, tag, links, prefix, host),
            _ => written.push_str(tag),
        }
        rest = behind;
    }
    written.push_str(rest);
    written
}

/// Behind the `>` that ends the tag, which is not one inside of quotes.
fn end_of_tag(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'>') => return Some(at + 1),
            (Some(open), byte) if byte == open => quote = None,
            _ => {}
        }
    }
    None
}

fn links_of(tag: &str) -> Option<&'static [&'static str]> {
    let name = tag[1..].split(|letter: char| !letter.is_ascii_alphanumeric()).next()?;
    LINKS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, links)| *links)
}

fn push_tag(written: &mut String, tag: &str, links: &[&str], prefix: &str, host: &str) {
    let mut rest = tag;
    while let Some(equals) = rest.find('=') {
        let name = rest[..equals].trim_end().rsplit(|letter: char| letter.is_whitespace() || letter == '/').next();
        let is_link = name.is_some_and(|name| links.iter().any(|link| link.eq_ignore_ascii_case(name)));
        let behind = &rest[equals + 1..];
        let space = behind.len() - behind.trim_start().len();
        let (value, quote) = match behind.trim_start().chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let inside = &behind[space + 1..];
                (&inside[..inside.find(quote).unwrap_or(inside.len())], 1)
            }
            _ => {
                let inside = &behind[space..];
                let end = inside.find(|letter: char| letter.is_whitespace() || letter == '>');
                (&inside[..end.unwrap_or(inside.len())], 0)
            }
        };
        let start = equals + 1 + space + quote;
        written.push_str(&rest[..start]);
        if is_link {
            written.push_str(&through(prefix, host, value));
        } else {
            written.push_str(value);
        }
        rest = &rest[start + value.len()..];
    }
    written.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIX: &str = "/api/v1/namespaces/d/pods/p/proxy";

    #[test]
    fn links_lead_through_the_proxy() {
        for (page, expected) in [
            (r#"<a href="/x">y</a>"#, r#"<a href="/api/v1/namespaces/d/pods/p/proxy/x">y</a>"#),
            ("<IMG alt='a>b' SRC = '/i.png'/>", "<IMG alt='a>b' SRC = '/api/v1/namespaces/d/pods/p/proxy/i.png'/>"),
            ("<a href=/x>y", "<a href=/api/v1/namespaces/d/pods/p/proxy/x>y"),
            (r#"<a href="http://host/x">"#, r#"<a href="/api/v1/namespaces/d/pods/p/proxy/x">"#),
            (
                r#"<a href="https://other/x"><a href="x"><a href="//cdn/x"><p href="/x">"#,
                r#"<a href="https://other/x"><a href="x"><a href="//cdn/x"><p href="/x">"#,
            ),
            (r#"<!-- <a href="/x"> --> a < b = "/x" ä"#, r#"<!-- <a href="/x"> --> a < b = "/x" ä"#),
        ] {
            assert_eq!(rewritten(page, PREFIX, "host"), expected);
        }
        let twice = rewritten(r#"<a href="/x">"#, PREFIX, "");
        assert_eq!(rewritten(&twice, PREFIX, ""), twice);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_page(page in "(<|>|a|img|src|href|=|\"|'|/|!--|-->|ä| ){0,40}") {
            let _ = rewritten(&page, PREFIX, "host");
        }
    }
}
