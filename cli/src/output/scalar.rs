//! How a string must be written in YAML so that it reads back as the same string, by the rules of Go's YAML 1.1.

use std::borrow::Cow;

use serde_json::Number;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
}

pub fn style_of(text: &str) -> Style {
    let found = Analysis::of(text);
    if text.contains('\n') {
        return if found.may_be_literal() { Style::Literal } else { Style::DoubleQuoted };
    }
    if reads_as_something_else(text) {
        return Style::DoubleQuoted;
    }
    if found.may_be_plain() {
        Style::Plain
    } else if found.is_special {
        Style::DoubleQuoted
    } else {
        Style::SingleQuoted
    }
}

/// What a scalar's letters forbid.
#[derive(Default)]
struct Analysis {
    has_indicators: bool,
    /// Letters that only an escape can write.
    is_special: bool,
    has_space_at_edge: bool,
    has_trailing_space: bool,
    has_space_before_break: bool,
}

impl Analysis {
    fn of(text: &str) -> Self {
        let letters: Vec<char> = text.chars().collect();
        let mut found = Self {
            has_indicators: text.starts_with("---") || text.starts_with("..."),
            has_space_at_edge: text.starts_with(' ') || text.ends_with(' '),
            has_trailing_space: text.ends_with(' '),
            ..Self::default()
        };
        for (at, letter) in letters.iter().enumerate() {
            let is_blank_behind = letters.get(at + 1).is_none_or(|next| matches!(next, ' ' | '\t' | '\n'));
            let is_blank_before = at > 0 && matches!(letters[at - 1], ' ' | '\t' | '\n');
            found.has_indicators |= match letter {
                '#' if at > 0 => is_blank_before,
                '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => {
                    at == 0
                }
                '?' | '-' => at == 0 && is_blank_behind,
                ':' => is_blank_behind,
                _ => false,
            };
            found.is_special |= !is_printable(*letter);
            found.has_space_before_break |= *letter == '\n' && at > 0 && letters[at - 1] == ' ';
        }
        found
    }

    fn may_be_plain(&self) -> bool {
        !(self.has_indicators || self.is_special || self.has_space_at_edge)
    }

    fn may_be_literal(&self) -> bool {
        !(self.is_special || self.has_trailing_space || self.has_space_before_break)
    }
}

fn is_printable(letter: char) -> bool {
    match letter {
        '\n' | ' '..='~' => true,
        '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => false,
        other => ('\u{a0}'..='\u{fffd}').contains(&other),
    }
}

/// A letter inside double quotes.
pub fn escaped(letter: char) -> Cow<'static, str> {
    let short = match letter {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\0' => "\\0",
        '\u{7}' => "\\a",
        '\u{8}' => "\\b",
        '\t' => "\\t",
        '\n' => "\\n",
        '\u{b}' => "\\v",
        '\u{c}' => "\\f",
        '\r' => "\\r",
        '\u{1b}' => "\\e",
        '\u{85}' => "\\N",
        '\u{2028}' => "\\L",
        '\u{2029}' => "\\P",
        other if is_printable(other) => return Cow::Owned(other.to_string()),
        other => {
            let code = u32::from(other);
            return Cow::Owned(match code {
                0..=0xff => format!("\\x{code:02X}"),
                0x100..=0xffff => format!("\\u{code:04X}"),
                _ => format!("\\U{code:08X}"),
            });
        }
    };
    Cow::Borrowed(short)
}

/// Whether the bare text would be read as null, a boolean, a number or a time.
fn reads_as_something_else(text: &str) -> bool {
    const WORDS: [&str; 37] = [
        "", "~", "null", "Null", "NULL", "y", "Y", "yes", "Yes", "YES", "n", "N", "no", "No", "NO", "true", "True",
        "TRUE", "false", "False", "FALSE", "on", "On", "ON", "off", "Off", "OFF", ".nan", ".NaN", ".NAN", ".inf",
        ".Inf", ".INF", "+.inf", "-.inf", "+.Inf", "-.Inf",
    ];
    WORDS.contains(&text)
        || matches!(text, "+.INF" | "-.INF")
        || is_float(text)
        || (text.contains('_') && is_float(&text.replace('_', "")) && text.starts_with(is_numeric_start))
        || is_integer(text)
        || is_base_60(text)
        || is_time(text)
}

fn is_numeric_start(letter: char) -> bool {
    letter.is_ascii_digit() || matches!(letter, '+' | '-')
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, within what a float can hold.
fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_mantissa = match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && are_digits(fraction),
        Some((whole, fraction)) => are_digits(whole) && are_digits(fraction),
        None => !mantissa.is_empty() && are_digits(mantissa),
    };
    let is_exponent = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && are_digits(digits)
    });
    is_mantissa && is_exponent && unsigned.parse::<f64>().is_ok_and(f64::is_finite)
}

