//! What has changed between two values, line by line, for refusals that speak of a whole spec.

use serde::Serialize;

use crate::kinds::rules::shown;

/// How many lines stand around a change.
const CONTEXT: usize = 3;

/// The difference in the unified form, without a head.
pub fn between(old: &impl Serialize, new: &impl Serialize) -> String {
    let (old, new) = (lines(old), lines(new));
    let steps = steps(&old, &new);
    let mut out = String::new();
    let mut at = 0;
    while let Some(first) = steps[at..].iter().position(Step::is_change).map(|place| at + place) {
        let begin = first.saturating_sub(CONTEXT).max(at);
        let mut end = first;
        // Changes whose surroundings touch are shown together.
        while let Some(next) = steps[end..].iter().position(Step::is_change).filter(|gap| *gap <= 2 * CONTEXT) {
            end += next + 1;
        }
        let end = (end + CONTEXT).min(steps.len());
        write_hunk(&steps, begin, end, &mut out);
        at = end;
    }
    out
}

enum Step<'a> {
    Same(&'a str),
    Old(&'a str),
    New(&'a str),
}

impl Step<'_> {
    fn is_change(&self) -> bool {
        !matches!(self, Step::Same(_))
    }

    fn counts(&self) -> (usize, usize) {
        match self {
            Step::Same(_) => (1, 1),
            Step::Old(_) => (1, 0),
            Step::New(_) => (0, 1),
        }
    }
}

/// The value as JSON with an indent of one, a line for each field.
fn lines(value: &impl Serialize) -> Vec<String> {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
    let mut writer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    // What cannot be written has no lines, and so no difference to tell of.
    let _ = shown(value).serialize(&mut writer);
    String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect()
}

/// The longest common subsequence of what lies between the common head and the common tail.
fn steps<'a>(old: &'a [String], new: &'a [String]) -> Vec<Step<'a>> {
    let head = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let (rest_old, rest_new) = (&old[head..], &new[head..]);
    let tail = rest_old.iter().rev().zip(rest_new.iter().rev()).take_while(|(old, new)| old == new).count();
    let (mid_old, mid_new) = (&rest_old[..rest_old.len() - tail], &rest_new[..rest_new.len() - tail]);
    let mut steps: Vec<Step<'a>> = old[..head].iter().map(|line| Step::Same(line)).collect();
    match_lines(mid_old, mid_new, &mut steps);
    steps.extend(rest_old[rest_old.len() - tail..].iter().map(|line| Step::Same(line)));
    steps
}

fn match_lines<'a>(old: &'a [String], new: &'a [String], steps: &mut Vec<Step<'a>>) {
    /// Beyond this many pairs of lines, everything is told as changed.
    const MOST_PAIRS: usize = 1 << 20;
    let width = new.len() + 1;
    let mut longest = vec![0_u32; if old.len() * new.len() <= MOST_PAIRS { (old.len() + 1) * width } else { 0 }];
    if !longest.is_empty() {
        for row in (0..old.len()).rev() {
            for column in (0..new.len()).rev() {
                longest[row * width + column] = if old[row] == new[column] {
                    longest[(row + 1) * width + column + 1] + 1
                } else {
                    longest[(row + 1) * width + column].max(longest[row * width + column + 1])
                };
            }
        }
    }
    let length = |row: usize, column: usize| longest.get(row * width + column).copied().unwrap_or_default();
    let (mut row, mut column) = (0, 0);
    while row < old.len() || column < new.len() {
        if row < old.len() && column < new.len() && !longest.is_empty() && old[row] == new[column] {
            steps.push(Step::Same(&old[row]));
            (row, column) = (row + 1, column + 1);
        } else if row < old.len() && (column == new.len() || length(row + 1, column) >= length(row, column + 1)) {
            steps.push(Step::Old(&old[row]));
            row += 1;
        } else {
            steps.push(Step::New(&new[column]));
            column += 1;
        }
    }
}

fn write_hunk(steps: &[Step<'_>], begin: usize, end: usize, out: &mut String) {
    let count = |range: &[Step<'_>]| {
        range.iter().map(Step::counts).fold((0, 0), |(old, new), (more_old, more_new)| (old + more_old, new + more_new))
    };
    let (before_old, before_new) = count(&steps[..begin]);
    let (old, new) = count(&steps[begin..end]);
    out.push_str(&format!("@@ -{} +{} @@\n", range(before_old, old), range(before_new, new)));
    for step in &steps[begin..end] {
        let (sign, line) = match step {
            Step::Same(line) => (' ', line),
            Step::Old(line) => ('-', line),
            Step::New(line) => ('+', line),
        };
        out.push(sign);
        out.push_str(line);
        out.push('\n');
    }
}

/// The first line and the number of lines; the number is left out if it is one.
fn range(before: usize, count: usize) -> String {
    match count {
        1 => (before + 1).to_string(),
        0 => format!("{before},0"),
        _ => format!("{},{count}", before + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn changes_stand_between_their_neighbours() {
        let old =
            json!({"a": 1, "b": 2, "c": {"d": 1}, "e": 1, "f": 1, "g": 1, "h": 1, "i": 1, "j": 1, "k": 1, "l": 1});
        let mut new = old.clone();
        new["b"] = json!(3);
        new["l"] = json!([1]);
        assert_eq!(
            between(&old, &new),
            "@@ -1,6 +1,6 @@\n {\n  \"a\": 1,\n- \"b\": 2,\n+ \"b\": 3,\n  \"c\": {\n   \"d\": 1\n  },\n\
             @@ -11,5 +11,7 @@\n  \"i\": 1,\n  \"j\": 1,\n  \"k\": 1,\n- \"l\": 1\n+ \"l\": [\n+  1\n+ ]\n }\n"
        );
        assert_eq!(between(&old, &old), "");
    }

    #[test]
    fn what_is_added_and_what_is_gone_is_told() {
        let (short, long) = (json!([1, 3]), json!([1, 2, 3]));
        assert_eq!(between(&short, &long), "@@ -1,4 +1,5 @@\n [\n  1,\n+ 2,\n  3\n ]\n");
        assert_eq!(between(&long, &short), "@@ -1,5 +1,4 @@\n [\n  1,\n- 2,\n  3\n ]\n");
        assert_eq!(between(&json!(1), &json!(2)), "@@ -1 +1 @@\n-1\n+2\n");
    }
}
