//! Lists of indexes as Jobs write them: `1,3-5,7`.

/// The intervals, both ends included, in growing order.
pub fn parse(text: &str, completions: i32) -> Result<Vec<(i32, i32)>, String> {
    let mut list: Vec<(i32, i32)> = Vec::new();
    if text.is_empty() {
        return Ok(list);
    }
    for part in text.split(',') {
        let (first, last) = interval(part, completions)?;
        if let Some((_, previous)) = list.last().filter(|(_, previous)| *previous >= first) {
            return Err(format!("non-increasing order, previous: {previous}, current: {first}"));
        }
        list.push((first, last));
    }
    Ok(list)
}

fn interval(text: &str, completions: i32) -> Result<(i32, i32), String> {
    let index = |text: &str| -> Result<i32, String> {
        let number = text.parse().map_err(|_| format!("cannot convert string to integer for index: \"{text}\""))?;
        if number >= completions { Err(format!("too large index: \"{text}\"")) } else { Ok(number) }
    };
    let parts: Vec<&str> = text.split('-').collect();
    match parts[..] {
        [only] => index(only).map(|only| (only, only)),
        [first, last] => {
            let (first, last) = (index(first)?, index(last)?);
            if first >= last {
                return Err(format!("non-increasing order, previous: {first}, current: {last}"));
            }
            Ok((first, last))
        }
        _ => Err(format!(
            "the fragment \"{text}\" violates the requirement that an index interval can have at most two parts \
             separated by '-'"
        )),
    }
}

pub fn count(list: &[(i32, i32)]) -> i32 {
    list.iter().map(|(first, last)| last - first + 1).sum()
}

/// The first index that both have.
pub fn overlap(one: &[(i32, i32)], other: &[(i32, i32)]) -> Option<i32> {
    let common = |a: &(i32, i32)| {
        let meeting = other.iter().find(|b| a.0 <= b.1 && b.0 <= a.1);
        meeting.map(|b| a.0.max(b.0))
    };
    one.iter().find_map(common)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists_of_indexes_are_read_or_told_why_not() {
        assert_eq!(parse("", 3).unwrap(), []);
        let list = parse("0,2-4,9", 10).unwrap();
        assert_eq!((list.as_slice(), count(&list)), ([(0, 0), (2, 4), (9, 9)].as_slice(), 5));
        for (text, why) in [
            ("x", "cannot convert string to integer for index: \"x\""),
            ("10", "too large index: \"10\""),
            ("3-1", "non-increasing order, previous: 3, current: 1"),
            ("4,4", "non-increasing order, previous: 4, current: 4"),
            (
                "1-2-3",
                "the fragment \"1-2-3\" violates the requirement that an index interval can have at most two \
                       parts separated by '-'",
            ),
        ] {
            assert_eq!(parse(text, 10).unwrap_err(), why);
        }
    }

    proptest! {
        #[test]
        fn no_list_breaks_the_reading(text in "[0-9,-]{0,40}|.{0,20}", completions: i32) {
            if let Ok(list) = parse(&text, completions) {
                prop_assert!(count(&list) <= completions.max(0));
            }
        }
    }

    #[test]
    fn an_index_in_both_lists_is_found() {
        assert_eq!(overlap(&[(0, 1), (5, 9)], &[(2, 3), (7, 8)]), Some(7));
        assert_eq!(overlap(&[(0, 1)], &[(2, 3)]), None);
    }
}