/// With a prefix that names its base: `0x1f`, `0o17`, `0b11`.
fn is_integer(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text).replace('_', "");
    let (base, digits) = match unsigned.get(..2) {
        Some("0x" | "0X") => (16, &unsigned[2..]),
        Some("0o" | "0O") => (8, &unsigned[2..]),
        Some("0b" | "0B") => (2, &unsigned[2..]),
        _ => return false,
    };
    !digits.starts_with(['+', '-']) && u64::from_str_radix(digits, base).is_ok()
}

/// `1:30`, a number to base 60 to readers of old.
fn is_base_60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut parts = unsigned.split(':');
    let first = parts.next().unwrap_or_default();
    if !first.starts_with(|letter: char| letter.is_ascii_digit())
        || !first.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_')
    {
        return false;
    }
    let mut rest: Vec<&str> = parts.collect();
    if let Some((whole, fraction)) = rest.last().and_then(|last| last.split_once('.')) {
        if !fraction.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_') {
            return false;
        }
        rest.pop();
        rest.push(whole);
    }
    let is_sixtieth = |part: &&str| match part.as_bytes() {
        [one] => one.is_ascii_digit(),
        [ten, one] => (b'0'..=b'5').contains(ten) && one.is_ascii_digit(),
        _ => false,
    };
    !rest.is_empty() && rest.iter().all(is_sixtieth)
}

/// `2026-01-31`, alone or with a time of day behind it.
fn is_time(text: &str) -> bool {
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], Some((&text[at..=at], &text[at + 1..]))),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let (Some(year), Some(month), Some(day), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let (Some(year), Some(month), Some(day)) = (digits(year, 4, 4), digits(month, 1, 2), digits(day, 1, 2)) else {
        return false;
    };
    let is_date = jiff::civil::Date::new(year as i16, month as i8, day as i8).is_ok();
    is_date
        && match time {
            None => true,
            Some((" ", time)) => is_time_of_day(time),
            Some((_, time)) => without_zone(time).is_some_and(is_time_of_day),
        }
}

fn without_zone(time: &str) -> Option<&str> {
    if let Some(bare) = time.strip_suffix('Z') {
        return Some(bare);
    }
    let at = time.find(['+', '-'])?;
    let (hours, minutes) = time[at + 1..].split_once(':')?;
    (digits(hours, 2, 2)? <= 24 && digits(minutes, 2, 2)? < 60).then_some(&time[..at])
}

fn is_time_of_day(time: &str) -> bool {
    let (whole, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let parts: Vec<&str> = whole.split(':').collect();
    let [hour, minute, second] = parts.as_slice() else { return false };
    let within = |part: &str, limit| digits(part, 1, 2).is_some_and(|number| number < limit);
    within(hour, 24) && within(minute, 60) && within(second, 60) && digits(fraction, 1, 9).is_some()
}

fn digits(text: &str, least: usize, most: usize) -> Option<u32> {
    let fits = (least..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}

/// A number as Go's YAML writes it: whole ones without a fraction, others in the shortest form, from a million on with an exponent.
pub fn number_text(number: &Number) -> String {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else { return number.to_string() };
    let scientific = format!("{float:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let is_whole = float.fract() == 0.0 && exponent < 19;
    if is_whole || (-4..6).contains(&exponent) {
        return float.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_read_as_something_else_is_quoted() {
        for text in [
            "",
            "true",
            "on",
            "y",
            "1",
            "1.5",
            ".5",
            "1e3",
            "0x1f",
            "1_000",
            "0644",
            "1:30",
            "2026-01-01",
            "~",
            "-.inf",
            "2026-01-01T00:00:00Z",
            "2026-1-1 1:2:3.5",
            "2026-01-01T00:00:00+01:00",
        ] {
            assert_eq!(style_of(text), Style::DoubleQuoted, "{text}");
        }
        for text in
            ["1.2.3", "v1", "10.0.0.1:80", "8080:80", "2026-13-01", "1e400", "<<", "=", "a:b", "a#b", "-a", "x_1", "_1"]
        {
            assert_eq!(style_of(text), Style::Plain, "{text}");
        }
        for text in ["- a", "a: b", "a #b", "*a", " a", "a ", "a:", "? a", "#a", "---", "@a"] {
            assert_eq!(style_of(text), Style::SingleQuoted, "{text}");
        }
    }
}
