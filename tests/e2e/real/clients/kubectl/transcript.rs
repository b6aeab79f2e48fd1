//! Transcripts of sessions: commands with what must be seen after them.
//!
//! ```text
//! > map.yaml                         a file, before the first row for all of them
//! | kind: ConfigMap                  its lines
//! == maps are made [new]             a row, for today's kubectl only
//! $ kubectl create -f map.yaml       a command; `~` in place of `$`: until it is as said; `$old`, `$new`, `~old`, `~new`
//! ? 1                                its exit code, where that is not 0
//! configmap/* created                a line that is seen, after those above; `*` is anything, `\*` a star
//! ! *warning*                        no such line is seen
//! ```

use super::super::place;

/// Which kubectl it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    New,
    Old,
}

impl Age {
    /// Its name in the list of what waits.
    pub fn who(self) -> &'static str {
        match self {
            Self::New => "kubectl-new",
            Self::Old => "kubectl-old",
        }
    }
}

#[derive(Debug, Default, Clone)]
pub struct Row {
    pub name: String,
    only: Option<Age>,
    pub files: Vec<(String, String)>,
    pub steps: Vec<Step>,
}

#[derive(Debug, Clone)]
pub struct Step {
    only: Option<Age>,
    pub command: String,
    pub is_awaited: bool,
    pub code: i32,
    pub seen: Vec<String>,
    pub unseen: Vec<String>,
}

impl Row {
    pub fn is_for(&self, age: Age) -> bool {
        self.only.is_none_or(|only| only == age)
    }

    /// Made of the row's name.
    pub fn namespace(&self) -> String {
        let words = self.name.split(|sign: char| !sign.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let name = words.collect::<Vec<_>>().join("-").to_ascii_lowercase();
        name[..name.len().min(40)].trim_end_matches('-').to_owned()
    }
}

impl Step {
    pub fn is_for(&self, age: Age) -> bool {
        self.only.is_none_or(|only| only == age)
    }
}

/// The rows of all transcripts, file by file.
pub fn read_all() -> Vec<Row> {
    let folder = std::fs::read_dir(place::sources().join("kubectl")).expect("the transcripts are part of the sources");
    let mut paths: Vec<_> = folder.map(|entry| entry.expect("read a folder of the sources").path()).collect();
    paths.sort();
    let texts = paths.iter().map(|path| std::fs::read_to_string(path).expect("read a transcript"));
    texts.flat_map(|text| parse(&text)).collect()
}

fn parse(text: &str) -> Vec<Row> {
    let mut common = Row::default();
    let mut rows: Vec<Row> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(title) = line.strip_prefix("== ") {
            let (name, only) = match title.rsplit_once(" [") {
                Some((name, age)) => (name, Some(age_of(age.trim_end_matches(']')))),
                None => (title, None),
            };
            rows.push(Row { name: name.to_owned(), only, ..common.clone() });
        } else {
            rows.last_mut().unwrap_or(&mut common).read(line);
        }
    }
    rows
}

fn age_of(word: &str) -> Age {
    match word {
        "new" => Age::New,
        "old" => Age::Old,
        other => panic!("`{other}` is neither new nor old"),
    }
}

impl Row {
    fn read(&mut self, line: &str) {
        let (sign, rest) = line.split_once(' ').unwrap_or((line, ""));
        match sign {
            ">" => self.files.push((rest.to_owned(), String::new())),
            "|" => {
                let (_, content) = self.files.last_mut().expect("lines belong to a file");
                content.push_str(rest);
                content.push('\n');
            }
            "$" | "$new" | "$old" | "~" | "~new" | "~old" => self.steps.push(Step {
                only: Some(&sign[1..]).filter(|age| !age.is_empty()).map(age_of),
                command: rest.to_owned(),
                is_awaited: sign.starts_with('~'),
                code: 0,
                seen: Vec::new(),
                unseen: Vec::new(),
            }),
            "?" => self.last_step().code = rest.parse().expect("an exit code is a number"),
            "!" => self.last_step().unseen.push(rest.to_owned()),
            _ => self.last_step().seen.push(line.to_owned()),
        }
    }

    fn last_step(&mut self) -> &mut Step {
        self.steps.last_mut().unwrap_or_else(|| panic!("something is seen before the first command of {}", self.name))
    }
}

/// What is missing or too much in an output.
pub fn compare(step: &Step, output: &str, named: impl Fn(&str) -> String) -> Result<(), String> {
    let mut lines = output.lines();
    for pattern in &step.seen {
        let pattern = named(pattern);
        if !lines.any(|line| matches(pattern.as_bytes(), line.trim_end().as_bytes())) {
            return Err(format!("there is no line `{pattern}`, or not after those above it"));
        }
    }
    for pattern in &step.unseen {
        let pattern = named(pattern);
        let found = output.lines().find(|line| !line.is_empty() && matches(pattern.as_bytes(), line.as_bytes()));
        if let Some(line) = found {
            return Err(format!("there is a line `{line}`"));
        }
    }
    Ok(())
}

/// Whether a pattern is the whole of a text.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], text) => text.is_empty(),
        ([b'*', rest @ ..], text) => (0..=text.len()).any(|skipped| matches(rest, &text[skipped..])),
        ([b'\\', sign, rest @ ..], [first, text @ ..]) | ([sign, rest @ ..], [first, text @ ..]) => {
            sign == first && matches(rest, text)
        }
        (_, []) => false,
    }
}

#[test]
fn stars_are_anything_and_may_be_meant() {
    for (pattern, text, holds) in [
        ("a*c", "abc", true),
        ("a*c", "ac", true),
        ("*", "", true),
        ("a", "ab", false),
        ("\\* x*", "* xy", true),
        ("\\*", "a", false),
    ] {
        assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), holds, "{pattern} {text}");
    }
}

#[test]
fn a_transcript_is_read_as_it_says() {
    let rows =
        parse("> a.yaml\n| x: 1\n== maps are made [new]\n~old kubectl get\n? 1\nseen *\n! unseen\n== other\n$ a b");
    assert_eq!(rows.len(), 2);
    assert!(rows[0].is_for(Age::New) && !rows[0].is_for(Age::Old) && rows[1].is_for(Age::Old));
    assert_eq!(rows[1].files, [("a.yaml".to_owned(), "x: 1\n".to_owned())]);
    let step = &rows[0].steps[0];
    assert!(step.is_awaited && step.is_for(Age::Old) && !step.is_for(Age::New) && step.code == 1);
    assert_eq!(
        (step.seen.as_slice(), step.unseen.as_slice()),
        (&["seen *".to_owned()][..], &["unseen".to_owned()][..])
    );
    assert_eq!(rows[0].namespace(), "maps-are-made");
    let named = |text: &str| text.to_owned();
    assert!(compare(step, "first\nseen it\n", named).is_ok());
    assert!(compare(step, "seen it\nunseen\n", named).is_err() && compare(step, "", named).is_err());
}
