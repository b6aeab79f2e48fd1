//! Lines of a log file, and what of them is shown.

use jiff::Timestamp;

/// What is shown of a log, in the order in which it is read.
#[derive(Debug)]
pub struct Filter {
    pub since: Option<Timestamp>,
    pub with_times: bool,
    pub stream: Option<&'static str>,
    /// How many bytes may still be shown.
    pub left: Option<u64>,
}

impl Filter {
    /// What of these whole lines is shown.
    pub fn apply(&mut self, raw: &[u8]) -> Vec<u8> {
        let mut text = Vec::with_capacity(raw.len());
        for line in raw.split_inclusive(|byte| *byte == b'\n') {
            let Some(line) = Line::parse(line) else { continue };
            if self.stream.is_some_and(|stream| stream.as_bytes() != line.stream) || self.is_too_old(&line) {
                continue;
            }
            if self.with_times {
                text.extend_from_slice(line.time);
                text.push(b' ');
            }
            text.extend_from_slice(line.text);
            if line.is_whole {
                text.push(b'\n');
            }
        }
        if let Some(left) = &mut self.left {
            text.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= text.len() as u64;
        }
        text
    }

    pub fn is_full(&self) -> bool {
        self.left == Some(0)
    }

    fn is_too_old(&self, line: &Line<'_>) -> bool {
        let Some(since) = self.since else { return false };
        let time = std::str::from_utf8(line.time).ok().and_then(|time| time.parse::<Timestamp>().ok());
        time.is_some_and(|time| time < since)
    }
}

struct Line<'a> {
    time: &'a [u8],
    stream: &'a [u8],
    is_whole: bool,
    text: &'a [u8],
}

impl<'a> Line<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\n")?;
        let mut parts = line.splitn(4, |byte| *byte == b' ');
        let (time, stream, tag) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { time, stream, is_whole: tag == b"F", text: parts.next()? })
    }
}
