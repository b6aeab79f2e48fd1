//! The few types that are one thing in JSON and another in protobuf: times, quantities, ports.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;

use crate::protobuf::error::{Error, malformed};
use crate::protobuf::wire::{self, Reader, VARINT};
use crate::quantity::Quantity;

/// Go's zero time, which stands for none: the first of January of the year 1.
const NO_TIME: i64 = -62_135_596_800;

/// A moment, as protobuf has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    seconds: i64,
    nanos: i32,
}

impl Time {
    pub fn parse(text: &str) -> Result<Self, Error> {
        let moment: Timestamp = text.parse().map_err(|error| malformed(format!("{text:?} is no time: {error}")))?;
        let nanos = moment.as_nanosecond();
        let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).map_err(|_| malformed("the time is too far"))?;
        // JSON knows microseconds at most.
        let nanos = nanos.rem_euclid(1_000_000_000) / 1000 * 1000;
        Ok(Self { seconds, nanos: nanos as i32 })
    }

    /// Times without a fraction are that in protobuf too.
    pub fn in_seconds(self) -> Self {
        Self { nanos: 0, ..self }
    }

    /// Reads the message of a time. `None` for one that is not set.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, Error> {
        let (mut seconds, mut nanos) = (0_i64, 0_i32);
        let mut reader = Reader::new(bytes);
        while !reader.is_at_end() {
            match reader.tag()? {
                (1, VARINT) => seconds = reader.varint()? as i64,
                (2, VARINT) => nanos = reader.varint()? as i32,
                (_, wire_type) => reader.skip(wire_type)?,
            }
        }
        Ok((!bytes.is_empty() && seconds != NO_TIME).then_some(Self { seconds, nanos }))
    }

    /// In JSON, with or without a fraction.
    pub fn text(self, with_micros: bool) -> Result<String, Error> {
        const PRINTER: DateTimePrinter = DateTimePrinter::new();
        const WITH_MICROS: DateTimePrinter = DateTimePrinter::new().precision(Some(6));
        let nanos = if with_micros { self.nanos / 1000 * 1000 } else { 0 };
        let moment = Timestamp::new(self.seconds, nanos).ok().filter(|_| self.seconds > NO_TIME);
        let moment = moment.ok_or_else(|| malformed(format!("no time is {} seconds from 1970", self.seconds)))?;
        let printer = if with_micros { WITH_MICROS } else { PRINTER };
        Ok(printer.timestamp_to_string(&moment))
    }
}

/// The content of a time's message: nothing for the zero time.
pub fn write_time(time: Time, out: &mut Vec<u8>) {
    if time == (Time { seconds: NO_TIME, nanos: 0 }) {
        return;
    }
    wire::write_tag(1, VARINT, out);
    wire::write_varint(time.seconds as u64, out);
    wire::write_tag(2, VARINT, out);
    wire::write_varint(time.nanos as u64, out);
}

/// The content of a quantity's message. It is canonical; what is no quantity stays as it is, to be seen.
pub fn write_quantity(text: &str, out: &mut Vec<u8>) {
    match Quantity::parse(text) {
        Ok(quantity) => wire::write_bytes(1, quantity.to_string().as_bytes(), out),
        Err(_) => wire::write_bytes(1, text.as_bytes(), out),
    }
}

/// The content of an `IntOrString`: the number, or else the text.
pub fn write_int_or_string(number: Option<i32>, text: &str, out: &mut Vec<u8>) {
    wire::write_tag(1, VARINT, out);
    out.push(u8::from(number.is_none()));
    wire::write_tag(2, VARINT, out);
    wire::write_varint(i64::from(number.unwrap_or_default()) as u64, out);
    wire::write_bytes(3, text.as_bytes(), out);
}

/// JSON without the spaces between its values.
pub fn compact(json: &str) -> Cow<'_, str> {
    // What we keep is compact already, but for spaces in texts.
    if !json.bytes().any(|byte| byte.is_ascii_whitespace()) {
        return json.into();
    }
    let (mut in_text, mut escaped) = (false, false);
    let is_kept = |letter: &char| {
        if in_text {
            in_text = escaped || *letter != '"';
            escaped = *letter == '\\' && !escaped;
            return true;
        }
        in_text = *letter == '"';
        !letter.is_ascii_whitespace()
    };
    json.chars().filter(is_kept).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(time: Time) -> Vec<u8> {
        let mut out = Vec::new();
        write_time(time, &mut out);
        out
    }

    #[test]
    fn times_keep_microseconds_where_json_does() {
        let time = Time::parse("2024-02-29T12:00:00.123456789+01:00").unwrap();
        assert_eq!(time.text(true).unwrap(), "2024-02-29T11:00:00.123456Z");
        assert_eq!(time.text(false).unwrap(), "2024-02-29T11:00:00Z");
        assert_eq!(Time::read(&message(time)).unwrap(), Some(time));
        let whole = Time::parse("1969-12-31T23:59:59Z").unwrap();
        assert_eq!((whole.seconds, whole.text(true).unwrap().as_str()), (-1, "1969-12-31T23:59:59.000000Z"));
        assert_eq!(Time::parse("1969-12-31T23:59:59.5Z").unwrap(), Time { seconds: -1, nanos: 500_000_000 });
    }

    #[test]
    fn the_zero_time_is_none_and_impossible_times_are_refused() {
        assert!(message(Time::parse("0001-01-01T00:00:00Z").unwrap()).is_empty());
        assert_eq!(Time::read(b"").unwrap(), None);
        for seconds in [i64::MIN, i64::MAX, NO_TIME - 1, 300_000_000_000] {
            assert!(Time { seconds, nanos: 0 }.text(false).is_err(), "{seconds}");
        }
        for nanos in [i32::MIN, i32::MAX, -1] {
            assert!(Time { seconds: 0, nanos }.text(false).is_ok());
            Time { seconds: 0, nanos }.text(true).ok();
        }
        assert!(Time::parse("yesterday").is_err());
    }

    #[test]
    fn quantities_become_canonical() {
        for (text, canonical) in [("1000m", "1"), ("0.5", "500m"), ("1024Mi", "1Gi"), ("a lot", "a lot")] {
            let mut out = Vec::new();
            write_quantity(text, &mut out);
            assert_eq!(&out[2..], canonical.as_bytes());
        }
    }

    #[test]
    fn spaces_go_but_not_those_of_texts() {
        assert_eq!(compact("{ \"a b\\\" \" :\n [1,\t2] }"), "{\"a b\\\" \":[1,2]}");
    }
}
